"""What is fuzzed: everything that reads bytes or text of somebody else. One function a target, from bytes.

A target returns for whatever it is given, or raises. What it may raise by contract (``InputError``, and from the
framing of TCP ``ConnectionError``) it catches itself, so that everything that comes out is a finding. A new target is
a function and a line in ``TARGETS``.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cell.accounts import Fate
from cell.config import read_params
from cell.drivers.capture import read_capture
from cell.drivers.crc import with_crc
from cell.drivers.frames import Request, exchange, find_reply, holds_frame
from cell.drivers.framing import Framing
from cell.drivers.mbap import TcpFraming
from cell.drivers.modbus import Failure, Master, Priority, Reply
from cell.drivers.rtu import RtuFraming
from cell.drivers.tcp import tcp_address
from cell.launching import load_launch
from cell.ledger import Ledger, LedgerError
from cell.ledger_export import Selection, export
from perception.errors import InputError
from sim.emulators.slave import RtuSlave, TcpSlave
from sim.scenario import read_scenario

ROOT = Path(__file__).parents[2]
REQUESTS = (
    Request(9, 4, 0x07D0, 3, twin=True),
    Request(9, 3, 0x0005, 1, spare=2),
    Request(1, 6, 0x0002, values=(0x1234,)),
    Request(9, 16, 0x03E8, values=(1, 2, 3)),
    Request(9, 23, 0x07D0, 2, values=(7,), write_address=0x03E8),
)
WIRE_SEEDS = (
    with_crc(bytes.fromhex("09 04 06 F900 0000 0D00")),
    with_crc(bytes.fromhex("09 10 03E8 0003")),
    with_crc(bytes.fromhex("09 84 02")),
    with_crc(bytes.fromhex("09 03 07D0 0003")),
    with_crc(bytes.fromhex("09 17 07D0 0001 03E8 0001 02 0900")),
    bytes.fromhex("0001 0000 0009 09 04 06 F900 0000 0D00"),
    bytes.fromhex("0001 0000 0006 09 03 07D0 0003"),
    bytes.fromhex("0002 0000 0003 09 84 0B"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """One parser: what is called, and inputs to begin with. ``text``: most of it is words and line ends."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    text: bool = False


class _Registers:
    """A device of 64 registers."""

    functions = frozenset((3, 4, 6, 16, 23))

    def __init__(self) -> None:
        self.values = [0] * 0x10000

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        return self.values[address : address + count]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        for place, value in enumerate(values, address):
            assert 0 <= value <= 0xFFFF
            self.values[place] = value

    def tick(self, now: float) -> float | None:
        return None


@cache
def _device() -> _Registers:
    return _Registers()


def frames(data: bytes) -> None:
    """The search for a reply in whatever came."""
    for request in REQUESTS:
        for tag in range(request.tags):
            sought = exchange(request, tag)
            match = find_reply(data, sought)
            if match is None:
                continue
            assert 0 <= match.start < match.end <= len(data)
            assert match.exception or len(match.values) == request.count
    holds_frame(data)


def rtu_master(data: bytes) -> None:
    """A master on a serial line that hears what it likes, when it likes."""
    _master(RtuFraming(115200), data)


def tcp_master(data: bytes) -> None:
    """A master on a connection."""
    _master(TcpFraming(), data)


def _master(framing: Framing, data: bytes) -> None:
    """The bytes are a script: every piece begins with a byte that says what is asked, how long the piece is and what
    time goes by."""
    master = Master(framing, reply_timeout_s=0.05)
    ended: list[Reply] = []
    asked, now, at = 0, 0.0, 0
    with contextlib.suppress(ConnectionError):
        while at < len(data):
            what, at = data[at], at + 1
            size = what >> 3 & 0x0F
            request = REQUESTS[what % len(REQUESTS)]
            if what & 0x80:
                master.submit(request, ended.append, Priority(what % 3), retries=what & 1)
                asked += 1
            now += (what & 7) * 0.004
            sent, wanted_s = master.poll(now)
            assert wanted_s is None or sent or wanted_s >= now
            piece, at = data[at : at + size], at + size
            if piece:
                master.feed(piece, now + 0.001)
        for _ in range(8 * asked + 8):
            _, wanted_s = master.poll(now)
            if wanted_s is None:
                break
            now = max(now, wanted_s)
    master.abort(Failure.DISCONNECTED, now)
    # Everybody is told, once.
    assert len(ended) == asked
    assert all(len(reply.values) == reply.request.count for reply in ended if reply.ok)


def rtu_slave(data: bytes) -> None:
    """An emulator on a serial line."""
    slave = RtuSlave(9, _device())
    now = 0.0
    for size in (len(data) // 2, len(data)):
        slave.feed(data[:size], now)
        now += 0.01
        out, _ = slave.poll(now)
        assert len(out) <= 256
        now += 0.01


def tcp_slave(data: bytes) -> None:
    """An emulator behind a connection."""
    session = TcpSlave(9, _device()).connect()
    half = len(data) // 2
    for piece in (data[:half], data[half:]):
        if not session.closed:
            session.feed(piece, 1.0)
            session.poll(1.0)


def capture(data: bytes) -> None:
    """The text of a wire capture."""
    with contextlib.suppress(InputError):
        read_capture(data.decode("utf-8", "replace"))


def address(data: bytes) -> None:
    """The address of a Modbus TCP port."""
    with contextlib.suppress(InputError):
        tcp_address(data.decode("utf-8", "replace"))


@cache
def _folder() -> Path:
    # In memory where there is such a place: a million files on a disk would be slow.
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="cell-fuzz-", dir=memory if memory.is_dir() else None))


def _file(data: bytes) -> Path:
    path = _folder() / "input.yaml"
    path.write_bytes(data)
    return path


def params(data: bytes) -> None:
    """A params file."""
    with contextlib.suppress(InputError):
        read_params(_file(data))


def launch(data: bytes) -> None:
    """A launch file."""
    with contextlib.suppress(InputError):
        load_launch(_file(data))


_ODD = (0.0, -1.0, 1e308, math.nan, math.inf, 1 << 70, "text", "\ud800", None, b"\xff", (1,), True)
"""Values that a line of the ledger must not hold, among some that it may."""


def ledger_rows(data: bytes) -> None:
    """The bytes are a script of what is written, in any order and with odd values: a line is taken or refused, and the
    balance holds."""
    ledger, _ = Ledger.open(":memory:", started_s=0.0)
    at = 0
    while at + 3 <= len(data):
        what, part, odd = data[at], data[at + 1] % 6, _ODD[data[at + 2] % len(_ODD)]
        number: Any = odd if what & 0x80 else float(part)
        text: Any = odd if what & 0x40 else "good"
        at += 3
        with contextlib.suppress(LedgerError):
            if what % 8 == 0:
                ledger.enter(part, number, verdict=text, score=number, views=odd if what & 0x20 else 1)  # type: ignore[arg-type]
            elif what % 8 == 1:
                ledger.judge(part, verdict=text, score=number, place=(number, 0.0, 0.0, 0.0), picture=(number, text))
            elif what % 8 == 2:
                ledger.decide(part, number, action=text if what & 0x40 else "pick", bin_name="bin", reason=text)
            elif what % 8 == 3:
                ledger.mark_picked(part, number, grip_width_m=number, tries=odd if what & 0x20 else 1)  # type: ignore[arg-type]
            elif what % 8 == 4:
                ledger.close_part(part, number, list(Fate)[part], bin_name=text)
            elif what % 8 == 5:
                ledger.take_energy(part, number)
            elif what % 8 == 6:
                ledger.acknowledge(part, number, what=text, by_whom=text)
            else:
                ledger.give_up((ledger.run_id, part), number, text)
        assert ledger.backlog == 0
    tally = ledger.counts()
    assert tally.balanced
    records = ledger.parts()
    assert len(records) == tally.entered
    assert sum(record.fate is None for record in records) == tally.in_flight
    ledger.leave()


@cache
def _ledger_file() -> bytes:
    path = _folder() / "seed.sqlite"
    ledger, _ = Ledger.open(path, started_s=0.0)
    for part in range(1, 9):
        ledger.enter(part, 1.0, verdict="good", score=0.1)
        ledger.close_part(part, 2.0, Fate.PASSED)
    ledger.close(3.0)
    return path.read_bytes()


def ledger_file(data: bytes) -> None:
    """A file of a ledger with damaged bytes, and one that is nothing else than the bytes."""
    whole = bytearray(_ledger_file())
    for place in range(0, len(data) - 2, 3):
        whole[int.from_bytes(data[place : place + 2], "big") % len(whole)] = data[place + 2]
    for content in (bytes(whole), data):
        path = _folder() / "ledger.sqlite"
        for left in _folder().glob("ledger.sqlite*"):
            left.unlink()
        path.write_bytes(content)
        with contextlib.suppress(InputError):
            export(path, _folder() / "parts.csv", Selection())
        with contextlib.suppress(InputError, LedgerError):
            ledger, _ = Ledger.open(path, started_s=10.0)
            try:
                ledger.enter(1, 11.0, verdict="good", score=0.1)
                ledger.parts()
            finally:
                ledger.leave()


def scenario(data: bytes) -> None:
    """A scenario of the simulator."""
    with contextlib.suppress(InputError):
        read_scenario(data.decode("utf-8", "replace"))


def _sections(name: str) -> tuple[bytes, ...]:
    """The nodes of a params file one by one: short inputs are quickly tried."""
    text = (ROOT / "launch" / name).read_text(encoding="utf-8")
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith(" "):
            found.append([])
        if found:
            found[-1].append(line.partition("  #")[0])
    return tuple("\n".join(lines[:25]).encode() + b"\n" for lines in found)


LAUNCH_SEEDS = (
    b"launch:\n- executable:\n    cmd: cell node gripper --ros-args --params-file x.yaml\n",
    b"launch:\n- arg: {name: port, default: '8080'}\n- let: {name: a, value: $(var port)}\n- group:\n"
    b"  - executable: {cmd: 'cell node status --ros-args -p port:=$(var a)', respawn: 'true', if: $(var a)}\n",
    b"launch:\n- include: {file: $(find-pkg-share x)/launch/y.yaml, arg: [{name: a, value: b}]}\n",
)
CAPTURE_SEEDS = (
    b"# cellwright wire capture 1\n# port 0 /dev/x 9600 rtu\n"
    b"1.5 0 > 090407d0\n2.5 0 < 0904\n3.5 0 ! 676f6e65\n4 0 + -\n",
)
TARGETS: dict[str, Target] = {
    "frames": Target(frames, WIRE_SEEDS),
    "rtu_master": Target(rtu_master, tuple(b"\x80" + seed for seed in WIRE_SEEDS)),
    "tcp_master": Target(tcp_master, tuple(b"\xf8" + seed for seed in WIRE_SEEDS)),
    "rtu_slave": Target(rtu_slave, WIRE_SEEDS),
    "tcp_slave": Target(tcp_slave, WIRE_SEEDS),
    "ledger_rows": Target(ledger_rows, (bytes.fromhex("000100 010100 020100 030100 040100"), bytes(range(60)))),
    "ledger_file": Target(ledger_file, (b"\0\0\0", bytes.fromhex("001000"), b"SQLite format 3\0")),
    "capture": Target(capture, CAPTURE_SEEDS, text=True),
    "address": Target(address, (b"tcp://10.0.0.7:502", b"//[::1]:1"), text=True),
    "params": Target(params, _sections("cell.params.yaml"), text=True),
    "launch": Target(launch, LAUNCH_SEEDS, text=True),
    "scenario": Target(scenario, (b"belt: {speed_mps: 0.2}\nfeed:\n  defective_share: 0.2\n",), text=True),
}
