"""Executors: they run what is ready, in the order in which it arrived.

Every piece of work (a message, a request, a due timer, a trigger, a task's next step) is one token in the executor's
queue. An idle executor waits on a condition until a token comes or its next timer is due: there is no polling, and no
list of entities to walk.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from .context import Context
from .task import Future, Task
from .utilities import get_default_context

if TYPE_CHECKING:
    from ._entity import Entity
    from .clock import Clock
    from .node import Node
    from .timer import Timer

__all__ = [
    "ConditionReachedException",
    "Executor",
    "ExternalShutdownException",
    "MultiThreadedExecutor",
    "ShutdownException",
    "SingleThreadedExecutor",
    "TimeoutException",
]


class TimeoutException(Exception):
    """Nothing became ready in time."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down while the executor ran, by a signal for instance."""

    def __init__(self, *args: object) -> None:
        super().__init__("The context was shut down while the executor ran", *args)


class ConditionReachedException(Exception):
    """What was waited for has happened."""


class _Token(Protocol):
    def _execute(self, executor: Executor) -> bool:
        """Runs; False if there was nothing to run."""


class Executor:
    """The base of all executors.

    Beyond rclpy's surface it has what a simulator needs to run a graph in lockstep, on one thread:
    `spin_until_idle`, `next_timer_ns` and `has_ready`.
    """

    def __init__(self, *, context: Context | None = None) -> None:
        self._context = context if context is not None else get_default_context()
        self._nodes: list[Node] = []
        self._tasks: set[Task[Any]] = set()
        self._lock = threading.RLock()
        self._wakeup = threading.Condition(threading.RLock())
        self._sleepers = 0
        self._ready: deque[_Token] = deque()
        self._real_timers: list[tuple[int, int, int, Timer]] = []
        self._sim_timers: set[Timer] = set()
        self._sim_due = False
        self._is_shutdown = False
        self._is_spinning = False
        self._forget_shutdown = self._context._on_shutdown_call(self.wake)

    # Nodes and tasks

    @property
    def context(self) -> Context:
        return self._context

    @property
    def is_spinning(self) -> bool:
        return self._is_spinning

    def create_task(
        self, callback: Callable[..., Any] | Coroutine[Any, Any, Any], *args: Any, **kwargs: Any
    ) -> Task[Any]:
        """Runs a function or a coroutine on this executor; the task is its future."""
        task: Task[Any] = Task(callback, args, kwargs, executor=self)
        self._adopt(task)
        self._enqueue(task)
        return task

    def create_future(self) -> Future[Any]:
        """A future whose done callbacks run on this executor."""
        return Future(executor=self)

    def add_node(self, node: Node) -> bool:
        """Takes a node in, with the work that waits for it; False where it is here already."""
        with self._lock:
            if node in self._nodes:
                return False
            self._nodes.append(node)
        node.executor = self
        node._join_executor(self)
        waiting: list[tuple[int, Entity]] = []
        for entity in node._entities():
            waiting += [(sequence, entity) for sequence in entity._waiting()]
        for _, entity in sorted(waiting, key=lambda entry: entry[0]):
            self._enqueue(entity)
        self.wake()
        return True

    def remove_node(self, node: Node) -> None:
        """Lets a node go; its waiting work stays with it."""
        with self._lock:
            if node not in self._nodes:
                return
            self._nodes.remove(node)
        node._join_executor(None)
        gone = set(map(id, node._entities()))
        # One by one: other threads may add tokens meanwhile.
        for _ in range(len(self._ready)):
            token = self._ready.popleft()
            if id(token) not in gone:
                self._ready.append(token)
        with self._lock:
            self._sim_timers = {timer for timer in self._sim_timers if id(timer) not in gone}

    def get_nodes(self) -> list[Node]:
        with self._lock:
            return list(self._nodes)

    def wake(self) -> None:
        """Lets a waiting executor look again; from any thread."""
        with self._wakeup:
            self._wakeup.notify_all()

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Ends the executor; gives whether everything that ran has ended in time."""
        self._is_shutdown = True
        self._forget_shutdown()
        self.wake()
        for node in self.get_nodes():
            self.remove_node(node)
        for task in list(self._tasks):
            # Nobody will run the rest of it; its `finally` blocks do, and its callback group is free again.
            task.cancel()
        self._tasks.clear()
        self._ready.clear()
        return True

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()

    # Spinning

    def spin(self) -> None:
        """Runs callbacks until the executor or its context is shut down.

        Raises:
            ExternalShutdownException: the context was shut down while the executor waited.
        """
        self._is_spinning = True
        try:
            while self._context.ok() and not self._is_shutdown:
                self.spin_once()
        finally:
            self._is_spinning = False

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs one piece of work, waiting for it at most `timeout_sec` (None or negative: without limit)."""
        try:
            self._run_next(timeout_sec, None)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return

    def spin_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Runs callbacks until the future is done, at most `timeout_sec`."""
        future.add_done_callback(lambda _: self.wake())
        deadline = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while self._context.ok() and not future.done() and not self._is_shutdown:
            self.spin_once_until_future_complete(future, None if deadline is None else deadline - time.monotonic())
            if deadline is not None and time.monotonic() >= deadline:
                return

    def spin_once_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Runs one piece of work, or returns once the future is done."""
        try:
            self._run_next(None if timeout_sec is None else max(timeout_sec, 0.0), future.done)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return

    # Lockstep: the surface that only the embedded runtime has

    def spin_until_idle(self) -> int:
        """Runs every ready callback, and all that become ready by them, in the order of arrival, on this thread.

        Messages that callbacks publish, and the next steps of coroutines, are part of it. Gives how many ran.

        Raises:
            BaseException: what a callback raised; the rest stays ready.
        """
        ran = 0
        while True:
            token = self._pop()
            if token is None:
                return ran
            ran += token._execute(self)

    def has_ready(self) -> bool:
        """True if `spin_until_idle` would run something."""
        self._release_timers()
        return bool(self._ready)

    def next_timer_ns(self, clock: Clock | None = None) -> int | None:
        """When the earliest timer on a ROS clock is due, in nanoseconds of that clock; None where there is none.

        With `clock`, only timers on that clock count. Cancelled timers do not.
        """
        from .clock_type import ClockType  # noqa: PLC0415 (only for simulators)

        with self._lock:
            due = [
                timer._next_ns
                for node in self._nodes
                for timer in node._timers
                if not timer._canceled
                and (timer._clock is clock if clock is not None else timer._clock.clock_type is ClockType.ROS_TIME)
            ]
        return min(due, default=None)

    # The queue of work

    def _enqueue(self, token: _Token) -> None:
        self._ready.append(token)
        if self._sleepers:
            with self._wakeup:
                self._wakeup.notify()

    def _enqueue_first(self, token: _Token) -> None:
        self._ready.appendleft(token)
        if self._sleepers:
            with self._wakeup:
                self._wakeup.notify()

    def _adopt(self, task: Task[Any]) -> None:
        """Keeps a task alive until its end, and lets its group go then."""
        self._tasks.add(task)
        release = task._on_end

        def end() -> None:
            self._tasks.discard(task)
            if release is not None:
                release()

        task._on_end = end

    def _arm(self, timer: Timer) -> None:
        """Takes note of when a timer is due."""
        if timer._clock._is_set_from_outside:
            with self._lock:
                self._sim_timers.add(timer)
            if timer.is_ready():
                self._sim_timer_due()
            return
        # In monotonic time, so that timers of both real clocks can stand in one heap.
        due = time.monotonic_ns() + timer._next_ns - timer._clock._read()
        with self._lock:
            self._sim_timers.discard(timer)
            heapq.heappush(self._real_timers, (due, timer._sequence, timer._generation, timer))
            first = self._real_timers[0][3] is timer
        if first and self._sleepers:
            self.wake()

    def _sim_timer_due(self) -> None:
        self._sim_due = True
        if self._sleepers:
            self.wake()

    def _release_timers(self) -> int | None:
        """Queues all due timers, the earliest first; gives when the next real one is due (monotonic ns)."""
        if self._sim_due:
            self._sim_due = False
            with self._lock:
                due = [timer for timer in self._sim_timers if timer.is_ready() and not timer._queued]
                for timer in sorted(due, key=lambda entry: (entry._next_ns, entry._sequence)):
                    timer._queued = True
                    self._enqueue(timer)
        heap = self._real_timers
        if not heap:
            return None
        now = time.monotonic_ns()
        with self._lock:
            while heap:
                due_ns, _, generation, timer = heap[0]
                if generation != timer._generation or timer._executor is not self:
                    heapq.heappop(heap)
                elif due_ns <= now:
                    heapq.heappop(heap)
                    if timer.is_ready():
                        timer._queued = True
                        self._enqueue(timer)
                    else:
                        timer._arm()
                        if heap and heap[0][3] is timer:
                            return heap[0][0]
                else:
                    return due_ns
        return None

    def _pop(self) -> _Token | None:
        if self._sim_due or self._real_timers:
            self._release_timers()
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    def _next(self, timeout_sec: float | None, condition: Callable[[], bool] | None) -> _Token:
        """The next token, waiting for it.

        Raises:
            TimeoutException, ShutdownException, ExternalShutdownException, ConditionReachedException: none came.
        """
        deadline: float | None = None
        while True:
            next_ns = self._release_timers() if self._sim_due or self._real_timers else None
            if condition is not None and condition():
                raise ConditionReachedException()
            if not self._context._ok:
                raise ExternalShutdownException()
            if self._is_shutdown:
                raise ShutdownException()
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            wait: float | None = None
            if timeout_sec is not None and timeout_sec >= 0:
                now = time.monotonic()
                if deadline is None:
                    deadline = now + timeout_sec
                wait = deadline - now
                if wait <= 0:
                    raise TimeoutException()
            if next_ns is not None:
                until_timer = max((next_ns - time.monotonic_ns()) / 1e9, 0.0)
                wait = until_timer if wait is None else min(wait, until_timer)
            with self._wakeup:
                # Whoever adds work after this line sees the sleeper; what was added before it is seen here.
                self._sleepers += 1
                try:
                    if not (
                        self._ready
                        or self._sim_due
                        or self._is_shutdown
                        or not self._context._ok
                        or (condition is not None and condition())
                    ):
                        self._wakeup.wait(wait)
                finally:
                    self._sleepers -= 1

    def _run_next(self, timeout_sec: float | None, condition: Callable[[], bool] | None) -> None:
        """Runs one token that has something to run."""
        deadline = None if timeout_sec is None or timeout_sec < 0 else time.monotonic() + timeout_sec
        while True:
            token = self._next(timeout_sec, condition)
            if token._execute(self):
                return
            if deadline is not None:
                timeout_sec = max(deadline - time.monotonic(), 0.0)


class SingleThreadedExecutor(Executor):
    """Runs everything in the thread that spins."""


class MultiThreadedExecutor(Executor):
    """Runs callbacks in a pool of threads; callback groups say which may run at the same time."""

    def __init__(self, num_threads: int | None = None, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        if num_threads is None:
            affinity = getattr(os, "sched_getaffinity", None)
            num_threads = max(len(affinity(0)) if affinity is not None else os.cpu_count() or 1, 2)
        self._num_threads = num_threads
        from concurrent import futures  # noqa: PLC0415 (slow to import, and only for threads)

        self._pool = futures.ThreadPoolExecutor(num_threads, thread_name_prefix="rclpy")
        self._errors: deque[BaseException] = deque()
        self._running = 0
        self._idle = threading.Condition()

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        self._is_shutdown = True
        self.wake()
        with self._idle:
            ended = self._idle.wait_for(lambda: self._running == 0, timeout_sec) if wait_for_threads else True
        super().shutdown(timeout_sec)
        self._pool.shutdown(wait=wait_for_threads and ended)
        return ended

    def _run_next(self, timeout_sec: float | None, condition: Callable[[], bool] | None) -> None:
        self._raise_error()
        done = self._has_error if condition is None else lambda: self._has_error() or condition()
        try:
            token = self._next(timeout_sec, done)
        finally:
            self._raise_error()
        with self._idle:
            self._running += 1
        self._pool.submit(self._run_in_pool, token)

    def _run_in_pool(self, token: _Token) -> None:
        try:
            token._execute(self)
        except BaseException as error:
            # It is raised again in the thread that spins.
            self._errors.append(error)
            self.wake()
        finally:
            with self._idle:
                self._running -= 1
                if not self._running:
                    self._idle.notify_all()

    def _has_error(self) -> bool:
        return bool(self._errors)

    def _raise_error(self) -> None:
        if self._errors:
            raise self._errors.popleft()
