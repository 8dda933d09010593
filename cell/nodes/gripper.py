"""The gripper: /gripper/command in, /gripper/state out (joints: ``cell.nodes.fingers``, ``cell.nodes.suction``)."""

from __future__ import annotations

from typing import Any, Protocol, cast

from control_msgs.action import ParallelGripperCommand
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.conditions import CAUSE
from cell.drivers.interfaces import Gripper, Reading, Vacuum
from cell.drivers.registry import process_devices
from cell.nodes.doorman import Doorman
from cell.nodes.fingers import FingerHand
from cell.nodes.node import ERROR, OK, WARN, CellNode, stamp_of, status
from cell.nodes.suction import SuctionHand, SuctionSettings

PERIOD_S = 0.02


class Hand(Protocol):
    """One kind of gripper as this node drives it; a reading is the device's own."""

    @property
    def reading(self) -> Reading[Any] | None: ...

    @property
    def activated(self) -> bool: ...

    def obey(self, position: float, speed: float | None, effort: float | None) -> str: ...

    def settled(self, reading: Reading[Any]) -> bool: ...

    def result(self, reading: Reading[Any], header: Header) -> ParallelGripperCommand.Result: ...

    def state(self, reading: Reading[Any], header: Header) -> JointState: ...

    def figures(self, reading: Reading[Any]) -> dict[str, object]: ...


class GripperNode(CellNode):
    """One gripper, two fingers or a suction cup, behind the action that ROS 2 uses for parallel grippers.

    Of fingers a goal's ``command`` gives the opening (position, m), the speed (velocity, m/s) and the force (effort,
    N); of a cup, whether it holds (``cell.nodes.suction``). A stall on a part is a success: ``stalled`` is then true,
    ``reached_goal`` false. A newer goal ends the one before it.
    """

    MOVES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("gripper", **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._gripper = devices.open(self.device_spec("device", "gripper"))
        self._hand: Hand
        if hasattr(self._gripper, "grip"):
            usual = SuctionSettings()
            settings = SuctionSettings(
                hold_pressure_pa=float(self.setting("suction.hold_pressure_pa", usual.hold_pressure_pa)),
                deeper_pa=float(self.setting("suction.deeper_pa", usual.deeper_pa)),
                timeout_s=float(self.setting("suction.timeout_s", usual.timeout_s)),
            )
            self._hand = SuctionHand(cast(Vacuum, self._gripper), settings)
        else:
            self._hand = FingerHand(cast(Gripper, self._gripper))
        cast("Gripper | Vacuum", self._gripper).activate()
        self._published_s = -1.0
        self._pending: tuple[Future[Reading[Any] | None], float] | None = None
        self._publisher = self.create_publisher(JointState, "/gripper/state", 10)
        self._server = ActionServer(
            self,
            ParallelGripperCommand,
            "/gripper/command",
            execute_callback=self._execute,
            goal_callback=self._accept,
            cancel_callback=lambda _goal: CancelResponse.ACCEPT,
        )
        self._doorman = Doorman(self)
        self.create_timer(PERIOD_S, self._step)

    def _accept(self, goal: Any) -> GoalResponse:
        command = goal.command
        refusal = self._doorman.refusal(command.header.frame_id)
        if refusal is not None:
            self.get_logger().warning(f"goal refused: {refusal}")
            return GoalResponse.REJECT
        well_formed = len(command.position) == 1 and len(command.velocity) <= 1 and len(command.effort) <= 1
        return GoalResponse.ACCEPT if well_formed and self._hand.activated else GoalResponse.REJECT

    async def _execute(self, goal: ServerGoalHandle[Any, Any, Any]) -> ParallelGripperCommand.Result:
        command = goal.request.command
        told = self._hand.obey(
            float(command.position[0]),
            float(command.velocity[0]) if len(command.velocity) else None,
            float(command.effort[0]) if len(command.effort) else None,
        )
        if self._pending is not None and not self._pending[0].done():
            self._pending[0].set_result(None)
        done: Future[Reading[Any] | None] = Future()
        self._pending = (done, self._bus_clock())
        reading = await done
        if reading is None:
            goal.abort()
            return ParallelGripperCommand.Result()
        result = self._hand.result(reading, self._header(reading))
        self.get_logger().debug(f"gripper {told}: {self._hand.figures(reading)}")
        goal.succeed()
        return result

    def _step(self) -> None:
        self.report_change()
        reading = self._hand.reading
        if reading is None or reading.stamp_s <= self._published_s:
            return
        self._published_s = reading.stamp_s
        if reading.good:
            self._publisher.publish(self._hand.state(reading, self._header(reading)))
        if self._pending is None or reading.stamp_s <= self._pending[1] or not self._hand.settled(reading):
            return
        done, _ = self._pending
        self._pending = None
        if not done.done():
            done.set_result(reading)

    def _header(self, reading: Reading[Any]) -> Header:
        age_s = self._bus_clock() - reading.stamp_s
        return Header(stamp=stamp_of(self.now_s - age_s), frame_id="gripper")

    def health(self) -> list[DiagnosticStatus]:
        """One line: connected and activated, or the device's fault."""
        reading = self._hand.reading
        if self._gripper.error is not None or not self._gripper.connected:
            cause = "device_fault" if self._gripper.connected else "device_lost"
            return [status("gripper", ERROR, self._gripper.error or "does not answer", {CAUSE: cause})]
        if reading is None or not reading.value.activated:
            return [status("gripper", WARN, "activating")]
        return [status("gripper", OK, "activated", self._hand.figures(reading))]
