"""``cell/BeltSpeed-v0``: which part next, and how fast the belt runs."""

from __future__ import annotations

from typing import Any, Final

from sim.belt.world import BeltSetup
from sim.envs.base import PART, SPEED, BeltEnv, BeltVectorEnv, Game, make_setup

SPEEDS_MPS: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


class SpeedGame(Game):
    """A part that leaves unpicked costs what a pick pays."""

    components = (PART, SPEED)

    @staticmethod
    def setup(**keywords: Any) -> BeltSetup:
        return make_setup(keywords, speeds_mps=SPEEDS_MPS, pay=((-1.0, -1.0, 1.0), (-1.0, -1.0, 1.0)))


class BeltSpeedEnv(BeltEnv):
    """Which part the arm picks next, and at which speed the belt runs: a faster belt brings more parts and leaves less
    time for each. Steps, waits, ``info`` and truncation are as in ``cell/BeltPick-v0``.

    Action, MultiDiscrete([slots + 1, speeds]): the slot (``slots`` waits), and the speed's number in ``speeds_mps``
    (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5 m/s). A change of speed comes first: the belt ramps at ``accel_mps2`` (0.5)
    while the arm waits, then the pick begins. ``info["action_mask"]`` is (2, the larger number), padded with False; all
    speeds are allowed, and the row of parts holds for the speed that is kept: after a change a part may turn out to be
    out of reach, which is an illegal action. ``action_masks()`` is flat, slots + 1 + speeds.

    Observation, Box (1 + slots, 4): as in ``cell/BeltPick-v0``; how far a part may ride is told for the speed of now.

    Reward: +1 for a part in the bin, -1 for a part that leaves on the belt or is dropped (``pay``).

    Keywords: those of ``cell/BeltPick-v0``; ``load`` holds at the speed at which the belt starts (0.2 m/s), which has
    to be one of ``speeds_mps``.
    """

    game = SpeedGame


class BeltSpeedVectorEnv(BeltVectorEnv):
    """``BeltSpeedEnv`` n times in one call."""

    game = SpeedGame
