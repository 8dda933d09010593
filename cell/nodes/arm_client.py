"""The arm as the picker sees it: numbered goals to /arm/follow_joint_trajectory, and what became of the newest one."""

from __future__ import annotations

import dataclasses
from typing import Any

from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionClient
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from unique_identifier_msgs.msg import UUID

from cell.nodes.node import seconds, stamp_of
from cell.passes import goal_id
from cell.pick_types import ArmGoal, ArmView, GoalState

JOINTS = ("shoulder_1", "shoulder_2", "shoulder_3", "wrist_yaw")
ENDS = {
    GoalStatus.STATUS_SUCCEEDED: GoalState.SUCCEEDED,
    GoalStatus.STATUS_CANCELED: GoalState.CANCELED,
    GoalStatus.STATUS_ABORTED: GoalState.ABORTED,
}


class ArmClient:
    """Sends trajectories and keeps ``view`` up to date; only the newest goal's fate counts."""

    def __init__(self, node: Node) -> None:
        self.view = ArmView()
        self._handle: Any = None
        self._client: ActionClient[Any, Any, Any] = ActionClient(
            node, FollowJointTrajectory, "/arm/follow_joint_trajectory"
        )
        node.create_subscription(JointState, "/joint_states", self._on_joints, 10)

    @property
    def ready(self) -> bool:
        """An arm serves the action and has reported its joints."""
        return self._client.server_is_ready() and self.view.joints_rad is not None

    def send(self, goal: ArmGoal) -> None:
        """A new motion in place of the running one; it begins at its trajectory's own start."""
        self._handle = None
        self.view = dataclasses.replace(self.view, goal_number=goal.number, goal_state=GoalState.PENDING, reason="")
        trajectory = goal.trajectory
        points = [
            JointTrajectoryPoint(positions=joints, velocities=rates, time_from_start=_duration(offset))
            for joints, rates, offset in zip(
                trajectory.joints_rad.tolist(),
                trajectory.rates_radps.tolist(),
                trajectory.times_s.tolist(),
                strict=True,
            )
        ]
        message = FollowJointTrajectory.Goal(trajectory=JointTrajectory(joint_names=list(JOINTS), points=points))
        message.trajectory.header.stamp = stamp_of(trajectory.start_s)
        future = self._client.send_goal_async(message, goal_uuid=UUID(uuid=list(goal_id())))
        future.add_done_callback(lambda done: self._on_answer(goal.number, done.result()))

    def refuse(self, goal: ArmGoal, reason: str) -> None:
        """Take a goal back before it was sent: the sequence sees it rejected."""
        self.view = dataclasses.replace(
            self.view, goal_number=goal.number, goal_state=GoalState.REJECTED, reason=reason
        )

    def cancel(self) -> None:
        """Stop the running motion."""
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _on_joints(self, message: JointState) -> None:
        by_name = dict(zip(message.name, zip(message.position, message.velocity, strict=True), strict=True))
        if any(joint not in by_name for joint in JOINTS):
            return
        (a, va), (b, vb), (c, vc), (d, vd) = (by_name[joint] for joint in JOINTS)
        self.view = dataclasses.replace(
            self.view, joints_rad=(a, b, c, d), rates_radps=(va, vb, vc, vd), stamp_s=seconds(message.header.stamp)
        )

    def _on_answer(self, number: int, handle: Any) -> None:
        if number != self.view.goal_number:
            return
        if not handle.accepted:
            self._become(number, GoalState.REJECTED, "the arm refused the goal")
            return
        self._handle = handle
        self._become(number, GoalState.ACTIVE, "")
        handle.get_result_async().add_done_callback(lambda done: self._on_end(number, done.result()))

    def _on_end(self, number: int, response: Any) -> None:
        state = ENDS.get(response.status, GoalState.ABORTED)
        self._become(number, state, response.result.error_string)

    def _become(self, number: int, state: GoalState, reason: str) -> None:
        if number == self.view.goal_number:
            self.view = dataclasses.replace(self.view, goal_state=state, reason=reason)


def _duration(offset_s: float) -> Duration:
    nanoseconds = round(offset_s * 1e9)
    return Duration(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)
