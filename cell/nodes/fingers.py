"""The gripper on /gripper/state.

Joint ``width`` is the opening in m, with the motor current in A as effort. The device's own word follows as joints
whose position is 0 or 1: ``moving``, ``object`` (stopped on something while closing), ``at_request`` (where it was told
to go; for a 2F-85 also a part that was lost), ``ready`` (activated); and ``requested``: the opening last asked for, m,
as the device echoed it.
"""

from __future__ import annotations

from typing import Any

from control_msgs.action import ParallelGripperCommand
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.drivers.interfaces import Gripper, GripperStatus, Reading
from cell.nodes.node import seconds
from cell.pick_types import GripperRequest, GripperView

NAMES = ("width", "moving", "object", "at_request", "ready", "requested")


class FingerHand:
    """A ``Gripper`` behind what the gripper's node asks of a hand."""

    def __init__(self, device: Gripper) -> None:
        self._device = device

    @property
    def reading(self) -> Reading[GripperStatus] | None:
        """The newest status."""
        return self._device.status

    @property
    def activated(self) -> bool:
        """It takes commands."""
        reading = self._device.status
        return reading is not None and reading.good and reading.value.activated

    def obey(self, position: float, speed: float | None, effort: float | None) -> str:
        """Go to an opening; returns what was commanded, in words."""
        sent = self._device.move(
            position, speed_mps=0.15 if speed is None else speed, force_n=60.0 if effort is None else effort
        )
        return f"goes to {sent.width_m:.4f} m"

    def settled(self, reading: Reading[Any]) -> bool:
        """The newest command has come to its end."""
        return not reading.value.moving

    def result(self, reading: Reading[Any], header: Header) -> ParallelGripperCommand.Result:
        """A stall on a part is a success."""
        value: GripperStatus = reading.value
        return ParallelGripperCommand.Result(
            state=self.state(reading, header),
            stalled=value.object_detected,
            reached_goal=value.at_request and not value.object_detected,
        )

    def state(self, reading: Reading[Any], header: Header) -> JointState:
        """The status as a message."""
        return message(header, reading.value)

    def figures(self, reading: Reading[Any]) -> dict[str, object]:
        """For the health line."""
        return {"width_m": round(reading.value.width_m, 4)}


def message(header: Header, value: GripperStatus) -> JointState:
    """One status of the gripper."""
    return JointState(
        header=header,
        name=list(NAMES),
        position=[
            value.width_m,
            float(value.moving),
            float(value.object_detected),
            float(value.at_request),
            float(value.activated),
            value.requested_width_m,
        ],
        effort=[value.current_a, *(0.0 for _ in NAMES[1:])],
    )


def view(state: JointState) -> GripperView:
    """The status as the pick sequence reads it."""
    width_m, moving, detected, at_request, _ready, requested_m = state.position
    return GripperView(
        width_m=float(width_m),
        moving=moving > 0.5,
        object_detected=detected > 0.5,
        at_request=at_request > 0.5,
        stamp_s=seconds(state.header.stamp),
        requested_width_m=float(requested_m),
        current_a=float(state.effort[0]) if len(state.effort) else 0.0,
    )


def goal(request: GripperRequest) -> ParallelGripperCommand.Goal:
    """What the picker asks for, as a goal."""
    found = ParallelGripperCommand.Goal()
    found.command.name = ["width"]
    found.command.position = [request.width_m]
    found.command.velocity = [request.speed_mps]
    found.command.effort = [request.force_n]
    return found
