"""The board: one consistent snapshot of what the topics said."""

from __future__ import annotations

import pytest

from cell.board import LAST_PARTS, TREND_POINTS, TREND_STEP_S, Board
from cell.packml import State

COUNTS = {
    "entered": 3, "sorted": 1, "passed": 1, "missed": 0, "dropped": 0, "rejected": 0, "unknown": 0, "in_flight": 1,
}  # fmt: skip


@pytest.fixture
def board() -> Board:
    model = {"id": "m", "hash": "0" * 64, "overkill": 0.05, "threshold": 0.5, "licence": "Apache-2.0"}
    return Board(model, "spt", {"python": "3"}, simulated=True)  # type: ignore[arg-type]


def test_commands_are_those_that_the_state_takes(board: Board) -> None:
    board.state(10.0, State.EXECUTE, "Produce", "", COUNTS)
    snapshot = board.snapshot(10.5)
    assert set(snapshot["allowed"]) == {"Stop", "Hold", "Suspend", "Abort", "Complete"}
    assert snapshot["state"]["name"] == "Execute"
    assert snapshot["counts"] == COUNTS
    assert snapshot["age_s"] == 0.5


def test_state_is_timed_from_its_entry_when_it_is_told_again(board: Board) -> None:
    for second in (10.0, 10.1, 12.0):
        board.state(second, State.EXECUTE, "Produce", "", COUNTS)
    assert board.snapshot(13.0)["state"]["since_s"] == 3.0
    board.state(14.0, State.STOPPING, "Produce", "Stop by op", COUNTS)
    assert board.snapshot(14.5)["state"]["since_s"] == 0.5
    assert board.snapshot(14.5)["state"]["reason"] == "Stop by op"


def test_newest_parts_stand_first_with_their_fate_when_more_came_than_are_shown(board: Board) -> None:
    for part_id in range(1, LAST_PARTS + 4):
        board.part(float(part_id), part_id, "defective", ["scratch"], 0.123456)
    board.part(50.0, LAST_PARTS, "good", [], 0.0)
    board.outcome(51.0, LAST_PARTS, "sorted", "defect")
    board.outcome(51.0, LAST_PARTS + 1, "retry", "")
    board.outcome(51.0, 1, "passed", "")
    parts = board.snapshot(51.0)["parts"]
    assert [part["part_id"] for part in parts] == list(range(LAST_PARTS + 3, 3, -1))
    by_id = {part["part_id"]: part for part in parts}
    assert by_id[LAST_PARTS]["fate"] == "sorted"
    assert by_id[LAST_PARTS]["bin"] == "defect"
    assert by_id[LAST_PARTS]["verdict"] == "defective"
    assert by_id[LAST_PARTS]["score"] == 0.1235
    assert by_id[LAST_PARTS + 1]["fate"] == ""


def test_snapshot_does_not_change_when_the_cell_goes_on(board: Board) -> None:
    board.part(1.0, 1, "good", [], 0.0)
    board.device("gripper", True, "activated")
    before = board.snapshot(1.0)
    kept = repr(before)
    board.outcome(2.0, 1, "passed", "")
    board.device("gripper", False, "does not answer")
    board.state(2.0, State.ABORTING, "Produce", "gripper", COUNTS)
    board.belt(1.0, 0.2)
    assert repr(before) == kept
    assert board.snapshot(2.0)["devices"] == [{"name": "gripper", "ok": False, "detail": "does not answer"}]


def test_rates_count_picks_and_parts_when_time_passes(board: Board) -> None:
    board.state(0.1, State.EXECUTE, "Produce", "", COUNTS)
    for part_id in range(1, 11):
        board.part(float(part_id), part_id, "good", [], 0.0)
        board.outcome(float(part_id), part_id, "sorted" if part_id % 2 else "passed", "")
    picks, parts = board.rates(30.1)
    assert picks == pytest.approx(10.0)
    assert parts == pytest.approx(20.0)


def test_trend_is_bounded_when_the_cell_runs_long(board: Board) -> None:
    for step in range(TREND_POINTS + 50):
        for part_of_step in (0.0, 0.5):
            board.state((step + part_of_step) * TREND_STEP_S, State.EXECUTE, "Produce", "", COUNTS)
    trend = board.snapshot(0.0)["trend"]
    assert len(trend["t_s"]) == len(trend["picks_per_min"]) == len(trend["parts_per_min"]) == TREND_POINTS
    assert trend["t_s"][-1] == pytest.approx((TREND_POINTS + 49) * TREND_STEP_S)
