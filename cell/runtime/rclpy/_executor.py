"""The base of all executors: nodes, tasks, spinning, and the lockstep surface."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from ._executor_errors import ConditionReachedException, ExternalShutdownException, ShutdownException, TimeoutException
from ._work_giving import WorkGiving
from ._work_queue import FOREVER_NS, Token, end_of_wait_ns
from .context import Context
from .future import Future
from .task import Task
from .utilities import get_default_context

if TYPE_CHECKING:
    from ._entity import Entity
    from .clock import Clock
    from .node import Node


class _Wake:
    """Wakes an executor that may be gone."""

    def __init__(self, executor: Executor) -> None:
        self._executor = weakref.ref(executor)

    def __call__(self) -> None:
        executor = self._executor()
        if executor is not None:
            executor.wake()


class Executor(WorkGiving):
    """The base of all executors. One of one's own overrides `spin_once` and takes work by `wait_for_ready_callbacks`.

    Beyond rclpy's surface it has what a simulator needs to run a graph in lockstep, on one thread:
    `spin_until_idle`, `next_timer_ns` and `has_ready`.
    """

    _heeds_groups = True

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__(context if context is not None else get_default_context())
        self._nodes: list[Node] = []
        self._tasks: set[Task[Any]] = set()
        # The thread that spins, 0 while none does.
        self._spinner = 0
        self._idle = threading.Condition()
        # Weakly: a context lives longer than many an executor that nobody shuts down.
        self._forget_shutdown = self._context._on_shutdown_call(_Wake(self))

    def __del__(self) -> None:
        forget = getattr(self, "_forget_shutdown", None)
        if forget is not None:
            forget()

    # Nodes and tasks

    @property
    def context(self) -> Context:
        return self._context

    @property
    def is_spinning(self) -> bool:
        return self._spinner != 0

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
        node._rcl_join_executor(self)
        waiting: list[tuple[int, Entity]] = []
        for entity in node._rcl_entities():
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
        node._rcl_join_executor(None)
        gone = set(map(id, node._rcl_entities()))
        # One by one: other threads may add tokens meanwhile.
        for _ in range(len(self._ready)):
            try:
                token = self._ready.popleft()
            except IndexError:
                break
            if id(token) not in gone:
                self._ready.append(token)
        with self._lock:
            self._sim_timers = {timer for timer in self._sim_timers if id(timer) not in gone}
        self.wake()

    def _node_destroyed(self, node: Node) -> None:
        """The node is gone, with its entities."""
        self.remove_node(node)

    def get_nodes(self) -> list[Node]:
        with self._lock:
            return list(self._nodes)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Ends the executor, and waits until what runs has ended; gives whether it has.

        None and negative mean no limit. From within a callback it does not wait for that callback.
        """
        self._is_shutdown = True
        self._forget_shutdown()
        self.wake()
        with self._idle:
            limit_s = None if timeout_sec is None or timeout_sec < 0 else timeout_sec
            ended = self._idle.wait_for(self._is_idle, limit_s)
        for node in self.get_nodes():
            self.remove_node(node)
        for task in list(self._tasks):
            # Nobody will run the rest of it; its `finally` blocks do, and its callback group is free again.
            task.cancel()
        self._tasks.clear()
        self._ready.clear()
        return ended

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()

    # Spinning

    def spin(self) -> None:
        """Runs callbacks until the executor or its context is shut down.

        Raises:
            ExternalShutdownException: the context was shut down while the executor waited.
            RuntimeError: it spins already.
        """
        if type(self).spin_once is not Executor.spin_once:
            while self._context.ok() and not self._is_shutdown:
                self.spin_once()
            return
        self._enter_spin()
        try:
            self._run_until(None, FOREVER_NS, once=False)
        except ShutdownException:
            return
        finally:
            self._exit_spin()

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Runs one piece of work, waiting for it at most `timeout_sec` (None or negative: without limit)."""
        self._enter_spin()
        try:
            self._run_until(None, end_of_wait_ns(timeout_sec), once=True)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        finally:
            self._exit_spin()

    def spin_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Runs callbacks until the future is done or cancelled, at most `timeout_sec`."""
        deadline_ns = end_of_wait_ns(timeout_sec)
        if type(self).spin_once_until_future_complete is not Executor.spin_once_until_future_complete:
            while self._context.ok() and not _ended(future) and not self._is_shutdown:
                left_ns = deadline_ns - monotonic_ns()
                self.spin_once_until_future_complete(future, None if deadline_ns == FOREVER_NS else left_ns / 1e9)
                if left_ns <= 0:
                    return
            return
        self._spin_for(future, deadline_ns, once=False)

    def spin_once_until_future_complete(self, future: Future[Any], timeout_sec: float | None = None) -> None:
        """Runs one piece of work, or returns once the future is done."""
        self._spin_for(future, end_of_wait_ns(timeout_sec), once=True)

    def _spin_for(self, future: Future[Any], deadline_ns: int, *, once: bool) -> None:
        self._enter_spin()
        awaited = isinstance(future, Future)
        if awaited:
            # Not as a done callback: those run as tasks of an executor, and count as work.
            future._wake_when_done(self)
        else:
            future.add_done_callback(lambda _: self.wake())
        try:
            self._run_until(future._ended if awaited else future.done, deadline_ns, once=once)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        finally:
            if awaited:
                future._forget_waiter(self)
            self._exit_spin()

    def _run_until(self, condition: Callable[[], bool] | None, deadline_ns: int, *, once: bool) -> None:
        """Runs until the condition holds, the time is over (checked after each piece of work) or all is shut down."""
        context = self._context
        while context._ok and not self._is_shutdown and not (condition is not None and condition()):
            ran = self._next(deadline_ns, condition)._execute(self)
            if once:
                if ran:
                    return
            elif deadline_ns != FOREVER_NS and monotonic_ns() >= deadline_ns:
                return

    def _enter_spin(self) -> None:
        with self._idle:
            if self._spinner:
                raise RuntimeError("Executor is already spinning")
            self._spinner = threading.get_ident()

    def _exit_spin(self) -> None:
        self._spinner = 0
        if self._is_shutdown:
            self._tell_idle()

    def _tell_idle(self) -> None:
        with self._idle:
            self._idle.notify_all()

    def _is_idle(self) -> bool:
        return self._spinner in (0, threading.get_ident())

    def _resume(self) -> None:
        """A future that this executor spins for has ended."""
        self.wake()

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
        if self._ready and self._slots:
            self._rouse()
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
                for timer in node.timers
                if not timer._canceled
                and (timer._clock is clock if clock is not None else timer._clock.clock_type is ClockType.ROS_TIME)
            ]
        return min(due, default=None)

    # Inside

    def _start(self, entity: Entity, coroutine: Coroutine[Any, Any, Any], on_end: Callable[[], None]) -> bool:
        """Begins what an `async def` callback gave; `on_end()` follows its end."""
        task: Task[Any] = Task(coroutine, executor=self)
        task._on_end = on_end
        self._adopt(task)
        return task._execute(self)

    def _adopt(self, task: Task[Any]) -> None:
        """Keeps a task alive until its end, and lets its group go then."""
        self._tasks.add(task)
        release = task._on_end

        def end() -> None:
            self._tasks.discard(task)
            if release is not None:
                release()

        task._on_end = end

    def _next(self, deadline_ns: int, condition: Callable[[], bool] | None) -> Token:
        """The next token, waiting for it.

        Raises:
            TimeoutException, ShutdownException, ExternalShutdownException, ConditionReachedException: none came.
        """
        heap = self._real_timers
        while True:
            if self._sim_due or (heap and heap[0][0] <= monotonic_ns()):
                # Who wakes late runs nothing that became due after his time was over.
                self._release_timers(deadline_ns)
            if condition is not None and condition():
                raise ConditionReachedException()
            if self._is_shutdown:
                raise ShutdownException()
            if not self._context._ok:
                raise ExternalShutdownException()
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            if deadline_ns != FOREVER_NS and monotonic_ns() >= deadline_ns:
                raise TimeoutException()
            self._sleep(deadline_ns, condition)


def _ended(future: Any) -> bool:
    return bool(future.done() or future.cancelled())
