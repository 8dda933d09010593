"""The queue of ready work, the timers, and the waiting: what all executors share.

Every piece of work (a message, a request, a due timer, a trigger, a task's next step) is one token in the queue. An
idle executor sleeps until a token comes or its next timer is due: there is no polling, and no list of entities to walk.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from threading import Lock, get_ident
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .context import Context
    from .executors import Executor
    from .timer import Timer

FOREVER_NS = 2**63
# The longest that a thread sleeps without a look around, s: `Lock.acquire` refuses much longer times.
_LONGEST_S = 1e6
_LONGEST_NS = 10**15


class Token(Protocol):
    """A piece of work."""

    def _execute(self, executor: Executor) -> bool:
        """Runs; False if there was nothing to run."""


class Slot(Protocol):
    """What wakes one sleeping thread."""

    def release(self) -> None: ...


class _PollSlot:
    """Wakes a thread that waits in the pump, by a descriptor of its own."""

    def __init__(self) -> None:
        self.fileno = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._owner = 0
        self._written = False

    def prepare(self) -> None:
        """For a wait of this thread."""
        self._owner = get_ident()
        if self._written:
            self._written = False
            try:
                os.eventfd_read(self.fileno)
            except BlockingIOError:
                return

    def release(self) -> None:
        # What the pump's callbacks bring on the waiting thread itself is seen when the wait returns.
        if self._owner != get_ident():
            os.eventfd_write(self.fileno, 1)
            # Afterwards: a wait that begins in between ends at once, and the next one reads.
            self._written = True

    def __del__(self) -> None:
        os.close(self.fileno)


class WorkQueue:
    """Ready tokens in the order of arrival, armed timers, and the threads that sleep until there is work.

    A sleeping thread leaves a slot; whoever adds work takes one and releases it. Both sides first write and then look,
    so that nothing is lost between looking and sleeping; each step is atomic, and a signal handler may wake too.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.RLock()
        self._ready: deque[Token] = deque()
        self._slots: deque[Slot] = deque()
        self._real_timers: list[tuple[int, int, int, Timer]] = []
        self._sim_timers: set[Timer] = set()
        self._sim_due = False
        self._entry_numbers = count().__next__
        self._is_shutdown = False
        # Until when the thread that watches the timers sleeps (monotonic ns), 0 while none does; and its slot.
        self._watched_until_ns = 0
        self._watcher: Slot | None = None
        self._poll_slot: _PollSlot | None = None

    # Adding work, from any thread

    def _enqueue(self, token: Token) -> None:
        self._ready.append(token)
        if self._slots:
            self._rouse()

    def _enqueue_first(self, token: Token) -> None:
        self._ready.appendleft(token)
        if self._slots:
            self._rouse()

    def _sim_timer_due(self) -> None:
        """A timer on a simulated clock is due, or another one than before."""
        self._sim_due = True
        if self._slots:
            self._rouse()

    def _rouse(self) -> None:
        """Wakes one sleeping thread, the last that fell asleep."""
        try:
            slot = self._slots.pop()
        except IndexError:
            return
        slot.release()

    def wake(self) -> None:
        """Lets a waiting executor look again; from any thread."""
        for _ in range(len(self._slots)):
            self._rouse()

    def _arm(self, timer: Timer, left_ns: int) -> None:
        """Takes note of a timer that is due in `left_ns` of its clock."""
        if timer._clock._is_set_from_outside:
            with self._lock:
                self._sim_timers.add(timer)
            if left_ns <= 0:
                self._sim_timer_due()
            return
        # In monotonic time, so that timers of both real clocks can stand in one heap.
        due_ns = monotonic_ns() + left_ns
        with self._lock:
            if self._sim_timers:
                self._sim_timers.discard(timer)
            listed_ns = timer._listed_ns
            if listed_ns is not None and listed_ns <= due_ns:
                # Looked at before it is due, and listed again then: a timer that is often reset stays one entry.
                return
            timer._listed_ns = due_ns
            heapq.heappush(self._real_timers, (due_ns, timer._sequence, self._entry_numbers(), timer))
        if due_ns < self._watched_until_ns:
            self._rouse_watcher()

    def _rouse_watcher(self) -> None:
        slot = self._watcher
        if slot is not None and _discard(self._slots, slot):
            slot.release()

    # Taking work

    def _release_timers(self, until_ns: int = FOREVER_NS) -> None:
        """Queues the timers that are due by now and by `until_ns` (monotonic), the earliest first.

        The caller looks at the queue then, and so nobody is roused.
        """
        if self._sim_due:
            self._sim_due = False
            with self._lock:
                due = [timer for timer in self._sim_timers if timer.is_ready() and not timer._queued]
                for timer in sorted(due, key=lambda entry: (entry._next_ns, entry._sequence)):
                    timer._queued = True
                    self._ready.append(timer)
        heap = self._real_timers
        if not heap:
            return
        until_ns = min(until_ns, monotonic_ns())
        with self._lock:
            while heap and heap[0][0] <= until_ns:
                due_ns, _, _, timer = heapq.heappop(heap)
                if timer._listed_ns != due_ns or timer._executor is not self:
                    continue
                timer._listed_ns = None
                if timer._canceled or timer._queued:
                    continue
                left_ns = timer._next_ns - timer._clock._read()
                if left_ns > 0:
                    self._arm(timer, left_ns)
                else:
                    timer._queued = True
                    self._ready.append(timer)

    def _pop(self) -> Token | None:
        """The next token, without waiting."""
        heap = self._real_timers
        if self._sim_due or (heap and heap[0][0] <= monotonic_ns()):
            self._release_timers()
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    def _next_timer_due_ns(self) -> int:
        """When the earliest timer on a real clock wants to be looked at, monotonic."""
        heap = self._real_timers
        try:
            return heap[0][0]
        except IndexError:
            return FOREVER_NS

    # Sleeping

    def _sleep(self, until_ns: int, condition: Callable[[], bool] | None, *, watch: bool = True) -> None:
        """Sleeps until there is something to look at, at most until `until_ns` (monotonic).

        With `watch` the thread also wakes for timers, and waits for the transports' descriptors.
        """
        if watch and self._context._bus.pump._reading and self._sleep_in_pump(until_ns, condition):
            return
        # Few calls: right after a sleep each of them costs ten times what it costs in a loop, as nothing is cached.
        slot = Lock()
        slot.acquire()
        slots = self._slots
        if watch:
            self._watcher = slot
            self._watched_until_ns = FOREVER_NS
        slots.append(slot)
        try:
            # Whoever adds work from here on sees the slot; what was added before is seen here.
            if (
                self._ready
                or self._sim_due
                or self._is_shutdown
                or not self._context._ok
                or (condition is not None and condition())
            ):
                return
            if watch:
                heap = self._real_timers
                if heap and heap[0][0] < until_ns:
                    until_ns = heap[0][0]
                self._watched_until_ns = until_ns
            if until_ns == FOREVER_NS:
                slot.acquire()
                return
            left_ns = until_ns - monotonic_ns()
            if left_ns > 0:
                slot.acquire(True, left_ns / 1e9 if left_ns < _LONGEST_NS else _LONGEST_S)
        finally:
            if watch:
                self._watched_until_ns = 0
            if slots:
                _discard(slots, slot)

    def _sleep_in_pump(self, until_ns: int, condition: Callable[[], bool] | None) -> bool:
        """Sleeps in the transports' pump; False where somebody else waits there."""
        slot = self._poll_slot
        if slot is None:
            slot = self._poll_slot = _PollSlot()
        slot.prepare()
        self._watcher = slot
        self._watched_until_ns = FOREVER_NS
        self._slots.append(slot)
        led = True
        try:
            wait_s = self._time_left_s(until_ns, condition, True)
            if wait_s:
                led = self._context._bus.pump.wait(slot.fileno, None if wait_s < 0 else wait_s)
        finally:
            self._watched_until_ns = 0
            _discard(self._slots, slot)
        return led

    def _time_left_s(self, until_ns: int, condition: Callable[[], bool] | None, watch: bool) -> float:
        """How long to sleep, once the slot is out; 0 where there is something to do, -1 for no limit."""
        if (
            self._ready
            or self._sim_due
            or self._is_shutdown
            or not self._context._ok
            or (condition is not None and condition())
        ):
            return 0.0
        if watch:
            due_ns = self._next_timer_due_ns()
            until_ns = min(until_ns, due_ns)
            self._watched_until_ns = until_ns
        if until_ns == FOREVER_NS:
            return -1.0
        left_ns = until_ns - monotonic_ns()
        return 0.0 if left_ns <= 0 else min(left_ns / 1e9, _LONGEST_S)


def end_of_wait_ns(timeout_sec: float | None) -> int:
    """The end of a waiting time, monotonic; None and negative mean no limit."""
    if timeout_sec is None or timeout_sec < 0:
        return FOREVER_NS
    return monotonic_ns() + int(timeout_sec * 1e9)


def _discard(slots: deque[Slot], slot: Slot) -> bool:
    """Takes a slot back; False where somebody has just taken it."""
    try:
        slots.remove(slot)
    except ValueError:
        return False
    return True
