"""A line and everybody on it: the port, the Modbus master, the reads that come back again and again, and who answers.

``Bus.poll`` does all the work and never waits: the simulator calls it in simulated time, ``BusThread`` in real time.

How soon a lost device is noticed: at once where the port vanishes. Where it merely falls silent, after the rest of its
period, two time-outs of the first byte and a pause of 5 ms between them; the time-outs are learned (at least 28 ms, the
second half as long again), so that a device with a period of 20 ms is missed within 100 ms: at 115200 baud within 92,
at 9600 baud, where a transaction takes longer than the period, within 96.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from cell.drivers.frames import Request
from cell.drivers.framing import Framing
from cell.drivers.identity import Guard, Identity, Standing, Submission
from cell.drivers.links import ByteLink
from cell.drivers.mbap import TcpFraming
from cell.drivers.modbus import REPLY_TIMEOUT_S, Done, Failure, LineStatistics, Master, Priority, Reply
from cell.drivers.rtu import RtuFraming

LOG = logging.getLogger(__name__)

# A port that went away is tried again after the first pause, then after twice as long up to the last: it is to be back
# within a second whatever the outage, its identity and the first reading included.
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 0.5
# A device that does not answer is asked after its period, then after twice as long, up to this: it is to hold up its
# neighbours on the line as little as it may, and to be back within a second.
LAST_PAUSE_S = 0.5
# A port that takes no more bytes is written to again after this time.
UNSENT_RETRY_S = 0.001
# A connection that is being made is looked at so often.
OPENING_S = 0.005
# A cyclic read is repeated by its next turn anyway.
CYCLE_RETRIES = 1

Tap = Callable[[float, str, bytes], None]
"""Told the time, ``>`` out, ``<`` in, ``!`` port lost or ``+`` port opened, and the bytes (of ``!``: the reason)."""


@dataclass(slots=True)
class _Cycle:
    """A read that is due every ``period_s``; ``busy`` while its reply is awaited, ``late`` when the next turn was due
    meanwhile, ``failures`` turns without a reply."""

    period_s: float
    request: Request
    on_reply: Done
    due_s: float
    busy: bool = False
    late: bool = False
    failures: int = 0


class Bus:
    """One line with a Modbus master.

    ``submit``, ``every`` and ``identify`` may be called from any thread; ``poll`` and ``close`` by one at a time.
    Callbacks come from ``poll``. While the port is away every request ends as DISCONNECTED at once: no command waits to
    surprise somebody.

    Args:
        name: of the port, for messages.
        open_link: opens the port, by the same path each time.
        clock: seconds, monotonic.
        baudrate, bits_per_character: of a serial line.
        reply_timeout_s: as for ``Master``.
        tcp: Modbus TCP is spoken on the link, and it has no baud rate.

    Raises:
        OSError: the port cannot be opened.
    """

    def __init__(
        self,
        name: str,
        open_link: Callable[[], ByteLink],
        clock: Callable[[], float],
        baudrate: int,
        *,
        bits_per_character: int = 10,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
        tcp: bool = False,
    ) -> None:
        self.name = name
        self.clock = clock
        self.baudrate = baudrate
        self.tcp = tcp
        self.reopened = 0
        self._open_link = open_link
        framing: Framing = TcpFraming() if tcp else RtuFraming(baudrate, bits_per_character)
        self._master = Master(framing, reply_timeout_s=reply_timeout_s)
        self._inbox: deque[Submission | _Cycle | Identity] = deque()
        self._cycles: list[_Cycle] = []
        self._guards: dict[int, Guard] = {}
        self._wake: Callable[[], None] | None = None
        self._tap: Tap | None = None
        self._unsent = b""
        self._wanted_s = -math.inf
        self._retry_s = FIRST_RETRY_S
        self._reopen_s = 0.0
        self._closed = False
        self._error: str | None = None
        link = open_link()
        wait = getattr(link, "wait", None)
        if wait is not None:
            wait()
        self._link: ByteLink | None = link
        self._opening: ByteLink | None = None

    @property
    def connected(self) -> bool:
        """The port is open."""
        return self._link is not None

    @property
    def error(self) -> str | None:
        """Why the port is not open."""
        return self._error

    @property
    def link(self) -> ByteLink | None:
        """The open port, for whoever waits on it."""
        return self._link

    @property
    def statistics(self) -> LineStatistics:
        """Counts of this line since the start, and the latency of its newest transactions."""
        return self._master.statistics

    def submit(
        self,
        request: Request,
        on_done: Done,
        priority: Priority = Priority.WRITE,
        *,
        key: Hashable = None,
        retries: int | None = None,
    ) -> None:
        """Queue a request, as ``Master.submit``, from any thread."""
        self._hand_in(Submission(request, on_done, priority, key, retries))

    def every(self, period_s: float, request: Request, on_reply: Done) -> None:
        """Ask again every ``period_s`` from now on. A turn that is due while the one before is unanswered follows it,
        once, and turns are fewer while nobody answers; when the port goes away ``on_reply`` is told once, and turns go
        on when it is back.
        """
        self._hand_in(_Cycle(period_s, request, on_reply, self.clock()))

    def identify(self, identity: Identity) -> None:
        """Let nothing go to the unit of this request, and nothing of it count, before it has said that it is the right
        device (``cell.drivers.identity``). Called by its driver before ``every`` and ``submit``; once a unit."""
        self._hand_in(identity)

    def wrong_device(self, unit: int) -> str | None:
        """What is wrong with the device that answers as this unit; None while nothing is known to be."""
        guard = self._guards.get(unit)
        return None if guard is None or guard.standing is not Standing.WRONG else guard.words

    def on_wake(self, wake: Callable[[], None] | None) -> None:
        """Set what a submission calls so that a waiting thread polls."""
        self._wake = wake

    def tap(self, tap: Tap | None) -> None:
        """Let somebody see every byte and every loss of the port; None: nobody any more."""
        self._tap = tap

    def poll(self, now: float, readable: bool = True) -> float | None:
        """Do everything that is due by ``now``; returns when to call again (``now`` itself: at once).

        ``readable`` False: whoever waits on the link knows that nothing has come.
        """
        try:
            return self._poll(now, readable)
        except OSError as error:
            self._lose(str(error), now)
            return self._reopen_s

    def close(self) -> None:
        """Give the port back and end what waits. Nothing is sent any more."""
        self._closed = True
        self._lose("closed", self.clock())

    def fail(self, reason: str) -> None:
        """End for good: whoever polls this bus cannot go on."""
        self._closed = True
        self._lose(reason, self.clock())

    def _hand_in(self, item: Submission | _Cycle | Identity) -> None:
        self._inbox.append(item)
        if self._wake is not None:
            self._wake()

    def _poll(self, now: float, readable: bool) -> float | None:
        link = self._link
        if link is None:
            link = self._reopen(now)
            if link is None:
                self._take_in(now)
                return None if self._closed else self._reopen_s
        # Whoever waited may have been kept from the processor: nothing is given up that has come meanwhile.
        waiting = link.in_waiting if readable or self._master.awaiting else 0
        data = link.read(waiting) if waiting else b""
        if data:
            # What was read may have come after ``now`` was: the silence is counted from the last byte.
            now = max(now, self.clock())
            if self._tap is not None:
                self._tap(now, "<", data)
            self._master.feed(data, now)
        elif now < self._wanted_s and not self._inbox:
            return None if self._wanted_s == math.inf else self._wanted_s
        if self._inbox:
            self._take_in(now)
        due_s = self._turn(now)
        begun = not self._unsent
        if begun:
            self._unsent, wanted_s = self._master.poll(now)
            if wanted_s is not None and wanted_s < due_s:
                due_s = wanted_s
        wrote = bool(self._unsent)
        if wrote:
            # None: everything went out.
            sent = link.write(self._unsent)
            if self._tap is not None:
                self._tap(now, ">", self._unsent[:sent])
            self._unsent = b"" if sent is None else self._unsent[sent:]
            if self._unsent:
                due_s = min(due_s, now + UNSENT_RETRY_S)
            elif not begun:
                due_s = now  # the master is still to say until when it waits
        self._wanted_s = due_s
        # At once again: whoever lies behind an in-memory link is to see what was written before time goes on, and a
        # callback may have submitted the next request.
        if (wrote and not self._unsent) or self._inbox:
            return now
        return None if due_s == math.inf else due_s

    def _take_in(self, now: float) -> None:
        # Only what is there: on a lost port a callback may submit again and be told again, for ever.
        for _ in range(len(self._inbox)):
            item = self._inbox.popleft()
            if isinstance(item, _Cycle):
                self._cycles.append(item)
            elif isinstance(item, Identity):
                self._guards[item.request.unit] = Guard(item)
            elif self._link is None:
                item.on_done(Reply(item.request, now, failure=Failure.DISCONNECTED))
            else:
                self._pass_on(item, now)

    def _pass_on(self, item: Submission, now: float) -> None:
        guard = self._guards.get(item.request.unit)
        if guard is None or guard.admits(item.priority):
            self._master.submit(item.request, item.on_done, item.priority, key=item.key, retries=item.retries)
            return
        if guard.standing is Standing.UNKNOWN:
            self._ask(guard)
        guard.hold(item, now)

    def _ask(self, guard: Guard) -> None:
        guard.standing = Standing.ASKED
        # Whatever waits for the answer waits with its own urgency.
        self._master.submit(guard.identity.request, partial(self._judge, guard), Priority.POLL, retries=CYCLE_RETRIES)

    def _judge(self, guard: Guard, reply: Reply) -> None:
        now, before, unit = reply.stamp_s, guard.words, guard.identity.request.unit
        if self._link is None:
            return  # `_lose` has told everybody
        released = guard.judge(reply, now)
        if guard.words is not None and guard.words != before:
            LOG.error("port %s, unit %d: the wrong device answers: %s", self.name, unit, guard.words)
        for item in released:
            self._master.submit(item.request, item.on_done, item.priority, key=item.key, retries=item.retries)
        for cycle in self._cycles:
            if cycle.request.unit != unit:
                continue
            if guard.standing is Standing.RIGHT:
                cycle.failures, cycle.due_s = 0, now
            elif guard.standing is Standing.WRONG:
                self._cycle_ends(cycle, guard.refusal(cycle.request, now))
            else:
                self._cycle_ends(cycle, Reply(cycle.request, now, failure=reply.failure))

    def _turn(self, now: float) -> float:
        """Submit the cyclic reads that are due; returns when the next one is."""
        next_s = math.inf
        for cycle in self._cycles:
            if now >= cycle.due_s:
                cycle.due_s += cycle.period_s
                if cycle.due_s <= now:
                    cycle.due_s = now + cycle.period_s
                if cycle.busy:
                    cycle.late = True
                else:
                    self._begin(cycle)
            next_s = min(next_s, cycle.due_s)
        return next_s

    def _begin(self, cycle: _Cycle) -> None:
        guard = self._guards.get(cycle.request.unit)
        if guard is None or guard.standing is Standing.RIGHT:
            cycle.busy = True
            ends = partial(self._cycle_ends, cycle)
            self._master.submit(cycle.request, ends, Priority.POLL, retries=CYCLE_RETRIES)
        elif guard.standing is not Standing.ASKED:
            self._ask(guard)

    def _cycle_ends(self, cycle: _Cycle, reply: Reply) -> None:
        """A turn has its reply, or will have none."""
        cycle.busy, late, cycle.late = False, cycle.late, False
        if reply.ok:
            cycle.failures = 0
            if late:
                cycle.due_s = reply.stamp_s
        else:
            cycle.failures += 1
            pause_s = min(cycle.period_s * 2.0 ** min(cycle.failures, 16), max(LAST_PAUSE_S, cycle.period_s))
            cycle.due_s = max(cycle.due_s, reply.stamp_s + pause_s)
            guard = self._guards.get(cycle.request.unit)
            if guard is not None:
                guard.doubt()
        cycle.on_reply(reply)

    def _reopen(self, now: float) -> ByteLink | None:
        """The port, when it is there again; sets when it is looked for next."""
        if self._closed or now < self._reopen_s:
            return None
        if self._opening is None:
            self._opening = self._open_link()
        if not getattr(self._opening, "established", True):
            self._reopen_s = now + OPENING_S
            return None
        self._link, self._opening = self._opening, None
        self._error = None
        self._retry_s = FIRST_RETRY_S
        self._wanted_s = -math.inf
        self.reopened += 1
        for cycle in self._cycles:
            cycle.failures, cycle.due_s = 0, now
        if self._tap is not None:
            self._tap(now, "+", b"")
        LOG.info("port %s is open again", self.name)
        return self._link

    def _lose(self, reason: str, now: float) -> None:
        link, self._link = self._link, None
        opening, self._opening = self._opening, None
        self._error = reason
        self._reopen_s = now + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, LAST_RETRY_S)
        self._unsent = b""
        for port in (link, opening):
            if port is not None:
                try:
                    port.close()
                except OSError as error:
                    LOG.debug("port %s: closing it says %s", self.name, error)
        if link is not None and not self._closed:
            LOG.warning("port %s is gone: %s", self.name, reason)
            if self._tap is not None:
                self._tap(now, "!", reason.encode())
        self._master.abort(Failure.DISCONNECTED, now)
        for guard in self._guards.values():
            guard.forget(Failure.DISCONNECTED, now)
        self._take_in(now)
        if link is not None:
            for cycle in self._cycles:
                self._cycle_ends(cycle, Reply(cycle.request, now, failure=Failure.DISCONNECTED))
