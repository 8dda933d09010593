"""Tracked parts in, decisions out: what leaves the belt and into which bin, and which of those the arm takes next."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time as TimeMsg
from cell_msgs.msg import PartArray, PartOutcome, PickDecision
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState

from cell.dispatch import Choice, Dispatcher, DispatchLimits
from cell.nodes import belt
from cell.nodes.node import OK, WARN, CellNode, status
from cell.odometry import Odometry
from perception.types import BeltPart, Verdict
from policies.fallback import REST_S
from policies.registry import make
from policies.types import ArmModel

PERIOD_S = 0.02


class PolicyNode(CellNode):
    """Wires the dispatcher: /parts, /outcomes and /conveyor/state in, /decisions out."""

    DECIDES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("policy", **kwargs)
        self.policy = make(str(self.setting("name", "spt")))
        first_m, last_m = self.numbers("window_m", (0.35, 0.85))
        bins = {
            name: (x_m, y_m)
            for name, (x_m, y_m) in (
                ("defect", self.numbers("bins.defect", (0.60, 0.34))),
                ("reject", self.numbers("bins.reject", (0.60, -0.34))),
            )
        }
        self._dispatcher = Dispatcher(
            self.policy,
            ArmModel(
                max_accel_mps2=float(self.setting("max_accel_mps2", 15.0)),
                max_speed_mps=float(self.setting("max_speed_mps", 1.5)),
                grip_s=float(self.setting("grip_s", 0.6)),
                release_s=float(self.setting("release_s", 0.3)),
                overhead_s=0.05,
            ),
            DispatchLimits(window_m=(first_m, last_m), bins_m=bins),
            clock=lambda: self.now_s,
        )
        self._faults = 0
        self._odometry = Odometry()
        self._image_stamp = TimeMsg()
        self._publisher = self.create_publisher(PickDecision, "/decisions", 50)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_subscription(PartArray, "/parts", self._on_parts, 10)
        self.create_subscription(PartOutcome, "/outcomes", self._on_outcome, 50)
        self.create_timer(PERIOD_S, self._choose)

    def _on_belt(self, message: JointState) -> None:
        self._odometry.add(belt.sample(message))

    def _on_parts(self, message: PartArray) -> None:
        self._image_stamp = message.header.stamp
        for part in message.parts:
            if not part.final:
                continue
            choice = self._dispatcher.judge(
                BeltPart(
                    part_id=part.part_id,
                    belt_x_m=part.belt_x_m,
                    y_m=part.y_m,
                    yaw_rad=part.yaw_rad,
                    length_m=part.length_m,
                    width_m=part.width_m,
                    covariance=(0.0, 0.0, 0.0, 0.0),
                    verdict=Verdict(part.verdict),
                    score=part.score,
                    defects=tuple(part.defects),
                    views=part.views,
                    final=True,
                    stamp_s=0.0,
                )
            )
            if choice is not None:
                self._publish(choice, message.header.stamp)
        self._choose()

    def _on_outcome(self, message: PartOutcome) -> None:
        self._dispatcher.outcome(message.part_id, message.fate)

    def _choose(self) -> None:
        now_s = self.now_s
        travel_m = self._odometry.travel_at(now_s)
        latest = self._odometry.latest
        if travel_m is None or latest is None:
            return
        choice = self._dispatcher.choose(now_s, travel_m, latest.speed_mps)
        if self._dispatcher.faults > self._faults:
            self._faults = self._dispatcher.faults
            self.get_logger().warning(f"a rule decides for {REST_S:g} s: {self._dispatcher.fault}")
            self.report_change()
        if choice is not None:
            self._publish(choice, self._image_stamp)

    def _publish(self, choice: Choice, image_stamp: TimeMsg) -> None:
        decision = PickDecision(
            part_id=choice.part_id,
            action=int(choice.action),
            bin=choice.bin,
            policy=choice.policy or self.policy.name,
            reason=choice.reason,
            image_stamp=image_stamp,
        )
        decision.header.stamp = self.now_msg()
        self._publisher.publish(decision)

    def health(self) -> list[DiagnosticStatus]:
        """One line: the policy and how many parts wait for the arm; a warning while a rule decides in its place."""
        fault = self._dispatcher.fault
        values: dict[str, object] = {"waiting": self._dispatcher.waiting, "faults": self._dispatcher.faults}
        if fault:
            return [status("policy", WARN, f"a rule decides, {fault}", values)]
        return [status("policy", OK, self.policy.name, values)]
