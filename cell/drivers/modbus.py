"""A Modbus master without I/O: requests in, bytes out, replies in, results out; time is told.

It orders, times and repeats; what the bytes look like and how a late reply is kept out is its ``Framing``'s
(``cell.drivers.rtu`` for serial lines, ``cell.drivers.mbap`` for TCP).
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from cell.drivers.frames import Match, Request
from cell.drivers.framing import Framing
from cell.drivers.line_statistics import LineStatistics

__all__ = ["Done", "Failure", "LineStatistics", "Master", "Priority", "Reply"]

# Longest from the end of a request to the start of its reply.
REPLY_TIMEOUT_S = 0.1
RETRIES = 2
STOP_RETRIES = 5
# How long the first byte of a cyclic reply is waited for: learned of each unit, as TCP learns its time-out (RFC 6298,
# with a smaller margin), between the least and the reply time-out; for a repetition so much longer.
LEAST_PATIENCE_S = 0.028
PATIENCE_MARGIN_S = 0.005
REPEATED_PATIENCE = 1.5
# Of the floor under it, for each reply: from 100 ms to 28 ms within 42 replies; within 2500 once one was late.
FAST_DECAY, SLOW_DECAY = 0.97, 0.9995
# Bytes that make no reply and are followed by so quiet a line will not become one (USB adapters hand them over every 16
# ms).
CORRUPT_S = 0.02
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
    UNIDENTIFIED = "not sent: it is not known that the right device would get it"


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended: registers read (none for a write), or a failure; ``stamp_s`` is the time of the last byte.

    ``exception`` is the Modbus exception code, 0 without one; ``detail`` says more than the failure does.
    """

    request: Request
    stamp_s: float
    values: tuple[int, ...] = ()
    failure: Failure | None = None
    exception: int = 0
    detail: str = ""

    @property
    def ok(self) -> bool:
        """The device did what was asked."""
        return self.failure is None

    @property
    def reason(self) -> str:
        """The failure in words; empty when there is none."""
        if self.failure is None:
            return ""
        if self.detail:
            return self.detail
        return f"{self.failure.value} (code {self.exception})" if self.exception else self.failure.value


Done = Callable[[Reply], None]


@dataclass(order=True, slots=True)
class _Job:
    """A request on its way; ordered by priority, then by age."""

    priority: int
    serial: int
    request: Request = field(compare=False)
    on_done: Done = field(compare=False)
    retries_left: int = field(compare=False)
    key: Hashable = field(compare=False)
    repeated: bool = field(default=False, compare=False)
    confirming: bool = field(default=False, compare=False)


class _Patience:
    """How soon one unit's replies begin, learned from them.

    It starts at the limit and comes down with the replies. One that was late although the device is well (a busy
    machine) takes it up again, and from then on it comes down slowly.
    """

    __slots__ = ("decay", "deviation_s", "floor_s", "limit_s", "mean_s", "value_s")

    def __init__(self, limit_s: float) -> None:
        self.limit_s = self.value_s = self.floor_s = limit_s
        self.decay = FAST_DECAY
        self.mean_s = -1.0
        self.deviation_s = 0.0

    def learn(self, took_s: float) -> None:
        if self.mean_s < 0.0:
            self.mean_s, self.deviation_s = took_s, took_s / 2.0
        else:
            self.deviation_s += (abs(took_s - self.mean_s) - self.deviation_s) / 4.0
            self.mean_s += (took_s - self.mean_s) / 8.0
        self.floor_s = max(self.floor_s * self.decay, LEAST_PATIENCE_S)
        value_s = self.mean_s + 4.0 * self.deviation_s + PATIENCE_MARGIN_S
        self.value_s = min(max(value_s, self.floor_s), self.limit_s)

    def relax(self) -> None:
        """A reply came only when it was asked for again."""
        self.floor_s = self.value_s = min(2.0 * self.value_s, self.limit_s)
        self.decay = SLOW_DECAY

    def unlearn(self) -> None:
        """Whoever is there next may be slower."""
        self.mean_s = -1.0
        self.deviation_s = 0.0
        self.value_s = self.floor_s = self.limit_s


class Master:
    """The master of one line.

    Args:
        framing: of the line; the master's alone.
        reply_timeout_s: from the end of the request to the start of its reply, at most.
    """

    def __init__(self, framing: Framing, *, reply_timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self.statistics = framing.statistics
        self._framing = framing
        self._reply_timeout_s = reply_timeout_s
        self._queue: list[_Job] = []
        self._serial = 0
        self._newest: dict[Hashable, int] = {}
        self._patience: dict[int, _Patience] = {}
        self._job: _Job | None = None
        self._sent_s = 0.0
        self._first_s: float | None = None
        self._timeout_s = 0.0
        self._deadline_s = 0.0

    def submit(
        self,
        request: Request,
        on_done: Done,
        priority: Priority = Priority.WRITE,
        *,
        key: Hashable = None,
        retries: int | None = None,
    ) -> None:
        """Queue a request; ``on_done`` is called once, from ``feed``, ``poll``, ``abort`` or from here.

        ``retries``: by default as many as ``RETRIES``, of a stop ``STOP_RETRIES``.

        A request with a ``key`` takes the place of every older one with that key that is not yet answered: those end as
        SUPERSEDED, and one that is on the wire is not repeated. So no old command can follow a newer one.
        """
        self._serial += 1
        if key is not None:
            self._newest[key] = self._serial
        if retries is None:
            retries = STOP_RETRIES if priority is Priority.STOP else RETRIES
        job = _Job(priority, self._serial, request, on_done, retries, key)
        if len(self._queue) >= QUEUE_LIMIT and priority is not Priority.STOP:
            self._end(job, Reply(request, self._sent_s, failure=Failure.QUEUE_FULL))
        else:
            heapq.heappush(self._queue, job)

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes that came in by ``now``.

        Raises:
            ConnectionError: the connection is of no use any more.
        """
        self.statistics.bytes_in += len(data)
        framing, job = self._framing, self._job
        if job is None:
            framing.stray(data, now)
            return
        if self._first_s is None:
            self._first_s = now
        match = framing.take(data, now)
        if match is not None:
            self._answer(match, now)
        elif framing.heard:
            self._deadline_s = min(self._timeout_s, now + CORRUPT_S)

    @property
    def awaiting(self) -> bool:
        """A request is out."""
        return self._job is not None

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """Do what is due. Returns the bytes to send now, and when to call again (None: only after a feed or submit).

        Raises:
            ConnectionError: the connection is of no use any more.
        """
        if self._job is not None:
            if now < self._deadline_s:
                return b"", self._deadline_s
            self._give_up(now)
        if not self._queue:
            return b"", None
        self._drop_superseded(now)
        if not self._queue:
            return b"", None
        free_s = self._free_s(self._queue[0], now)
        if now >= free_s:
            return self._send(heapq.heappop(self._queue), now), self._deadline_s
        return self._overtake(now, free_s)

    def abort(self, failure: Failure, now: float) -> None:
        """End everything that waits or is on the wire: the line is gone."""
        jobs = sorted(self._queue)
        self._queue.clear()
        if self._job is not None:
            jobs.insert(0, self._job)
        self._job = None
        self._framing.forget()
        for job in jobs:
            self._end(job, Reply(job.request, now, failure=failure))

    def _send(self, job: _Job, now: float) -> bytes:
        framing = self._framing
        frame = framing.begin(job.request, now)
        self._job, self._sent_s, self._first_s = job, now, None
        self._timeout_s = self._deadline_s = now + framing.whole_s + self._reply_timeout_s
        if job.priority == Priority.POLL:
            patience_s = self._patience_of(job).value_s * (REPEATED_PATIENCE if job.repeated else 1.0)
            self._deadline_s = min(self._timeout_s, now + framing.request_s + patience_s)
        self.statistics.requests += 1
        self.statistics.bytes_out += len(frame)
        return frame

    def _free_s(self, job: _Job, now: float) -> float:
        return self._framing.free_s(job.request, now, job.priority == Priority.STOP and not job.confirming)

    def _overtake(self, now: float, free_s: float) -> tuple[bytes, float]:
        """The first has to wait until a late reply cannot be taken for its own: let the first one go that need not. The
        commands to one unit keep their order."""
        waiting: set[int] = set()
        for job in sorted(self._queue):
            commands = bool(job.request.values)
            if commands and job.request.unit in waiting and job.priority != Priority.STOP:
                continue
            its_free_s = self._free_s(job, now)
            if now >= its_free_s:
                self._queue.remove(job)
                heapq.heapify(self._queue)
                return self._send(job, now), self._deadline_s
            free_s = min(free_s, its_free_s)
            if commands:
                waiting.add(job.request.unit)
        return b"", free_s

    def _answer(self, match: Match, now: float) -> None:
        job, first_s = self._job, self._first_s
        assert job is not None and first_s is not None
        self._job = None
        # Not of a repetition: nobody knows to which of both it is the answer (Karn).
        if job.priority == Priority.POLL:
            if job.repeated:
                self._patience_of(job).relax()
            else:
                self._patience_of(job).learn(first_s - self._sent_s - self._framing.request_s)
        self.statistics.recent.append((now, now - self._sent_s))
        if not match.exception:
            self.statistics.answered += 1
            if job.priority == Priority.STOP and self._framing.doubtful and not job.confirming:
                # It did not wait for a late reply to pass; so this may be the acknowledgement of a command before it.
                job.confirming = True
                heapq.heappush(self._queue, job)
                return
            self._end(job, Reply(job.request, now, match.values))
            return
        self.statistics.exceptions += 1
        self._fail(job, Reply(job.request, now, (), Failure.EXCEPTION, match.exception))

    def _give_up(self, now: float) -> None:
        job = self._job
        assert job is not None
        if self._framing.give_up(now):
            failure = Failure.CORRUPT
            self.statistics.corrupt += 1
        else:
            failure = Failure.TIMEOUT
            self.statistics.timeouts += 1
            if job.retries_left <= 0:
                self._patience_of(job).unlearn()
        self._job = None
        self._fail(job, Reply(job.request, now, failure=failure))

    def _fail(self, job: _Job, reply: Reply) -> None:
        final = reply.failure is Failure.EXCEPTION and reply.exception not in PASSING_EXCEPTIONS
        if final or job.retries_left <= 0 or self._superseded(job):
            self._end(job, reply)
            return
        job.retries_left -= 1
        job.repeated = True
        self.statistics.retries += 1
        heapq.heappush(self._queue, job)

    def _end(self, job: _Job, reply: Reply) -> None:
        if reply.failure is not None and reply.failure is not Failure.SUPERSEDED:
            self.statistics.failed += 1
        job.on_done(reply)

    def _patience_of(self, job: _Job) -> _Patience:
        unit = job.request.unit
        patience = self._patience.get(unit)
        if patience is None:
            patience = self._patience[unit] = _Patience(self._reply_timeout_s)
        return patience

    def _superseded(self, job: _Job) -> bool:
        return job.key is not None and self._newest[job.key] != job.serial

    def _drop_superseded(self, now: float) -> None:
        while self._queue and self._superseded(self._queue[0]):
            job = heapq.heappop(self._queue)
            self._end(job, Reply(job.request, now, failure=Failure.SUPERSEDED))
