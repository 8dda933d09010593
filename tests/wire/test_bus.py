"""A bus on links that break: cycles, disconnection, reconnection, partial writes, and its thread."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest

from cell.drivers.bus import LAST_PAUSE_S, LAST_RETRY_S, Bus
from cell.drivers.bus_thread import BusThread
from cell.drivers.crc import with_crc
from cell.drivers.frames import Request
from cell.drivers.modbus import Failure, Reply

READ = Request(9, 4, 0x07D0, 1)
ANSWER = with_crc(b"\x09\x04\x02\x12\x34")


class Port:
    """A port that answers every request at once, takes ``takes`` bytes a write, and can break."""

    def __init__(self) -> None:
        self.written = b""
        self.incoming = b""
        self.takes = 100
        self.broken = False
        self.silent = False
        self.opened = 0
        self.closed = 0

    def open(self) -> Port:
        if self.broken:
            raise OSError("no such port")
        self.opened += 1
        return self

    @property
    def in_waiting(self) -> int:
        if self.broken:
            raise OSError("device went away")
        return len(self.incoming)

    def read(self, size: int = 1) -> bytes:
        out, self.incoming = self.incoming[:size], self.incoming[size:]
        return out

    def write(self, data: bytes) -> int | None:
        taken = data[: self.takes]
        self.written += taken
        if not self.silent and len(self.written) % 8 == 0:
            self.incoming = ANSWER
        return len(taken)

    def close(self) -> None:
        self.closed += 1


class Stand:
    """A bus on such a port, in told time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.port = Port()
        self.bus = Bus("test", self.port.open, lambda: self.now_s, 115200)
        self.replies: list[Reply] = []

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            wanted_s = self.bus.poll(self.now_s)
            step_s = end_s if wanted_s is None else wanted_s
            self.now_s = min(max(step_s, self.now_s + 1e-4), end_s)


def test_read_comes_back_every_period_when_it_is_cyclic() -> None:
    stand = Stand()
    stand.bus.every(0.02, READ, stand.replies.append)
    stand.run(1.0)
    assert len(stand.replies) == 50
    assert all(reply.values == (0x1234,) for reply in stand.replies)


def test_turns_are_skipped_when_replies_take_longer_than_the_period() -> None:
    stand = Stand()
    stand.port.silent = True
    stand.bus.every(0.02, READ, stand.replies.append)
    stand.run(2.0)
    # Two attempts of a time-out each, the second when the reply to the first no longer comes; never a heap of turns.
    assert 2 <= len(stand.replies) <= 8
    stand.port.silent = False
    before = len(stand.replies)
    stand.run(1.0)
    # Turns had become fewer; from the first answer on they come every period again.
    assert (1.0 - LAST_PAUSE_S) / 0.02 - 5 <= len(stand.replies) - before <= 51


def test_frame_goes_out_whole_when_the_port_takes_a_byte_at_a_time() -> None:
    stand = Stand()
    stand.port.takes = 1
    stand.bus.submit(READ, stand.replies.append)
    stand.run(0.1)
    assert stand.port.written == with_crc(bytes.fromhex("09 04 07D0 0001"))
    assert stand.replies[0].ok


def test_everybody_is_told_at_once_when_the_port_breaks() -> None:
    stand = Stand()
    stand.bus.every(0.02, READ, stand.replies.append)
    stand.run(0.1)
    stand.port.broken = True
    stand.run(0.001)
    assert not stand.bus.connected
    assert stand.bus.error == "device went away"
    assert stand.replies[-1].failure is Failure.DISCONNECTED
    assert stand.port.closed == 1


def test_command_ends_at_once_and_never_goes_out_later_when_the_port_is_away() -> None:
    stand = Stand()
    stand.port.broken = True
    stand.run(0.01)
    stand.bus.submit(READ, stand.replies.append)
    stand.run(0.01)
    assert [reply.failure for reply in stand.replies] == [Failure.DISCONNECTED]
    stand.port.broken = False
    stand.run(3.0)
    assert stand.bus.connected
    assert stand.port.written == b""


def test_port_is_open_within_a_second_when_it_comes_back_after_a_long_time() -> None:
    stand = Stand()
    stand.bus.every(0.02, READ, stand.replies.append)
    stand.port.broken = True
    stand.run(60.0)
    told = len(stand.replies)
    stand.port.broken = False
    stand.run(LAST_RETRY_S + 0.05)
    assert stand.bus.connected
    assert stand.bus.reopened == 1
    assert stand.bus.error is None
    assert len(stand.replies) > told
    assert stand.replies[-1].ok


def test_callback_may_submit_again_when_the_port_is_away() -> None:
    stand = Stand()
    stand.port.broken = True

    def again(reply: Reply) -> None:
        stand.replies.append(reply)
        stand.bus.submit(READ, again)

    stand.bus.submit(READ, again)
    stand.run(0.01)
    assert stand.replies[0].failure is Failure.DISCONNECTED
    assert len(stand.replies) < 1000


def test_request_from_a_callback_goes_out_when_the_one_before_failed() -> None:
    stand = Stand()
    stand.port.silent = True
    stand.bus.submit(READ, lambda _: stand.bus.submit(READ, stand.replies.append), retries=0)
    wanted_s = stand.bus.poll(0.0)
    while wanted_s is not None and wanted_s < 1.0:
        stand.port.silent = wanted_s < 0.1
        stand.now_s = wanted_s
        wanted_s = stand.bus.poll(stand.now_s)
    assert [reply.ok for reply in stand.replies] == [True]


def test_nothing_is_sent_any_more_when_the_bus_is_closed() -> None:
    stand = Stand()
    stand.bus.close()
    stand.bus.submit(READ, stand.replies.append)
    assert stand.bus.poll(1.0) is None
    assert stand.port.written == b""
    assert stand.replies[0].failure is Failure.DISCONNECTED


class PipePort(Port):
    """As ``Port``, with a descriptor to wait on."""

    def __init__(self) -> None:
        super().__init__()
        self.read_fd, self.write_fd = os.pipe()

    def fileno(self) -> int:
        return self.read_fd

    def write(self, data: bytes) -> int | None:
        taken = super().write(data)
        if self.incoming:
            os.write(self.write_fd, b"\0")
        return taken

    def read(self, size: int = 1) -> bytes:
        os.read(self.read_fd, 1)
        return super().read(size)


@pytest.fixture
def pipe_port():
    port = PipePort()
    yield port
    os.close(port.read_fd)
    os.close(port.write_fd)


def test_thread_answers_at_once_when_another_thread_submits(pipe_port: PipePort) -> None:
    bus = Bus("pipe", pipe_port.open, time.monotonic, 115200)
    thread = BusThread(bus)
    thread.start()
    answered = threading.Event()
    bus.submit(READ, lambda _: answered.set())
    assert answered.wait(1.0)
    thread.stop()
    thread.stop()
    assert pipe_port.closed == 1
    assert not bus.connected


def test_bus_is_marked_when_its_thread_ends_by_an_error(pipe_port: PipePort, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="cell")
    bus = Bus("pipe", pipe_port.open, time.monotonic, 115200)
    thread = BusThread(bus)
    failed = threading.Event()

    def wrong(reply: Reply) -> None:
        failed.set()
        raise KeyError("a driver's mistake")

    thread.start()
    bus.submit(READ, wrong)
    assert failed.wait(1.0)
    thread.stop()
    assert not bus.connected
    assert "thread of port pipe ends" in caplog.text
