"""The picker: carries decisions out with arm and gripper, behind the safety gate, and keeps the books."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cell_msgs.msg import AlarmArray, CellState, PartArray, PartOutcome, PickDecision
from control_msgs.action import ParallelGripperCommand
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionClient
from sensor_msgs.msg import JointState

from cell.accounts import RETRY, AccountLimits, Accounts, Closed
from cell.bookkeeping import Books, Ruling
from cell.conditions import CAUSE, HOLD, HOLD_CAUSE
from cell.ledger import Ledger, LedgerError
from cell.ledger_retention import Retention
from cell.nodes import belt, fingers, meter, pick_setup, suction
from cell.nodes.arm_client import ArmClient
from cell.nodes.node import OK, WARN, CellNode, seconds, status
from cell.odometry import Odometry
from cell.packml import State
from cell.part_types import recipe_for
from cell.passes import issue
from cell.pick_types import (
    BeltView,
    GripperRequest,
    GripperView,
    Phase,
    PickedMark,
    PickJob,
    PickOutcome,
    SequenceInputs,
    SuctionRequest,
)
from cell.safety import Allowed, Gate, Motion, Permission, SafetyInputs, SafetyLimits
from cell.sequence import PickSequence
from perception.types import BeltPart, Verdict

PERIOD_S = 0.01
# How long a double pick stands among the alarms.
TOLD_S = 5.0
ACTIONS = {PickDecision.DIVERT: "divert", PickDecision.PASS: "pass", PickDecision.PICK: "pick"}


class PickerNode(CellNode):
    """Runs the pick sequence on /decisions and writes the ledger; a PartOutcome for every fate and pick given up."""

    MOVES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("picker", **kwargs)
        planner = pick_setup.planner_of(self)
        self._sequence = PickSequence(planner, pick_setup.settings_of(self, planner.heights.travel_m))
        self._types = pick_setup.part_types_of(self)
        self._gate = Gate(SafetyLimits(), planner.geometry)
        simulated_time = bool(self.setting("use_sim_time", False))
        path = str(self.setting("ledger", "")) or ":memory:"
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        seed = int(self.setting("seed", -1))
        ledger, reconciled = Ledger.open(
            path, started_s=self.now_s, seed=seed if seed >= 0 else None, threaded=not simulated_time, keep_room=True
        )
        limits = AccountLimits(window_end_m=planner.window_m[1], belt_end_m=float(self.setting("belt_end_m", 1.10)))
        self.books = Books(Accounts(limits), ledger, reconciled)
        keep_days = float(self.setting("ledger_keep_days", 0.0))
        self._retention: Retention | None = None
        if keep_days > 0.0 and path != ":memory:" and not simulated_time:
            self._retention = Retention(Path(path), keep_days, self.now_s, self.get_logger().info)
        self.faults: list[dict[str, Any]] = []
        self._odometry = Odometry()
        self._image_s: float | None = None
        self._state = State.STOPPED
        self._mode = 1
        self._circuit_s: float | None = None
        self._circuit_ok = False
        self._has_cup = pick_setup.has_cup(self)
        self._hand: GripperView | None = None
        self._wrong_hand = ""
        self._wanted: int | None = None
        self._fault: tuple[str, str] | None = None
        # Of a double pick: the neighbour that came along, and until when it is told.
        self._along: int | None = None
        self._double_s = -math.inf
        self._arm = ArmClient(self)
        self._gripper: ActionClient[Any, Any, Any] = ActionClient(self, ParallelGripperCommand, "/gripper/command")
        self._outcomes = self.create_publisher(PartOutcome, "/outcomes", 50)
        self.create_subscription(PartArray, "/parts", self._on_parts, 10)
        self.create_subscription(PickDecision, "/decisions", self._on_decision, 50)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_subscription(JointState, "/gripper/state", self._on_hand, 10)
        self.create_subscription(CellState, "/cell/state", self._on_state, 10)
        self.create_subscription(AlarmArray, "/alarms", self._on_alarms, 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.create_timer(PERIOD_S, self._step)

    def _on_belt(self, message: JointState) -> None:
        self._odometry.add(belt.sample(message))

    def _on_hand(self, message: JointState) -> None:
        if ("suction" in message.name) is not self._has_cup:
            self._hand = None
            self._wrong_hand = f"set for {'a cup' if self._has_cup else 'fingers'}, and the gripper is none"
            return
        self._hand = suction.view(message) if self._has_cup else fingers.view(message)

    def _on_state(self, message: CellState) -> None:
        self._state, self._mode = State(message.state), int(message.mode)
        # The supervisor reads the inputs and says so with every state; in Aborting and Aborted they are not in order.
        self._circuit_s = seconds(message.header.stamp)
        self._circuit_ok = self._state not in (State.ABORTING, State.ABORTED)
        if self._state is not State.EXECUTE:
            # Held, or stopped some other way: the operator has the fault before him, a restart begins without it.
            self._fault = None

    def _on_alarms(self, message: AlarmArray) -> None:
        for alarm in message.alarms:
            if alarm.acknowledged:
                self.books.acknowledge(alarm.key, alarm.by, self.now_s)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for line in message.status:
            energy_j = meter.counter_j(line)
            if energy_j is not None:
                self.books.energy.measured(energy_j)

    def _on_parts(self, message: PartArray) -> None:
        self._image_s = seconds(message.header.stamp)
        now_s = self.now_s
        for part in message.parts:
            self.books.enter(
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
                    final=part.final,
                    stamp_s=seconds(part.stamp),
                ),
                part.model_hash,
                now_s,
            )

    def _on_decision(self, message: PickDecision) -> None:
        ruling = Ruling(ACTIONS[message.action], message.bin, message.policy, message.reason)
        self.books.decide(message.part_id, ruling, self.now_s)
        if message.action == PickDecision.PICK:
            self._wanted = message.part_id
            self._start(message.part_id, message.bin)

    def _start(self, part_id: int, bin_name: str) -> None:
        part = self.books.part(part_id)
        permission, reason = self._gate.permission(self._safety(), self.now_s)
        if part is None or self._sequence.busy or permission is not Permission.BEGIN or not self._arm.ready:
            self._answer_retry(part_id, reason or "the arm is not free")
            return
        recipe = recipe_for(self._types, part.length_m, part.width_m)
        job = PickJob(part_id, part.belt_x_m, part.y_m, part.yaw_rad, part.length_m, part.width_m, bin_name, recipe)
        self._sequence.begin(job, self.now_s)
        self.books.accounts.picking(part_id)

    def _safety(self) -> SafetyInputs:
        latest = self._odometry.latest
        return SafetyInputs(
            state=self._state,
            mode=self._mode,
            estop_ok=self._circuit_ok,
            curtain_ok=self._circuit_ok,
            inputs_stamp_s=self._circuit_s,
            encoder_stamp_s=None if latest is None else latest.stamp_s,
            image_stamp_s=self._image_s,
            belt_speed_mps=0.0 if latest is None else latest.speed_mps,
        )

    def _step(self) -> None:
        now_s = self.now_s
        latest = self._odometry.latest
        travel_m = self._odometry.travel_at(now_s)
        if travel_m is not None:
            for closed in self.books.step(travel_m, now_s):
                self._tell(closed)
        if not self._sequence.busy:
            return
        permission, reason = self._gate.permission(self._safety(), now_s)
        outputs = self._sequence.step(
            SequenceInputs(
                gripper=self._hand,
                arm=self._arm.view,
                belt=None if latest is None else BeltView(latest.travel_m, latest.speed_mps, latest.stamp_s),
                permission=permission,
                permission_reason=reason,
                picked_durable=self.books.picked_durable,
            ),
            now_s,
        )
        if outputs.arm_goal is not None:
            motion = Motion.PICK if outputs.phase in (Phase.APPROACH, Phase.GRIP, Phase.VERIFY) else Motion.FINISH
            verdict = self._gate.check(motion, self._safety(), now_s, outputs.arm_goal.trajectory)
            if isinstance(verdict, Allowed):
                self._arm.send(outputs.arm_goal)
            else:
                self.get_logger().warning(f"motion refused: {verdict.reason}")
                self._arm.refuse(outputs.arm_goal, verdict.reason)
        if outputs.arm_cancel:
            self._arm.cancel()
        if outputs.gripper is not None:
            self._command(outputs.gripper)
        if outputs.mark_picked is not None:
            self._mark(outputs.mark_picked, now_s)
        if outputs.note:
            self.get_logger().debug(outputs.note)
        if outputs.outcome is not None:
            self._end(outputs.outcome, now_s)

    def _command(self, request: GripperRequest | SuctionRequest) -> None:
        goal = suction.goal(request) if isinstance(request, SuctionRequest) else fingers.goal(request)
        goal.command.header.frame_id = issue()
        self._gripper.send_goal_async(goal)

    def _mark(self, mark: PickedMark, now_s: float) -> None:
        """What is in the hand, durably; with a double pick the neighbour too, which then shares its fate."""
        if mark.double:
            self._double_s = now_s + TOLD_S
            near = self.books.neighbour(mark.part_id)
            if near is not None:
                self._along = near.part_id
                self._write_down(near.part_id, mark, now_s)
        self._write_down(mark.part_id, mark, now_s)

    def _write_down(self, part_id: int, mark: PickedMark, now_s: float) -> None:
        self.books.picked(
            part_id,
            mark.grip_width_m,
            now_s,
            current_a=mark.current_a,
            pressure_pa=mark.pressure_pa,
            tries=mark.tries,
        )
        if mark.double:
            self.books.ask_to_confirm(part_id, "double_pick")

    def _end(self, outcome: PickOutcome, now_s: float) -> None:
        if outcome.word != "sorted":
            self.get_logger().info(f"part {outcome.part_id}: {outcome.word} ({outcome.reason})")
        if outcome.fault:
            self._fault = outcome.reason, outcome.cause
            self.books.ask_to_confirm(outcome.part_id, outcome.cause)
            self.faults.append({"at_s": round(now_s, 3), "what": outcome.reason, "part_id": outcome.part_id})
            # The belt is to stop now, not with the next heartbeat.
            self.report_health()
        closed = self.books.end_pick(outcome.part_id, outcome.word, outcome.bin, outcome.reason, now_s)
        if closed is None:
            self._answer_retry(outcome.part_id, outcome.reason)
        else:
            self._tell(closed, outcome.grip_width_m or 0.0)
        along, self._along = self._along, None
        if along is not None:
            words = f"double pick with part {outcome.part_id}"
            closed = self.books.end_pick(along, outcome.word, outcome.bin, words, now_s)
            if closed is not None:
                self._tell(closed)

    def _answer_retry(self, part_id: int, reason: str) -> None:
        self._publish(part_id, RETRY, "", reason, 0.0)

    def _tell(self, closed: Closed, grip_width_m: float = 0.0) -> None:
        self._publish(closed.part_id, closed.fate.value, closed.bin, closed.reason, grip_width_m)

    def _publish(self, part_id: int, fate: str, bin_name: str, reason: str, grip_width_m: float) -> None:
        message = PartOutcome(part_id=part_id, fate=fate, bin=bin_name, reason=reason, grip_width_m=grip_width_m)
        message.header.stamp = self.now_msg()
        self._outcomes.publish(message)

    def health(self) -> list[DiagnosticStatus]:
        """The sequence's phase, and the ledger's counts as the cell state carries them."""
        ready = self._arm.ready and self._hand is not None
        words = self._sequence.phase.value if ready else self._wrong_hand or "waits for arm and gripper"
        values: dict[str, object] = {"phase": self._sequence.phase.value}
        if self._fault is not None:
            values[HOLD], values[HOLD_CAUSE] = self._fault
        elif self.now_s < self._double_s:
            words = "two parts were gripped; both are rejected"
            values[CAUSE] = "double_pick"
        picker = status("picker", OK if ready else WARN, words, values)
        trouble = self.books.trouble
        counts: dict[str, object] = dict(self.books.accounts.tally().as_dict())
        if self.books.reconciled is not None:
            counts["reconciled"] = self.books.reconciled.words
        if trouble is not None:
            counts["suspend"] = trouble
        return [picker, status("ledger", OK if trouble is None else WARN, trouble or "written", counts)]

    def destroy_node(self) -> None:
        """Close the ledger before the node goes; without a clean end where the cell stands aborted, so that it stands
        aborted again until somebody clears it."""
        if self._retention is not None:
            self._retention.close()
        try:
            if self._state in (State.ABORTING, State.ABORTED):
                self.books.ledger.leave()
            else:
                self.books.close(self.now_s)
        except LedgerError as error:
            self.get_logger().error(str(error))
        super().destroy_node()
