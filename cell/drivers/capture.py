"""What went over the wires, as text: for somebody who looks for a fault, and to be played again in a test.

The format, one event a line, words separated by a blank::

    # cellwright wire capture 1
    # port 0 /dev/serial/by-id/usb-... 115200 rtu
    12.345678901 0 > 090407d00003b1ce
    12.349012345 0 < 090406f90000000d0017aa

A stamp in seconds on the machine's monotonic clock (of all processes alike), the number of the port as a line above
names it (with its baud rate, and ``rtu`` or ``tcp``), a direction, and bytes in hexadecimal: ``>`` sent, ``<`` received
in the pieces in which they came; ``!`` the port was lost (the bytes are the reason in UTF-8), ``+`` it was opened anew
(``-`` stands for no bytes).

A running cell records when it is asked: ``CaptureRequest`` is a file in its state folder that every process of it looks
for twice a second.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from perception.errors import InputError

LOG = logging.getLogger(__name__)

MAGIC: Final = "# cellwright wire capture 1"
DIRECTIONS: Final = frozenset("><!+")
LOOK_S: Final = 0.5
LIMIT_BYTES: Final = 64 << 20
"""Of one process; nobody is to fill a cell's disk by looking at it."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a capture."""

    name: str
    baudrate: int
    tcp: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a capture; ``port`` is its place among the ports."""

    stamp_s: float
    port: int
    direction: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole capture, in the order of its stamps."""

    ports: tuple[Port, ...]
    events: tuple[Event, ...]

    def of(self, name: str) -> Capture:
        """One port alone.

        Raises:
            KeyError: it has no such port.
        """
        for index, port in enumerate(self.ports):
            if port.name == name:
                events = tuple(
                    Event(event.stamp_s, 0, event.direction, event.data) for event in self.events if event.port == index
                )
                return Capture((port,), events)
        raise KeyError(name)


def lines_of(capture: Capture) -> Iterator[str]:
    """The text of a capture, line by line, without line ends."""
    yield MAGIC
    for index, port in enumerate(capture.ports):
        yield port_line(index, port)
    for event in capture.events:
        yield event_line(event)


def port_line(index: int, port: Port) -> str:
    """How a port is named."""
    return f"# port {index} {port.name} {port.baudrate} {'tcp' if port.tcp else 'rtu'}"


def event_line(event: Event) -> str:
    """How an event is written."""
    return f"{event.stamp_s:.9f} {event.port} {event.direction} {event.data.hex() or '-'}"


def read_capture(text: str, file: Path | None = None) -> Capture:
    """A capture from its text.

    Raises:
        InputError: it is none; with the line.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise InputError(f"is no wire capture: its first line is not '{MAGIC}'", file=file, line=1)
    ports: dict[int, Port] = {}
    events: list[Event] = []
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        if not words:
            continue
        try:
            if words[:2] == ["#", "port"]:
                # A path may hold blanks.
                ports[int(words[2])] = Port(
                    " ".join(words[3:-2]), int(words[-2]), {"rtu": False, "tcp": True}[words[-1]]
                )
            elif words[0] != "#":
                stamp, port, direction, data = words
                if direction not in DIRECTIONS or int(port) not in ports:
                    raise ValueError(line)
                events.append(Event(float(stamp), int(port), direction, b"" if data == "-" else bytes.fromhex(data)))
        except (ValueError, KeyError, IndexError):
            raise InputError(f"is no line of a wire capture: {line[:60]!r}", file=file, line=number) from None
    order = sorted(ports)
    place = {number: index for index, number in enumerate(order)}
    events = [Event(event.stamp_s, place[event.port], event.direction, event.data) for event in events]
    events.sort(key=lambda event: event.stamp_s)
    return Capture(tuple(ports[number] for number in order), tuple(events))


def merged(captures: Iterable[Capture]) -> Capture:
    """Several captures of one machine as one; a port that occurs in several is one port."""
    ports: list[Port] = []
    events: list[Event] = []
    for capture in captures:
        place = []
        for port in capture.ports:
            if port not in ports:
                ports.append(port)
            place.append(ports.index(port))
        events += [Event(event.stamp_s, place[event.port], event.direction, event.data) for event in capture.events]
    events.sort(key=lambda event: event.stamp_s)
    return Capture(tuple(ports), tuple(events))


class Writer:
    """Writes what buses do to a file, line by line, from whatever threads they run on."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._ports = 0
        self._written = out.write(f"{MAGIC}\n")
        self._full = False

    def tap(self, bus: Any) -> None:
        """Begin to write what a bus does (a ``cell.drivers.bus.Bus``)."""
        with self._lock:
            index, self._ports = self._ports, self._ports + 1
            self._out.write(f"{port_line(index, Port(bus.name, bus.baudrate, bus.tcp))}\n")

        def told(now: float, direction: str, data: bytes) -> None:
            line = f"{event_line(Event(now, index, direction, bytes(data)))}\n"
            with self._lock:
                if self._out.closed or self._full:
                    return
                self._written += self._out.write(line)
                if self._written > LIMIT_BYTES:
                    self._full = True
                    LOG.warning("the wire capture ends here: it has %d MB", LIMIT_BYTES >> 20)

        bus.tap(told)

    def close(self) -> None:
        """End the file."""
        with self._lock:
            self._out.close()


class CaptureRequest:
    """The file by which a running cell is asked to record its wires, and the folder where it does.

    Args:
        state: the cell's state folder.
    """

    def __init__(self, state: Path) -> None:
        self.folder = state / "wire"
        self._file = self.folder / "request.json"

    def ask(self, until_s: float) -> None:
        """Ask every process of the cell to record until then (monotonic clock), and forget what was recorded before.

        Raises:
            InputError: somebody else records just now, or the folder cannot be written.
        """
        if self.until_s() is not None:
            raise InputError("another capture of this cell goes on; wait for its end", key="--capture")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob("*.capture"):
                left.unlink()
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps({"until_s": until_s}), encoding="utf-8")
            part.replace(self._file)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=self.folder, key="--capture") from None

    def until_s(self) -> float | None:
        """Until when to record; None: not at all."""
        try:
            until_s = json.loads(self._file.read_text(encoding="utf-8"))["until_s"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # A day is more than anybody asks for: the file is of another start of the machine.
        if not isinstance(until_s, int | float) or not 0.0 < until_s - time.monotonic() < 86400.0:
            return None
        return float(until_s)

    def end(self) -> None:
        """No longer than now."""
        self._file.unlink(missing_ok=True)

    def take(self) -> Capture:
        """What all processes have recorded; the request is over."""
        self.end()
        parts = sorted(self.folder.glob("*.capture"))
        capture = merged(read_capture(part.read_text(encoding="utf-8"), part) for part in parts)
        for part in parts:
            part.unlink()
        return capture


class CaptureWatch:
    """Obeys the requests for a capture in one process: a thread that looks for one twice a second.

    Args:
        request: of the cell.
        buses: the buses of this process by now.
    """

    def __init__(self, request: CaptureRequest, buses: Callable[[], Mapping[str, Any]]) -> None:
        self._request = request
        self._buses = buses
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire capture", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End; a capture that goes on ends with it. Callable twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            until_s = self._request.until_s()
            if until_s is None:
                continue
            try:
                self._record(until_s)
            except OSError as error:
                LOG.warning("the wires cannot be recorded: %s", error)

    def _record(self, until_s: float) -> None:
        file = self._request.folder / f"{os.getpid()}.capture"
        tapped: list[Any] = []
        with file.open("w", encoding="utf-8") as out:
            writer = Writer(out)
            try:
                while self._request.until_s() == until_s and not self._stop.is_set():
                    for bus in list(self._buses().values()):
                        if bus not in tapped and hasattr(bus, "tap"):
                            writer.tap(bus)
                            tapped.append(bus)
                    self._stop.wait(min(LOOK_S, max(until_s - time.monotonic(), 0.01)))
            finally:
                for bus in tapped:
                    bus.tap(None)
                writer.close()


class ReplayDiverged(AssertionError):
    """What is sent is not what was sent when the capture was made."""


class ReplayLink:
    """A ``ByteLink`` that plays one port of a capture: it hands in what was received then, as long after what was sent
    as then, and compares what is sent now with what was sent then.

    Args:
        events: of one port.
        clock: seconds; of the bus that is played to.

    ``done`` is True when everything was played; ``next_s`` says when the next bytes come.
    """

    def __init__(self, events: Sequence[Event], clock: Callable[[], float]) -> None:
        self._events = [event for event in events if event.direction in "><"]
        self._clock = clock
        self._at = 0
        self._begun = False
        self._sent = b""
        # From the stamps of the capture to the clock of now, as of the last bytes that were sent.
        self._shift_s = clock() - self._events[0].stamp_s if self._events else 0.0

    @property
    def done(self) -> bool:
        """Everything was played."""
        return self._at >= len(self._events)

    @property
    def next_s(self) -> float | None:
        """When bytes come next; None while something has to be sent first."""
        if not self._begun or self.done or self._events[self._at].direction == ">":
            return None
        return self._events[self._at].stamp_s + self._shift_s

    @property
    def in_waiting(self) -> int:
        """Bytes that have come."""
        next_s = self.next_s
        return 0 if next_s is None or next_s > self._clock() else len(self._events[self._at].data)

    def read(self, size: int = 1) -> bytes:
        """The bytes of one event."""
        if not self.in_waiting:
            return b""
        event = self._events[self._at]
        self._at += 1
        return event.data

    def write(self, data: bytes) -> int | None:
        """Compare.

        Raises:
            ReplayDiverged: something else was sent then; or nothing, as long as there is something to come.
        """
        if not self._begun:
            # A capture of a running cell begins anywhere: with what comes of it, begin where this was sent.
            self._begun = True
            same = (at for at, event in enumerate(self._events) if event.direction == ">" and event.data == data)
            self._at = next(same, self._at)
        if self.done:
            return len(data)  # the capture has ended in the middle of a talk
        event = self._events[self._at]
        self._sent += data
        if event.direction != ">" or not event.data.startswith(self._sent):
            then = f"{event.direction} {event.data.hex(' ')}"
            raise ReplayDiverged(f"event {self._at}: sent {self._sent.hex(' ')}, the capture has {then}")
        if self._sent == event.data:
            self._sent = b""
            self._shift_s = self._clock() - event.stamp_s
            self._at += 1
        return len(data)

    def close(self) -> None:
        """Nothing is held."""
