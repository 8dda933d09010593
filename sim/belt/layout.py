"""How the state of n belts lies in memory: a few arrays that both backends share, and the names of their columns.

A part is known by the belt travel at which it passed the camera, so that a moving belt costs nothing: at belt travel
``t`` it is at ``(seen_m + t) - BORN``. Parts lie in their order, the most downstream first, from column ``HEAD`` of a
block on: what is taken out near the front moves only those before it.

numba keeps compiled code by the date of ``kernel.py``: touch that file after a change of a number here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Wholes = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

CAPACITY: Final = 64
"""Parts that are kept on a belt; one that comes while so many are there is never offered, and counts as left."""
SPAN: Final = 2 * CAPACITY
"""Width of a block; when its end is reached, the parts are moved to its beginning."""

# rows.real
TIME_S: Final = 0
TRAVEL_M: Final = 1
NEXT_M: Final = 2  # belt travel at which the waiting part comes
FEED_S: Final = 3  # the feeder's clock: belt travel over the nominal speed
PHASE_S: Final = 4  # bursty: end of the phase; batch: start of the batch; on the feeder's clock
BORN: Final = 8
ACROSS: Final = BORN + SPAN  # in cells of the tables
SCORE: Final = ACROSS + SPAN
REAL_WIDTH: Final = SCORE + SPAN

# rows.whole
EPISODE: Final = 0
NEXT_NUMBER: Final = 1
COUNT: Final = 2
BIN: Final = 3
SPEED: Final = 4
PHASE: Final = 5  # bursty: 1 in a burst; batch: parts of the batch that are still to come
DONE: Final = 6
STEPS: Final = 7
PICKED: Final = 8
DROPPED: Final = 9
LEFT: Final = 10
LEFT_DEFECTIVE: Final = 11
FALSE_REJECTS: Final = 12
RECHECKED: Final = 13
ILLEGAL: Final = 14
HEAD: Final = 15
TAG: Final = 16  # 2 x the part's number in its episode + 1 if it is defective
WHOLE_WIDTH: Final = TAG + SPAN

# rows.keys
SEED: Final = 0
KEY: Final = 1
DRAWS: Final = 2

# rows.fates: what became of part number k, 0 while it is on its way. A part in bin b has FATE_BIN + b.
FATE_LEFT: Final = 1
FATE_DROPPED: Final = 2
FATE_BIN: Final = 3

# world.constants
SEEN_M: Final = 0
FIRST_M: Final = 1
LAST_M: Final = 2
DWELL_S: Final = 3
WAIT_S: Final = 4
DURATION_S: Final = 5
RATE: Final = 6
NOMINAL_MPS: Final = 7
SLIP: Final = 8
ACCEL_MPS2: Final = 9
DEFECTIVE_SHARE: Final = 10
BURST_FACTOR: Final = 11
CALM_FACTOR: Final = 12
BURST_MEAN_S: Final = 13
CALM_MEAN_S: Final = 14
BURST_SHARE: Final = 15
BATCH_MEAN: Final = 16
BATCH_SPREAD_S: Final = 17
RUN_M: Final = 18  # from the camera to the end of the window
MEAN_GAP_S: Final = 19
CONSTANTS: Final = 20

# world.sizes
SLOTS: Final = 0
BINS: Final = 1
SPEEDS: Final = 2
FIRST_SPEED: Final = 3
ARRIVALS: Final = 4
COLUMNS: Final = 5
JUDGED: Final = 6  # 1 where parts have a truth and a score
CYCLES: Final = 7  # 1 where the observation has a column with the cycle
SIZES: Final = 8

POISSON: Final = 0
BURSTY: Final = 1
BATCH: Final = 2
LONGEST_BATCH: Final = 32

# Cells of the tables: along the window, across the belt.
ALONG_CELLS: Final = 64
ACROSS_CELLS: Final = 32

CYCLE_SCALE: Final = 0.2
"""The cycle in the observation is in units of 5 s."""

# When an episode that has ended begins anew, as in gymnasium.vector.AutoresetMode.
NEXT_STEP: Final = 0
SAME_STEP: Final = 1
DISABLED: Final = 2


class World(NamedTuple):
    """What is the same for all belts of an engine. Tables are read by linear interpolation.

    Attributes:
        constants, sizes: by the names above.
        speeds: m/s.
        first, last: (speed, bin, across) where along the belt a part has to be, when the arm leaves that bin, to be met
            at the window's first and last edge.
        meet: (speed, bin, along, across) seconds of travel from the bin to the part; ``along`` runs from ``first`` to
            ``last``.
        back: (bin, along, across) seconds of travel to the bin from a place in the window.
        pay: (good or defective, fate) reward; fates are left, dropped, bin 0, bin 1, ...
        scores: (good or defective, quantile) of the detector.
        mask: what the action mask holds besides the parts.
    """

    constants: Floats
    sizes: Wholes
    speeds: Floats
    first: Floats
    last: Floats
    meet: Floats
    back: Floats
    pay: Floats
    scores: Floats
    mask: Flags


class Rows(NamedTuple):
    """The state of n belts, a row each."""

    real: Floats
    whole: Wholes
    keys: Words
    fates: Bytes


class Out(NamedTuple):
    """What a step says of n belts, a row each; observations are (n, 1 + slots, columns), masks (n, all actions)."""

    observation: Singles
    mask: Flags
    reward: Floats
    dt: Floats
    truncated: Flags
    illegal: Flags
    final_observation: Singles
    final_mask: Flags
    final_dt: Floats
    final_illegal: Flags
