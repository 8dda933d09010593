from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cell.motion import Planner
from cell.packml import Mode, State
from cell.safety import PERMITTED, Allowed, Gate, Motion, Permission, Refused, SafetyInputs
from cell.trajectory import ToolState, Trajectory

NOW = 100.0
GOOD = SafetyInputs(
    state=State.EXECUTE,
    estop_ok=True,
    curtain_ok=True,
    inputs_stamp_s=NOW - 0.02,
    encoder_stamp_s=NOW - 0.02,
    image_stamp_s=NOW - 0.12,
    belt_speed_mps=0.2,
)


def _move(target: tuple[float, float, float] = (0.5, -0.1, 0.1)) -> Trajectory:
    motion = Planner().plan_move(ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0])), NOW, target)
    assert isinstance(motion, Trajectory)
    return motion


@pytest.mark.parametrize("motion", list(Motion))
def test_motion_is_allowed_when_all_is_well(motion: Motion) -> None:
    assert Gate().check(motion, GOOD, NOW, _move()) == Allowed()


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
@pytest.mark.parametrize("motion", list(Motion), ids=lambda motion: motion.name)
def test_state_alone_decides_when_inputs_are_good(motion: Motion, state: State) -> None:
    verdict = Gate().check(motion, replace(GOOD, state=state), NOW)
    if state in PERMITTED[motion]:
        assert verdict == Allowed()
    else:
        assert isinstance(verdict, Refused)
        assert state.title in verdict.reason


@pytest.mark.parametrize(
    "state",
    [
        State.STOPPED,
        State.IDLE,
        State.HELD,
        State.SUSPENDED,
        State.ABORTING,
        State.ABORTED,
        State.CLEARING,
        State.COMPLETE,
    ],
)
def test_nothing_at_all_moves_when_the_cell_rests_or_aborts(state: State) -> None:
    assert all(isinstance(Gate().check(motion, replace(GOOD, state=state), NOW), Refused) for motion in Motion)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"estop_ok": False}, "emergency stop"),
        ({"curtain_ok": False}, "light curtain"),
        ({"inputs_stamp_s": NOW - 0.3}, "safety inputs 0.30 s old"),
        ({"inputs_stamp_s": None}, "no safety inputs"),
        ({"inputs_stamp_s": float("nan")}, "safety inputs"),
    ],
)
def test_every_motion_is_refused_when_the_safety_circuit_is_not_good(change: dict[str, object], words: str) -> None:
    inputs = replace(GOOD, **change)  # type: ignore[arg-type]
    for motion in Motion:
        verdict = Gate().check(motion, inputs, NOW)
        assert isinstance(verdict, Refused)
        assert words in verdict.reason
    assert words in (Gate().stop_cause(inputs, NOW) or "")
    assert Gate().permission(inputs, NOW)[0] is Permission.NONE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder_stamp_s": NOW - 0.25}, "encoder 0.25 s old"),
        ({"encoder_stamp_s": None}, "no encoder"),
        ({"image_stamp_s": NOW - 0.6}, "camera image"),
        ({"image_stamp_s": None}, "no camera image"),
        ({"belt_speed_mps": 0.8}, "0.80 m/s"),
        ({"belt_speed_mps": float("nan")}, "belt runs"),
        ({"mode": Mode.MANUAL}, "mode 3"),
    ],
)
def test_pick_is_refused_when_an_input_of_it_is_not_good(change: dict[str, object], words: str) -> None:
    verdict = Gate().check(Motion.PICK, replace(GOOD, **change), NOW)  # type: ignore[arg-type]
    assert isinstance(verdict, Refused)
    assert words in verdict.reason


def test_part_in_the_hand_may_reach_its_bin_when_only_the_camera_is_lost() -> None:
    inputs = replace(GOOD, image_stamp_s=None, encoder_stamp_s=None)
    assert Gate().check(Motion.FINISH, inputs, NOW) == Allowed()
    assert Gate().permission(inputs, NOW)[0] is Permission.FINISH
    assert Gate().stop_cause(inputs, NOW) is None


@pytest.mark.parametrize(
    ("state", "permission"),
    [
        (State.EXECUTE, Permission.BEGIN),
        (State.STOPPING, Permission.FINISH),
        (State.HOLDING, Permission.FINISH),
        (State.SUSPENDING, Permission.FINISH),
        (State.COMPLETING, Permission.FINISH),
        (State.ABORTING, Permission.NONE),
        (State.HELD, Permission.NONE),
        (State.STARTING, Permission.NONE),
    ],
)
def test_permission_follows_the_state_when_inputs_are_good(state: State, permission: Permission) -> None:
    assert Gate().permission(replace(GOOD, state=state), NOW)[0] is permission


def _with(motion: Trajectory, name: str, row: int, column: int, value: float) -> Trajectory:
    values = getattr(motion, name).copy()
    values[row, column] = value
    return replace(motion, **{name: values})


@pytest.mark.parametrize(
    ("name", "column", "value", "words"),
    [
        ("poses", 0, 1.2, "workspace"),
        ("poses", 1, -0.5, "workspace"),
        ("poses", 2, -0.01, "workspace"),
        ("poses", 2, float("nan"), "finite"),
        ("joints_rad", 0, float("inf"), "finite"),
        ("pose_rates", 0, 4.2, "m/s"),
        ("pose_rates", 0, float("nan"), "m/s"),
        ("pose_accels", 1, 60.0, "m/s2"),
        ("pose_accels", 1, float("nan"), "m/s2"),
    ],
)
def test_trajectory_is_refused_when_one_point_of_it_is_bad(name: str, column: int, value: float, words: str) -> None:
    verdict = Gate().check(Motion.PICK, GOOD, NOW, _with(_move(), name, 3, column, value))
    assert isinstance(verdict, Refused)
    assert words in verdict.reason


def test_trajectory_is_refused_when_its_joints_lead_elsewhere_than_its_tool() -> None:
    bad = _with(_move(), "joints_rad", 4, 0, 1.5)
    verdict = Gate().check(Motion.FINISH, GOOD, NOW, bad)
    assert isinstance(verdict, Refused)
    assert "joints" in verdict.reason
