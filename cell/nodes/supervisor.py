"""The cell's state: PackML driven by what devices and nodes report and by what an operator commands."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from cell_msgs.msg import Alarm, AlarmArray, CellState
from cell_msgs.srv import StateCommand
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from cell.drivers.interfaces import SafetyInputs
from cell.drivers.registry import process_devices
from cell.nodes import belt
from cell.nodes.node import ERROR, OK, CellNode, seconds, stamp_of, status
from cell.odometry import Sample
from cell.packml import Event, Machine, State, Transition
from cell.supervision import Observations, Supervision

PERIOD_S = 0.02
STATE_PERIOD_S = 0.1
COUNTS = ("entered", "sorted", "passed", "missed", "dropped", "rejected", "unknown", "in_flight")
# Heartbeats come every 0.2 s; ten missed ones are a node that is gone, not a busy machine.
HEARTBEAT_LIMIT_S = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class _Health:
    level: bytes
    message: str
    values: dict[str, str]
    stamp_s: float


class SupervisorNode(CellNode):
    """Owns the PackML machine: /cell/command in, /cell/state and /alarms out, safety inputs read from their device."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("supervisor", **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._inputs = cast(SafetyInputs, devices.open(self.device_spec("safety", "safety")))
        self._inputs_age_s = float(self.setting("inputs_age_s", 0.5))
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
        self._health: dict[str, _Health] = {}
        self._failed_s: dict[str, float] = {}
        self._loss_s = float(self.setting("loss_s", 0.0))
        self._belt: Sample | None = None
        self._published: tuple[State, str] | None = None
        self._published_s = -1.0
        self._alarmed: tuple[tuple[str, str], ...] = ()
        self._raised: dict[str, float] = {}
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._states = self.create_publisher(CellState, "/cell/state", latched)
        self._alarms = self.create_publisher(AlarmArray, "/alarms", latched)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self.create_subscription(JointState, "/conveyor/state", self._on_belt, 10)
        self.create_service(StateCommand, "/cell/command", self._on_command)
        self.create_timer(PERIOD_S, self._step)

    @property
    def machine(self) -> Machine:
        """The PackML machine, to be read."""
        return self._supervision.machine

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
        seen = self._observe()
        return seen.not_ready if seen.safety_fresh else ("safety: the inputs are not read", *seen.not_ready)

    def give(self, event: Event, by: str) -> bool:
        """A command from inside this process; True where it was accepted."""
        accepted = isinstance(self._supervision.command(event, by, self.now_s), Transition)
        self._publish()
        return accepted

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        stamp_s = seconds(message.header.stamp)
        for line in message.status:
            values = {pair.key: pair.value for pair in line.values}
            self._health[line.name] = _Health(line.level, line.message, values, stamp_s)
            if line.level != ERROR:
                self._failed_s.pop(line.name, None)
            else:
                self._failed_s.setdefault(line.name, stamp_s)

    def _on_belt(self, message: JointState) -> None:
        self._belt = belt.sample(message)

    def _on_command(self, request: StateCommand.Request, response: StateCommand.Response) -> StateCommand.Response:
        try:
            event = Event(request.command)
        except ValueError:
            event = Event.STATE_COMPLETE
        if event is Event.STATE_COMPLETE:
            response.accepted, response.message = False, f"there is no command {request.command}"
        else:
            result = self._supervision.command(event, request.by or "somebody", self.now_s)
            response.accepted = isinstance(result, Transition)
            response.message = "" if response.accepted else result.reason
            if response.accepted:
                self.get_logger().info(f"{event.title} by {request.by or 'somebody'}")
        response.state, response.state_name = int(self.machine.state), self.machine.state.title
        self._publish()
        return response

    def _step(self) -> None:
        before = self.machine.state
        self._supervision.step(self._observe(), self.now_s)
        if self.machine.state is not before:
            words = f" ({self.machine.reason})" if self.machine.reason else ""
            self.get_logger().info(f"{before.title} -> {self.machine.state.title}{words}")
        key = (self.machine.state, self._reason())
        if key != self._published or self.now_s - self._published_s >= STATE_PERIOD_S - 1e-6:
            self._publish()

    def _observe(self) -> Observations:
        reading = self._inputs.safety
        fresh = reading is not None and reading.good and self._bus_clock() - reading.stamp_s <= self._inputs_age_s
        now_s = self.now_s
        belt_mps = self._belt.speed_mps if self._belt is not None and now_s - self._belt.stamp_s < 0.5 else None
        picker = self._health.get("picker")
        return Observations(
            estop_ok=None if reading is None else reading.value.estop_ok,
            curtain_ok=None if reading is None else reading.value.curtain_ok,
            safety_fresh=fresh,
            faults=tuple(words for name, words in self._faults(now_s) if name not in self._spectators),
            not_ready=tuple(
                f"{name}: {self._health[name].message if name in self._health else 'not heard of yet'}"
                for name in self._watched
                if name not in self._health or self._health[name].level != OK
            ),
            belt_speed_mps=belt_mps,
            belt_target_mps=self._target_mps,
            picker_idle=picker is None or picker.values.get("phase", "idle") == "idle",
            hold=None if picker is None else picker.values.get("hold"),
            suspend=self._health["ledger"].values.get("suspend") if "ledger" in self._health else None,
        )

    def _faults(self, now_s: float) -> list[tuple[str, str]]:
        faults = []
        for name, health in self._health.items():
            if health.level == ERROR and now_s - self._failed_s.get(name, now_s) >= self._loss_s:
                faults.append((name, f"{name}: {health.message}"))
            elif now_s - health.stamp_s > HEARTBEAT_LIMIT_S:
                faults.append((name, f"{name}: silent for {now_s - health.stamp_s:.1f} s"))
        return faults

    def _reason(self) -> str:
        if self.machine.reason or self.machine.state is not State.ABORTED or not self._crash:
            return self.machine.reason
        ledger = self._health.get("ledger")
        found = None if ledger is None else ledger.values.get("reconciled")
        return self._crash if found is None else f"{found}. Clear to go on"

    def _publish(self) -> None:
        now_s = self.now_s
        self._published = (self.machine.state, self._reason())
        self._published_s = now_s
        ledger = self._health.get("ledger")
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
        self._publish_alarms(now_s)

    def _publish_alarms(self, now_s: float) -> None:
        active = self._faults(now_s)
        suspend = self._health["ledger"].values.get("suspend") if "ledger" in self._health else None
        if suspend is not None:
            active.insert(0, ("ledger", suspend))
        if self.machine.state in (State.ABORTING, State.ABORTED):
            active.insert(0, ("abort", self._reason() or "aborted"))
        if tuple(active) == self._alarmed:
            return
        self._alarmed = tuple(active)
        self._raised = {key: self._raised.get(key, now_s) for key, _ in active}
        message = AlarmArray(
            alarms=[
                Alarm(
                    key=key,
                    priority=Alarm.CRITICAL if key == "abort" else Alarm.HIGH,
                    active=True,
                    acknowledged=False,
                    raised=stamp_of(self._raised[key]),
                    message=words,
                )
                for key, words in active
            ]
        )
        message.header.stamp = stamp_of(now_s)
        self._alarms.publish(message)

    def health(self) -> list[DiagnosticStatus]:
        """One line for the safety inputs' device and one for the supervisor."""
        error = self._inputs.error if self._inputs.error is not None else None
        if error is None and not self._inputs.connected:
            error = "does not answer"
        return [
            status("safety", OK if error is None else ERROR, error or "connected"),
            status("supervisor", OK, self.machine.state.title),
        ]
