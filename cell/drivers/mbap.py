"""The framing of Modbus TCP: the header MBAP, whose transaction number says which request a reply answers.

Source: Modbus Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3: transaction (2 bytes, echoed), protocol (2, always
0), length (2, of what follows: unit and PDU), unit (1, echoed).
"""

from __future__ import annotations

import struct

from cell.drivers.frames import Exchange, Match, Request, exchange
from cell.drivers.line_statistics import LineStatistics

HEADER = struct.Struct(">HHHB")
# Unit, function and one byte; unit and the longest PDU.
LEAST_BODY, LONGEST_BODY = 3, 254
# So many time-outs in a row without a byte of anybody: the connection leads nowhere any more.
DEAF_AFTER = 3


class StreamBroken(ConnectionError):
    """What comes is no Modbus TCP, or nothing comes: the connection has to be made anew."""


class TcpFraming:
    """A ``Framing``. TCP keeps bytes in order and whole, so that a reply is the one that bears the number and the form
    asked for, and everything else that is sound is a late one. After a time-out nothing has to fall quiet."""

    def __init__(self) -> None:
        self.statistics = LineStatistics()
        self.request_s = 0.0
        self.whole_s = 0.0
        self.heard = False
        self.doubtful = False
        self._stream = bytearray()
        self._number = 0
        self._sought: Exchange | None = None
        self._garbled = False
        self._deaf = 0

    def free_s(self, request: Request, now: float, urgent: bool = False) -> float:
        """At once."""
        return now

    def begin(self, request: Request, now: float) -> bytes:
        """A frame with a number that the 65,535 attempts before did not have."""
        self._number = (self._number + 1) & 0xFFFF
        self._sought = exchange(request)
        self.heard = self._garbled = False
        # The serial form of the same request, without its checksum.
        body = self._sought.frame[:-2]
        return struct.pack(">HHH", self._number, 0, len(body)) + body

    def take(self, data: bytes, now: float) -> Match | None:
        """The reply with the number asked for; a segment may hold part of one, or several."""
        self._deaf = 0
        stream = self._stream
        stream += data
        match = None
        while len(stream) >= HEADER.size:
            number, protocol, length, _ = HEADER.unpack_from(stream)
            if protocol or not LEAST_BODY <= length <= LONGEST_BODY:
                stream.clear()
                raise StreamBroken("what comes is no Modbus TCP")
            end = HEADER.size - 1 + length
            if len(stream) < end:
                break
            body = bytes(stream[HEADER.size - 1 : end])
            del stream[:end]
            if self._sought is None or number != self._number or match is not None:
                self.statistics.stale += 1
                self.statistics.noise_bytes += end
                continue
            self.heard = True
            match = self._match(body, self._sought)
            if match is None:
                self._garbled = True
                self.statistics.noise_bytes += end
        if match is not None:
            self._sought = None
        return match

    def stray(self, data: bytes, now: float) -> None:
        """A late reply, or the first part of one."""
        self.take(data, now)

    def give_up(self, now: float) -> bool:
        """Its number is never used again, so that the next request may follow at once."""
        self._sought = None
        self._deaf += 1
        if self._deaf >= DEAF_AFTER:
            self._deaf = 0
            raise StreamBroken(f"nobody has answered {DEAF_AFTER} times")
        return self._garbled

    def forget(self) -> None:
        """A new connection begins with a new stream; numbers go on."""
        self._stream.clear()
        self._sought = None
        self._deaf = 0

    @staticmethod
    def _match(body: bytes, sought: Exchange) -> Match | None:
        if len(body) == sought.length - 2 and body.startswith(sought.header):
            values = struct.unpack_from(f">{sought.wanted}H", body, 3) if sought.wanted else ()
            return Match(0, len(body), values, 0)
        if len(body) == len(sought.refusal) + 1 and body.startswith(sought.refusal):
            return Match(0, len(body), (), body[2])
        return None
