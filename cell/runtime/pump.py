"""Waits for file descriptors of transports, on an executor's own thread where one has nothing else to do.

A message from another process then wakes the executor directly, without a hop over a receiving thread. While every
executor is busy, or none spins, a thread of the pump's own waits, so that nothing stays in a queue outside. One thread
waits at a time, and only that one runs the callbacks.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

# How long a descriptor may wait for an executor that has left to run a callback, s.
_TAKE_OVER_S = 0.01
# How long an executor waits for the own thread to let go, s: what comes for it meanwhile waits as long.
_HAND_OVER_S = 0.001
# An answer that came within the first time is looked for again before the thread sleeps, for the second, ns: to wake a
# sleeping processor costs more than the rest of a round trip (ADR 0010).
_BRISK_NS = 200_000
_LOOK_NS = 100_000
# After a look in vain, so many waits must be short before the next one.
_PATIENCE = 8
# `select` takes no descriptor from here on (FD_SETSIZE).
_SELECT_LIMIT = 1024

_NOTHING: tuple[list[int], list[int]] = ([], [])

Callbacks = dict[int, Callable[[], None]]


class Pump:
    """The descriptors of a ROS domain's transports, and who waits for them."""

    def __init__(self) -> None:
        self._reading: Callbacks = {}
        # The descriptors in `_reading`, and `_interrupt`.
        self._watched: list[int] = []
        self._writing: Callbacks = {}
        self._leading = threading.Lock()
        # A signal's handler may end transports while this thread begins or ends one.
        self._changing = threading.RLock()
        self._thread: threading.Thread | None = None
        # Interrupts whoever waits: what he waits for has changed, or an executor wants to wait itself.
        self._interrupt = -1
        # The executors' waits so far, whether one of them waits now, and whether the own thread does.
        self._turns = 0
        self._led = False
        self._leads_itself = False
        # How many more waits have to be short until the next one begins with a look.
        self._patience = _PATIENCE
        # While an executor sleeps undisturbed, so does the own thread, until it is told that he has left.
        self._dozing = False
        self._alarm = threading.Event()

    @property
    def active(self) -> bool:
        """True if there is any descriptor to wait for."""
        return bool(self._reading)

    def attach(self, fileno: int, callback: Callable[[], None]) -> None:
        """Calls `callback()` whenever the descriptor is readable; it must not block."""
        with self._changing:
            if self._interrupt < 0:
                self._interrupt = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._reading = {**self._reading, fileno: callback}
            self._watched = [*self._reading, self._interrupt]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rclpy-pump", daemon=True)
                self._thread.start()
        self._poke()

    def attach_writing(self, fileno: int, callback: Callable[[], None]) -> None:
        """Calls `callback()` whenever the descriptor takes data, until `detach_writing`."""
        with self._changing:
            self._writing = {**self._writing, fileno: callback}
        self._poke()

    def detach_writing(self, fileno: int) -> None:
        with self._changing:
            self._writing = _without(self._writing, fileno)

    def detach(self, fileno: int) -> None:
        """Forgets a descriptor; the caller closes it afterwards."""
        with self._changing:
            self._reading = _without(self._reading, fileno)
            self._writing = _without(self._writing, fileno)
            self._watched = [*self._reading, self._interrupt]
        self._poke()

    def wait(self, wake_fileno: int, timeout_s: float | None) -> bool:
        """Waits on the caller's thread until something happened, `wake_fileno` is readable or the time is over.

        Gives False at once where another executor's thread is waiting already: the caller then waits in its own way.
        """
        if not self._leading.acquire(blocking=False):
            if not self._leads_itself:
                return False
            self._poke()
            # The own thread lets go as soon as it has run what it has just been woken for. Another may be quicker, and
            # keep the place for long: nobody could wake this executor here, so it does not stay.
            if not self._leading.acquire(timeout=_HAND_OVER_S):
                return False
        self._turns += 1
        self._led = True
        try:
            self._poll(wake_fileno, timeout_s)
        finally:
            self._led = False
            self._leading.release()
            if self._dozing:
                self._alarm.set()
        return True

    def forget(self) -> None:
        """In the child of a fork: waits for nothing of the parent's."""
        if self._interrupt >= 0:
            os.close(self._interrupt)
        self.__init__()  # type: ignore[misc]

    def _poke(self) -> None:
        # The own thread closes the descriptor when nothing is left to wait for.
        with self._changing:
            if self._interrupt >= 0:
                os.eventfd_write(self._interrupt, 1)

    def _poll(self, wake_fileno: int, timeout_s: float | None) -> None:
        watched = self._watched if wake_fileno < 0 else [*self._watched, wake_fileno]
        # `poll` and `epoll` round to milliseconds, `select` does not.
        try:
            began_ns = time.monotonic_ns()
            ready, free = self._look(watched, began_ns, timeout_s) if self._patience <= 0 else _NOTHING
            if not ready and not free:
                ready, free, _ = select.select(watched, self._writing, (), timeout_s)
            if time.monotonic_ns() - began_ns < _BRISK_NS:
                self._patience -= 1
            else:
                self._patience = _PATIENCE
        except ValueError:
            ready, free = _poll_high(watched, [*self._writing], timeout_s)
        except OSError:
            # A descriptor was closed meanwhile; the next turn sees what is left.
            return
        for fileno in free:
            callback = self._writing.get(fileno)
            if callback is not None:
                callback()
        for fileno in ready:
            callback = self._reading.get(fileno)
            if callback is not None:
                callback()
            elif fileno == self._interrupt:
                _drain(fileno)

    def _look(self, watched: list[int], began_ns: int, timeout_s: float | None) -> tuple[list[int], list[int]]:
        """What comes before it is worth while to sleep; others run meanwhile."""
        until_ns = began_ns + _LOOK_NS
        if timeout_s is not None:
            until_ns = min(until_ns, began_ns + int(timeout_s * 1e9))
        writing = self._writing
        while True:
            ready, free, _ = select.select(watched, writing, (), 0)
            if ready or free or time.monotonic_ns() >= until_ns:
                return ready, free
            os.sched_yield()

    def _run(self) -> None:
        """The own thread: takes over where descriptors are left alone, and lets go when an executor comes."""
        while True:
            turns = self._turns
            time.sleep(_TAKE_OVER_S)
            with self._changing:
                if not self._reading:
                    self._thread = None
                    os.close(self._interrupt)
                    self._interrupt = -1
                    self._watched = []
                    return
            if turns != self._turns:
                continue
            if self._led:
                self._doze(turns)
            elif self._leading.acquire(blocking=False):
                self._leads_itself = True
                try:
                    self._poll(-1, None)
                except Exception as error:
                    from rclpy.logging import get_logger  # noqa: PLC0415 (only for faults)

                    get_logger("rclpy.pump").error(f"a message from outside could not be taken: {error!r}")
                finally:
                    self._leads_itself = False
                    self._leading.release()

    def _doze(self, turns: int) -> None:
        """Sleeps while an executor waits."""
        self._alarm.clear()
        self._dozing = True
        if self._led and turns == self._turns:
            self._alarm.wait()
        self._dozing = False


def _without(callbacks: Callbacks, fileno: int) -> Callbacks:
    return {number: entry for number, entry in callbacks.items() if number != fileno}


def _drain(eventfd: int) -> None:
    try:
        os.eventfd_read(eventfd)
    except BlockingIOError:
        return


def _poll_high(reading: list[int], writing: list[int], timeout_s: float | None) -> tuple[list[int], list[int]]:
    """As `select`, for descriptors that are too high for it; the time-out is rounded up to milliseconds."""
    poll = select.poll()
    reading = [fileno for fileno in reading if fileno >= 0]
    for fileno in reading:
        poll.register(fileno, select.POLLIN)
    for fileno in writing:
        poll.register(fileno, select.POLLOUT | (select.POLLIN if fileno in reading else 0))
    ready: list[int] = []
    free: list[int] = []
    for fileno, event in poll.poll(None if timeout_s is None else max(timeout_s * 1e3, 0.0)):
        if event & ~select.POLLOUT:
            ready.append(fileno)
        if event & select.POLLOUT:
            free.append(fileno)
    return ready, free
