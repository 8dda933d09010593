"""The Modbus RTU side of a device, without I/O: bytes of the line in, replies out, when a device would send them.

Written apart from the master (no shared framing, checksum or register table): neither can hide the other's error.
Source: Modbus over Serial Line V1.02 and Application Protocol V1.1b3.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

# Bytes of a request behind the function code, checksum not counted; in 16 and 23 a number of data bytes follows them.
_FIXED = {3: 4, 4: 4, 6: 4}
_COUNTED = {16: 4, 23: 8}
BROADCAST = 0


class ModbusException(Exception):
    """A device refuses a request; ``code`` goes into the exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class RegisterDevice(Protocol):
    """What a device does with requests; addresses are those on the wire.

    ``functions``: the function codes that it knows. ``read`` and ``write`` raise ``ModbusException``. ``tick`` lets it
    live without requests and returns when it wants to live again.
    """

    functions: frozenset[int]

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]: ...

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None: ...

    def tick(self, now: float) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A reply as the line delivers it: so much later, these bytes."""

    delay_s: float
    data: bytes


# What a disturbed line makes of a reply: any number of deliveries, none if it is lost.
LineFault = Callable[[bytes, float], Sequence[Delivery]]


class RtuSlave:
    """One device on a line.

    Args:
        unit: its address.
        device: what is behind it.
        baudrate, bits_per_character: of the line, for the silence that ends a frame.
        turnaround_s: from the end of a request to the start of the reply, beside the silence.
    """

    def __init__(
        self,
        unit: int,
        device: RegisterDevice,
        *,
        baudrate: int = 115200,
        bits_per_character: int = 10,
        turnaround_s: float = 0.0,
    ) -> None:
        self.unit = unit
        self.device = device
        self.fault: LineFault | None = None
        self.answered = 0
        self._silence_s = 0.00175 if baudrate > 19200 else 3.5 * bits_per_character / baudrate
        self._turnaround_s = turnaround_s
        self._frame = bytearray()
        self._frame_ends_s = 0.0
        self._replies: list[tuple[float, int, bytes]] = []
        self._count = 0

    def feed(self, data: bytes, now: float) -> None:
        """Bytes whose last one arrives at ``now``."""
        if self._frame and now - self._frame_ends_s > self._silence_s:
            self._end_frame(self._frame_ends_s)
        self._frame += data
        self._frame_ends_s = now + self._silence_s

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """What the device sends at ``now``, and when to call again."""
        if self._frame and now >= self._frame_ends_s:
            self._end_frame(now)
        wanted_s = self.device.tick(now)
        out = b""
        while self._replies and self._replies[0][0] <= now:
            out += heapq.heappop(self._replies)[2]
        if self._replies and (wanted_s is None or self._replies[0][0] < wanted_s):
            wanted_s = self._replies[0][0]
        if self._frame and (wanted_s is None or self._frame_ends_s < wanted_s):
            wanted_s = self._frame_ends_s
        return out, wanted_s

    def _end_frame(self, now: float) -> None:
        frame = bytes(self._frame)
        self._frame.clear()
        if not _is_sound(frame) or frame[0] not in (self.unit, BROADCAST):
            return
        if frame[0] == BROADCAST:
            return
        reply = _sealed(bytes((self.unit,)) + self._answer(frame[1:-2], now))
        self.answered += 1
        deliveries = [Delivery(0.0, reply)] if self.fault is None else self.fault(reply, now)
        for delivery in deliveries:
            self._count += 1
            heapq.heappush(self._replies, (now + self._turnaround_s + delivery.delay_s, self._count, delivery.data))

    def _answer(self, request: bytes, now: float) -> bytes:
        function = request[0]
        try:
            if function not in self.device.functions:
                raise ModbusException(ILLEGAL_FUNCTION)
            return bytes((function,)) + self._perform(function, request[1:], now)
        except ModbusException as refusal:
            return bytes((function | 0x80, refusal.code))

    def _perform(self, function: int, body: bytes, now: float) -> bytes:
        if not _is_complete(function, body):
            raise ModbusException(ILLEGAL_VALUE)
        address = _word(body, 0)
        if function in (3, 4):
            return self._read(function, address, _word(body, 2), now)
        if function == 6:
            self.device.write(function, address, (_word(body, 2),), now)
            return body
        if function == 16:
            self._write(function, address, body, 2, now)
            return body[:4]
        self._write(function, _word(body, 4), body, 6, now)
        return self._read(function, address, _word(body, 2), now)

    def _read(self, function: int, address: int, count: int, now: float) -> bytes:
        if not 1 <= count <= 125:
            raise ModbusException(ILLEGAL_VALUE)
        registers = self.device.read(function, address, count, now)
        return bytes((2 * count,)) + b"".join(register.to_bytes(2, "big") for register in registers)

    def _write(self, function: int, address: int, body: bytes, at: int, now: float) -> None:
        count = _word(body, at)
        if not 1 <= count <= 123 or body[at + 2] != 2 * count:
            raise ModbusException(ILLEGAL_VALUE)
        values = [_word(body, at + 3 + 2 * index) for index in range(count)]
        self.device.write(function, address, values, now)


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _is_complete(function: int, body: bytes) -> bool:
    if function in _FIXED:
        return len(body) == _FIXED[function]
    fixed = _COUNTED[function]
    return len(body) > fixed and len(body) == fixed + 1 + body[fixed]


def _checksums() -> tuple[int, ...]:
    table = [0]
    for bit in range(8):
        # The remainder of one set bit; the table of all bytes is its exclusive-or with what is there already.
        remainder = 1 << bit
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0xA001 * (remainder & 1))
        table += [remainder ^ entry for entry in table]
    return tuple(table)


_REMAINDERS = _checksums()


def _checksum(data: bytes) -> bytes:
    low, high = 0xFF, 0xFF
    for byte in data:
        entry = _REMAINDERS[low ^ byte]
        low, high = high ^ (entry & 0xFF), entry >> 8
    return bytes((low, high))


def _is_sound(frame: bytes) -> bool:
    return 4 <= len(frame) <= 256 and _checksum(frame[:-2]) == frame[-2:]


def _sealed(body: bytes) -> bytes:
    return body + _checksum(body)
