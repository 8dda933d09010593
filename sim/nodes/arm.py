"""The simulated arm behind the interface of every ROS 2 arm driver."""

from __future__ import annotations

from typing import Any

from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.parameters import NodeParameters

JOINTS = ("shoulder_1", "shoulder_2", "shoulder_3", "wrist_yaw")
PERIOD_S = 0.02


class PARAMETERS(NodeParameters):
    """The arm's measures stand in the scenario."""


def _seconds(duration: Any) -> float:
    return float(duration.sec) + float(duration.nanosec) * 1e-9


def _seconds_until(stamp: Any, now_ns: int) -> float:
    """From now to a trajectory's start; a stamp of zero means at once, as in ROS 2."""
    start_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
    return (start_ns - now_ns) * 1e-9 if start_ns else 0.0


class SimArmNode(Node):
    """Serves /arm/follow_joint_trajectory and publishes /joint_states.

    A newer goal pre-empts the running one, which ends aborted; the arm goes on from its motion at that instant.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("sim_arm", automatically_declare_parameters_from_overrides=True, **kwargs)
        from sim.bench import current_bench  # noqa: PLC0415 (a run in processes loads this module for its parameters)

        self._bench = current_bench()
        self._running: tuple[Future[tuple[int, str]], float] | None = None
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
        trajectory = goal.trajectory
        shaped = all(
            len(point.positions) == len(JOINTS) and len(point.velocities) == len(JOINTS) for point in trajectory.points
        )
        known = tuple(trajectory.joint_names) == JOINTS
        return GoalResponse.ACCEPT if known and shaped and trajectory.points else GoalResponse.REJECT

    def _cancel(self, _goal: Any) -> CancelResponse:
        self._bench.halt_arm()
        return CancelResponse.ACCEPT

    async def _execute(self, goal: ServerGoalHandle[Any, Any, Any]) -> FollowJointTrajectory.Result:
        trajectory = goal.request.trajectory
        self._end(FollowJointTrajectory.Result.INVALID_GOAL, "pre-empted by a newer goal")
        stamp = trajectory.header.stamp
        ahead_s = _seconds_until(stamp, self.get_clock().now().nanoseconds)
        refusal = self._bench.follow(
            ahead_s=ahead_s,
            times_s=[_seconds(point.time_from_start) for point in trajectory.points],
            positions=[list(point.positions) for point in trajectory.points],
            velocities=[list(point.velocities) for point in trajectory.points],
        )
        result = FollowJointTrajectory.Result()
        if refusal is not None:
            result.error_code, result.error_string = refusal
            self.get_logger().warning(f"trajectory refused: {result.error_string}")
            goal.abort()
            return result
        done: Future[tuple[int, str]] = Future()
        self._running = (done, self._bench.now_s() + ahead_s + _seconds(trajectory.points[-1].time_from_start))
        ended = await done
        result.error_code, result.error_string = ended if ended is not None else (0, "")
        if goal.is_cancel_requested:
            goal.canceled()
        elif result.error_code == FollowJointTrajectory.Result.SUCCESSFUL:
            goal.succeed()
        else:
            goal.abort()
        return result

    def _end(self, code: int, words: str) -> None:
        if self._running is None:
            return
        done, _ = self._running
        self._running = None
        if not done.done():
            done.set_result((code, words))

    def _step(self) -> None:
        positions, velocities = self._bench.arm_state()
        self._states.publish(
            JointState(
                header=Header(stamp=self.get_clock().now().to_msg(), frame_id="arm_base"),
                name=list(JOINTS),
                position=list(positions),
                velocity=list(velocities),
            )
        )
        if self._running is None:
            return
        if self._bench.arm_halted:
            self._end(FollowJointTrajectory.Result.PATH_TOLERANCE_VIOLATED, "halted")
        elif self._bench.now_s() >= self._running[1]:
            self._end(FollowJointTrajectory.Result.SUCCESSFUL, "")
