"""The emulators' Modbus side, spoken to by raw bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cell.drivers.crc import with_crc
from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.slave import ModbusException, RtuSlave

SILENCE_S = 0.00175


class Registers:
    """Eight registers."""

    functions = frozenset((3, 6, 16, 23))

    def __init__(self) -> None:
        self.values = [0] * 8

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        if address + count > 8:
            raise ModbusException(2)
        return self.values[address : address + count]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        if address + len(values) > 8:
            raise ModbusException(2)
        self.values[address : address + len(values)] = values

    def tick(self, now: float) -> float | None:
        return None


def ask(slave: RtuSlave, frame: str | bytes, now: float = 10.0) -> bytes:
    body = bytes.fromhex(frame) if isinstance(frame, str) else frame
    slave.feed(with_crc(body), now)
    assert slave.poll(now) == (b"", now + SILENCE_S)
    return slave.poll(now + SILENCE_S)[0]


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ("05 06 0002 1234", "05 06 0002 1234"),
        ("05 10 0001 0002 04 0001 0002", "05 10 0001 0002"),
        ("05 03 0000 0002", "05 03 04 0000 0000"),
        ("05 17 0000 0001 0000 0001 02 00AA", "05 17 02 00AA"),
        ("05 04 0000 0001", "05 84 01"),
        ("05 2B 0E01 00", "05 AB 01"),
        ("05 03 0007 0002", "05 83 02"),
        ("05 06 0008 0001", "05 86 02"),
        ("05 03 0000 0000", "05 83 03"),
        ("05 03 0000 007E", "05 83 03"),
        ("05 10 0000 0002 02 0001", "05 90 03"),
        ("05 03 0000", "05 83 03"),
    ],
)
def test_slave_answers_after_the_silence_when_asked(frame: str, reply: str) -> None:
    assert ask(RtuSlave(5, Registers()), frame) == with_crc(bytes.fromhex(reply))


@pytest.mark.parametrize("frame", ["06 03 0000 0001", "00 06 0000 0001", "00 03 0000 0001"])
def test_slave_keeps_silent_when_it_is_not_addressed(frame: str) -> None:
    device = Registers()
    assert ask(RtuSlave(5, device), frame) == b""
    assert device.values == [0] * 8


def test_slave_keeps_silent_when_the_checksum_is_wrong() -> None:
    slave = RtuSlave(5, Registers())
    slave.feed(bytes.fromhex("05 03 0000 0001 0000"), 1.0)
    assert slave.poll(2.0) == (b"", None)


def test_slave_takes_a_frame_in_pieces_when_there_is_no_silence_between_them() -> None:
    slave, frame = RtuSlave(5, Registers()), with_crc(bytes.fromhex("05 06 0000 0001"))
    slave.feed(frame[:3], 1.0)
    slave.feed(frame[3:], 1.001)
    assert slave.poll(1.01)[0] == frame


def test_slave_drops_the_pieces_when_silence_lies_between_them() -> None:
    slave, frame = RtuSlave(5, Registers()), with_crc(bytes.fromhex("05 06 0000 0001"))
    slave.feed(frame[:3], 1.0)
    slave.feed(frame[3:], 1.01)
    assert slave.poll(1.02)[0] == b""


def test_reply_is_disturbed_when_a_fault_is_set() -> None:
    slave = RtuSlave(5, Registers())
    request = with_crc(bytes.fromhex("05 03 0000 0001"))
    whole = with_crc(bytes.fromhex("05 03 02 0000"))

    slave.fault = NoisyLine(LineQuality(lost=1.0), seed=1)
    assert ask(slave, request[:-2], 1.0) == b""
    slave.fault = NoisyLine(LineQuality(late=1.0, late_s=(0.2, 0.2)), seed=1)
    slave.feed(request, 2.0)
    due_s = slave.poll(2.0 + SILENCE_S)[1]
    assert due_s == pytest.approx(2.2 + SILENCE_S)
    assert slave.poll(due_s)[0] == whole
    slave.fault = NoisyLine(LineQuality(noisy=1.0), seed=1)
    noisy = ask(slave, request[:-2], 3.0)
    assert noisy.endswith(whole)
    assert len(noisy) > len(whole)
    slave.fault = NoisyLine(LineQuality(flipped=1.0), seed=1)
    flipped = ask(slave, request[:-2], 4.0)
    assert sum((one ^ other).bit_count() for one, other in zip(flipped, whole, strict=True)) == 1
