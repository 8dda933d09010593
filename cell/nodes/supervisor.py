"""The cell's state: PackML driven by what devices and nodes report and by what an operator commands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from cell_msgs.msg import CellState
from cell_msgs.srv import StateCommand
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, JointState
from std_msgs.msg import Header

from cell import conditions
from cell.alarms import AlarmBook
from cell.causes import Reaction, alarm_name
from cell.clock_watch import ClockWatch
from cell.conditions import Circuit, Report
from cell.drivers.interfaces import SafetyInputs
from cell.drivers.registry import process_devices
from cell.line_watch import LineWatch
from cell.liveness import ARM_LIMIT_S, DETECTOR_LIMIT_S, JUDGES, LIMIT_S, MOVER_LIMIT_S, MOVERS, Liveness
from cell.nodes import belt
from cell.nodes.alarm_desk import AlarmDesk
from cell.nodes.brakes import Brakes
from cell.nodes.node import ERROR, OK, CellNode, seconds, stamp_of, status
from cell.odometry import Sample
from cell.packml import Event, Machine, State, Transition
from cell.supervision import BELT_RUNS, Observations, Supervision

# Inputs that a driver tells of at once are acted on at once; all else is looked at so often.
PERIOD_S = 0.01
STATE_PERIOD_S = 0.1
COUNTS = ("entered", "sorted", "passed", "missed", "dropped", "rejected", "unknown", "in_flight")
# Of a node by which nothing moves. Those by which something does: cell.liveness.
HEARTBEAT_LIMIT_S = LIMIT_S
# Five pictures, as the safety gate has it.
IMAGE_AGE_S = 0.5
FOREIGN_SHOWN_S = 5.0


class SupervisorNode(CellNode):
    """Owns the PackML machine: /cell/command in, /cell/state and /alarms out, safety inputs read from their device.

    It has a thread of its own in real time: who sees that another node hangs must not hang with it.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("supervisor", **kwargs)
        self._lock = threading.RLock()
        devices = process_devices()
        self._bus_clock = devices.clock
        self._inputs = cast(SafetyInputs, devices.open(self.device_spec("safety", "safety")))
        self._inputs_age_s = float(self.setting("inputs_age_s", 0.2))
        self._watched = [str(name) for name in self.setting("watched", ["drive", "encoder", "gripper", "picker"])]
        self._spectators = frozenset(str(name) for name in self.setting("spectators", ["status"]))
        self._target_mps = float(self.setting("speed_mps", 0.2))
        crashed = bool(self.setting("after_crash", False))
        self._supervision = Supervision(
            Machine(State.ABORTED if crashed else State.STOPPED),
            autostart=bool(self.setting("autostart", False)),
            clear=bool(self.setting("clear", False)),
        )
        self._crash = (
            "the last run ended without a clean stop: parts were reconciled, Clear to go on" if crashed else ""
        )
        self._reports: dict[str, Report] = {}
        self._oks: dict[str, bool] = {}
        self._alive = Liveness({}, HEARTBEAT_LIMIT_S)
        simulated_time = bool(self.setting("use_sim_time", False))
        detector_s = DETECTOR_LIMIT_S if simulated_time else LIMIT_S
        limits = {**dict.fromkeys(MOVERS, MOVER_LIMIT_S), **JUDGES, "detector": detector_s, "arm": ARM_LIMIT_S}
        self._beating = Liveness(limits, MOVER_LIMIT_S)
        self._loss_s = float(self.setting("loss_s", 0.15))
        self._belt: Sample | None = None
        self._image_s: float | None = None
        self._published: tuple[State, str, int] | None = None
        self._published_s = -1.0
        self._safety_seen = False
        self._connected: bool | None = None
        self._desk = AlarmDesk(self, str(self.setting("alarms", "")), lambda: self.now_s, threaded=not simulated_time)
        self.clock_watch = ClockWatch()
        self._lines = LineWatch(devices)
        self._brakes = Brakes(self, devices)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._states = self.create_publisher(CellState, "/cell/state", latched)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.create_subscription(Header, "/heartbeats", self._on_beat, 50)
        self.create_subscription(JointState, "/joint_states", self._on_joints, 10)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_subscription(CameraInfo, "/camera/camera_info", self._on_picture, 10)
        self.create_service(StateCommand, "/cell/command", self._on_command)
        self._guard = self.create_guard_condition(self._step)
        tell = cast("Callable[[Callable[[], None]], None] | None", getattr(self._inputs, "on_safety", None))
        if tell is not None:
            tell(self._guard.trigger)
        self.create_timer(PERIOD_S, self._step)

    @property
    def machine(self) -> Machine:
        """The PackML machine, to be read."""
        return self._supervision.machine

    @property
    def alarms(self) -> AlarmBook:
        """The alarms, to be read."""
        return self._desk.book

    @property
    def starting(self) -> bool:
        """Commands of the start-up (Clear, Reset, Start) are still to be given."""
        return self._supervision.starting

    @property
    def goes_on_by_itself(self) -> bool:
        """It is suspended for a cause outside the cell and goes on when that is over."""
        return self._supervision.suspended_by_itself

    @property
    def waits_for(self) -> tuple[str, ...]:
        """What still has to come up before the cell may start, in words."""
        with self._lock:
            missing = self._not_ready()
            return missing if self._circuit().fresh else ("safety: the inputs are not read", *missing)

    def give(self, event: Event, by: str) -> bool:
        """A command from inside this process, from any thread; True where it was accepted."""
        with self._lock:
            accepted = isinstance(self._supervision.command(event, by, self.now_s), Transition)
            self._react()
            self._publish()
            return accepted

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_s, now_s = seconds(message.header.stamp), self.now_s
        for line in message.status:
            failed = line.level == ERROR
            before = self._reports.get(line.name)
            since_s = None if before is None else before.failed_s
            values = {pair.key: pair.value for pair in line.values}
            self._reports[line.name] = Report(
                line.name, failed, line.message, values, (stamp_s if since_s is None else since_s) if failed else None
            )
            self._oks[line.name] = line.level == OK
            self._alive.heard(line.name, now_s)

    def _on_beat(self, message: Header) -> None:
        self._beating.heard(message.frame_id, self.now_s)

    def _on_joints(self, _message: JointState) -> None:
        self._beating.heard("arm", self.now_s)

    def _on_belt(self, message: JointState) -> None:
        self._belt = belt.sample(message)

    def _on_picture(self, message: CameraInfo) -> None:
        self._image_s = seconds(message.header.stamp)

    def _on_command(self, request: StateCommand.Request, response: StateCommand.Response) -> StateCommand.Response:
        by = request.by or "somebody"
        with self._lock:
            if request.command == StateCommand.Request.CHANGE_MODE:
                refusal = self._supervision.change_mode(int(request.mode))
                what = f"mode {request.mode}"
            elif request.command in set(Event) - {Event.STATE_COMPLETE}:
                event = Event(request.command)
                result = self._supervision.command(event, by, self.now_s)
                refusal = None if isinstance(result, Transition) else result.reason
                what = event.title
            else:
                refusal, what = f"there is no command {request.command}", ""
            response.accepted, response.message = refusal is None, refusal or ""
            if response.accepted:
                self.get_logger().info(f"{what} by {by}")
            response.state, response.state_name = int(self.machine.state), self.machine.state.title
            response.mode = int(self.machine.mode)
            self._react()
            self._publish()
        return response

    def _step(self) -> None:
        with self._lock:
            now_s = self.now_s
            if self._inputs.connected is not self._connected:
                self._connected = self._inputs.connected
                self.report_health()
            before = self.machine.state
            present = self._present(now_s)
            self._supervision.step(self._observe(present, now_s), now_s)
            self._react()
            if self.machine.state is not before:
                words = f" ({self.machine.reason})" if self.machine.reason else ""
                self.get_logger().info(f"{before.title} -> {self.machine.state.title}{words}")
            key = (self.machine.state, self._reason(), self.machine.mode)
            if key != self._published or self.now_s - self._published_s >= STATE_PERIOD_S - 1e-6:
                self._publish()
            # After the state: what stops the cell waits for no list of alarms.
            if self._supervision.timed_out is not None:
                present["acting_timeout"] = self._supervision.timed_out
            self._desk.update(present)

    def _react(self) -> None:
        """What an abort stops without waiting for the nodes that move it: one of them may be the reason."""
        self._brakes.follow(self.machine.state)

    def _circuit(self) -> Circuit:
        reading = self._inputs.safety
        if reading is None:
            return Circuit(None, None, False)
        # By its age alone: one turn without an answer, on a busy line or machine, is no loss yet.
        fresh = self._bus_clock() - reading.stamp_s <= self._inputs_age_s
        self._safety_seen = self._safety_seen or fresh
        # Before the first look nobody can have lost them.
        return Circuit(reading.value.estop_ok, reading.value.curtain_ok, fresh or not self._safety_seen)

    def _present(self, now_s: float) -> dict[str, str]:
        """What is wrong now, by the names of alarms."""
        found = conditions.of_circuit(self._circuit())
        found.update(conditions.of_reports(list(self._reports.values()), self._spectators, now_s, self._loss_s))
        silent = (*self._beating.look(now_s), *self._alive.look(now_s))
        found.update(conditions.of_silence(silent, self._spectators))
        foreign = self._brakes.foreign(now_s, self.machine)
        if foreign is not None:
            found[alarm_name("foreign_motion", "arm")] = foreign
        found.update(self._lines.look(self._bus_clock()))
        if self.machine.state in BELT_RUNS and self._image_s is not None and now_s - self._image_s > IMAGE_AGE_S:
            found["image_stale"] = f"the newest picture is {now_s - self._image_s:.1f} s old"
        jump = self.clock_watch.look(now_s)
        if jump is not None:
            found["clock_jump"] = jump
        if self._crash and self.machine.state is State.ABORTED and not self.machine.history:
            found["unclean_end"] = self._reason()
        return found

    def _observe(self, present: dict[str, str], now_s: float) -> Observations:
        circuit = self._circuit()
        belt_mps = self._belt.speed_mps if self._belt is not None and now_s - self._belt.stamp_s < 0.5 else None
        picker = self._reports.get("picker")
        hold = conditions.by_reaction(present, Reaction.HOLD)
        suspend = conditions.by_reaction(present, Reaction.SUSPEND)
        return Observations(
            estop_ok=circuit.estop_ok,
            curtain_ok=circuit.curtain_ok,
            safety_fresh=circuit.fresh and circuit.estop_ok is not None,
            faults=conditions.by_reaction(present, Reaction.ABORT),
            not_ready=self._not_ready(),
            belt_speed_mps=belt_mps,
            belt_target_mps=self._target_mps,
            picker_idle=picker is None or picker.values.get("phase", "idle") == "idle",
            hold=hold[0] if hold else None,
            suspend=suspend[0] if suspend else None,
        )

    def _not_ready(self) -> tuple[str, ...]:
        return tuple(
            f"{name}: {self._reports[name].words if name in self._reports else 'not heard of yet'}"
            for name in self._watched
            if not self._oks.get(name, False)
        )

    def _reason(self) -> str:
        if self.machine.reason or self.machine.state is not State.ABORTED or not self._crash:
            return self.machine.reason
        ledger = self._reports.get("ledger")
        found = None if ledger is None else ledger.values.get("reconciled")
        return self._crash if found is None else f"{found}. Clear to go on"

    def _publish(self) -> None:
        now_s = self.now_s
        self._published = (self.machine.state, self._reason(), self.machine.mode)
        self._published_s = now_s
        ledger = self._reports.get("ledger")
        counts = {name: int(ledger.values.get(name, 0)) for name in COUNTS} if ledger is not None else {}
        message = CellState(
            state=int(self.machine.state),
            state_name=self.machine.state.title,
            mode=int(self.machine.mode),
            reason=self._reason(),
        )
        for name, count in counts.items():
            setattr(message, name, count)
        message.header.stamp = stamp_of(now_s)
        self._states.publish(message)

    def health(self) -> list[DiagnosticStatus]:
        """One line for the safety inputs' device and one for the supervisor."""
        error = self._inputs.error if self._inputs.error is not None else None
        if error is None and not self._inputs.connected:
            error = "does not answer"
        values: dict[str, object] = {} if error is None else {conditions.CAUSE: "device_lost"}
        return [
            status("safety", OK if error is None else ERROR, error or "connected", values),
            status("supervisor", OK, self.machine.state.title),
        ]

    def destroy_node(self) -> None:
        """Close the alarms' journal as well."""
        self._desk.close()
        super().destroy_node()
