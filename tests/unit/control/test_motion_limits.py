"""What every planned motion keeps, over random picks: jerk, joint rates, distance from singular positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cell import kinematics
from cell.kinematics import DeltaGeometry
from cell.motion import Infeasible, MotionLimits, MovingPart, PickPlan, Planner
from cell.trajectory import ToolState, Trajectory

# Points so close that the difference of two accelerations is the jerk between them.
FINE = Planner(step_s=0.001)
BINS = ((0.60, 0.34, 0.10), (0.60, -0.34, 0.10))


def _at_bin(rng: np.random.Generator) -> ToolState:
    return ToolState.resting(np.array([*BINS[int(rng.integers(2))], rng.uniform(-3.0, 3.0)]))


def _part(rng: np.random.Generator) -> MovingPart:
    return MovingPart(rng.uniform(0.0, 0.72), rng.uniform(-0.11, 0.11), rng.uniform(-3.0, 3.0), 10.0, 0.2)


def _jerk(motion: Trajectory) -> float:
    step = np.diff(motion.times_s)[:, None]
    return float(np.linalg.norm(np.diff(motion.pose_accels[:, :3], axis=0) / step, axis=1).max())


def _motions(planner: Planner, seed: int) -> tuple[list[Trajectory], list[Trajectory]]:
    """A pick, the same planned anew on the way, and the way to a bin; and a descent that is broken off."""
    rng = np.random.default_rng(seed)
    plan = planner.plan_pick(_at_bin(rng), 10.0, _part(rng))
    if isinstance(plan, Infeasible):
        return [], []
    now = float(rng.uniform(10.0, plan.descend_s))
    slower = MovingPart(plan.part.x_at(now) - 0.006, plan.part.y_m, plan.part.yaw_rad, now, 0.19)
    again = planner.plan_pick(plan.trajectory.state_at(now), now, slower)
    leave_s = float(rng.uniform(plan.arrive_s, plan.hold_until_s))
    place = planner.plan_lift_and_place(plan.trajectory.state_at(leave_s), leave_s, BINS[int(rng.integers(2))])
    assert isinstance(place, Trajectory)
    planned = [plan.trajectory, place]
    if isinstance(again, PickPlan):
        planned.append(again.trajectory)
    broken_s = float(rng.uniform(plan.descend_s, plan.hold_until_s))
    lift = planner.plan_lift(plan.trajectory.state_at(broken_s), broken_s)
    return planned, [] if isinstance(lift, Infeasible) else [lift]


@pytest.mark.parametrize("limit_mps3", [1000.0, 400.0])
def test_jerk_keeps_its_limit_when_picks_are_random(limit_mps3: float) -> None:
    planner = replace(FINE, limits=MotionLimits(jerk_mps3=limit_mps3))
    planned = evasive = 0
    for seed in range(60):
        motions, lifts = _motions(planner, seed)
        for motion in motions:
            planned += 1
            assert _jerk(motion) <= 1.01 * limit_mps3, seed
        for motion in lifts:
            evasive += 1
            assert _jerk(motion) <= 2.01 * limit_mps3, seed
    assert planned > 120
    assert evasive > 30


def test_less_jerk_takes_longer_when_the_pick_is_the_same() -> None:
    rng = np.random.default_rng(4)
    state, part = _at_bin(rng), _part(rng)
    soft = replace(FINE, limits=MotionLimits(jerk_mps3=200.0)).plan_pick(state, 10.0, part)
    hard = FINE.plan_pick(state, 10.0, part)
    assert isinstance(soft, PickPlan)
    assert isinstance(hard, PickPlan)
    assert soft.arrive_s > hard.arrive_s + 0.05


def test_acceleration_is_continuous_when_a_plan_takes_over_another() -> None:
    for seed in range(20):
        motions, _ = _motions(FINE, seed)
        if len(motions) < 3:
            continue
        pick, _, again = motions
        now = again.start_s
        np.testing.assert_allclose(again.pose_accels[0], pick.state_at(now).accel, atol=0.05)


def test_shoulders_keep_their_rate_when_picks_are_random() -> None:
    limits = MotionLimits(joint_rate_radps=3.0)
    planner = replace(FINE, limits=limits, step_s=0.01)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(40):
        plan = planner.plan_pick(_at_bin(rng), 10.0, _part(rng))
        if isinstance(plan, PickPlan):
            assert np.abs(plan.trajectory.rates_radps[:, :3]).max() <= 3.0
        elif "shoulder" in plan.reason:
            refused += 1
    assert refused > 0


def test_no_way_leads_near_a_singular_position_when_a_bin_stands_at_the_border_of_reach() -> None:
    home = ToolState.resting(np.array([0.60, 0.0, 0.10, 0.0]))
    # Joints that turn further than theirs: their range would refuse it before.
    free = replace(FINE, geometry=DeltaGeometry(joint_min_rad=-3.0, joint_max_rad=3.0))
    far = free.plan_move(home, 10.0, (0.60, -0.58, 0.10))
    assert isinstance(far, Infeasible)
    assert "singular" in far.reason
    near = FINE.plan_move(home, 10.0, (0.60, -0.40, 0.10))
    assert isinstance(near, Trajectory)
    assert kinematics.dexterity(FINE.geometry, near.poses[:, :3]).min() >= 0.2


def test_joints_would_have_to_race_when_dexterity_is_small() -> None:
    geometry = DeltaGeometry(joint_min_rad=-3.0, joint_max_rad=3.0)
    line = np.array([[0.60 + r, 0.0, 0.10] for r in np.linspace(0.0, 0.66, 400)])
    inside = kinematics.reachable(geometry, line)
    line = line[inside]
    dexterity = kinematics.dexterity(geometry, line)
    outward = np.broadcast_to(np.array([1.0, 0.0, 0.0]), line.shape)
    fastest = np.abs(kinematics.joint_velocity(geometry, line, outward, 0.0)[:, :3]).max(axis=1)
    assert dexterity[0] > 0.7
    assert dexterity.min() < 0.1
    assert fastest[dexterity < 0.1].max() > 3.0 * fastest[dexterity > 0.5].max()


def test_slow_planner_keeps_its_share_of_the_speed_when_it_carries() -> None:
    rng = np.random.default_rng(9)
    plan = FINE.plan_pick(_at_bin(rng), 10.0, _part(rng))
    assert isinstance(plan, PickPlan)
    start_s = plan.arrive_s + 0.1
    state = plan.trajectory.state_at(start_s)
    slow = FINE.slowed(0.4).plan_lift_and_place(state, start_s, BINS[0])
    usual = FINE.plan_lift_and_place(state, start_s, BINS[0])
    assert isinstance(slow, Trajectory)
    assert isinstance(usual, Trajectory)
    assert np.linalg.norm(slow.pose_rates[:, :3], axis=1).max() <= 0.4 * 1.5 * 1.01
    assert slow.end_s - slow.start_s > 1.5 * (usual.end_s - usual.start_s)
