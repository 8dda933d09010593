from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from cell import kinematics
from cell.motion import Infeasible, MotionLimits, MovingPart, PickPlan, Planner, finger_yaw
from cell.trajectory import ToolState, Trajectory

PLANNER = Planner()
BINS = ((0.60, 0.34, 0.10), (0.60, -0.34, 0.10))


def _at_bin(rng: np.random.Generator) -> ToolState:
    return ToolState.resting(np.array([*BINS[int(rng.integers(2))], rng.uniform(-3.0, 3.0)]))


def _part(rng: np.random.Generator, at_s: float = 10.0, speed_mps: float = 0.2) -> MovingPart:
    return MovingPart(rng.uniform(0.0, 0.72), rng.uniform(-0.11, 0.11), rng.uniform(-3.0, 3.0), at_s, speed_mps)


def _pick(state: ToolState, part: MovingPart, **more: float) -> PickPlan:
    plan = PLANNER.plan_pick(state, part.at_s, part, **more)
    assert isinstance(plan, PickPlan), plan
    return plan


def _as_the_arm_moves(motion: Trajectory, step_s: float = 0.002) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tool positions, speeds and accelerations of cubic joint motion between the points, by differences."""
    times = motion.start_s + np.arange(0.0, motion.times_s[-1], step_s)
    joints = np.array([motion.at(now).joints_rad for now in times])
    tool, _ = kinematics.forward(PLANNER.geometry, joints)
    planned = np.array([motion.at(now).pose[:3] for now in times])
    assert np.abs(tool - planned).max() < 1e-4
    velocity = np.diff(tool, axis=0) / step_s
    accel = np.diff(velocity, axis=0) / step_s
    return tool, np.linalg.norm(velocity, axis=1), np.linalg.norm(accel, axis=1)


@pytest.mark.parametrize("seed", range(12))
def test_tool_is_on_the_part_at_belt_speed_when_a_pick_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    state, part = _at_bin(rng), _part(rng)
    plan = _pick(state, part)
    first, last = PLANNER.window_m
    assert first - 1e-6 <= part.x_at(plan.arrive_s) <= last + 1e-6
    assert plan.hold_until_s - plan.arrive_s == pytest.approx(PLANNER.hold_s)
    for now in np.linspace(plan.arrive_s, plan.hold_until_s, 9):
        sample = plan.trajectory.at(float(now))
        np.testing.assert_allclose(sample.pose[:3], [part.x_at(now), part.y_m, 0.006], atol=1e-4)
        np.testing.assert_allclose(sample.rate[:3], [0.2, 0.0, 0.0], atol=0.01)
        # Fingers across the short side.
        assert math.cos(2.0 * (sample.pose[3] - part.yaw_rad)) == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_limits_hold_between_the_points_when_the_arm_interpolates(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    plan = _pick(_at_bin(rng), _part(rng))
    leave_s = float(rng.uniform(plan.arrive_s, plan.hold_until_s))
    place = PLANNER.plan_lift_and_place(plan.trajectory.state_at(leave_s), leave_s, BINS[0])
    assert isinstance(place, Trajectory)
    for motion in (plan.trajectory, place):
        tool, speed, accel = _as_the_arm_moves(motion)
        assert speed.max() <= PLANNER.limits.speed_mps * 1.01
        assert accel.max() <= PLANNER.limits.accel_mps2 * 1.01
        assert tool[:, 2].min() > 0.0055
        assert tool[:, 2].max() < 0.1005
        # Two halves of a rise and fall are 5 cm apart in x at most, so nothing sideways happens below the parts' tops.
        low = tool[:, 2] < 0.018
        if low.any():
            assert np.ptp(tool[low][:, 1]) < 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_joints_do_not_jump_when_a_plan_takes_over_a_motion(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    plan = _pick(_at_bin(rng), _part(rng))
    now = float(rng.uniform(plan.trajectory.start_s, plan.descend_s))
    before = plan.trajectory.at(now)
    slower = MovingPart(plan.part.x_at(now) - 0.01, plan.part.y_m, plan.part.yaw_rad, now, 0.18)
    again = PLANNER.plan_pick(plan.trajectory.state_at(now), now, slower)
    assert isinstance(again, PickPlan)
    after = again.trajectory.at(now)
    np.testing.assert_allclose(after.joints_rad, before.joints_rad, atol=1e-4)
    np.testing.assert_allclose(after.rates_radps, before.rates_radps, atol=2e-2)
    tool, speed, accel = _as_the_arm_moves(again.trajectory)
    assert speed.max() < 2.0
    assert accel.max() < 25.0
    assert abs(again.trajectory.at(again.arrive_s).pose[0] - slower.x_at(again.arrive_s)) < 1e-4
    assert tool[:, 2].min() > 0.0055


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_lift_never_goes_below_grip_height_when_a_descent_is_broken_off(share: float) -> None:
    rng = np.random.default_rng(3)
    plan = _pick(_at_bin(rng), _part(rng))
    now = plan.descend_s + share * (plan.arrive_s - plan.descend_s)
    lift = PLANNER.plan_lift(plan.trajectory.state_at(now), now)
    if isinstance(lift, Infeasible):
        # Too fast to turn round in time: the pick's own motion lifts after its hold.
        assert 0.2 <= share <= 0.9
        lift = plan.trajectory
    tool, speed, accel = _as_the_arm_moves(lift)
    assert tool[:, 2].min() > 0.0045
    assert tool[-1, 2] == pytest.approx(0.10, abs=1e-3)
    assert speed.max() < 4.0
    assert accel.max() < 50.0


def test_pick_ends_above_the_belt_and_at_rest_when_nobody_pre_empts_it() -> None:
    rng = np.random.default_rng(5)
    motion = _pick(_at_bin(rng), _part(rng)).trajectory
    np.testing.assert_allclose(motion.pose_rates[-1], 0.0, atol=1e-9)
    np.testing.assert_allclose(motion.rates_radps[-1], 0.0, atol=1e-9)
    assert motion.poses[-1, 2] == pytest.approx(0.10)


def test_place_ends_at_rest_over_the_bin_when_it_begins_on_the_belt() -> None:
    rng = np.random.default_rng(6)
    plan = _pick(_at_bin(rng), _part(rng))
    start_s = plan.arrive_s + 0.2
    place = PLANNER.plan_lift_and_place(plan.trajectory.state_at(start_s), start_s, BINS[1])
    assert isinstance(place, Trajectory)
    np.testing.assert_allclose(place.poses[-1, :3], BINS[1], atol=1e-9)
    np.testing.assert_allclose(place.rates_radps[-1], 0.0, atol=1e-9)
    np.testing.assert_allclose(place.poses[0, :3], [plan.part.x_at(start_s), plan.part.y_m, 0.006], atol=1e-4)


def test_arrival_is_not_earlier_when_the_gripper_needs_time() -> None:
    rng = np.random.default_rng(7)
    state, part = _at_bin(rng), MovingPart(0.45, 0.0, 0.0, 10.0, 0.2)
    soon = _pick(state, part)
    later = _pick(state, part, not_before_s=11.2)
    assert soon.arrive_s < 10.7
    assert later.arrive_s == pytest.approx(11.2, abs=0.01)


def test_rendezvous_is_the_earliest_when_durations_are_scanned_finely() -> None:
    state, part = ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0])), MovingPart(0.5, -0.05, 0.3, 10.0, 0.2)
    plan = _pick(state, part)
    hurried = replace(PLANNER, limits=replace(PLANNER.limits, accel_mps2=13.5))
    slower = hurried.plan_pick(state, 10.0, part)
    assert isinstance(slower, PickPlan)
    assert slower.arrive_s > plan.arrive_s
    # The limit is used: nothing much faster is left on the table.
    assert np.linalg.norm(plan.trajectory.pose_accels[:, :3], axis=1).max() > 0.85 * PLANNER.limits.accel_mps2


def test_part_at_rest_is_met_when_the_belt_stands_inside_the_window() -> None:
    plan = _pick(ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0])), MovingPart(0.5, 0.02, 0.0, 10.0, 0.0))
    np.testing.assert_allclose(plan.trajectory.at(plan.arrive_s).pose[:3], [0.5, 0.02, 0.006], atol=1e-4)


@pytest.mark.parametrize(
    ("x_m", "speed_mps", "later"),
    [(0.84, 0.2, False), (1.0, 0.2, False), (0.2, 0.0, False), (-0.6, 0.2, True)],
    ids=["last moment", "past", "standing outside", "far upstream"],
)
def test_pick_is_infeasible_when_the_part_is_not_met_in_the_window(x_m: float, speed_mps: float, later: bool) -> None:
    state = ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0]))
    plan = PLANNER.plan_pick(state, 10.0, MovingPart(x_m, 0.0, 0.0, 10.0, speed_mps))
    assert isinstance(plan, Infeasible)
    assert plan.reason
    assert plan.later is later


def test_move_is_infeasible_when_the_target_is_out_of_reach() -> None:
    plan = PLANNER.plan_move(ToolState.resting(np.array([0.6, 0.0, 0.1, 0.0])), 0.0, (1.6, 0.0, 0.1))
    assert isinstance(plan, Infeasible)
    assert "reach" in plan.reason


def test_move_descends_only_over_its_target_when_that_lies_low() -> None:
    move = PLANNER.plan_move(ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0])), 0.0, (0.5, -0.1, 0.03), yaw_rad=1.0)
    assert isinstance(move, Trajectory)
    np.testing.assert_allclose(move.poses[-1], [0.5, -0.1, 0.03, 1.0], atol=1e-9)
    away = np.hypot(move.poses[:, 0] - 0.5, move.poses[:, 1] + 0.1) > 0.02
    assert move.poses[away, 2].min() > 0.09


def test_sideways_waits_for_the_lift_when_the_tool_is_low() -> None:
    move = PLANNER.plan_move(ToolState.resting(np.array([0.5, -0.1, 0.01, 0.0])), 0.0, (0.6, 0.34, 0.10))
    assert isinstance(move, Trajectory)
    low = move.poses[:, 2] < 0.04
    assert np.ptp(move.poses[low][:, :2], axis=0).max() < 1e-6


def test_wrist_takes_the_short_way_when_fingers_are_alike_after_half_a_turn() -> None:
    limits = MotionLimits()
    assert finger_yaw(0.0, 1.4, limits) == pytest.approx(math.pi / 2)
    assert finger_yaw(0.0, -1.4, limits) == pytest.approx(-math.pi / 2)
    assert finger_yaw(math.pi / 2, 3.0, limits) == pytest.approx(math.pi)
    rng = np.random.default_rng(8)
    present = 0.0
    for side in rng.uniform(-10.0, 10.0, 300):
        yaw = finger_yaw(float(side), present, limits)
        assert limits.yaw_min_rad - 1e-9 <= yaw <= limits.yaw_max_rad + 1e-9
        assert math.cos(2.0 * (yaw - side)) == pytest.approx(-1.0)
        present = yaw
    narrow = replace(limits, yaw_min_rad=-0.5, yaw_max_rad=math.pi - 0.5)
    assert finger_yaw(math.pi / 2, 3.0, narrow) == pytest.approx(0.0)


def test_trajectory_stands_still_when_asked_outside_its_time() -> None:
    motion = PLANNER.plan_move(ToolState.resting(np.array([0.6, 0.34, 0.1, 0.0])), 5.0, BINS[1])
    assert isinstance(motion, Trajectory)
    for now, index in ((4.0, 0), (motion.end_s + 1.0, -1)):
        sample = motion.at(now)
        np.testing.assert_allclose(sample.joints_rad, motion.joints_rad[index])
        np.testing.assert_allclose(sample.rates_radps, 0.0)
        np.testing.assert_allclose(motion.state_at(now).accel, 0.0)
    assert np.all(np.diff(motion.times_s) > 0.0)
    np.testing.assert_allclose(motion.offsets_s(4.98), motion.times_s + 0.02)


def test_plan_takes_less_than_ten_milliseconds_when_timed() -> None:
    rng = np.random.default_rng(9)
    cases = [(_at_bin(rng), _part(rng)) for _ in range(20)]
    spent = []
    for state, part in cases:
        begun = time.process_time()
        PLANNER.plan_pick(state, 10.0, part)
        spent.append(time.process_time() - begun)
    # 1.6 ms measured on one core; the bound leaves room for a loaded machine.
    assert sorted(spent)[len(spent) // 2] < 0.010
