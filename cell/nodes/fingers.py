"""The gripper on /gripper/state.

Joint ``width`` is the opening in m, with the motor current in A as effort. The device's own word follows as joints
whose position is 0 or 1: ``moving``, ``object`` (stopped on something while closing), ``at_request`` (where it was told
to go; for a 2F-85 also a part that was lost), ``ready`` (activated); and ``requested``: the opening last asked for, m,
as the device echoed it.
"""

from __future__ import annotations

from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.drivers.interfaces import GripperStatus
from cell.nodes.node import seconds
from cell.pick_types import GripperView

NAMES = ("width", "moving", "object", "at_request", "ready", "requested")


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
    )
