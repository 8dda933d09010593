"""The table of topics: every name in the cell's graph, its type, its quality of service and its rate.

The names are a contract. A test compares every node's publishers and subscriptions with this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    Attributes:
        name: absolute.
        type: of its messages, ``package/Name``.
        depth: history that the writer keeps; a reader that needs more to match messages up may keep more.
        rate_hz: how often a message comes in a running cell; None: when something happens.
        transient_local: a reader that comes late gets the last messages.
        reliable: every message arrives, or the writer knows.
    """

    name: str
    type: str
    depth: int
    rate_hz: float | None
    transient_local: bool = False
    reliable: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service or an action: its name and its type, ``package/Name``."""

    name: str
    type: str


def _by_name(*topics: Topic) -> MappingProxyType[str, Topic]:
    return MappingProxyType({topic.name: topic for topic in topics})


TOPICS: Final = _by_name(
    # rclpy reads /clock best effort with a depth of 1; so does everybody here.
    Topic("/clock", "rosgraph_msgs/Clock", depth=1, rate_hz=None, reliable=False),
    # Two pictures may wait: a longer queue would only judge parts that have gone by.
    Topic("/camera/image", "sensor_msgs/Image", depth=2, rate_hz=10.0),
    Topic("/camera/camera_info", "sensor_msgs/CameraInfo", depth=2, rate_hz=10.0),
    Topic("/detections", "vision_msgs/Detection2DArray", depth=10, rate_hz=10.0),
    Topic("/conveyor/state", "sensor_msgs/JointState", depth=10, rate_hz=50.0),
    Topic("/parts", "cell_msgs/PartArray", depth=10, rate_hz=10.0),
    # One decision and one outcome a part: none may be lost, a burst of parts must fit.
    Topic("/decisions", "cell_msgs/PickDecision", depth=50, rate_hz=None),
    Topic("/outcomes", "cell_msgs/PartOutcome", depth=50, rate_hz=None),
    Topic("/joint_states", "sensor_msgs/JointState", depth=10, rate_hz=50.0),
    Topic("/gripper/state", "sensor_msgs/JointState", depth=10, rate_hz=50.0),
    Topic("/cell/state", "cell_msgs/CellState", depth=1, rate_hz=5.0, transient_local=True),
    Topic("/alarms", "cell_msgs/AlarmArray", depth=1, rate_hz=None, transient_local=True),
    # Signs of life: of three nodes by which something moves 40 times a second, of three that decide on it 20 times.
    Topic("/heartbeats", "std_msgs/Header", depth=10, rate_hz=180.0),
    Topic("/diagnostics", "diagnostic_msgs/DiagnosticArray", depth=10, rate_hz=5.0),
)
"""Every topic by name."""

SERVICES: Final = (
    Endpoint("/cell/command", "cell_msgs/StateCommand"),
    Endpoint("/alarms/command", "cell_msgs/AlarmCommand"),
)

ACTIONS: Final = (
    Endpoint("/arm/follow_joint_trajectory", "control_msgs/FollowJointTrajectory"),
    Endpoint("/gripper/command", "control_msgs/ParallelGripperCommand"),
)
