"""Looking at devices without changing anything at them: one that the config describes, or whoever is on a port.

Everything here reads. A driver's writes are swallowed by its bus (``ReadingBus``); where a driver speaks a protocol of
its own it has to say that it only asks until it is commanded (attribute ``WATCHES``), or it is not started.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cell.drivers import catalogue
from cell.drivers.bus import Bus
from cell.drivers.frames import READ_HOLDING, Request
from cell.drivers.guide import Grade, Judgement
from cell.drivers.interfaces import Device, Reading
from cell.drivers.modbus import Done, Failure, Priority, Reply
from cell.drivers.registry import DRIVERS, Devices, Plugins, installed
from cell.drivers.spec import DeviceSpec
from perception.errors import InputError

READS = (3, 4)
VALUES = ("status", "encoder", "safety", "part", "lights", "measured")
"""Attributes of the capabilities (``cell.drivers.interfaces``) that hold a reading."""

STEP_S = 0.001
ANSWER_S = 2.0
GRBL_QUESTION, GRBL_WAIT_S = b"?", 0.3


class ReadingBus(Bus):
    """A bus that lets nothing out that would write; nobody is told what became of it."""

    def submit(
        self,
        request: Request,
        on_done: Done,
        priority: Priority = Priority.WRITE,
        *,
        key: Hashable = None,
        retries: int | None = None,
    ) -> None:
        """Queue a read; forget a write."""
        if request.function in READS:
            super().submit(request, on_done, priority, key=key, retries=retries)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a device showed.

    Attributes:
        checks: each question of its guide and what the answer means.
        connected, error: as its driver sees it.
        values: every value by its name ("status.width_m"), and whether it is good.
        statistics: of the line, as ``LineStatistics.summary`` (without the latencies of a line without transactions).
    """

    checks: tuple[tuple[str, Judgement], ...]
    connected: bool
    error: str | None
    values: dict[str, tuple[object, bool]] = field(default_factory=dict)
    statistics: dict[str, float] = field(default_factory=dict)


def probe(spec: DeviceSpec, seconds: float, *, plugins: Plugins = installed) -> Probe:
    """Ask a device who it is, then let its driver read for ``seconds``.

    Raises:
        InputError: a bad spec, or a port that cannot be opened.
    """
    devices = Devices(time.monotonic, threaded=False, plugins=plugins, modbus=ReadingBus)
    driver = plugins(DRIVERS)[spec.model]() if spec.model in plugins(DRIVERS) else None
    speaks_own = getattr(driver, "BUS", Bus) is not Bus
    if speaks_own and not getattr(driver, "WATCHES", False):
        raise spec.wrong("model", f"{spec.model} cannot be looked at without being started")
    try:
        device = devices.open(spec)
        (bus,) = devices.buses.values()
        checks = []
        if isinstance(bus, Bus):
            for check in catalogue.model(spec.model).guide.checks(spec):
                reply = ask(bus, check.request)
                if reply is not None and reply.ok:
                    checks.append((check.name, check.judge(reply.values)))
                elif reply is not None and reply.failure is Failure.EXCEPTION:
                    checks.append((check.name, check.refused))
                else:
                    reason = "no reply" if reply is None else reply.reason
                    checks.append((check.name, Judgement(Grade.FAULT, f"does not answer: {reason}")))
                    break
        until_s = time.monotonic() + seconds
        while (now := time.monotonic()) < until_s:
            devices.poll(now)
            time.sleep(STEP_S)
        return Probe(
            tuple(checks),
            device.connected,
            device.error,
            dict(values_of(device)),
            bus.statistics.summary(time.monotonic()),
        )
    finally:
        devices.close()


def values_of(device: Device) -> Iterator[tuple[str, tuple[object, bool]]]:
    """Every value that a driver shows, by its name, and whether it is good."""
    for name in VALUES:
        reading = getattr(device, name, None)
        if isinstance(reading, Reading):
            for part in dataclasses.fields(reading.value):
                yield f"{name}.{part.name}", (getattr(reading.value, part.name), reading.good)


def ask(bus: Bus, request: Request, *, retries: int | None = None) -> Reply | None:
    """Put one question and wait for its answer; None: the line said nothing at all in time."""
    told: list[Reply] = []
    bus.submit(request, told.append, Priority.POLL, retries=retries)
    until_s = time.monotonic() + ANSWER_S
    while not told and time.monotonic() < until_s:
        bus.poll(time.monotonic())
        if not told:
            time.sleep(STEP_S)
    return told[0] if told else None


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody on a port.

    Attributes:
        baudrate, unit: at which it answered.
        models: those whose questions it answers as the model does, by the name in the config; none: an unknown device.
        words: what the first of them showed, or that it is unknown.
    """

    baudrate: int
    unit: int
    models: tuple[str, ...]
    words: str


def scan(
    port: str,
    baudrates: Sequence[int],
    units: Sequence[int],
    *,
    stopbits: int = 1,
    pause_s: float = 0.02,
    told: Callable[[int, int], None] = lambda baudrate, unit: None,
    plugins: Plugins = installed,
) -> Iterator[Found]:
    """Ask every unit at every speed for one register, and whoever answers what it is. One question at a time, each
    once, with a pause behind it; nothing is written. ``told`` hears whom is asked next.

    Raises:
        InputError: the port cannot be opened.
    """
    for baudrate in baudrates:
        with _Line(port, baudrate, stopbits, plugins) as line:
            for unit in units:
                told(baudrate, unit)
                if line.answers(unit):
                    yield line.known(unit)
                time.sleep(pause_s)
    if 115200 in baudrates and (words := _grbl(port, plugins)):
        yield Found(115200, 0, ("grbl_conveyor",), words)


class _Line:
    """A port at one speed."""

    def __init__(self, port: str, baudrate: int, stopbits: int, plugins: Plugins) -> None:
        self._baudrate = baudrate
        self._devices = Devices(time.monotonic, threaded=False, plugins=plugins, modbus=ReadingBus)
        options = {"stopbits": stopbits} if stopbits != 1 else {}
        self._spec = DeviceSpec("scan", "", port, 1, baudrate, options, key="PORT")
        self._bus = self._devices.bus(self._spec)
        self._port = port

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._devices.close()

    def answers(self, unit: int) -> bool:
        """Anybody, be it with a refusal."""
        reply = ask(self._bus, Request(unit, READ_HOLDING, 0, 1), retries=0)
        return reply is not None and (reply.ok or reply.failure is Failure.EXCEPTION)

    def known(self, unit: int) -> Found:
        """Which models it may be: those whose first question it answers as they do."""
        fitting: list[tuple[str, Judgement]] = []
        for name, model in catalogue.models().items():
            spec = dataclasses.replace(self._spec, model=name, unit=unit)
            for check in model.guide.checks(spec)[:1]:
                reply = ask(self._bus, check.request, retries=1)
                if reply is None or not reply.ok:
                    continue
                judgement = check.judge(reply.values)
                if judgement.grade is not Grade.FAULT:
                    fitting.append((name, judgement))
        # One that answers well makes those unlikely that answer with something to complain about.
        fitting = [fit for fit in fitting if fit[1].grade is Grade.OK] or fitting
        words = fitting[0][1].words if fitting else "answers, and is none of the models that are installed"
        return Found(self._baudrate, unit, tuple(name for name, _ in fitting), words)


def _grbl(port: str, plugins: Plugins) -> str | None:
    """Whether a Grbl controller reports: it is asked by one character, which means nothing to anybody else."""
    devices = Devices(time.monotonic, threaded=False, plugins=plugins)
    spec = DeviceSpec("scan", "grbl_conveyor", port, 1, 115200, key="PORT")
    try:
        device = devices.open(spec)
    except InputError:
        return None
    try:
        until_s = time.monotonic() + GRBL_WAIT_S
        while time.monotonic() < until_s:
            devices.poll(time.monotonic())
            time.sleep(STEP_S)
        return "reports as Grbl 1.1 does" if device.connected else None
    finally:
        devices.close()


def usual(values: Iterable[int]) -> tuple[int, ...]:
    """Each once, in the order of their first."""
    return tuple(dict.fromkeys(values))
