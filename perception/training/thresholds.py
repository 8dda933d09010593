"""From scores on pictures kept aside to the thresholds of a card: one for each overkill of 1..20 %."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from perception.cards import OVERKILLS

METHOD = (
    "threshold for q: overkill at most q on the calibration images, then least escape, then least overkill, "
    "placed in the middle of the gap between scores"
)

Floats = npt.NDArray[np.float64]


def thresholds(defective: Floats, good: Floats) -> dict[str, float]:
    """The thresholds by overkill ("0.01".."0.20"); a part is rejected when its score is at or above.

    At most the share q of the good scores lies at or above the threshold for q. Of the thresholds that allow, those
    that let the fewest defective parts pass are taken, of these those that reject the fewest good ones, and of the gap
    that is left its middle.

    Args:
        defective, good: scores 0..1; neither empty.
    """
    return {overkill: _threshold(defective, good, float(overkill)) for overkill in OVERKILLS}


def _threshold(defective: Floats, good: Floats, overkill: float) -> float:
    ranked = np.sort(good)[::-1]
    allowed = math.floor(overkill * len(ranked) + 1e-9)
    # The best good score that has to pass: the threshold lies above it.
    passing = float(ranked[allowed])
    caught = defective[defective > passing]
    ceiling = float(caught.min()) if len(caught) else max(1.0, passing + 1e-3)
    below = np.concatenate([good, defective])
    floor = float(below[below < ceiling].max(initial=passing))
    middle = (floor + ceiling) / 2.0
    return middle if middle > floor else ceiling
