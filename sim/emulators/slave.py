"""The Modbus side of a device, without I/O: bytes of the line in, replies out, when a device would send them.

Written apart from the master (no shared framing, checksum or register table): neither can hide the other's error.
Source: Modbus over Serial Line V1.02, Application Protocol V1.1b3, Messaging on TCP/IP V1.0b.
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


class ModbusException(Exception):
    """A device refuses a request; ``code`` goes into the exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class RegisterDevice(Protocol):
    """What a device does with requests; addresses are those on the wire.

    ``functions``: the function codes that it knows. ``read`` and ``write`` raise ``ModbusException``. ``tick`` lets it
    live without requests and returns when it wants to live again. It may have ``power_off(now)`` and ``power_on(now)``
    too: what a loss of its supply makes of it.
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


# What a disturbed line makes of a frame: any number of deliveries, none if it is lost.
LineFault = Callable[[bytes, float], Sequence[Delivery]]

# Share of the silence that a clock may be off.
SILENCE_TOLERANCE = 0.01
GATEWAY_TARGET_SILENT = 11


class Slave:
    """One device on a line, whatever carries it; with faults that every device can have.

    Attributes:
        fault: what the line does to replies. ``request_fault``: to requests, before the device hears them (a delay of
            a request counts as one of the reply).
        delay_s: so much later than usual it answers.
        stranger: another device that answers in its place, for example ``sim.emulators.device_faults.Stranger``: the
            wrong identity.
        answered: replies so far.
    """

    def __init__(self, unit: int, device: RegisterDevice, turnaround_s: float = 0.0) -> None:
        self.unit = unit
        self.device = device
        self.fault: LineFault | None = None
        self.request_fault: LineFault | None = None
        self.delay_s = 0.0
        self.stranger: RegisterDevice | None = None
        self.answered = 0
        self._turnaround_s = turnaround_s
        self._powered = True
        self._frozen: dict[tuple[int, int], int] | None = None

    @property
    def powered(self) -> bool:
        """It has its supply: without it nothing is heard and nothing is said."""
        return self._powered

    @property
    def frozen(self) -> bool:
        """Registers read as they were when this began; writes are obeyed all the same."""
        return self._frozen is not None

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = {} if frozen else None

    def power_off(self, now: float) -> None:
        """Take its supply: what it was about to say is lost. The device's ``power_off``, if it has one, is told."""
        self._powered = False
        self._forget()
        told = getattr(self.device, "power_off", None)
        if told is not None:
            told(now)

    def power_on(self, now: float) -> None:
        """Give it its supply back; its ``power_on``, if it has one, makes it what it is after that (reset, not
        activated, default settings)."""
        if self._powered:
            return
        self._powered = True
        told = getattr(self.device, "power_on", None)
        if told is not None:
            told(now)

    def power_cycle(self, now: float) -> None:
        """Off and on again at one instant."""
        self.power_off(now)
        self.power_on(now)

    def _forget(self) -> None:
        """What lies between request and reply is gone."""

    def _respond(self, request: bytes, now: float) -> bytes:
        """The PDU that answers a PDU."""
        function = request[0]
        device = self.device if self.stranger is None else self.stranger
        try:
            if function not in device.functions:
                raise ModbusException(ILLEGAL_FUNCTION)
            return bytes((function,)) + self._perform(device, function, request[1:], now)
        except ModbusException as refusal:
            return bytes((function | 0x80, refusal.code))

    def _perform(self, device: RegisterDevice, function: int, body: bytes, now: float) -> bytes:
        if not _is_complete(function, body):
            raise ModbusException(ILLEGAL_VALUE)
        address = _word(body, 0)
        if function in (3, 4):
            return self._read(device, function, address, _word(body, 2), now)
        if function == 6:
            device.write(function, address, (_word(body, 2),), now)
            return body
        if function == 16:
            device.write(function, address, _values(body, 2, address), now)
            return body[:4]
        written = _word(body, 4)
        device.write(function, written, _values(body, 6, written), now)
        return self._read(device, function, address, _word(body, 2), now)

    def _read(self, device: RegisterDevice, function: int, address: int, count: int, now: float) -> bytes:
        if not 1 <= count <= 125 or address + count > 0x10000:
            raise ModbusException(ILLEGAL_VALUE if not 1 <= count <= 125 else ILLEGAL_ADDRESS)
        registers = device.read(function, address, count, now)
        if self._frozen is not None:
            kept = self._frozen
            places = range(address, address + count)
            shown = zip(places, registers, strict=True)
            registers = [kept.setdefault((function, place), value) for place, value in shown]
        return bytes((2 * count,)) + b"".join(register.to_bytes(2, "big") for register in registers)


class RtuSlave(Slave):
    """One device on a serial line.

    Args:
        unit: its address.
        device: what is behind it.
        baudrate, bits_per_character: of the line, for the silence that ends a frame, and that has to lie before one.
        turnaround_s: from the end of a request to the start of the reply, beside the silence.
        strict: a frame that begins before the line was silent for long enough is not understood (as the specification
            has it: it is then part of the frame before), and counted in ``too_soon``.
    """

    def __init__(
        self,
        unit: int,
        device: RegisterDevice,
        *,
        baudrate: int = 115200,
        bits_per_character: int = 10,
        turnaround_s: float = 0.0,
        strict: bool = True,
    ) -> None:
        super().__init__(unit, device, turnaround_s)
        self.too_soon = 0
        self.strict = strict
        self._character_s = bits_per_character / baudrate
        self._silence_s = 0.00175 if baudrate > 19200 else 3.5 * bits_per_character / baudrate
        self._frame = bytearray()
        self._frame_ends_s = 0.0
        self._spoilt = False
        # Until when there was something on the line.
        self._busy_s = -self._silence_s
        self._replies: list[tuple[float, int, bytes]] = []
        self._count = 0

    def feed(self, data: bytes, now: float) -> None:
        """Bytes whose last one arrives at ``now``."""
        if self._frame and now - len(data) * self._character_s > self._frame_ends_s:
            self._end_frame(self._frame_ends_s)
        if not self._frame:
            silent_s = now - len(data) * self._character_s - self._busy_s
            self._spoilt = silent_s < self._silence_s * (1.0 - SILENCE_TOLERANCE)
        self._frame += data
        self._busy_s = now
        self._frame_ends_s = now + self._silence_s

    def overhear(self, until_s: float) -> None:
        """Somebody else on the line sends until then."""
        self._busy_s = max(self._busy_s, until_s)

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """What the device sends at ``now``, and when to call again."""
        if self._frame and now >= self._frame_ends_s:
            self._end_frame(now)
        wanted_s = self.device.tick(now) if self._powered else None
        out = b""
        while self._replies and self._replies[0][0] <= now:
            out += heapq.heappop(self._replies)[2]
        if out:
            self._busy_s = max(self._busy_s, now) + len(out) * self._character_s
        if self._replies and (wanted_s is None or self._replies[0][0] < wanted_s):
            wanted_s = self._replies[0][0]
        if self._frame and (wanted_s is None or self._frame_ends_s < wanted_s):
            wanted_s = self._frame_ends_s
        return out, wanted_s

    def _forget(self) -> None:
        self._frame.clear()
        self._replies.clear()

    def _end_frame(self, now: float) -> None:
        frame = bytes(self._frame)
        self._frame.clear()
        if not self._powered:
            return
        late_s = 0.0
        if self.request_fault is not None:
            arrived = self.request_fault(frame, now)
            late_s = max((delivery.delay_s for delivery in arrived), default=0.0)
            frame = b"".join(delivery.data for delivery in arrived)
        if not _is_sound(frame) or frame[0] != self.unit:
            return
        if self._spoilt and self.strict:
            self.too_soon += 1
            return
        reply = _sealed(bytes((self.unit,)) + self._respond(frame[1:-2], now))
        self.answered += 1
        deliveries = [Delivery(0.0, reply)] if self.fault is None else self.fault(reply, now)
        for delivery in deliveries:
            self._count += 1
            due_s = now + self._turnaround_s + self.delay_s + late_s + delivery.delay_s
            heapq.heappush(self._replies, (due_s, self._count, delivery.data))


class TcpSlave(Slave):
    """One device behind Modbus TCP; several connections may be open at once.

    Args:
        unit: the one that it answers for; to any other it says what a gateway does whose target is silent.
        device: what is behind it.
        turnaround_s: from a request to its reply.
    """

    def __init__(self, unit: int, device: RegisterDevice, *, turnaround_s: float = 0.0) -> None:
        super().__init__(unit, device, turnaround_s)
        self._sessions: list[TcpSession] = []

    def connect(self) -> TcpSession:
        """A connection of its own, with a stream of its own."""
        self._sessions = [session for session in self._sessions if not session.closed]
        session = TcpSession(self)
        self._sessions.append(session)
        return session

    def answer(self, body: bytes, now: float) -> list[Delivery]:
        """Unit and PDU in; unit and PDU out, as often and as late as the faults say."""
        if not self._powered:
            return []
        late_s = 0.0
        if self.request_fault is not None:
            arrived = self.request_fault(body, now)
            late_s = max((delivery.delay_s for delivery in arrived), default=0.0)
            body = b"".join(delivery.data for delivery in arrived)
            if len(body) < 2:
                return []
        if body[0] != self.unit:
            reply = bytes((body[0], body[1] | 0x80, GATEWAY_TARGET_SILENT))
        else:
            reply = bytes((self.unit,)) + self._respond(body[1:], now)
        self.answered += 1
        deliveries = [Delivery(0.0, reply)] if self.fault is None else self.fault(reply, now)
        wait_s = self._turnaround_s + self.delay_s + late_s
        return [Delivery(wait_s + delivery.delay_s, delivery.data) for delivery in deliveries]

    def _forget(self) -> None:
        for session in self._sessions:
            session.close()
        self._sessions.clear()


class TcpSession:
    """One connection to a ``TcpSlave``, without I/O: ``feed``, ``poll``; ``closed`` once it is of no use any more."""

    def __init__(self, slave: TcpSlave) -> None:
        self.closed = False
        self._slave = slave
        self._stream = bytearray()
        self._replies: list[tuple[float, int, bytes]] = []
        self._count = 0

    def feed(self, data: bytes, now: float) -> None:
        """Bytes that arrived by ``now``: parts of requests, or several."""
        stream = self._stream
        stream += data
        while len(stream) >= 6 and not self.closed:
            length = _word(stream, 4)
            if _word(stream, 2) or not 2 <= length <= 254:
                self.close()  # as a device does that has lost the thread
                return
            if len(stream) < 6 + length:
                return
            head, body = bytes(stream[:2]), bytes(stream[6 : 6 + length])
            del stream[: 6 + length]
            for delivery in self._slave.answer(body, now):
                reply = head + bytes(2) + len(delivery.data).to_bytes(2, "big") + delivery.data
                self._count += 1
                heapq.heappush(self._replies, (now + delivery.delay_s, self._count, reply))

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """What the device sends at ``now``, and when to call again."""
        wanted_s = self._slave.device.tick(now) if self._slave.powered else None
        out = b""
        while self._replies and self._replies[0][0] <= now:
            out += heapq.heappop(self._replies)[2]
        if self._replies and (wanted_s is None or self._replies[0][0] < wanted_s):
            wanted_s = self._replies[0][0]
        return out, wanted_s

    def close(self) -> None:
        """End the connection; what was about to be said is lost."""
        self.closed = True
        self._stream.clear()
        self._replies.clear()


def _values(body: bytes, at: int, address: int) -> list[int]:
    """The registers that a request writes, whose number stands at a place in it."""
    count = _word(body, at)
    if not 1 <= count <= 123 or body[at + 2] != 2 * count:
        raise ModbusException(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusException(ILLEGAL_ADDRESS)
    return [_word(body, at + 3 + 2 * index) for index in range(count)]


def _word(data: bytes | bytearray, at: int) -> int:
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
