"""Lines to emulated devices under pyserial's surface: in memory on an injected clock, or behind a pty in real time.

``open_link`` is the scheme ``sim`` of the entry-point group ``cellwright.links``: the port ``sim:gripper`` is the line
that somebody attached to the hall under the name ``gripper``, in this process or in a ``cell sim`` on the state folder.
``sim+tcp:NAME`` does the same for a device that was attached with ``attach_tcp``: what goes over it is Modbus TCP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import RLock
from typing import ClassVar, Protocol

from cell.drivers.links import ByteLink
from cell.drivers.serial_port import SerialPort
from cell.drivers.tcp import TcpLink
from cell.simfolder import SimFolder
from perception.errors import InputError
from sim.emulators.slave import TcpSession, TcpSlave
from sim.line_sockets import LineSocket
from sim.ptys import PtyPort
from sim.tcp_ports import TcpPort

BITS_PER_CHARACTER = 10
# What a line that carries TCP is worth, for the time that bytes in memory take: 10 Mbit/s.
TCP_BAUD = 10_000_000


class Emulator(Protocol):
    """A device without I/O, for example ``sim.emulators.slave.RtuSlave``."""

    def feed(self, data: bytes, now: float) -> None: ...

    def poll(self, now: float) -> tuple[bytes, float | None]: ...


class MemoryLink:
    """One end of a line in memory: what the other end writes arrives byte by byte, as fast as the baud rate lets it."""

    def __init__(self, clock: Callable[[], float], baudrate: int) -> None:
        self._clock = clock
        self._character_s = BITS_PER_CHARACTER / baudrate
        # Blocks under way to this end: when the first bit was sent, when the last one is in, the bytes.
        self._blocks: deque[tuple[float, float, bytes]] = deque()
        self._taken = 0
        self._last_end_s = 0.0
        self._peer: MemoryLink | None = None
        self._cut = False

    def join(self, peer: MemoryLink) -> None:
        """Connect both ends."""
        self._peer, peer._peer = peer, self

    @property
    def in_waiting(self) -> int:
        """Bytes that have arrived and are not yet read.

        Raises:
            OSError: the line is cut.
        """
        if self._cut:
            raise OSError("the line is unplugged")
        if not self._blocks:
            return 0
        now, count = self._clock(), -self._taken
        for start_s, end_s, data in self._blocks:
            if now >= end_s:
                count += len(data)
            else:
                # Half a character of grace would be wrong; a rounding of the clock is not.
                count += max(int((now - start_s) / self._character_s + 1e-6), 0)
                break
        return max(count, 0)

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` bytes of those that have arrived."""
        left = min(size, self.in_waiting)
        out = b""
        while left:
            data = self._blocks[0][2]
            piece = data[self._taken : self._taken + left]
            out += piece
            left -= len(piece)
            self._taken += len(piece)
            if self._taken == len(data):
                self._blocks.popleft()
                self._taken = 0
        return out

    def write(self, data: bytes) -> int | None:
        """Send; takes no time here, the bytes follow what is already under way.

        Raises:
            OSError: the line is cut.
        """
        peer = self._peer
        if self._cut or peer is None:
            raise OSError("the line is unplugged")
        if data:
            start_s = max(self._clock(), peer._last_end_s)
            end_s = start_s + len(data) * self._character_s
            peer._blocks.append((start_s, end_s, bytes(data)))
            peer._last_end_s = end_s
        return len(data)

    def next_event(self) -> float | None:
        """When the next block is in as a whole; None when nothing is under way."""
        return self._blocks[0][1] if self._blocks else None

    def close(self) -> None:
        """Cut this end; the other one may go on writing into nothing."""
        self.cut()

    def cut(self) -> None:
        """Unplug: from now on this end raises, and what was under way to it is lost."""
        self._cut = True
        self._blocks.clear()
        self._taken = 0


def memory_pair(clock: Callable[[], float], baudrate: int) -> tuple[MemoryLink, MemoryLink]:
    """Both ends of a line in memory."""
    one, other = MemoryLink(clock, baudrate), MemoryLink(clock, baudrate)
    one.join(other)
    return one, other


class _Line:
    """The emulators on one line, and what carries their bytes."""

    def __init__(self, baudrate: int) -> None:
        self.baudrate = baudrate
        self.emulators: list[Emulator] = []
        self.plugged = True
        self.near: MemoryLink | None = None
        self.far: MemoryLink | None = None
        self.port: PtyPort | None = None

    def feed(self, data: bytes, now: float) -> None:
        for emulator in self.emulators:
            emulator.feed(data, now)

    def poll(self, now: float) -> tuple[bytes, float | None]:
        out = b""
        earliest_s: float | None = None
        for emulator in self.emulators:
            data, wanted_s = emulator.poll(now)
            if data:
                out += data
                self._tell_others(emulator, now + len(data) * BITS_PER_CHARACTER / self.baudrate)
            if wanted_s is not None and (earliest_s is None or wanted_s < earliest_s):
                earliest_s = wanted_s
        return out, earliest_s

    def _tell_others(self, talker: Emulator, until_s: float) -> None:
        """Everybody on a line hears that it is in use."""
        for other in self.emulators:
            overhear = getattr(other, "overhear", None)
            if other is not talker and overhear is not None:
                overhear(until_s)

    def open(self, clock: Callable[[], float]) -> MemoryLink:
        """Memory mode: the controller's end."""
        self.near, self.far = memory_pair(clock, self.baudrate)
        return self.near

    def carry(self, now: float) -> float | None:
        """Memory mode: move what is due between the line and its emulators; returns when something is next."""
        far, near = self.far, self.near
        if far is not None and self.plugged and far.in_waiting:
            self.feed(far.read(far.in_waiting), now)
        out, earliest_s = self.poll(now)
        if far is None or near is None or not self.plugged:
            return earliest_s
        if out:
            far.write(out)
        for event_s in (far.next_event(), near.next_event()):
            # What has arrived at the near end waits for its reader, who is polled by somebody else.
            if event_s is not None and event_s > now and (earliest_s is None or event_s < earliest_s):
                earliest_s = event_s
        return earliest_s


class _TcpLine(_Line):
    """A device behind Modbus TCP, and what carries its bytes."""

    def __init__(self, slave: TcpSlave) -> None:
        super().__init__(TCP_BAUD)
        self.slave = slave
        self.server: TcpPort | None = None
        self._session: TcpSession | None = None

    def open(self, clock: Callable[[], float]) -> MemoryLink:
        """Memory mode: a connection of its own."""
        self._session = self.slave.connect()
        self.emulators = [self._session]
        return super().open(clock)

    def carry(self, now: float) -> float | None:
        """As any line; a connection that the device has ended is cut."""
        if self._session is not None and self._session.closed and self.near is not None:
            self.near.cut()
            self._session = None
        return super().carry(now)


class LinkHall:
    """All emulated lines of one simulator by their names.

    Args:
        clock: seconds, monotonic.
        threaded: False: links are in memory and whoever owns simulated time calls ``poll``. True: each line is a pty
            with a thread of its own between ``start`` and ``close``.
        lock: held whenever an emulator is fed or polled; several lines share one world, and so may others.
    """

    def __init__(
        self, clock: Callable[[], float], threaded: bool, *, lock: AbstractContextManager[object] | None = None
    ) -> None:
        self.lock: AbstractContextManager[object] = RLock() if lock is None else lock
        self._clock = clock
        self._threaded = threaded
        self._lines: dict[str, _Line] = {}
        self._started = False

    @property
    def names(self) -> tuple[str, ...]:
        """The lines there are."""
        return tuple(self._lines)

    @property
    def baudrates(self) -> dict[str, int]:
        """How fast each line is; 0 for one that carries TCP."""
        return {name: 0 if isinstance(line, _TcpLine) else line.baudrate for name, line in self._lines.items()}

    def attach(self, name: str, emulator: Emulator, *, baudrate: int = 115200) -> None:
        """Put a device on the line ``name``; several may share one line."""
        line = self._lines.setdefault(name, _Line(baudrate))
        line.emulators.append(emulator)

    def attach_tcp(self, name: str, slave: TcpSlave) -> None:
        """Put a device behind Modbus TCP under the name of a line of its own (port ``sim+tcp:NAME``).

        In real time it listens on a free port of 127.0.0.1; ``address`` says which, and so does the file of this name
        in the folder of the ports.
        """
        self._lines[name] = _TcpLine(slave)

    def address(self, name: str) -> str:
        """``127.0.0.1:PORT`` of a line that carries TCP (real time only, after ``start``)."""
        line = self._lines[name]
        if not isinstance(line, _TcpLine) or line.server is None:
            raise OSError(f"simulated line '{name}' does not listen")
        return line.server.address

    def open_tcp(self, name: str) -> ByteLink:
        """The controller's end of a line that carries TCP.

        Raises:
            InputError: no such line, or it is a serial one.
            OSError: the line is unplugged.
        """
        line = self._line(name)
        if not isinstance(line, _TcpLine):
            raise InputError(f"the simulated line '{name}' is a serial one: its port is sim:{name}")
        if not line.plugged:
            raise OSError(f"simulated line '{name}' is unplugged")
        if self._threaded:
            host, _, number = self.address(name).partition(":")
            return TcpLink(host, int(number))
        return line.open(self._clock)

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            raise InputError(f"no simulated line '{name}' (there are: {', '.join(sorted(self._lines))})")
        return line

    def open(self, name: str, baudrate: int) -> ByteLink:
        """The controller's end of a serial line.

        Raises:
            InputError: no such line, it carries TCP, or it runs at another baud rate.
            OSError: the line is unplugged.
        """
        line = self._line(name)
        if isinstance(line, _TcpLine):
            raise InputError(f"the simulated line '{name}' carries TCP: its port is sim+tcp:{name}")
        if baudrate != line.baudrate:
            raise InputError(f"the simulated line '{name}' runs at {line.baudrate} baud, not at {baudrate}")
        if not line.plugged:
            raise OSError(f"simulated line '{name}' is unplugged")
        if self._threaded:
            return _line(Path(self.path(name)), baudrate)
        return line.open(self._clock)

    def path(self, name: str) -> str:
        """The pty of a line, as other programs can open it (real time only, after ``start``)."""
        port = self._lines[name].port
        if port is None:
            raise OSError(f"simulated line '{name}' has not started")
        return port.path

    def poll(self, now: float) -> float | None:
        """Memory mode: let every line do what is due; returns when one wants to be polled again."""
        earliest_s: float | None = None
        for line in self._lines.values():
            wanted_s = line.carry(now)
            if wanted_s is not None and (earliest_s is None or wanted_s < earliest_s):
                earliest_s = wanted_s
        return earliest_s

    def unplug(self, name: str) -> None:
        """Pull the plug of a line: the controller's end fails, the devices live on."""
        line = self._lines[name]
        line.plugged = False
        if line.near is not None:
            line.near.cut()
        if line.port is not None:
            line.port.unplug()
        if isinstance(line, _TcpLine) and line.server is not None:
            line.server.unplug()

    def plug(self, name: str) -> None:
        """Put the plug back; the controller has to open the line again."""
        line = self._lines[name]
        if line.port is not None:
            line.port.plug()
        if isinstance(line, _TcpLine) and line.server is not None:
            line.server.plug()
        line.plugged = True

    def start(self, ports: Path | None = None) -> None:
        """Real time: open a pty for every line and answer on it; ``ports``: a folder for links that stay the same, and
        for a file with the address of each line that carries TCP."""
        if not self._threaded or self._started:
            return
        self._started = True
        for name, line in self._lines.items():
            if isinstance(line, _TcpLine):
                line.server = TcpPort(name, line.slave.connect, self._clock, lock=self.lock)
                line.server.start()
                if ports is not None:
                    (ports / name).write_text(f"{line.server.address}\n", encoding="utf-8")
                continue
            line.port = PtyPort(name, line, self._clock, line.baudrate, lock=self.lock, link=ports and ports / name)
            line.port.start()

    def close(self) -> None:
        """End all lines. Callable twice."""
        for line in self._lines.values():
            if line.port is not None:
                line.port.close()
                line.port = None
            if isinstance(line, _TcpLine) and line.server is not None:
                line.server.close()
                line.server = None
            for end in (line.near, line.far):
                if end is not None:
                    end.cut()
        self._started = False


class _Current:
    """The hall that the scheme ``sim`` leads to in this process."""

    hall: LinkHall | None = None
    opened: ClassVar[set[tuple[Path, str]]] = set()
    """Lines of other processes that have been open in this one, by state folder and name."""


def use(hall: LinkHall | None) -> None:
    """Let ``open_link`` lead to this hall; None: to none."""
    _Current.hall = hall


def open_link(name: str, baudrate: int) -> ByteLink:
    """Open the simulated line ``name`` (entry point ``sim`` of ``cellwright.links``).

    Raises:
        InputError: no simulator runs in this process or on the state folder, or it has no such line.
        OSError: the line is unplugged.
    """
    if _Current.hall is not None:
        return _Current.hall.open(name, baudrate)
    folder = SimFolder.of_this_process()
    line_baudrate = _baudrate_elsewhere(folder, name, f"sim:{name}")
    if line_baudrate == 0:
        raise InputError(f"the simulated line '{name}' carries TCP: its port is sim+tcp:{name}")
    if baudrate != line_baudrate:
        raise InputError(f"the simulated line '{name}' runs at {line_baudrate} baud, not at {baudrate}")
    link = _line(folder.ports / name, baudrate)
    _Current.opened.add((folder.state, name))
    return link


def open_tcp_link(name: str, baudrate: int) -> ByteLink:
    """Open the simulated line ``name`` that carries TCP (entry point ``sim+tcp`` of ``cellwright.links``).

    Raises:
        InputError: no simulator runs in this process or on the state folder, or it has no such line.
        OSError: the line is unplugged.
    """
    if _Current.hall is not None:
        return _Current.hall.open_tcp(name)
    folder = SimFolder.of_this_process()
    if _baudrate_elsewhere(folder, name, f"sim+tcp:{name}") != 0:
        raise InputError(f"the simulated line '{name}' is a serial one: its port is sim:{name}")
    host, _, number = (folder.ports / name).read_text(encoding="utf-8").strip().partition(":")
    link = TcpLink(host, int(number))
    _Current.opened.add((folder.state, name))
    return link


def _line(path: Path, baudrate: int) -> ByteLink:
    """By its socket, or by its pty where it has none."""
    try:
        return LineSocket(path)
    except ConnectionRefusedError:
        return SerialPort(str(path), baudrate)


def _baudrate_elsewhere(folder: SimFolder, name: str, port: str) -> int:
    """Of a line of the simulator on a state folder; 0: it carries TCP."""
    info = folder.info()
    if info is None:
        # A port that was there may come back: whoever has it open tries again, and an error of the input ends him.
        if (folder.state, name) in _Current.opened:
            raise OSError(f"the simulator with the line '{name}' is gone")
        raise InputError(f"'{port}' needs the simulator: none runs in this process, nor on {folder.state}")
    baudrate = info.lines.get(name)
    if baudrate is None:
        raise InputError(f"no simulated line '{name}' (there are: {', '.join(sorted(info.lines))})")
    return baudrate
