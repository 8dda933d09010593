"""What a running cell says: pictures, belt travel and state are fresh, and every node is well.

Looks as any other node would, for a moment and without being seen; where no cell runs there is nothing to be fresh.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from cell.cli.domain import REACH_VARIABLE, VARIABLE
from cell.commissioning.findings import Patient, fault, note, ok, warning
from cell.drivers.guide import Judgement
from cell.topics import TOPICS

LOOK_S: Final = 2.5
SLOW_SHARE: Final = 0.5
"""Fewer messages than this share of a topic's rate are too few."""

OLD_S: Final = 1.0
WATCHED: Final = ("/camera/camera_info", "/conveyor/state", "/joint_states", "/gripper/state", "/cell/state")
EVENTS: Final = ("/alarms", "/diagnostics")


@dataclass
class Heard:
    """What came on one topic: how often, the newest message, its age when it came, s."""

    count: int = 0
    newest: Any = None
    age_s: float | None = None
    kept: list[Any] = field(default_factory=list)


class Look:
    """A stay in the graph of a running cell. A context manager; ``spin`` listens.

    Args:
        domain: its ROS domain; None: what the environment says.
    """

    def __init__(self, domain: int | None, topics: tuple[str, ...] = (*WATCHED, *EVENTS), keep: int = 0) -> None:
        self._domain = domain
        self._topics = topics
        self._keep = keep
        self.heard: dict[str, Heard] = {name: Heard() for name in topics}

    def __enter__(self) -> Look:
        import rclpy  # noqa: PLC0415 (only where a cell runs)
        from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: PLC0415
        from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

        self._context = rclpy.Context()
        rclpy.init(
            args=[], context=self._context, domain_id=self._domain, signal_handler_options=SignalHandlerOptions.NO
        )
        self._node: Any = rclpy.create_node(
            f"_cell_doctor_{os.getpid()}", context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for name in self._topics:
            topic = TOPICS[name]
            durability = DurabilityPolicy.TRANSIENT_LOCAL if topic.transient_local else DurabilityPolicy.VOLATILE
            profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
            self._node.create_subscription(_type(topic.type), name, self._hearer(name), profile)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def spin(self, seconds: float) -> None:
        """Listen."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left_s, 0.05))

    def _hearer(self, name: str) -> Any:
        heard = self.heard[name]

        def hear(message: Any) -> None:
            heard.count += 1
            heard.newest = message
            stamp = getattr(getattr(message, "header", None), "stamp", None)
            if stamp is not None:
                now_ns = self._node.get_clock().now().nanoseconds
                heard.age_s = (now_ns - stamp.sec * 1_000_000_000 - stamp.nanosec) * 1e-9
            if len(heard.kept) < self._keep:
                heard.kept.append(message)

        return hear


def _type(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415 (only where a cell runs)

    package, _, short = name.partition("/")
    return getattr(import_module(f"{package}.msg"), short)


def out_of_reach() -> bool:
    """The environment keeps this process's graph to itself."""
    return os.environ.get(REACH_VARIABLE, "").upper() == "OFF"


def freshness(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """Camera, encoder, state, alarms and every node of a running cell."""
    occupant = patient.occupant
    if occupant is None:
        yield "cell", note(f"none runs on {patient.state}", "start it to have its freshness looked at")
        return
    who = f"{occupant.command}, process {occupant.pid}"
    if out_of_reach():
        yield "cell", note(f"{who}: out of reach", f"{REACH_VARIABLE} is OFF in this shell")
        return
    if occupant.domain is None:
        yield "cell", note(f"{who}: has no graph that others may see", "it runs in one process, or faster than time")
        return
    yield "cell", ok(f"{who}, ROS domain {occupant.domain} ({VARIABLE}={occupant.domain} for cell topic, cell nodes)")
    with Look(occupant.domain) as look:
        look.spin(LOOK_S)
        heard = look.heard
    for name in WATCHED:
        yield name, judge_topic(name, heard[name], patient.value("camera", "rate_hz"), LOOK_S)
    yield from _state(heard["/cell/state"].newest)
    yield from _alarms(heard["/alarms"].newest)


def judge_topic(name: str, heard: Heard, camera_hz: Any, look_s: float) -> Judgement:
    """Whether enough came, and whether it was new when it came."""
    wanted_hz = TOPICS[name].rate_hz or 0.0
    if name.startswith("/camera/") and isinstance(camera_hz, float):
        wanted_hz = camera_hz
    rate_hz = heard.count / look_s
    what = "camera" if name.startswith("/camera/") else "encoder" if name == "/conveyor/state" else "its node"
    if not heard.count:
        return fault(f"silent for {look_s:g} s", f"{what}: see the cell's alarms, and cell doctor --only devices")
    age = "" if heard.age_s is None else f", newest {max(heard.age_s, 0.0) * 1e3:.0f} ms old"
    words = f"{rate_hz:.0f} a second of {wanted_hz:g}{age}"
    if heard.age_s is not None and heard.age_s > OLD_S:
        return fault(words, f"{what} is late: is the machine overloaded, or do two clocks disagree?")
    if rate_hz < SLOW_SHARE * wanted_hz:
        return warning(words, f"{what} is slow: is the machine overloaded?")
    return ok(words)


def _state(message: Any) -> Iterator[tuple[str, Judgement]]:
    if message is None:
        return
    words = f"{message.state_name}: {message.reason}" if message.reason else str(message.state_name)
    counts = f"{message.entered} parts entered, {message.in_flight} on their way"
    judged = warning if message.state_name.lower() in ("aborted", "held", "suspended") else ok
    yield "state", judged(f"{words}; {counts}")


def _alarms(message: Any) -> Iterator[tuple[str, Judgement]]:
    active = [] if message is None else [alarm for alarm in message.alarms if alarm.active]
    if not active:
        yield "alarms", ok("none")
    for alarm in active:
        judged = fault if alarm.priority >= alarm.HIGH else warning
        yield f"alarm {alarm.key}", judged(str(alarm.message), "the page shows it, too")
