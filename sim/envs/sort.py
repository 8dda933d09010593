"""``cell/BeltSort-v0``: which part to which bin, under the detector's doubt."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from perception.errors import InputError
from sim.belt.world import QUANTILES, BeltSetup
from sim.envs.base import BIN, PART, BeltEnv, BeltVectorEnv, Game, make_setup

REJECT: Final = 0
RECHECK: Final = 1
RECHECK_BIN_M: Final = (0.25, 0.45)
OWN: Final = {
    "auroc": 0.97,
    "missed_defect_cost": 5.0,
    "false_reject_cost": 1.0,
    "recheck_cost": 0.3,
}


class SortGame(Game):
    """Truth pays, the score is all that is seen of it."""

    components = (PART, BIN)

    @staticmethod
    def setup(**keywords: Any) -> BeltSetup:
        own = {name: _number(name, keywords.pop(name, value)) for name, value in OWN.items()}
        share = _number("defective_share", keywords.get("defective_share", 0.2))
        if not 0.0 < share < 1.0:
            raise InputError(f"must be a fraction between 0 and 1, not {share!r}", key="defective_share")
        recheck = own["recheck_cost"]
        good = (0.0, 0.0, -own["false_reject_cost"], -recheck)
        defective = (-own["missed_defect_cost"], 0.0, 1.0, 1.0 - recheck)
        scores = None if "scores" in keywords else modelled_scores(own["auroc"], share)
        return make_setup(
            keywords, bins_m=(RECHECK_BIN_M,), pay=(good, defective), defective_share=share, scores=scores
        )


def modelled_scores(auroc: float, defective_share: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Calibrated scores, P(defective), of good and of defective parts: two normal distributions that far apart.

    Raises:
        InputError: an AUROC outside 0.5 to 0.9999.
    """
    if not 0.5 <= auroc <= 0.9999:
        raise InputError(f"must be from 0.5 to 0.9999, not {auroc!r}", key="auroc")
    apart = math.sqrt(2.0) * NormalDist().inv_cdf(auroc)
    z = np.array([NormalDist().inv_cdf((k + 0.5) / QUANTILES) for k in range(QUANTILES)])
    prior = math.log(defective_share / (1.0 - defective_share))

    def score(seen: Any) -> tuple[float, ...]:
        return tuple((1.0 / (1.0 + np.exp(-(apart * seen - 0.5 * apart**2 + prior)))).tolist())

    return score(z), score(z + apart)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"must be a finite number, not {value!r}", key=name)
    return float(value)


class BeltSortEnv(BeltEnv):
    """Which part the arm takes off the belt, and into which bin, when the detector may be wrong.

    Parts ride past; what is left on the belt goes into the good stream. Steps, waits, ``info`` and truncation are as in
    ``cell/BeltPick-v0``.

    Action, MultiDiscrete([slots + 1, 2]): the slot (``slots`` waits), and the bin: 0 reject, 1 recheck (a person looks
    again: a cost, but no error). ``info["action_mask"]`` is (2, slots + 1), the second row padded with False;
    ``action_masks()`` is flat, slots + 1 + 2. The arm goes on from the bin where it has been.

    Observation, Box (1 + slots, 5): as in ``cell/BeltPick-v0``, and in column 4 of a part the detector's score, the
    probability that it is defective (0 to 1).

    Reward: +1 for a defective part rejected, -``false_reject_cost`` (1) for a good one; in the recheck bin +1 or 0,
    less ``recheck_cost`` (0.3); -``missed_defect_cost`` (5) for a defective part that leaves on the belt; 0 else.

    Keywords: those, ``defective_share`` (0.2), ``auroc`` of a modelled, calibrated detector (0.97), or ``scores``: two
    lists of measured scores, of good and of defective parts, which are resampled; and those of ``cell/BeltPick-v0``.
    """

    game = SortGame


class BeltSortVectorEnv(BeltVectorEnv):
    """``BeltSortEnv`` n times in one call."""

    game = SortGame
