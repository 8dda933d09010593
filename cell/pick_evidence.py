"""What statuses of gripper, arm and belt prove about a pick."""

from __future__ import annotations

from dataclasses import dataclass

from cell.motion import PickPlan
from cell.pick_types import ArmView, BeltView, GoalState, GripperView, PickJob, SequenceSettings

_FAILED = frozenset({GoalState.REJECTED, GoalState.ABORTED, GoalState.CANCELED})


@dataclass(frozen=True, slots=True)
class GripCommand:
    """An opening that the gripper was told, m, and when, s."""

    width_m: float
    at_s: float


def answers(settings: SequenceSettings, gripper: GripperView, command: GripCommand) -> bool:
    """The status was taken after the command, and where it echoes a requested width, that is the command's."""
    if gripper.stamp_s <= command.at_s:
        return False
    echo_m = gripper.requested_width_m
    return echo_m is None or abs(echo_m - command.width_m) <= settings.echo_m


def is_open(settings: SequenceSettings, gripper: GripperView, part_width_m: float) -> bool:
    """The fingers are wide enough to come down around the part."""
    return gripper.width_m >= part_width_m + settings.least_clearance_m - 1e-9


def lost(settings: SequenceSettings, gripper: GripperView, closing: GripCommand, held_width_m: float) -> bool:
    """What was held is no longer between the fingers: they have gone on to where they were told to close."""
    if not answers(settings, gripper, closing):
        return False
    slipped = gripper.width_m < held_width_m - settings.slip_m
    return slipped or (gripper.at_request and not gripper.object_detected)


def failed(arm: ArmView, number: int) -> bool:
    """The arm will not do, or has given up, the motion with that number."""
    return arm.goal_number == number and arm.goal_state in _FAILED


def arrived(arm: ArmView, number: int) -> bool:
    return arm.goal_number == number and arm.goal_state is GoalState.SUCCEEDED


def accepted(arm: ArmView, number: int) -> bool:
    return arm.goal_number == number and arm.goal_state in (GoalState.ACTIVE, GoalState.SUCCEEDED)


def part_x_m(job: PickJob, belt: BeltView, at_s: float) -> float:
    """x of the part in the cell frame at a time, m, the belt going on at its speed."""
    return job.belt_x_m + belt.travel_m + belt.speed_mps * (at_s - belt.stamp_s)


def error_m(job: PickJob, plan: PickPlan, belt: BeltView, at_s: float) -> float:
    """How far downstream of its planned place the part will be at a time, m."""
    return part_x_m(job, belt, at_s) - plan.part.x_at(at_s)
