"""An executor that runs callbacks in a pool of threads, with few hops between them.

While it spins, workers take work from the queue themselves: one of the idle ones watches the timers and the transports,
and runs what it wakes for. The thread that spins only looks after them: it brings callbacks' errors to its caller, and
sees to it that timers go on while the worker that watched them is busy with a long callback.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING

from ._executor import Executor
from ._executor_errors import ConditionReachedException, ExternalShutdownException
from ._work_queue import FOREVER_NS, Slot, Token

if TYPE_CHECKING:
    from .context import Context
    from .timer import Timer

# How long a due timer may wait for the worker that watches, before another one is called in, ns.
_GRACE_NS = 5_000_000


class WorkerPool:
    """The threads of one executor; an idle one holds no reference to it."""

    def __init__(self, owner: MultiThreadedExecutor, num_threads: int) -> None:
        self._max_workers = num_threads
        self._owner = weakref.ref(owner)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._parked: deque[Slot] = deque()
        self.ended = False

    def call_in(self) -> None:
        """Puts one more thread to work, where there is one left."""
        try:
            slot = self._parked.pop()
        except IndexError:
            if len(self._threads) < self._max_workers:
                self._start()
            return
        slot.release()

    def has_spare(self) -> bool:
        return bool(self._parked) or len(self._threads) < self._max_workers

    def end(self) -> None:
        """Lets every thread go once it is idle."""
        self.ended = True
        while self._parked:
            self.call_in()

    def join(self) -> None:
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _start(self) -> None:
        with self._lock:
            if self.ended or len(self._threads) >= self._max_workers:
                return
            name = f"rclpy-worker-{len(self._threads)}"
            thread = threading.Thread(target=_serve, args=(self,), name=name, daemon=True)
            self._threads.append(thread)
        thread.start()

    def _park(self) -> None:
        """Sleeps until called in."""
        slot = threading.Lock()
        slot.acquire()
        self._parked.append(slot)
        owner = self._owner()
        if self.ended or (owner is not None and owner._wants_workers()):
            try:
                self._parked.remove(slot)
            except ValueError:
                return
            return
        del owner
        slot.acquire()


def _serve(pool: WorkerPool) -> None:
    while not pool.ended:
        owner = pool._owner()
        if owner is None:
            return
        owner._work()
        del owner
        pool._park()


class MultiThreadedExecutor(Executor):
    """Runs callbacks in a pool of threads; callback groups say which may run at the same time."""

    def __init__(self, num_threads: int | None = None, *, context: Context | None = None) -> None:
        """`num_threads` is by default the number of processors that this process may use."""
        super().__init__(context=context)
        if num_threads is None:
            affinity = getattr(os, "sched_getaffinity", None)
            num_threads = (len(affinity(0)) if affinity is not None else os.cpu_count()) or 2
        if num_threads == 1:
            import warnings  # noqa: PLC0415 (only here)

            message = "MultiThreadedExecutor is used with a single thread.\nUse the SingleThreadedExecutor instead."
            warnings.warn(message, stacklevel=2)
        self._executor = WorkerPool(self, num_threads)
        self._errors: deque[BaseException] = deque()
        self._busy: set[int] = set()
        # Tokens of `spin_once`, which runs no more than it was asked for.
        self._handed: deque[Token] = deque()
        self._open = False
        self._waking = False
        self._watching = threading.Lock()
        # The thread that spins: its slot, and until when it sleeps (monotonic ns), 0 while it does not.
        self._minder: Slot | None = None
        self._minder_until_ns = 0

    def __del__(self) -> None:
        pool = getattr(self, "_executor", None)
        if pool is not None:
            pool.end()
        super().__del__()

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        """As `Executor.shutdown`; without `wait_for_threads` it does not wait for the callbacks that run."""
        ended = super().shutdown(timeout_sec if wait_for_threads else 0.0)
        self._executor.end()
        if wait_for_threads and ended:
            self._executor.join()
        return ended

    def wake(self) -> None:
        super().wake()
        self._wake_minder()

    # Adding work

    def _enqueue(self, token: Token) -> None:
        self._ready.append(token)
        self._stir()

    def _enqueue_first(self, token: Token) -> None:
        self._ready.appendleft(token)
        self._stir()

    def _sim_timer_due(self) -> None:
        self._sim_due = True
        self._stir()

    def _stir(self) -> None:
        """Makes sure that somebody looks at the queue soon, without waking more than one thread at a time."""
        if self._waking:
            return
        if self._slots:
            self._waking = self._open
            self._rouse()
        elif self._open and self._executor.has_spare():
            self._waking = True
            self._executor.call_in()

    def _arm(self, timer: Timer, left_ns: int) -> None:
        super()._arm(timer, left_ns)
        if self._minder_until_ns and self._next_timer_due_ns() + _GRACE_NS < self._minder_until_ns:
            self._wake_minder()

    # The thread that spins

    def _run_until(self, condition: Callable[[], bool] | None, deadline_ns: int, *, once: bool) -> None:
        try:
            self._raise_error()
            if once:
                self._hand_over(condition, deadline_ns)
                return
            self._waking = False
            self._open = True
            self._executor.call_in()
            self._mind(condition, deadline_ns)
        except ExternalShutdownException:
            return
        finally:
            self._open = False
            super().wake()

    def _mind(self, condition: Callable[[], bool] | None, deadline_ns: int) -> None:
        """Waits for an end, an error, or a timer that nobody takes."""
        while True:
            slot = threading.Lock()
            slot.acquire()
            self._minder = slot
            self._minder_until_ns = FOREVER_NS
            self._raise_error()
            if self._is_shutdown or not self._context._ok or (condition is not None and condition()):
                return
            now_ns = monotonic_ns()
            if now_ns >= deadline_ns:
                return
            due_ns = self._next_timer_due_ns()
            if due_ns + _GRACE_NS <= now_ns:
                self._release_timers()
                self._stir()
                continue
            until_ns = min(deadline_ns, due_ns + _GRACE_NS)
            self._minder_until_ns = until_ns
            if until_ns >= FOREVER_NS:
                slot.acquire()
            else:
                slot.acquire(True, min((until_ns - now_ns) / 1e9, 1e6))

    def _wake_minder(self) -> None:
        slot, self._minder = self._minder, None
        if slot is not None:
            slot.release()

    def _hand_over(self, condition: Callable[[], bool] | None, deadline_ns: int) -> None:
        """Gives one piece of work to a worker, and does not wait for its end."""
        done = self._has_error if condition is None else lambda: self._has_error() or condition()
        try:
            self._handed.append(self._next(deadline_ns, done))
        except (ConditionReachedException, ExternalShutdownException):
            self._raise_error()
            return
        self._executor.call_in()
        self._raise_error()

    def _has_error(self) -> bool:
        return bool(self._errors)

    def _raise_error(self) -> None:
        if self._errors:
            raise self._errors.popleft()

    # The workers

    def _wants_workers(self) -> bool:
        return self._open or bool(self._handed)

    def _work(self) -> None:
        """Runs what is handed over, and, while the executor spins, what is ready."""
        me = threading.get_ident()
        while True:
            token = self._take()
            if token is None:
                return
            self._busy.add(me)
            try:
                token._execute(self)
            except BaseException as error:
                # It is raised again in the thread that spins.
                self._errors.append(error)
                super().wake()
                self._wake_minder()
            finally:
                self._busy.discard(me)
                if self._is_shutdown:
                    self._tell_idle()

    def _take(self) -> Token | None:
        """The next token for a worker, waiting for it while the executor spins; None: go and rest."""
        while True:
            self._waking = False
            if self._handed:
                try:
                    return self._handed.popleft()
                except IndexError:
                    continue
            if not self._open or self._is_shutdown or not self._context._ok:
                return None
            if self._sim_due or self._next_timer_due_ns() <= monotonic_ns():
                self._release_timers()
            try:
                token = self._ready.popleft()
            except IndexError:
                pass
            else:
                if self._ready:
                    self._stir()
                return token
            watch = self._watching.acquire(blocking=False)
            try:
                self._sleep(FOREVER_NS, self._is_closed, watch=watch)
            finally:
                if watch:
                    self._watching.release()

    def _is_closed(self) -> bool:
        return not self._open or bool(self._handed)

    def _is_idle(self) -> bool:
        return super()._is_idle() and not self._busy - {threading.get_ident()}
