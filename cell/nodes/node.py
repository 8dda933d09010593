"""What every node of the cell has: its parameters by name, and a heartbeat on /diagnostics."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time as TimeMsg
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from cell.drivers.registry import DeviceSpec
from cell.liveness import BEAT_S, JUDGE_BEAT_S

HEARTBEAT_S = 0.2
OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class CellNode(Node):
    """A node that reads its parameters with defaults and reports its health five times a second.

    Subclasses override ``health`` and add their own wiring; ``kwargs`` are those of ``rclpy.node.Node``.

    Attributes:
        MOVES: something moves by this node: it also gives a sign of life on /heartbeats every ``BEAT_S``.
        DECIDES: so it does by what this node says: a sign of life every ``JUDGE_BEAT_S``.
    """

    MOVES = False
    DECIDES = False

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **kwargs)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._heartbeat = self.create_timer(HEARTBEAT_S, self.report_health)
        self._reported: tuple[tuple[str, bytes], ...] = ()
        if self.MOVES or self.DECIDES:
            self._beats = self.create_publisher(Header, "/heartbeats", 10)
            self._beat_timer = self.create_timer(BEAT_S if self.MOVES else JUDGE_BEAT_S, self._beat)

    def _beat(self) -> None:
        self._beats.publish(Header(stamp=self.now_msg(), frame_id=self.get_name()))

    def setting(self, name: str, default: Any) -> Any:
        """The parameter's value, or the default where no launch or params file sets it."""
        if not self.has_parameter(name):
            self.declare_parameter(name, default)
        value = self.get_parameter(name).value
        return default if value is None else value

    def numbers(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """A list parameter as a tuple of floats."""
        return tuple(float(value) for value in self.setting(name, list(default)))

    def section(self, name: str) -> dict[str, Any]:
        """The values below ``NAME.``, by what follows it."""
        return {key: parameter.value for key, parameter in self.get_parameters_by_prefix(name).items()}

    def device_spec(self, section: str, role: str) -> DeviceSpec:
        """The device that the parameters ``SECTION.model``, ``SECTION.port``, ... describe."""
        prefix = f"{section}."
        found = self.section(section)
        options = {key.removeprefix("options."): value for key, value in found.items() if key.startswith("options.")}
        return DeviceSpec(
            name=role,
            model=str(found.get("model", "")),
            port=str(found.get("port", "")),
            unit=int(found.get("unit", 1)),
            baudrate=int(found.get("baudrate", 115200)),
            options=options,
            key=f"{self.get_name()}.{prefix.rstrip('.')}",
        )

    @property
    def now_s(self) -> float:
        """The node's clock in seconds."""
        return float(self.get_clock().now().nanoseconds) * 1e-9

    def now_msg(self) -> TimeMsg:
        """The node's clock as a message stamp."""
        return self.get_clock().now().to_msg()

    def health(self) -> list[DiagnosticStatus]:
        """What this node reports of itself and of its devices; the default says it lives."""
        return [status(self.get_name(), OK, "running")]

    def report_health(self) -> None:
        """Publish the heartbeat at once (the timer calls this too)."""
        message = DiagnosticArray()
        message.header.stamp = self.now_msg()
        message.status = self.health()
        self._reported = tuple((line.name, line.level) for line in message.status)
        self._diagnostics.publish(message)

    def report_change(self) -> None:
        """Publish the heartbeat early where something in it has become well or ceased to be."""
        if tuple((line.name, line.level) for line in self.health()) != self._reported:
            self.report_health()


def status(name: str, level: bytes, message: str, values: dict[str, object] | None = None) -> DiagnosticStatus:
    """One line of /diagnostics."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id="",
        values=[KeyValue(key=key, value=str(value)) for key, value in (values or {}).items()],
    )


def seconds(stamp: TimeMsg) -> float:
    """A message stamp in seconds."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


def stamp_of(time_s: float) -> TimeMsg:
    """Seconds as a message stamp."""
    nanoseconds = round(time_s * 1e9)
    return TimeMsg(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)
