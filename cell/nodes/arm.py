"""An arm's driver behind the interface of every ROS 2 arm driver."""

from __future__ import annotations

from typing import Any, cast

from control_msgs.action import FollowJointTrajectory
from diagnostic_msgs.msg import DiagnosticStatus
from pydantic import Field
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.drivers.interfaces import Arm, ArmPoint, Motion, MotionState
from cell.drivers.registry import process_devices
from cell.nodes.node import ERROR, OK, WARN, CellNode, seconds, stamp_of, status
from cell.parameters import Device, NodeParameters

PERIOD_S = 0.01
ENDS = {
    MotionState.DONE: FollowJointTrajectory.Result.SUCCESSFUL,
    MotionState.REFUSED: FollowJointTrajectory.Result.INVALID_GOAL,
    MotionState.STOPPED: FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED,
    MotionState.FAILED: FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED,
}


class ArmParameters(NodeParameters):
    """The arm."""

    device: Device = Field(description="the arm's driver")


PARAMETERS = ArmParameters


class ArmNode(CellNode):
    """Serves /arm/follow_joint_trajectory and publishes /joint_states.

    A newer goal takes the place of the running one, which ends aborted. A cancelled goal brakes the arm.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("arm", **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._arm = cast(Arm, devices.open(self.device_spec("device", "arm")))
        self._published_s = -1.0
        self._pending: tuple[Future[Motion], int] | None = None
        self._states = self.create_publisher(JointState, "/joint_states", 10)
        self._server = ActionServer(
            self,
            FollowJointTrajectory,
            "/arm/follow_joint_trajectory",
            execute_callback=self._execute,
            goal_callback=self._accept,
            cancel_callback=self._cancel,
        )
        self.create_timer(PERIOD_S, self._step)

    def _accept(self, goal: Any) -> GoalResponse:
        trajectory, count = goal.trajectory, len(self._arm.joints)
        shaped = all(len(point.positions) == count == len(point.velocities) for point in trajectory.points)
        known = sorted(trajectory.joint_names) == sorted(self._arm.joints)
        return GoalResponse.ACCEPT if known and shaped and trajectory.points else GoalResponse.REJECT

    def _cancel(self, _goal: Any) -> CancelResponse:
        self._arm.stop()
        return CancelResponse.ACCEPT

    async def _execute(self, goal: ServerGoalHandle[Any, Any, Any]) -> FollowJointTrajectory.Result:
        trajectory = goal.request.trajectory
        order = [list(trajectory.joint_names).index(joint) for joint in self._arm.joints]
        points = [
            ArmPoint(
                seconds(point.time_from_start),
                tuple(float(point.positions[place]) for place in order),
                tuple(float(point.velocities[place]) for place in order),
            )
            for point in trajectory.points
        ]
        # A stamp of zero means at once, as in ROS 2.
        start_s = seconds(trajectory.header.stamp)
        ahead_s = start_s - self.now_s if start_s else 0.0
        self._end(Motion(0, MotionState.FAILED, "pre-empted by a newer goal"))
        done: Future[Motion] = Future()
        number = self._arm.follow(points, start_s=self._bus_clock() + ahead_s)
        self._pending = (done, number)
        motion = await done
        result = FollowJointTrajectory.Result()
        ended = motion if motion is not None else Motion(number, MotionState.FAILED, "the node ended")
        result.error_code, result.error_string = ENDS[ended.state], ended.reason
        if goal.is_cancel_requested:
            goal.canceled()
        elif ended.state is MotionState.DONE:
            goal.succeed()
        else:
            self.get_logger().warning(f"trajectory {ended.state.value}: {ended.reason}")
            goal.abort()
        return result

    def _end(self, motion: Motion) -> None:
        if self._pending is None:
            return
        done, _ = self._pending
        self._pending = None
        if not done.done():
            done.set_result(motion)

    def _step(self) -> None:
        reading, motion = self._arm.status, self._arm.motion
        if reading is not None and reading.good and reading.stamp_s > self._published_s:
            self._published_s = reading.stamp_s
            age_s = self._bus_clock() - reading.stamp_s
            self._states.publish(
                JointState(
                    header=Header(stamp=stamp_of(self.now_s - age_s), frame_id="arm_base"),
                    name=list(self._arm.joints),
                    position=list(reading.value.joints_rad),
                    velocity=list(reading.value.rates_radps),
                )
            )
        if self._pending is None or motion is None or motion.number != self._pending[1]:
            return
        if motion.state in ENDS:
            self._end(motion)

    def health(self) -> list[DiagnosticStatus]:
        """One line: connected and ready, or why not."""
        reading = self._arm.status
        if not self._arm.connected or self._arm.error is not None:
            return [status("arm", ERROR, self._arm.error or "does not answer")]
        if reading is None or not reading.value.ready:
            return [status("arm", WARN, "not ready")]
        return [status("arm", OK, "ready")]
