"""The framing of a serial line, Modbus RTU: silence between frames, and three ways to keep a late reply out.

RTU replies carry no transaction number, so a reply that comes after its time-out looks like the answer to the next
request. So the same question is asked in different frames in turn (the *tag*: number of registers, function), and the
tag of a request that timed out rests until its reply can no longer come; a read without another tag waits meanwhile. A
write, whose reply carries no values, waits for a quiet line, and a stop for neither. The reply is looked for behind
noise by its checksum, so that noise costs no time-out.
"""

from __future__ import annotations

import math

from cell.drivers.frames import Exchange, Match, Request, exchange, find_reply, holds_frame
from cell.drivers.line_statistics import LineStatistics

# Modbus over Serial Line V1.02, 2.5.1.1: 3.5 characters of silence between frames, fixed at 1.75 ms above 19200 baud.
SILENT_CHARACTERS = 3.5
FIXED_SILENCE_S = 0.00175
FIXED_ABOVE_BAUD = 19200
# Quiet line after a time-out, before a write that a late reply would fit. A line that never falls silent is tried again
# after the limit, so that a command still goes out.
QUIET_S = 0.05
QUIET_LIMIT_S = 0.5
# The same before everything else: only so that nothing is sent into the middle of a late reply.
SHORT_QUIET_S = 0.005
# A reply that is missed for so long no longer comes: until then its tag rests. A read that has one tag alone must not
# be held up as long; beyond this its device counts as unable to answer.
STALE_S = 0.5
UNTAGGED_STALE_S = 0.3
# A shorter reply than this does not exist.
LEAST_REPLY = 5


class RtuFraming:
    """A ``Framing``.

    Args:
        baudrate: of the line, for the silence between frames and the time a frame takes.
        bits_per_character: 10 for 8N1, 11 for 8E1 and 8N2.
    """

    def __init__(self, baudrate: int, bits_per_character: int = 10) -> None:
        self.statistics = LineStatistics()
        self.request_s = 0.0
        self.whole_s = 0.0
        self.heard = False
        self.doubtful = False
        self._character_s = bits_per_character / baudrate
        fixed = baudrate > FIXED_ABOVE_BAUD
        self._silence_s = FIXED_SILENCE_S if fixed else SILENT_CHARACTERS * self._character_s
        self._turn: dict[tuple[int, int, int], int] = {}
        # When the reply that begins so was given up.
        self._missed: dict[bytes, float] = {}
        self._received = bytearray()
        self._sought: Exchange | None = None
        self._free_s = 0.0
        self._last_byte_s = 0.0
        # After a time-out: since when the line is quiet, and until when that is waited for at most.
        self._resync = False
        self._quiet_since_s = 0.0
        self._quiet_limit_s = 0.0

    def free_s(self, request: Request, now: float, urgent: bool = False) -> float:
        """After the silence; after a time-out also when nothing of before can be taken for its reply."""
        free_s = self._free_s
        if self._resync:
            free_s = min(max(self._quiet_since_s + SHORT_QUIET_S, free_s), self._quiet_limit_s)
        if urgent or not self._missed:
            return free_s
        self._missed = {header: missed_s for header, missed_s in self._missed.items() if now < missed_s + STALE_S}
        missed_s = self._missed_s(request)
        if missed_s == -math.inf:
            return free_s
        if request.count:
            return max(missed_s + (STALE_S if request.tags > 1 else UNTAGGED_STALE_S), free_s)
        if self._resync:
            return min(max(self._quiet_since_s + QUIET_S, free_s), self._quiet_limit_s)
        return free_s

    def begin(self, request: Request, now: float) -> bytes:
        """The next tag in turn of which no reply can be under way any more; else the one that has waited longest."""
        sought = self._sought = self._choose(request, now)
        self.doubtful = now < self._missed.get(sought.header, -math.inf) + STALE_S
        self._received.clear()
        self._resync = self.heard = False
        self.request_s = len(sought.frame) * self._character_s
        self.whole_s = self.request_s + self._silence_s + sought.length * self._character_s
        return sought.frame

    def take(self, data: bytes, now: float) -> Match | None:
        """The reply out of what came, behind whatever noise."""
        self.heard = True
        self._last_byte_s = now
        received, sought = self._received, self._sought
        assert sought is not None
        received += data
        match = find_reply(received, sought) if len(received) >= LEAST_REPLY else None
        if match is None:
            return None
        if len(received) > match.end - match.start:
            self._discard(received[: match.start])
            self._discard(received[match.end :])
        received.clear()
        self._sought = None
        self._free_s = now + self._silence_s
        return match

    def stray(self, data: bytes, now: float) -> None:
        """Noise, or a late reply: the line is in use."""
        self._discard(data)
        self._quiet_since_s = now
        self._free_s = max(self._free_s, now + self._silence_s)

    def give_up(self, now: float) -> bool:
        """From here on the line has to fall quiet, and the tag of this request rests."""
        sought = self._sought
        assert sought is not None
        self._discard(self._received)
        self._received.clear()
        self._sought = None
        self._resync = True
        # Behind a corrupt reply the line has mostly been quiet already.
        self._quiet_since_s = self._last_byte_s if self.heard else now
        self._quiet_limit_s = now + QUIET_LIMIT_S
        self._missed[sought.header] = now
        return self.heard

    def forget(self) -> None:
        """What a lost port had to say is lost with it."""
        self._received.clear()
        self._sought = None
        self._missed.clear()
        self._resync = False

    def _choose(self, request: Request, now: float) -> Exchange:
        tags = request.tags
        if tags == 1:
            return exchange(request)
        place = (request.unit, request.function, request.address)
        turn = self._turn.get(place, 0)
        self._turn[place] = (turn + 1) % tags
        if not self._missed:
            return exchange(request, turn)
        options = [exchange(request, (turn + step) % tags) for step in range(tags)]
        return min(options, key=lambda option: self._missed.get(option.header, -math.inf))

    def _missed_s(self, request: Request) -> float:
        """When the oldest missed reply was given up that the request cannot avoid; -inf if it avoids them all."""
        return min(self._missed.get(exchange(request, tag).header, -math.inf) for tag in range(request.tags))

    def _discard(self, data: bytes | bytearray) -> None:
        if not data:
            return
        self.statistics.noise_bytes += len(data)
        if holds_frame(data):
            self.statistics.stale += 1
