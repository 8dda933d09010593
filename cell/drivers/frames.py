"""Modbus RTU frames from the master's side: requests into bytes, and the one reply that fits out of whatever came back.

Function codes and frame layouts: Modbus Application Protocol V1.1b3, sections 6.3, 6.4, 6.6, 6.12, 6.17.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from cell.drivers.crc import crc16, with_crc

READ_HOLDING = 3
READ_INPUT = 4
WRITE_ONE = 6
WRITE_MANY = 16
READ_WRITE = 23

# Registers in one frame: a frame has at most 256 bytes.
MAX_READ = 125
MAX_WRITE = 121
EXCEPTION_LENGTH = 5
EXCEPTION_BIT = 0x80


@dataclass(frozen=True, slots=True)
class Request:
    """One transaction.

    Attributes:
        unit: 1..247; broadcasts are not sent, nobody would answer for them.
        function: 3, 4, 6, 16 or 23.
        address: first register on the wire; for function 23 the first that is read.
        count: registers to read, 0 for a pure write.
        values: registers to write, each 0..65535.
        write_address: for function 23 the first register that is written.
        spare: how many registers behind the read ones the device lets us ask for too; their number tags the request.
        twin: the device answers functions 3 and 4 alike, so that the function tags the request too.
    """

    unit: int
    function: int
    address: int
    count: int = 0
    values: tuple[int, ...] = ()
    write_address: int = 0
    spare: int = 0
    twin: bool = False

    def __post_init__(self) -> None:
        reads = self.function in (READ_HOLDING, READ_INPUT, READ_WRITE)
        writes = self.function in (WRITE_ONE, WRITE_MANY, READ_WRITE)
        if not (reads or writes):
            raise ValueError(f"function {self.function} is not one of 3, 4, 6, 16, 23")
        if not 1 <= self.unit <= 247:
            raise ValueError(f"unit {self.unit} is not within 1..247")
        if reads != (self.count > 0) or self.count + self.spare > MAX_READ or self.spare < 0:
            raise ValueError(f"function {self.function} cannot read {self.count} registers and {self.spare} spare ones")
        if writes != bool(self.values) or len(self.values) > (1 if self.function == WRITE_ONE else MAX_WRITE):
            raise ValueError(f"function {self.function} cannot write {len(self.values)} registers")
        if any(not 0 <= value <= 0xFFFF for value in self.values):
            raise ValueError(f"{self.values} do not all fit into 16 bits")
        last = max(self.address + max(self.count + self.spare, len(self.values)), self.write_address + len(self.values))
        if min(self.address, self.write_address) < 0 or last > 0x10000:
            raise ValueError(f"address {self.address:#06x} leads outside 0..0xffff")
        if self.twin and self.function not in (READ_HOLDING, READ_INPUT):
            raise ValueError("only functions 3 and 4 are twins")

    @property
    def tags(self) -> int:
        """How many different frames ask for the same thing; a stale reply fits one of them only."""
        return (1 + self.spare) * (2 if self.twin else 1)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What goes out for one attempt, and what its reply must look like.

    Attributes:
        frame: the bytes to send.
        header: the first bytes of the reply that fits.
        length: its whole length with the checksum.
        refusal: the first two bytes of an exception reply.
        wanted: registers to keep of the reply.
    """

    frame: bytes
    header: bytes
    length: int
    refusal: bytes
    wanted: int


@dataclass(frozen=True, slots=True)
class Match:
    """A reply found in what was received: where it starts and ends, its registers, the exception code (0 without)."""

    start: int
    end: int
    values: tuple[int, ...]
    exception: int


@lru_cache(maxsize=512)
def exchange(request: Request, tag: int = 0) -> Exchange:
    """Frame a request with one of its ``request.tags`` tags."""
    function, count = request.function, request.count
    if request.twin and tag % 2:
        function = READ_HOLDING if function == READ_INPUT else READ_INPUT
    if count:
        count += tag // 2 if request.twin else tag
    if function in (READ_HOLDING, READ_INPUT):
        body = struct.pack(">BBHH", request.unit, function, request.address, count)
    elif function == WRITE_ONE:
        body = struct.pack(">BBHH", request.unit, function, request.address, request.values[0])
    else:
        size = len(request.values)
        packed = struct.pack(f">{size}H", *request.values)
        if function == WRITE_MANY:
            body = struct.pack(">BBHHB", request.unit, function, request.address, size, 2 * size) + packed
        else:
            spans = (request.address, count, request.write_address, size)
            body = struct.pack(">BBHHHHB", request.unit, function, *spans, 2 * size) + packed
    refusal = bytes((request.unit, function | EXCEPTION_BIT))
    if count:
        header = bytes((request.unit, function, 2 * count))
        return Exchange(with_crc(body), header, 5 + 2 * count, refusal, request.count)
    return Exchange(with_crc(body), body[:6], 8, refusal, 0)


def find_reply(received: bytes | bytearray, sought: Exchange) -> Match | None:
    """The first reply in ``received`` that fits, behind whatever noise; None while there is none yet.

    Sliding: every place that begins like the reply is tried, and only a right checksum counts.
    """
    length = sought.length
    start = received.find(sought.header)
    while start >= 0:
        end = start + length
        if end > len(received):
            break
        if crc16(received[start : end - 2]) == received[end - 2] | received[end - 1] << 8:
            wanted = sought.wanted
            values = struct.unpack_from(f">{wanted}H", received, start + 3) if wanted else ()
            return Match(start, end, values, 0)
        start = received.find(sought.header, start + 1)
    start = received.find(sought.refusal)
    while start >= 0:
        end = start + EXCEPTION_LENGTH
        if end > len(received):
            break
        if crc16(received[start : end - 2]) == received[end - 2] | received[end - 1] << 8:
            return Match(start, end, (), received[start + 2])
        start = received.find(sought.refusal, start + 1)
    return None


def holds_frame(received: bytes | bytearray) -> bool:
    """Whether discarded bytes hold a sound reply to some other request: then they were stale, not noise."""
    for start in range(len(received) - EXCEPTION_LENGTH + 1):
        function = received[start + 1]
        if function & EXCEPTION_BIT:
            length = EXCEPTION_LENGTH
        elif function in (READ_HOLDING, READ_INPUT, READ_WRITE):
            length = 5 + received[start + 2]
        elif function in (WRITE_ONE, WRITE_MANY):
            length = 8
        else:
            continue
        end = start + length
        if end <= len(received) and crc16(received[start : end - 2]) == received[end - 2] | received[end - 1] << 8:
            return True
    return False
