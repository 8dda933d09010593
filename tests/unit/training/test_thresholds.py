"""Thresholds from scores kept aside: never more overkill than asked for, then least escape, then least overkill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.cards import OVERKILLS
from perception.training.thresholds import thresholds

SCORES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0.0, 1.0, width=32))


def test_every_threshold_is_the_gaps_middle_when_the_scores_are_apart():
    found = thresholds(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    assert found == dict.fromkeys(OVERKILLS, pytest.approx(0.5))


def test_good_parts_are_given_up_only_when_that_catches_a_defect():
    good = np.linspace(0.0, 0.5, 101)[1:]
    defective = np.array([0.4625, 0.9])
    found = thresholds(defective, good)
    # Good scores above the lower defective one: 0.465 .. 0.5, eight of a hundred.
    assert found["0.07"] == pytest.approx((0.5 + 0.9) / 2)
    assert found["0.08"] == pytest.approx((0.46 + 0.4625) / 2)
    assert found["0.20"] == found["0.08"]


def test_the_threshold_lies_above_everything_when_no_defect_can_be_caught():
    found = thresholds(np.array([0.1]), np.array([0.3, 1.0]))
    assert min(found.values()) > 1.0


@settings(deadline=None, max_examples=60)
@given(defective=SCORES, good=SCORES)
def test_overkill_is_kept_and_escape_is_least_when_scores_are_any(defective, good):
    found = thresholds(defective, good)
    assert list(found) == list(OVERKILLS)
    assert all(a >= b for a, b in zip(found.values(), list(found.values())[1:], strict=False))
    for overkill, threshold in found.items():
        assert (good >= threshold).mean() <= float(overkill) + 1e-9
        escape = (defective < threshold).mean()
        candidates = [t for t in np.unique(np.r_[good, defective]) if (good >= t).mean() <= float(overkill) + 1e-9]
        least = min([(defective < t).mean() for t in candidates], default=1.0)
        assert escape == pytest.approx(least)
        same = [(good >= t).mean() for t in candidates if (defective < t).mean() == least]
        assert (good >= threshold).mean() <= min(same, default=0.0) + 1e-9
