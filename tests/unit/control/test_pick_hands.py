"""What differs by the hand, and what a grip that took nothing leads to: fingers and a suction cup in a closed loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cell.motion import Heights, Planner
from cell.part_types import PartType, recipe_for
from cell.pick_types import CupSettings, GripperRequest, GripRecipe, Phase, SequenceSettings, SuctionRequest
from cell.safety import Permission

CUP = SequenceSettings(cup=CupSettings())
OVER_PARTS = Planner(heights=Heights(grip_m=0.0115), aligns=False)


def _ready(make_cell: Any, *, cup: bool = False, settings: SequenceSettings | None = None, **part: Any) -> Any:
    cell = make_cell(settings=settings or CUP, planner=OVER_PARTS) if cup else make_cell(settings=settings)
    cell.place_part(part.pop("x_m", 0.45), **part)
    for _ in range(4):
        cell.tick()
    cell.begin()
    return cell


def _in_phase(phase: Phase) -> Any:
    return lambda cell: cell.sequence.phase is phase


def _marks(cell: Any) -> list[Any]:
    return [out.mark_picked for _, out in cell.log if out.mark_picked is not None]


# --- the cup


@pytest.mark.parametrize("delay_s", [0.0, 0.04])
@pytest.mark.parametrize(("x_m", "y_m"), [(0.0, 0.11), (0.45, -0.11), (0.66, 0.0)])
def test_part_lies_in_its_bin_when_a_cup_holds_it(make_cell: Any, delay_s: float, x_m: float, y_m: float) -> None:
    cell = _ready(make_cell, cup=True, x_m=x_m, y_m=y_m)
    cell.gripper.delay_s = delay_s
    outcome = cell.run()
    assert outcome is not None
    assert (outcome.word, outcome.bin, outcome.fault) == ("sorted", "defect", False)
    assert outcome.grip_width_m is None
    (mark,) = _marks(cell)
    assert mark.pressure_pa <= 60_000.0
    assert mark.grip_width_m is None
    np.testing.assert_allclose(cell.released_at, (0.60, 0.34, 0.10), atol=1e-3)
    # Let go before the part, hold it, let go over the bin: each told once.
    assert [told for _, told in cell.gripper.told] == [1.0, 0.0, 1.0]


def test_wrist_does_not_turn_when_the_hand_is_a_cup(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True, yaw_rad=1.2)
    cell.run()
    yaws = [out.arm_goal.trajectory.poses[:, 3] for _, out in cell.log if out.arm_goal is not None]
    assert max(np.ptp(yaw) for yaw in yaws) < 1e-9


def test_cup_sucks_before_it_is_down_when_a_part_is_approached(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.run()
    sucks_s = cell.gripper.told[1][0]
    plan = next(
        out.arm_goal.trajectory for _, out in reversed(cell.log) if out.phase is Phase.APPROACH and out.arm_goal
    )
    down_s = plan.start_s + plan.times_s[np.argmax(plan.poses[:, 2] < 0.0116)]
    assert down_s - 0.08 < sucks_s < down_s


def test_cell_holds_and_the_part_is_placed_slowly_when_the_cup_begins_to_leak(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.run(until=_in_phase(Phase.CARRY))
    begun_s = cell.now
    cell.gripper.reaches_pa = 70_000.0
    outcome = cell.run()
    assert (outcome.word, outcome.bin, outcome.fault, outcome.cause) == ("sorted", "defect", True, "vacuum_leak")
    assert "leaks" in outcome.reason
    # What is left of the vacuum is asked for, so that the device does not give the grip up.
    assert cell.gripper.holds == [60_000.0, 80_000.0]
    motions = [out.arm_goal.trajectory for now, out in cell.log if now > begun_s and out.arm_goal is not None]
    (slow,) = motions
    later = slow.times_s > 0.3
    assert np.linalg.norm(slow.pose_rates[later, :3], axis=1).max() <= 0.4 * 1.5 * 1.01
    np.testing.assert_allclose(cell.released_at, (0.60, 0.34, 0.10), atol=1e-3)


def test_part_is_dropped_and_the_arm_stops_when_the_cup_loses_it(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.run(until=_in_phase(Phase.CARRY))
    cell.present = False
    outcome = cell.run()
    assert (outcome.word, outcome.fault, outcome.cause) == ("dropped", True, "part_dropped")
    assert cell.arm.canceled == 1
    assert cell.arm.tool[1] < 0.33


def test_part_is_missed_and_the_cell_holds_when_the_cup_is_on_it_and_does_not_seal(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.gripper.reaches_pa = 72_000.0
    outcome = cell.run()
    assert (outcome.word, outcome.fault, outcome.cause) == ("missed", True, "vacuum_leak")
    assert "72 kPa" in outcome.reason
    # It lets go before it lifts: the part stays where it was.
    assert [told for _, told in cell.gripper.told] == [1.0, 0.0, 1.0]
    released_s = cell.gripper.told[-1][0]
    lift = next(out.arm_goal for now, out in cell.log if now >= released_s and out.arm_goal is not None)
    assert lift.trajectory.start_s > released_s
    assert not _marks(cell)


def test_cup_keeps_its_hold_and_the_part_is_unknown_when_the_emergency_stop_is_pressed(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.run(until=_in_phase(Phase.CARRY))
    told = len(cell.gripper.told)
    cell.permission, cell.reason = Permission.NONE, "emergency stop"
    out = cell.tick()
    assert out.arm_cancel
    assert out.outcome.word == "unknown"
    for _ in range(50):
        cell.tick()
    assert len(cell.gripper.told) == told
    assert cell.gripper.held


def test_what_a_cup_still_holds_is_rejected_first_when_a_pick_begins(make_cell: Any) -> None:
    cell = make_cell(settings=CUP, planner=OVER_PARTS)
    cell.place_part(0.30)
    cell.gripper.gripping, cell.gripper.pressure_pa = True, 40_000.0
    cell.gripper.held, cell.present = True, True
    for _ in range(4):
        cell.tick()
    cell.begin()
    outcome = cell.run()
    assert (outcome.word, outcome.fault) == ("retry", False)
    assert "not empty" in outcome.reason
    assert cell.released_at[1] == pytest.approx(-0.34, abs=1e-3)


def test_place_is_not_believed_when_the_pressure_stays_low_over_the_bin(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True)
    cell.run(until=_in_phase(Phase.CARRY))
    cell.gripper.command = lambda now, request: None  # type: ignore[method-assign]
    outcome = cell.run()
    assert (outcome.word, outcome.fault) == ("unknown", True)


# --- one more try


@pytest.mark.parametrize("cup", [False, True])
def test_grip_is_tried_once_more_when_it_took_nothing(make_cell: Any, cup: bool) -> None:
    cell = _ready(make_cell, cup=cup, x_m=0.35)
    cell.present = False
    outcome = cell.run()
    assert outcome.word == "missed"
    assert "twice" in outcome.reason
    assert len([1 for _, told in cell.gripper.told if told < 0.035]) == 2
    assert cell.arm.tool[2] == pytest.approx(0.10, abs=2e-3)


@pytest.mark.parametrize("cup", [False, True])
def test_part_is_sorted_when_the_second_grip_takes_it(make_cell: Any, cup: bool) -> None:
    cell = _ready(make_cell, cup=cup, x_m=0.35)
    cell.present = False
    cell.run(until=lambda one: any("tries again" in out.note for _, out in one.log))
    cell.present = True
    outcome = cell.run()
    assert (outcome.word, outcome.bin, outcome.fault) == ("sorted", "defect", False)
    assert len(_marks(cell)) == 1


def test_grip_is_not_tried_again_when_the_part_leaves_the_window(make_cell: Any) -> None:
    cell = _ready(make_cell, x_m=0.70)
    cell.present = False
    outcome = cell.run()
    assert outcome.word == "missed"
    assert len([1 for _, told in cell.gripper.told if told < 0.035]) == 1


def test_grip_is_not_tried_again_when_nobody_allows_to_begin(make_cell: Any) -> None:
    cell = _ready(make_cell, x_m=0.35)
    cell.present = False
    cell.run(until=_in_phase(Phase.GRIP))
    cell.permission, cell.reason = Permission.FINISH, "no pick motion in Holding"
    assert cell.run().word == "missed"
    assert len([1 for _, told in cell.gripper.told if told < 0.035]) == 1


def test_part_is_missed_not_offered_again_when_the_second_approach_fails(make_cell: Any) -> None:
    cell = _ready(make_cell, x_m=0.35)
    cell.present = False
    cell.run(until=lambda one: any("tries again" in out.note for _, out in one.log))
    cell.permission, cell.reason = Permission.FINISH, "camera image 0.60 s old"
    outcome = cell.run()
    assert outcome.word == "missed"
    assert "camera image" in outcome.reason


def test_grips_are_not_repeated_when_the_settings_say_so(make_cell: Any) -> None:
    cell = _ready(make_cell, x_m=0.35, settings=SequenceSettings(regrips=0))
    cell.present = False
    assert cell.run().word == "missed"
    assert len(cell.gripper.told) == 2


# --- evidence, and part types


def test_grip_does_not_count_when_the_motor_draws_too_little(make_cell: Any) -> None:
    # The bench's fingers report no current.
    cell = _ready(make_cell, settings=SequenceSettings(grip_current_a=0.05, regrips=0))
    outcome = cell.run()
    assert outcome.word == "missed"
    assert "in time" in outcome.reason


def test_part_is_not_let_go_when_the_tool_is_not_over_its_bin(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.durable_after_s = 1e9
    cell.run(until=_in_phase(Phase.PLACE))
    # The joints say that somebody has pushed it aside.
    cell.arm.joints = cell.arm.joints + np.array([0.1, 0.0, 0.0, 0.0])
    cell.durable_after_s = 0.0
    outcome = cell.run()
    assert (outcome.word, outcome.fault, outcome.cause) == ("unknown", True, "pick_failed")
    assert "over the bin" in outcome.reason
    assert cell.gripper.held


def test_double_pick_is_marked_when_the_grip_is_wider_than_the_part(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.width_m = 0.049
    assert cell.run().word == "rejected"
    (mark,) = _marks(cell)
    assert mark.double
    assert mark.grip_width_m == pytest.approx(0.049)


def test_narrow_grip_is_no_double_pick_when_it_is_not_the_part(make_cell: Any) -> None:
    cell = _ready(make_cell)
    cell.width_m = 0.030
    assert cell.run().word == "rejected"
    assert not _marks(cell)[0].double


def test_force_and_width_are_the_types_own_when_a_part_is_of_a_type(make_cell: Any) -> None:
    recipe = GripRecipe("disc", force_n=25.0, grip_width_m=0.043, width_tolerance_m=0.002)
    cell = _ready(make_cell, recipe=recipe)
    cell.width_m = 0.043
    assert cell.run().word == "sorted"
    requests = [out.gripper for _, out in cell.log if isinstance(out.gripper, GripperRequest)]
    assert requests[0].width_m == pytest.approx(0.055)
    assert requests[1].force_n == 25.0
    other = _ready(make_cell, recipe=recipe)
    other.width_m = 0.040
    outcome = other.run()
    assert outcome.word == "rejected"
    assert "part 43 mm" in outcome.reason


def test_vacuum_is_the_types_own_when_a_part_is_of_a_type(make_cell: Any) -> None:
    cell = _ready(make_cell, cup=True, recipe=GripRecipe("large", hold_pressure_pa=50_000.0))
    assert cell.run().word == "sorted"
    asked = [out.gripper for _, out in cell.log if isinstance(out.gripper, SuctionRequest) and out.gripper.hold]
    assert [request.hold_pressure_pa for request in asked] == [50_000.0]


def test_recipe_is_the_first_types_that_a_size_fits() -> None:
    types = (
        PartType((0.03, 0.05), (0.02, 0.05), GripRecipe("small", force_n=20.0)),
        PartType((0.05001, 0.08), (0.02, 0.08), GripRecipe("large", force_n=80.0)),
    )
    assert recipe_for(types, 0.04, 0.03).type_name == "small"
    assert recipe_for(types, 0.06, 0.03).force_n == 80.0
    assert recipe_for(types, 0.06, 0.01) == GripRecipe()
    assert replace(types[0], width_m=(0.0, 0.01)).fits(0.04, 0.02) is False
