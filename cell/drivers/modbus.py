"""A Modbus RTU master without I/O: requests in, bytes out, replies in, results out; time is told.

RTU replies carry no transaction number, so a reply that comes after its time-out looks like the answer to the next
request. Three things keep it out: after every time-out nothing is sent until the line has been quiet; the same question
is asked in different frames in turn (the *tag*: number of registers, function) and the tag of a request that timed out
is left out for a while; and the reply is looked for behind noise by its checksum, so that noise costs no time-out.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from cell.drivers.frames import Exchange, Match, Request, exchange, find_reply, holds_frame

# Modbus over Serial Line V1.02, 2.5.1.1: 3.5 characters of silence between frames, fixed at 1.75 ms above 19200 baud.
SILENT_CHARACTERS = 3.5
FIXED_SILENCE_S = 0.00175
FIXED_ABOVE_BAUD = 19200
# Quiet line after a time-out (facts: 50 ms gave no wrong value in 4,000 reads). A line that never falls silent is tried
# again after the limit, so that a stop still goes out.
QUIET_S = 0.05
QUIET_LIMIT_S = 0.5
# A reply this late no longer comes: until then its tag is not used again.
STALE_S = 1.0
REPLY_TIMEOUT_S = 0.1
RETRIES = 2
QUEUE_LIMIT = 256
# Exception codes after which asking again makes sense: 5 acknowledge, 6 busy.
PASSING_EXCEPTIONS = (5, 6)


class Priority(enum.IntEnum):
    """Which request goes first; a smaller number wins, within one number the older."""

    STOP = 0
    WRITE = 1
    POLL = 2


class Failure(enum.Enum):
    """Why a request has no answer."""

    TIMEOUT = "no reply"
    CORRUPT = "a reply that fails its checksum"
    EXCEPTION = "refused by the device"
    SUPERSEDED = "replaced by a newer command"
    DISCONNECTED = "the port is not connected"
    QUEUE_FULL = "too many requests wait for this line"


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended: registers read (none for a write), or a failure; ``stamp_s`` is the time of the last byte.

    ``exception`` is the Modbus exception code, 0 without one.
    """

    request: Request
    stamp_s: float
    values: tuple[int, ...] = ()
    failure: Failure | None = None
    exception: int = 0

    @property
    def ok(self) -> bool:
        """The device did what was asked."""
        return self.failure is None

    @property
    def reason(self) -> str:
        """The failure in words; empty when there is none."""
        if self.failure is None:
            return ""
        return f"{self.failure.value} (code {self.exception})" if self.exception else self.failure.value


Done = Callable[[Reply], None]


@dataclass(slots=True)
class LineStatistics:
    """Counts since the start. ``noise_bytes``: thrown away; ``stale``: times a sound reply was among them."""

    requests: int = 0
    answered: int = 0
    timeouts: int = 0
    corrupt: int = 0
    exceptions: int = 0
    retries: int = 0
    failed: int = 0
    stale: int = 0
    noise_bytes: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


@dataclass(order=True, slots=True)
class _Job:
    """A request on its way; ordered by priority, then by age."""

    priority: int
    serial: int
    request: Request = field(compare=False)
    on_done: Done = field(compare=False)
    retries_left: int = field(compare=False)
    key: Hashable = field(compare=False)


class Master:
    """The master of one line.

    Args:
        baudrate: of the line, for the silence between frames and the time a frame takes.
        bits_per_character: 10 for 8N1, 11 for 8E1 and 8N2.
        reply_timeout_s: from the end of the request to the start of its reply.
    """

    def __init__(
        self, baudrate: int, *, bits_per_character: int = 10, reply_timeout_s: float = REPLY_TIMEOUT_S
    ) -> None:
        self.statistics = LineStatistics()
        self._character_s = bits_per_character / baudrate
        fixed = baudrate > FIXED_ABOVE_BAUD
        self._silence_s = FIXED_SILENCE_S if fixed else SILENT_CHARACTERS * self._character_s
        self._reply_timeout_s = reply_timeout_s
        self._queue: list[_Job] = []
        self._serial = 0
        self._newest: dict[Hashable, int] = {}
        self._turn: dict[tuple[int, int, int], int] = {}
        self._stale_until: dict[bytes, float] = {}
        self._received = bytearray()
        self._job: _Job | None = None
        self._sought: Exchange | None = None
        self._timeout_s = 0.0
        self._quiet_s = 0.0
        self._deadline_s = 0.0
        self._free_s = 0.0
        self._resync = False
        self._quiet_limit_s = 0.0

    def submit(
        self,
        request: Request,
        on_done: Done,
        priority: Priority = Priority.WRITE,
        *,
        key: Hashable = None,
        retries: int = RETRIES,
    ) -> None:
        """Queue a request; ``on_done`` is called once, from ``feed``, ``poll``, ``abort`` or from here.

        A request with a ``key`` takes the place of every older one with that key that is not yet answered: those end as
        SUPERSEDED, and one that is on the wire is not repeated. So no old command can follow a newer one.
        """
        self._serial += 1
        if key is not None:
            self._newest[key] = self._serial
        job = _Job(priority, self._serial, request, on_done, retries, key)
        if len(self._queue) >= QUEUE_LIMIT:
            self._end(job, Reply(request, self._free_s, failure=Failure.QUEUE_FULL))
        else:
            heapq.heappush(self._queue, job)

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes that came in by ``now``."""
        self.statistics.bytes_in += len(data)
        if self._job is None or self._sought is None:
            self._discard(data)
            wait_s = QUIET_S if self._resync else self._silence_s
            self._free_s = max(self._free_s, now + wait_s)
            return
        received = self._received
        received += data
        if len(received) >= 5:
            match = find_reply(received, self._sought)
            if match is not None:
                self._answer(match, now)
                return
        # Bytes that make no reply and are followed by a quiet line will not become one.
        self._quiet_s = now + QUIET_S
        self._deadline_s = min(self._timeout_s, self._quiet_s)

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """Do what is due. Returns the bytes to send now, and when to call again (None: only after a feed or submit)."""
        if self._job is not None:
            if now < self._deadline_s:
                return b"", self._deadline_s
            self._give_up(now)
        self._drop_superseded(now)
        if not self._queue:
            return b"", None
        if now < self._free_s and not (self._resync and now >= self._quiet_limit_s):
            return b"", min(self._free_s, self._quiet_limit_s) if self._resync else self._free_s
        return self._send(heapq.heappop(self._queue), now), self._deadline_s

    def abort(self, failure: Failure, now: float) -> None:
        """End everything that waits or is on the wire: the line is gone."""
        jobs = sorted(self._queue)
        self._queue.clear()
        if self._job is not None:
            jobs.insert(0, self._job)
        self._job = self._sought = None
        self._received.clear()
        for job in jobs:
            self._end(job, Reply(job.request, now, failure=failure))

    def _send(self, job: _Job, now: float) -> bytes:
        request = job.request
        sought = self._frame(request, now)
        self._job, self._sought = job, sought
        self._received.clear()
        self._resync = False
        wire_s = (len(sought.frame) + sought.length) * self._character_s
        self._timeout_s = self._deadline_s = now + wire_s + self._silence_s + self._reply_timeout_s
        self.statistics.requests += 1
        self.statistics.bytes_out += len(sought.frame)
        return sought.frame

    def _frame(self, request: Request, now: float) -> Exchange:
        """The next tag in turn of which no reply can be under way any more; else the one that has waited longest."""
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

    def _answer(self, match: Match, now: float) -> None:
        job, sought = self._job, self._sought
        assert job is not None and sought is not None
        self._discard(self._received[: match.start])
        self._discard(self._received[match.end :])
        self._received.clear()
        self._job = self._sought = None
        self._free_s = now + self._silence_s
        if not match.exception:
            self.statistics.answered += 1
            self._end(job, Reply(job.request, now, match.values))
            return
        self.statistics.exceptions += 1
        self._fail(job, Reply(job.request, now, (), Failure.EXCEPTION, match.exception))

    def _give_up(self, now: float) -> None:
        job, sought = self._job, self._sought
        assert job is not None and sought is not None
        failure = Failure.CORRUPT if self._received else Failure.TIMEOUT
        if failure is Failure.CORRUPT:
            self.statistics.corrupt += 1
        else:
            self.statistics.timeouts += 1
        self._discard(self._received)
        self._received.clear()
        self._job = self._sought = None
        self._resync = True
        # Behind a corrupt reply the line has mostly been quiet already.
        self._free_s = self._quiet_s if failure is Failure.CORRUPT else now + QUIET_S
        self._quiet_limit_s = now + QUIET_LIMIT_S
        self._stale_until[sought.header] = now + STALE_S
        self._fail(job, Reply(job.request, now, failure=failure))

    def _fail(self, job: _Job, reply: Reply) -> None:
        final = reply.failure is Failure.EXCEPTION and reply.exception not in PASSING_EXCEPTIONS
        if final or job.retries_left <= 0 or self._superseded(job):
            self._end(job, reply)
            return
        job.retries_left -= 1
        self.statistics.retries += 1
        heapq.heappush(self._queue, job)

    def _end(self, job: _Job, reply: Reply) -> None:
        if reply.failure is not None and reply.failure is not Failure.SUPERSEDED:
            self.statistics.failed += 1
        job.on_done(reply)

    def _superseded(self, job: _Job) -> bool:
        return job.key is not None and self._newest[job.key] != job.serial

    def _drop_superseded(self, now: float) -> None:
        while self._queue and self._superseded(self._queue[0]):
            job = heapq.heappop(self._queue)
            self._end(job, Reply(job.request, now, failure=Failure.SUPERSEDED))

    def _discard(self, data: bytes | bytearray) -> None:
        if not data:
            return
        self.statistics.noise_bytes += len(data)
        if holds_frame(data):
            self.statistics.stale += 1
