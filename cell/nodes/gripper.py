"""The gripper: /gripper/command in, /gripper/state out (its joints: ``cell.nodes.fingers``)."""

from __future__ import annotations

from typing import Any, cast

from control_msgs.action import ParallelGripperCommand
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.drivers.interfaces import Gripper, GripperStatus, Reading
from cell.drivers.registry import process_devices
from cell.nodes import fingers
from cell.nodes.node import ERROR, OK, WARN, CellNode, stamp_of, status

PERIOD_S = 0.02


class GripperNode(CellNode):
    """One two-finger gripper behind the action that ROS 2 uses for parallel grippers.

    A goal's ``command`` gives the opening (position, m), the speed (velocity, m/s) and the force (effort, N). A stall
    on a part is a success: ``stalled`` is then true, ``reached_goal`` false. A newer goal ends the one before it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("gripper", **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._gripper = cast(Gripper, devices.open(self.device_spec("device", "gripper")))
        self._gripper.activate()
        self._published_s = -1.0
        self._pending: tuple[Future[Reading[GripperStatus] | None], float] | None = None
        self._publisher = self.create_publisher(JointState, "/gripper/state", 10)
        self._server = ActionServer(
            self,
            ParallelGripperCommand,
            "/gripper/command",
            execute_callback=self._execute,
            goal_callback=self._accept,
            cancel_callback=lambda _goal: CancelResponse.ACCEPT,
        )
        self.create_timer(PERIOD_S, self._step)

    def _accept(self, goal: Any) -> GoalResponse:
        command = goal.command
        well_formed = len(command.position) == 1 and len(command.velocity) <= 1 and len(command.effort) <= 1
        reading = self._gripper.status
        ready = reading is not None and reading.good and reading.value.activated
        return GoalResponse.ACCEPT if well_formed and ready else GoalResponse.REJECT

    async def _execute(self, goal: ServerGoalHandle[Any, Any, Any]) -> ParallelGripperCommand.Result:
        command = goal.request.command
        sent = self._gripper.move(
            float(command.position[0]),
            speed_mps=float(command.velocity[0]) if command.velocity else 0.15,
            force_n=float(command.effort[0]) if command.effort else 60.0,
        )
        if self._pending is not None and not self._pending[0].done():
            self._pending[0].set_result(None)
        done: Future[Reading[GripperStatus] | None] = Future()
        self._pending = (done, self._bus_clock())
        reading = await done
        result = ParallelGripperCommand.Result()
        if reading is None:
            goal.abort()
            return result
        result.state = self._state(reading)
        result.stalled = reading.value.object_detected
        result.reached_goal = reading.value.at_request and not reading.value.object_detected
        self.get_logger().debug(f"gripper at {reading.value.width_m:.4f} m of {sent.width_m:.4f} m")
        goal.succeed()
        return result

    def _step(self) -> None:
        reading = self._gripper.status
        if reading is None or reading.stamp_s <= self._published_s:
            return
        self._published_s = reading.stamp_s
        if reading.good:
            self._publisher.publish(self._state(reading))
        if self._pending is None or reading.stamp_s <= self._pending[1] or reading.value.moving:
            return
        done, _ = self._pending
        self._pending = None
        if not done.done():
            done.set_result(reading)

    def _state(self, reading: Reading[GripperStatus]) -> JointState:
        value = reading.value
        age_s = self._bus_clock() - reading.stamp_s
        return fingers.message(Header(stamp=stamp_of(self.now_s - age_s), frame_id="gripper"), value)

    def health(self) -> list[DiagnosticStatus]:
        """One line: connected and activated, or the device's fault."""
        reading = self._gripper.status
        if self._gripper.error is not None or not self._gripper.connected:
            return [status("gripper", ERROR, self._gripper.error or "does not answer")]
        if reading is None or not reading.value.activated:
            return [status("gripper", WARN, "activating")]
        return [status("gripper", OK, "activated", {"width_m": round(reading.value.width_m, 4)})]
