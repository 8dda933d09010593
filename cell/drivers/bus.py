"""A line and everybody on it: the port, the Modbus master, and the reads that come back again and again.

``Bus.poll`` does all the work and never waits: the simulator calls it in simulated time, ``BusThread`` in real time.
"""

from __future__ import annotations

import logging
import math
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, cast

from cell.drivers.frames import Request
from cell.drivers.links import ByteLink
from cell.drivers.modbus import REPLY_TIMEOUT_S, RETRIES, Done, Failure, LineStatistics, Master, Priority, Reply

LOG = logging.getLogger(__name__)

# A port that went away is tried again after the first pause, then after twice as long up to the last (facts: at most
# 1 s, or nobody notices for minutes that the plug is back).
FIRST_RETRY_S = 0.05
LAST_RETRY_S = 1.0
# A port that takes no more bytes is written to again after this time.
UNSENT_RETRY_S = 0.001
# A cyclic read is repeated by its next turn anyway.
CYCLE_RETRIES = 1


class WaitableLink(Protocol):
    """A link that a thread can wait on, as every real port is."""

    def fileno(self) -> int: ...


@dataclass(slots=True)
class _Cycle:
    """A read that is due every ``period_s``; ``busy`` while its reply is awaited."""

    period_s: float
    request: Request
    on_reply: Done
    due_s: float
    busy: bool = False

    def done(self, reply: Reply) -> None:
        """The reply, or that there is none."""
        self.busy = False
        self.on_reply(reply)


@dataclass(frozen=True, slots=True)
class _Submission:
    request: Request
    on_done: Done
    priority: Priority
    key: Hashable
    retries: int


class Bus:
    """One serial line with a Modbus master.

    ``submit`` and ``every`` may be called from any thread; ``poll`` and ``close`` by one at a time. Callbacks come from
    ``poll``. While the port is away every request ends as DISCONNECTED at once: no command waits to surprise somebody.

    Args:
        name: of the port, for messages.
        open_link: opens the port, by the same path each time.
        clock: seconds, monotonic.
        baudrate, bits_per_character, reply_timeout_s: as for ``Master``.

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
    ) -> None:
        self.name = name
        self.clock = clock
        self.baudrate = baudrate
        self.reopened = 0
        self._open_link = open_link
        self._master = Master(baudrate, bits_per_character=bits_per_character, reply_timeout_s=reply_timeout_s)
        self._inbox: deque[_Submission | _Cycle] = deque()
        self._cycles: list[_Cycle] = []
        self._wake: Callable[[], None] | None = None
        self._unsent = b""
        self._wanted_s = -math.inf
        self._retry_s = FIRST_RETRY_S
        self._reopen_s = 0.0
        self._closed = False
        self._error: str | None = None
        self._link: ByteLink | None = open_link()

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
        """Counts of this line since the start."""
        return self._master.statistics

    def submit(
        self,
        request: Request,
        on_done: Done,
        priority: Priority = Priority.WRITE,
        *,
        key: Hashable = None,
        retries: int = RETRIES,
    ) -> None:
        """Queue a request, as ``Master.submit``, from any thread."""
        self._hand_in(_Submission(request, on_done, priority, key, retries))

    def every(self, period_s: float, request: Request, on_reply: Done) -> None:
        """Ask again every ``period_s`` from now on. A turn is skipped while the one before is unanswered; when the port
        goes away ``on_reply`` is told once, and turns go on when it is back."""
        self._hand_in(_Cycle(period_s, request, on_reply, self.clock()))

    def on_wake(self, wake: Callable[[], None] | None) -> None:
        """Set what a submission calls so that a waiting thread polls."""
        self._wake = wake

    def poll(self, now: float) -> float | None:
        """Do everything that is due by ``now``; returns when to call again (``now`` itself: at once)."""
        try:
            return self._poll(now)
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

    def _hand_in(self, item: _Submission | _Cycle) -> None:
        self._inbox.append(item)
        if self._wake is not None:
            self._wake()

    def _poll(self, now: float) -> float | None:
        link = self._link
        if link is None:
            if self._closed:
                self._take_in(now)
                return None
            if now < self._reopen_s:
                self._take_in(now)
                return self._reopen_s
            link = self._reopen(now)
        waiting = link.in_waiting
        if waiting:
            data = link.read(waiting)
            if data:
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
            elif self._link is None:
                item.on_done(Reply(item.request, now, failure=Failure.DISCONNECTED))
            else:
                self._master.submit(item.request, item.on_done, item.priority, key=item.key, retries=item.retries)

    def _turn(self, now: float) -> float:
        """Submit the cyclic reads that are due; returns when the next one is."""
        next_s = math.inf
        for cycle in self._cycles:
            if now >= cycle.due_s:
                if not cycle.busy:
                    cycle.busy = True
                    self._master.submit(cycle.request, cycle.done, Priority.POLL, retries=CYCLE_RETRIES)
                cycle.due_s += cycle.period_s
                if cycle.due_s <= now:
                    cycle.due_s = now + cycle.period_s
            next_s = min(next_s, cycle.due_s)
        return next_s

    def _reopen(self, now: float) -> ByteLink:
        self._link = self._open_link()
        self._error = None
        self._retry_s = FIRST_RETRY_S
        self._wanted_s = -math.inf
        self.reopened += 1
        LOG.info("port %s is open again", self.name)
        return self._link

    def _lose(self, reason: str, now: float) -> None:
        link, self._link = self._link, None
        self._error = reason
        self._reopen_s = now + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, LAST_RETRY_S)
        self._unsent = b""
        if link is not None:
            if not self._closed:
                LOG.warning("port %s is gone: %s", self.name, reason)
            try:
                link.close()
            except OSError as error:
                LOG.debug("port %s: closing it says %s", self.name, error)
        self._master.abort(Failure.DISCONNECTED, now)
        self._take_in(now)
        if link is not None:
            for cycle in self._cycles:
                cycle.done(Reply(cycle.request, now, failure=Failure.DISCONNECTED))


class BusThread:
    """Polls a bus in real time: sleeps until bytes come, something is submitted, or its deadline passes."""

    # Longest sleep; a port that vanishes without a word is noticed by the time-outs before that.
    MAX_WAIT_S = 0.5

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stop = threading.Event()
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._thread = threading.Thread(target=self._run, name=f"bus {bus.name}", daemon=True)

    def start(self) -> None:
        """Begin to poll; from here on only this thread touches the port."""
        self._bus.on_wake(self._wake)
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread has ended and the port is given back. Callable twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._wake()
            self._thread.join()
        self._bus.on_wake(None)
        self._bus.close()
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _wake(self) -> None:
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # a full pipe wakes as well

    def _run(self) -> None:
        bus = self._bus
        try:
            while not self._stop.is_set():
                now = bus.clock()
                due_s = bus.poll(now)
                wait_s = self.MAX_WAIT_S if due_s is None else min(due_s - now, self.MAX_WAIT_S)
                if wait_s > 0.0:
                    self._wait(wait_s)
        except Exception as error:
            LOG.exception("the thread of port %s ends", bus.name)
            bus.fail(f"its thread ended: {error}")

    def _wait(self, wait_s: float) -> None:
        sources = [self._read_fd]
        link = self._bus.link
        if link is not None:
            try:
                sources.append(cast(WaitableLink, link).fileno())
            except OSError:
                return  # the next poll finds out and reopens
        ready, _, _ = select.select(sources, (), (), wait_s)
        if self._read_fd in ready:
            os.read(self._read_fd, 4096)
