"""What QoS says about time: deadlines of messages and leases of liveliness, watched on a thread of their own.

The thread lives while there is anything to watch, and sleeps until the earliest of it is due.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count

_FOREVER_NS = 2**63 - 1


class _Watch:
    """Calls back at given times (monotonic ns)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[int, int, Monitor]] = []
        self._numbers = count().__next__
        self._thread: threading.Thread | None = None

    def add(self, due_ns: int, monitor: Monitor) -> None:
        with self._changed:
            heapq.heappush(self._due, (due_ns, self._numbers(), monitor))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rclpy-qos", daemon=True)
                self._thread.start()
            elif self._due[0][2] is monitor:
                self._changed.notify_all()

    def remove(self, monitor: Monitor) -> None:
        with self._changed:
            self._due = [entry for entry in self._due if entry[2] is not monitor]
            heapq.heapify(self._due)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._due:
                    self._thread = None
                    return
                wait_ns = self._due[0][0] - time.monotonic_ns()
                if wait_ns > 0:
                    self._changed.wait(min(wait_ns / 1e9, 3600.0))
                    continue
                monitor = heapq.heappop(self._due)[2]
            monitor._look()


_watch = _Watch()


class Monitor:
    """Watches that `touch` is called at least once in each period, from the first call on."""

    def __init__(self, period_ns: int, missed: Callable[[], None], *, repeats: bool) -> None:
        """`missed()` runs on the watching thread: once for each period without a touch, or only for the first."""
        self._period_ns = period_ns
        self._missed = missed
        self._repeats = repeats
        self._last_ns = 0
        self._armed = False
        self._closed = False
        self._lock = threading.Lock()

    def touch(self) -> None:
        self._last_ns = time.monotonic_ns()
        if not self._armed:
            with self._lock:
                if self._armed or self._closed:
                    return
                self._armed = True
            _watch.add(self._last_ns + self._period_ns, self)

    def close(self) -> None:
        with self._lock:
            self._closed = True
        _watch.remove(self)

    def _look(self) -> None:
        due_ns = self._last_ns + self._period_ns
        if due_ns <= time.monotonic_ns():
            if not self._repeats:
                self._armed = False
                if not self._closed:
                    self._missed()
                return
            self._last_ns = due_ns
            due_ns += self._period_ns
            if not self._closed:
                self._missed()
        with self._lock:
            if self._closed:
                return
        _watch.add(due_ns, self)


def watched_ns(nanoseconds: int) -> int:
    """The period to watch; 0 where a duration means that there is none."""
    return nanoseconds if 0 < nanoseconds < _FOREVER_NS - 1 else 0
