from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cell.pick_types import GoalState, Phase, SequenceSettings
from cell.safety import Permission


def _ready(make_cell: Any, x_m: float = 0.45, **part: Any) -> Any:
    cell = make_cell()
    cell.place_part(x_m, **part)
    for _ in range(4):
        cell.tick()
    cell.begin()
    return cell


def _in_phase(phase: Phase) -> Any:
    return lambda cell: cell.sequence.phase is phase


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.04])
@pytest.mark.parametrize(("x_m", "y_m", "width_m"), [(0.0, 0.11, 0.03), (0.45, -0.11, 0.07), (0.68, 0.0, 0.025)])
def test_part_lies_in_its_bin_when_everything_works(
    make_cell: Any, delay_s: float, x_m: float, y_m: float, width_m: float
) -> None:
    cell = make_cell()
    cell.gripper.delay_s = delay_s
    cell.place_part(x_m, y_m=y_m, width_m=width_m)
    for _ in range(4):
        cell.tick()
    cell.begin()
    outcome = cell.run()
    assert outcome is not None
    assert (outcome.word, outcome.bin, outcome.part_id, outcome.fault) == ("sorted", "defect", 7, False)
    assert outcome.grip_width_m == pytest.approx(width_m)
    np.testing.assert_allclose(cell.released_at, (0.60, 0.34, 0.10), atol=1e-3)
    assert cell.arm.canceled == 0
    assert not cell.sequence.busy
    # Open for the part, close on it, open over the bin: each told once.
    assert len(cell.gripper.told) == 3


def test_status_from_before_the_command_is_not_its_answer_when_the_gripper_echoes_nothing(make_cell: Any) -> None:
    cell = make_cell()
    cell.gripper.echo = False
    cell.place_part(0.45)
    for _ in range(4):
        cell.tick()
    cell.begin()
    assert cell.run().word == "sorted"


def test_pick_takes_less_than_two_seconds_when_the_part_is_in_the_window(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.5)
    begun = cell.now
    assert cell.run().word == "sorted"
    assert cell.now - begun < 1.5


def test_fingers_open_only_as_wide_as_needed_when_a_part_is_approached(make_cell: Any) -> None:
    cell = _ready(make_cell, width_m=0.03)
    cell.run()
    assert cell.gripper.told[0][1] == pytest.approx(0.042)


def test_descent_waits_for_the_fingers_when_they_are_shut(make_cell: Any) -> None:
    cell = make_cell()
    cell.gripper.width_m = cell.gripper.target_m = cell.gripper.requested_m = 0.0
    cell.place_part(0.45, width_m=0.07)
    for _ in range(4):
        cell.tick()
    cell.begin()
    while cell.arm.tool[2] > 0.05:
        cell.tick()
        assert cell.now < 14.0
    assert cell.gripper.width_m >= 0.076
    assert cell.run().word == "sorted"


def test_place_waits_when_the_mark_is_not_durable_yet(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.durable_after_s = math.inf
    assert cell.run(4.0) is None
    assert cell.sequence.phase is Phase.PLACE
    assert cell.log[-1][1].note == "waits for the ledger"
    assert cell.gripper.held
    assert len(cell.gripper.told) == 2
    cell.durable_after_s = 0.0
    assert cell.run().word == "sorted"


def test_mark_is_asked_once_and_before_the_place_when_the_grip_is_verified(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run()
    marks = [now for now, out in cell.log if out.mark_picked is not None]
    assert len(marks) == 1
    assert marks[0] < cell.gripper.told[2][0]


def test_part_is_missed_and_the_tool_leaves_when_nothing_is_there(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.present = False
    outcome = cell.run()
    assert (outcome.word, outcome.bin, outcome.fault) == ("missed", "", False)
    assert outcome.grip_width_m is None
    assert cell.arm.tool[2] == pytest.approx(0.10, abs=2e-3)
    assert not any(out.mark_picked for _, out in cell.log)


def test_part_is_missed_when_it_slips_out_before_the_lift(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.gripper.delay_s = 0.0
    cell.run(until=_in_phase(Phase.VERIFY))
    cell.present = False
    assert cell.run().word == "missed"


def test_pick_is_given_up_for_a_miss_when_the_gripper_is_too_slow(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(Phase.GRIP))
    cell.gripper.stuck = True
    outcome = cell.run()
    assert outcome.word == "missed"
    assert "in time" in outcome.reason


def test_part_is_dropped_and_the_arm_stops_when_it_is_lost_on_the_way(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(Phase.CARRY))
    for _ in range(6):
        cell.tick()
    cell.present = False
    outcome = cell.run()
    assert (outcome.word, outcome.bin, outcome.fault) == ("dropped", "", True)
    assert cell.arm.canceled == 1
    assert cell.arm.tool[1] < 0.33


@pytest.mark.parametrize(("found_m", "words"), [(0.050, "double pick"), (0.031, "not the part")])
def test_part_is_rejected_when_the_grip_is_not_as_wide_as_the_part(make_cell: Any, found_m: float, words: str) -> None:
    cell = _ready(make_cell, width_m=0.04)
    cell.width_m = found_m
    outcome = cell.run()
    assert (outcome.word, outcome.bin) == ("rejected", "reject")
    assert words in outcome.reason
    np.testing.assert_allclose(cell.released_at, (0.60, -0.34, 0.10), atol=1e-3)


def test_part_is_rejected_when_its_bin_is_the_reject_bin(make_cell: Any) -> None:
    cell = _ready(make_cell, bin="reject")
    outcome = cell.run()
    assert (outcome.word, outcome.bin) == ("rejected", "reject")


def test_pick_is_planned_anew_when_the_belt_slows_down_in_time(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.2)
    cell.tick()
    cell.speed_mps = 0.15
    assert cell.run().word == "sorted"
    assert sum(out.arm_goal is not None for _, out in cell.log) >= 3


def test_part_is_picked_when_the_belt_stops_inside_the_window(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.55)
    cell.tick()
    cell.speed_mps = 0.0
    assert cell.run().word == "sorted"


def test_part_is_offered_again_when_the_belt_stops_in_the_descent(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.5)
    cell.run(until=lambda it: it.arm.tool[2] < 0.095 and it.sequence.phase is Phase.APPROACH)
    cell.speed_mps = -0.2
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "belt" in outcome.reason
    assert cell.arm.tool[2] == pytest.approx(0.10, abs=2e-3)
    cell.speed_mps = 0.2
    cell.begin()
    assert cell.run().word == "sorted"


def test_part_is_offered_again_when_the_belt_stops_short_of_the_window(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.1)
    cell.tick()
    cell.speed_mps = 0.0
    outcome = cell.run()
    assert outcome.word == "retry"


def test_pick_waits_when_the_part_is_still_far_off(make_cell: Any) -> None:
    cell = _ready(make_cell, -0.7)
    assert cell.run(0.5) is None
    assert cell.log[-1][1].note
    assert cell.run(12.0).word == "sorted"


def test_part_is_offered_again_when_it_is_gone_from_the_window(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.9)
    outcome = cell.run()
    assert outcome.word == "retry"
    assert cell.log[-1][1].arm_goal is None


def test_part_is_offered_again_when_the_arm_rejects_the_motion(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.arm.refuse = True
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "rejected" in outcome.reason
    cell.arm.refuse = False
    cell.begin()
    assert cell.run().word == "sorted"


def test_part_is_offered_again_when_the_arm_does_not_answer(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.arm.deaf = True
    outcome = cell.run()
    assert outcome.word == "retry"
    assert len(cell.gripper.told) == 1


def test_part_is_offered_again_when_the_arm_aborts_on_its_way(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.arm.fail_at_s = cell.now + 0.2
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "aborted" in outcome.reason


@pytest.mark.parametrize("phase", [Phase.GRIP, Phase.VERIFY, Phase.CARRY])
def test_part_is_unknown_when_the_arm_aborts_with_the_fingers_on_it(make_cell: Any, phase: Phase) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(phase))
    told = len(cell.gripper.told)
    cell.arm.fail_at_s = cell.now
    outcome = cell.run()
    assert (outcome.word, outcome.fault) == ("unknown", True)
    assert len(cell.gripper.told) == told


def test_part_is_offered_again_when_the_encoder_goes_stale(make_cell: Any) -> None:
    cell = _ready(make_cell, 0.2)
    cell.tick()
    cell.belt_stamp_s = cell.now
    stale_from = cell.now
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "encoder" in outcome.reason
    assert not any(now > stale_from + 0.24 and out.gripper for now, out in cell.log)
    assert cell.arm.tool[2] == pytest.approx(0.10, abs=2e-3)


@pytest.mark.parametrize(
    ("phase", "word"), [(Phase.APPROACH, "retry"), (Phase.GRIP, "unknown"), (Phase.CARRY, "unknown")]
)
def test_silent_gripper_ends_the_pick_when_it_is_needed(make_cell: Any, phase: Phase, word: str) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(phase))
    cell.gripper.silent = True
    outcome = cell.run()
    assert outcome.word == word
    assert "silent" in outcome.reason


def test_part_is_unknown_when_the_gripper_does_not_open_over_the_bin(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(Phase.PLACE))
    cell.gripper.stuck = True
    outcome = cell.run()
    assert (outcome.word, outcome.fault) == ("unknown", True)


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Phase.APPROACH, "retry"),
        (Phase.GRIP, "unknown"),
        (Phase.VERIFY, "unknown"),
        (Phase.CARRY, "unknown"),
        (Phase.PLACE, "unknown"),
    ],
)
def test_arm_stops_and_gripper_keeps_its_hold_when_motion_is_forbidden(make_cell: Any, phase: Phase, word: str) -> None:
    cell = _ready(make_cell)
    cell.durable_after_s = 2.0
    cell.run(until=_in_phase(phase))
    told = len(cell.gripper.told)
    cell.permission, cell.reason = Permission.NONE, "emergency stop"
    out = cell.tick()
    assert out.arm_cancel and out.arm_goal is None and out.gripper is None
    assert out.outcome.word == word
    assert "emergency stop" in out.outcome.reason
    assert not cell.sequence.busy
    where = cell.arm.joints.copy()
    for _ in range(20):
        out = cell.tick()
        assert out.arm_goal is None and out.gripper is None
    np.testing.assert_array_equal(cell.arm.joints, where)
    assert len(cell.gripper.told) == told


def test_hand_is_emptied_but_nothing_begun_when_only_finishing_is_permitted(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=_in_phase(Phase.GRIP))
    cell.permission, cell.reason = Permission.FINISH, "no pick motion in Stopping"
    assert cell.run().word == "sorted"
    cell.place_part(0.45)
    cell.present = True
    cell.begin()
    outcome = cell.run()
    assert (outcome.word, outcome.reason) == ("retry", "no pick motion in Stopping")
    assert cell.log[-1][1].arm_goal is None


def test_approach_is_left_upwards_when_only_finishing_is_permitted(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=lambda it: it.arm.tool[2] < 0.08)
    cell.permission = Permission.FINISH
    outcome = cell.run()
    assert outcome.word == "retry"
    assert cell.arm.canceled == 0
    assert cell.arm.tool[2] == pytest.approx(0.10, abs=2e-3)


def test_next_pick_works_when_the_one_before_was_broken_off_anywhere(make_cell: Any) -> None:
    cell = make_cell()
    rng = np.random.default_rng(11)
    for _ in range(4):
        cell.tick()
    words = []
    for _ in range(6):
        cell.present, cell.marked_s = True, None
        cell.place_part(0.3)
        cell.permission = Permission.BEGIN
        cell.begin()
        cell.run(float(rng.uniform(0.1, 1.2)))
        cell.permission = Permission.NONE
        cell.tick()
        assert not cell.sequence.busy
        cell.gripper.command(cell.now, 0.085)
        for _ in range(30):
            cell.tick()
        cell.present, cell.marked_s = True, None
        cell.place_part(0.3)
        cell.permission = Permission.BEGIN
        cell.begin()
        words.append(cell.run().word)
    assert words == ["sorted"] * 6


def test_second_part_is_refused_when_one_is_being_picked(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.tick()
    with pytest.raises(ValueError, match="part 7"):
        cell.begin()


def test_part_is_refused_when_its_bin_is_unknown(make_cell: Any) -> None:
    cell = make_cell()
    cell.place_part(0.45, bin="nowhere")
    with pytest.raises(ValueError, match="nowhere"):
        cell.begin()


def test_part_is_offered_again_when_it_is_wider_than_the_gripper_opens(make_cell: Any) -> None:
    cell = _ready(make_cell, width_m=0.084)
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "too wide" in outcome.reason


def test_pick_waits_when_the_arm_still_moves(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.arm.rates = np.full(4, 1.0)
    out = cell.tick()
    assert out.arm_goal is None and out.note
    cell.arm.rates = np.zeros(4)
    assert cell.run().word == "sorted"


def test_grip_is_not_begun_when_the_tool_strays_from_its_path(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.run(until=lambda it: it.arm.tool[2] < 0.02)
    original = cell.arm.advance

    def drag(now: float) -> None:
        original(now)
        cell.arm.joints = cell.arm.joints + np.array([0.08, 0.0, 0.0, 0.0])

    cell.arm.advance = drag
    outcome = cell.run()
    assert outcome.word == "retry"
    assert "off its path" in outcome.reason
    assert len(cell.gripper.told) == 1


def test_idle_sequence_asks_for_nothing_when_stepped(make_cell: Any) -> None:
    cell = make_cell()
    out = cell.tick()
    assert out.phase is Phase.IDLE
    assert (out.arm_goal, out.arm_cancel, out.gripper, out.outcome) == (None, False, None, None)
    assert cell.arm.state is GoalState.NONE
    assert SequenceSettings().reject_bin in SequenceSettings().bins_m
