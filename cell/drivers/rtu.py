"""The framing of a serial line, Modbus RTU: silence between frames, and three ways to keep a late reply out.

RTU replies carry no transaction number, so a reply that comes after its time-out looks like the answer to the next
request. After a time-out a request that such a reply would fit waits until the line has been quiet; the same question
is asked in different frames in turn (the *tag*: number of registers, function) and the tag of a request that timed out
is left out for a while; and the reply is looked for behind noise by its checksum, so that noise costs no time-out.
"""

from __future__ import annotations

from cell.drivers.frames import Exchange, Match, Request, exchange, find_reply, holds_frame
from cell.drivers.line_statistics import LineStatistics

# Modbus over Serial Line V1.02, 2.5.1.1: 3.5 characters of silence between frames, fixed at 1.75 ms above 19200 baud.
SILENT_CHARACTERS = 3.5
FIXED_SILENCE_S = 0.00175
FIXED_ABOVE_BAUD = 19200
# Quiet line after a time-out (facts: 50 ms gave no wrong value in 4,000 reads). A line that never falls silent is tried
# again after the limit, so that a stop still goes out.
QUIET_S = 0.05
QUIET_LIMIT_S = 0.5
# The same before a request that no late reply fits: only so that nothing is sent into the middle of one.
SHORT_QUIET_S = 0.005
# A reply this late no longer comes: until then its tag is not used again.
STALE_S = 1.0
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
        self._character_s = bits_per_character / baudrate
        fixed = baudrate > FIXED_ABOVE_BAUD
        self._silence_s = FIXED_SILENCE_S if fixed else SILENT_CHARACTERS * self._character_s
        self._turn: dict[tuple[int, int, int], int] = {}
        self._stale_until: dict[bytes, float] = {}
        self._received = bytearray()
        self._sought: Exchange | None = None
        self._free_s = 0.0
        self._last_byte_s = 0.0
        # After a time-out: since when the line is quiet, and until when that is waited for at most.
        self._resync = False
        self._quiet_since_s = 0.0
        self._quiet_limit_s = 0.0

    def free_s(self, request: Request, now: float) -> float:
        """After the silence; after a time-out also after a quiet line, a long one if a late reply fits the request."""
        if not self._resync:
            return self._free_s
        least_s = SHORT_QUIET_S if self._is_clear(request, now) else QUIET_S
        return min(max(self._quiet_since_s + least_s, self._free_s), self._quiet_limit_s)

    def begin(self, request: Request, now: float) -> bytes:
        """The next tag in turn of which no reply can be under way any more; else the one that has waited longest."""
        sought = self._sought = self._choose(request, now)
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
        self._stale_until[sought.header] = now + STALE_S
        return self.heard

    def forget(self) -> None:
        """Nothing of the old port comes out of the new one but what is still in its buffers: tags rest on."""
        self._received.clear()
        self._sought = None

    def _choose(self, request: Request, now: float) -> Exchange:
        tags = request.tags
        if tags == 1:
            return exchange(request)
        place = (request.unit, request.function, request.address)
        turn = self._turn.get(place, 0)
        self._turn[place] = (turn + 1) % tags
        if not self._stale_until:
            return exchange(request, turn)
        self._stale_until = {header: until_s for header, until_s in self._stale_until.items() if until_s > now}
        options = [exchange(request, (turn + step) % tags) for step in range(tags)]
        return min(options, key=lambda option: self._stale_until.get(option.header, 0.0))

    def _is_clear(self, request: Request, now: float) -> bool:
        """Some tag of it fits no reply that may still come."""
        headers = (exchange(request, tag).header for tag in range(request.tags))
        return any(self._stale_until.get(header, 0.0) <= now for header in headers)

    def _discard(self, data: bytes | bytearray) -> None:
        if not data:
            return
        self.statistics.noise_bytes += len(data)
        if holds_frame(data):
            self.statistics.stale += 1
