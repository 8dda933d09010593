"""The referee's books."""

from __future__ import annotations

import pytest

from sim.referee import Referee


def _referee(*truths: bool | None) -> Referee:
    referee = Referee()
    for number, defective in enumerate(truths):
        referee.enter(number, float(number), defective=defective, kind="plate", source="", defects=())
    return referee


def test_quality_counts_by_place_when_truth_is_known() -> None:
    referee = _referee(True, True, True, False, False, False, None)
    referee.move(0, "good_stream", 10.0)
    referee.move(1, "held", 10.0)
    referee.move(1, "bin", 11.0, "defect")
    referee.move(2, "floor", 11.0)
    referee.move(3, "bin", 12.0, "reject")
    referee.move(4, "good_stream", 12.0)
    referee.move(6, "bin", 12.0, "reject")
    assert referee.quality() == {"defective_in": 3, "escaped": 1, "good_in": 3, "false_rejects": 1}
    assert referee.counts() == {"good_stream": 2, "bin:defect": 1, "floor": 1, "bin:reject": 2, "on_belt": 1}
    assert referee.fates()[1].bin == "defect" and referee.fates()[1].at_s == 11.0


def test_quality_is_none_when_no_truth_is_known() -> None:
    referee = _referee(None, None)
    referee.move(0, "good_stream", 1.0)
    assert referee.quality() is None


def test_part_cannot_move_when_its_fate_is_final() -> None:
    referee = _referee(False)
    referee.move(0, "good_stream", 1.0)
    with pytest.raises(ValueError, match="moved after"):
        referee.move(0, "bin", 2.0, "reject")


def test_part_cannot_enter_when_it_has_entered() -> None:
    referee = _referee(False)
    with pytest.raises(ValueError, match="twice"):
        referee.enter(0, 1.0, defective=None, kind="", source="", defects=())
