"""The delta arm: kinematics, interpolation, limits, pre-emption."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cell.kinematics import DeltaGeometry, inverse
from sim.scenario import ArmSetup
from sim.world.arm import (
    INVALID_GOAL,
    INVALID_JOINTS,
    OLD_HEADER_TIMESTAMP,
    PATH_TOLERANCE_VIOLATED,
    DeltaArm,
    TrajectoryRefused,
)
from sim.world.belt import Clock
from sim.world.delta import tool_positions

SETUP = ArmSetup()
HOME = [0.0, 0.0, 0.0, 0.0]
STILL = [0.0, 0.0, 0.0, 0.0]


def _arm() -> tuple[DeltaArm, Clock]:
    clock = Clock(0.0)
    return DeltaArm(SETUP, clock), clock


def test_forward_agrees_with_the_controllers_inverse_when_inside_the_workspace() -> None:
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(0.35, 0.85, 300), rng.uniform(-0.34, 0.34, 300), rng.uniform(0, 0.2, 300)])
    joints = inverse(DeltaGeometry(), points, 0.0)
    assert np.abs(tool_positions(SETUP, joints) - points).max() < 1e-9


def test_tool_hangs_on_the_axis_when_shoulders_are_alike() -> None:
    x, y, z = tool_positions(SETUP, np.array([[0.4, 0.4, 0.4]]))[0]
    drop = 0.3 * math.sin(0.4) + math.sqrt(0.7**2 - (0.15 + 0.3 * math.cos(0.4)) ** 2)
    assert (x, y, z) == pytest.approx((0.6, 0.0, 0.75 - drop))


def test_tool_is_nan_when_the_forearms_cannot_meet() -> None:
    short = ArmSetup(forearm_m=0.1)
    assert np.isnan(tool_positions(short, np.zeros((1, 3)))).any()


def test_joints_follow_the_cubic_when_a_goal_runs() -> None:
    arm, clock = _arm()
    end = arm.execute([0.0, 1.0], [HOME, [0.2, 0.1, 0.0, 0.5]], [STILL, STILL], 0.0)
    clock.now_s = 0.25
    positions, velocities = arm.state(0.25)
    share = 3 * 0.25**2 - 2 * 0.25**3
    assert positions == pytest.approx((0.2 * share, 0.1 * share, 0.0, 0.5 * share))
    assert velocities[3] == pytest.approx(0.5 * (6 * 0.25 - 6 * 0.25**2))
    assert end == 1.0
    assert arm.state(2.0) == (pytest.approx((0.2, 0.1, 0.0, 0.5)), pytest.approx((0.0,) * 4))
    assert arm.tool(2.0).yaw_rad == pytest.approx(0.5)


def test_motion_stays_smooth_when_a_new_goal_pre_empts() -> None:
    arm, clock = _arm()
    arm.execute([0.0, 1.0], [HOME, [0.4, 0.4, 0.4, 0.0]], [STILL, STILL], 0.0)
    clock.now_s = 0.5
    positions, velocities = arm.state(0.5)
    off = [value + 0.01 for value in positions]
    arm.execute([0.0, 0.5], [off, [0.3, 0.4, 0.4, 0.0]], [velocities, STILL], 0.5)
    assert arm.state(0.5)[0] == pytest.approx(positions)
    assert arm.state(0.5)[1] == pytest.approx(velocities)
    grid = np.linspace(0.5, 1.0, 501)
    path = np.array([arm.state(float(t))[0] for t in grid])
    rate = np.array([arm.state(float(t))[1] for t in grid])
    assert np.abs(np.diff(path, axis=0) / 1e-3 - (rate[1:] + rate[:-1]) / 2).max() < 0.01
    assert path[-1] == pytest.approx((0.3, 0.4, 0.4, 0.0))


def test_old_motion_goes_on_when_the_new_goal_starts_later() -> None:
    arm, clock = _arm()
    arm.execute([0.0, 1.0], [HOME, [0.4, 0.4, 0.4, 0.0]], [STILL, STILL], 0.0)
    clock.now_s = 0.5
    arm.execute([0.5], [[0.2, 0.2, 0.2, 0.0]], [STILL], 1.0)
    assert arm.state(0.9)[0][0] > 0.35
    assert arm.state(1.0)[0] == pytest.approx((0.4, 0.4, 0.4, 0.0))
    assert arm.state(1.5)[0] == pytest.approx((0.2, 0.2, 0.2, 0.0))


def _refusal(**goal: object) -> TrajectoryRefused:
    arm, clock = _arm()
    clock.now_s = 10.0
    with pytest.raises(TrajectoryRefused) as refused:
        arm.execute(**goal)  # type: ignore[arg-type]
    assert arm.state(20.0)[0] == pytest.approx(HOME)
    return refused.value


@pytest.mark.parametrize(
    ("target", "duration", "words"),
    [
        ([0.6, 0.6, 0.6, 0.0], 0.10, "m/s"),
        ([0.35, 0.35, 0.35, 0.0], 0.11, "m/s2"),
        ([0.0, 0.0, 0.0, 3.0], 0.2, "rad/s"),
        ([2.0, 0.0, 0.0, 0.0], 3.0, "range"),
        ([1.0, 1.0, 1.0, 0.0], 3.0, "belt"),
    ],
)
def test_goal_is_refused_when_it_breaks_a_limit(target: list[float], duration: float, words: str) -> None:
    refused = _refusal(times_s=[0.0, duration], positions=[HOME, target], velocities=[STILL, STILL], start_s=10.0)
    assert refused.code == INVALID_GOAL and refused.name == "INVALID_GOAL"
    assert words in str(refused)


def test_goal_is_refused_when_it_begins_elsewhere() -> None:
    start, end = [0.1, 0.0, 0.0, 0.0], [0.2, 0.0, 0.0, 0.0]
    refused = _refusal(times_s=[0.0, 1.0], positions=[start, end], velocities=[STILL, STILL], start_s=10.0)
    assert (refused.code, refused.name) == (PATH_TOLERANCE_VIOLATED, "PATH_TOLERANCE_VIOLATED")


def test_goal_is_refused_when_it_begins_at_another_speed() -> None:
    fast = [1.5, 0.0, 0.0, 0.0]
    refused = _refusal(times_s=[0.0, 1.0], positions=[HOME, HOME], velocities=[fast, STILL], start_s=10.0)
    assert refused.code == PATH_TOLERANCE_VIOLATED


@pytest.mark.parametrize(
    ("goal", "code"),
    [
        ({"times_s": [], "positions": [], "velocities": []}, INVALID_GOAL),
        ({"times_s": [0.0, 0.0], "positions": [HOME, HOME], "velocities": [STILL, STILL]}, INVALID_GOAL),
        ({"times_s": [1.0], "positions": [[math.nan, 0, 0, 0]], "velocities": [STILL]}, INVALID_GOAL),
        ({"times_s": [1.0], "positions": [HOME], "velocities": [[0.2, 0, 0, 0]]}, INVALID_GOAL),
        ({"times_s": [1.0], "positions": [[0, 0, 0]], "velocities": [[0, 0, 0]]}, INVALID_JOINTS),
    ],
)
def test_goal_is_refused_when_it_is_malformed(goal: dict[str, object], code: int) -> None:
    assert _refusal(**goal, start_s=10.0).code == code


def test_goal_is_refused_when_it_is_over_already() -> None:
    refused = _refusal(times_s=[0.0, 1.0], positions=[HOME, HOME], velocities=[STILL, STILL], start_s=8.0)
    assert refused.code == OLD_HEADER_TIMESTAMP


def test_goal_is_joined_where_it_should_be_when_it_comes_late() -> None:
    arm, clock = _arm()
    clock.now_s = 0.02
    arm.execute([0.0, 1.0], [HOME, [0.3, 0.3, 0.3, 0.0]], [STILL, STILL], 0.0)
    assert arm.end_s == 1.0
    assert arm.state(0.5)[0][0] == pytest.approx(0.15)


def test_arm_brakes_within_its_limits_when_cancelled() -> None:
    arm, clock = _arm()
    arm.execute([0.0, 0.6], [HOME, [0.5, 0.5, 0.5, 0.0]], [STILL, STILL], 0.0)
    clock.now_s = 0.3
    before = arm.state(0.3)
    end = arm.cancel()
    assert arm.halted and 0.3 < end < 0.5
    assert arm.state(0.3)[1] == pytest.approx(before[1])
    grid = np.linspace(0.3, end, 200)
    path = np.array([[getattr(arm.tool(float(t)), axis) for axis in ("x_m", "y_m", "z_m")] for t in grid])
    accel = np.linalg.norm(np.diff(path, 2, axis=0), axis=1) / (grid[1] - grid[0]) ** 2
    assert accel.max() < 51.0
    assert arm.state(end + 1.0)[1] == pytest.approx(STILL)


def test_arm_takes_no_goal_when_its_drives_are_off() -> None:
    arm, _ = _arm()
    arm.power(False)
    with pytest.raises(TrajectoryRefused, match="safety"):
        arm.execute([1.0], [HOME], [STILL], 0.0)
    arm.power(True)
    assert arm.execute([1.0], [HOME], [STILL], 0.0) == 1.0
