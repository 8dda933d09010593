"""Runs a node's work on asyncio's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from .._executor import Executor
from .._work_queue import FOREVER_NS, Token

if TYPE_CHECKING:
    from .._entity import Entity
    from ..context import Context
    from ..timer import Timer


class LoopExecutor(Executor):
    """An executor without a thread: work that comes lets the loop run what is ready.

    Coroutines of callbacks are tasks of asyncio, in the node's task group.
    """

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop, tasks: asyncio.TaskGroup) -> None:
        super().__init__(context=context)
        self._loop = loop
        self._group = tasks
        self._thread = threading.get_ident()
        self._called = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ns = FOREVER_NS
        self._running: set[asyncio.Task[Any]] = set()

    def _enqueue(self, token: Token) -> None:
        self._ready.append(token)
        self._call()

    def _enqueue_first(self, token: Token) -> None:
        self._ready.appendleft(token)
        self._call()

    def _sim_timer_due(self) -> None:
        self._sim_due = True
        self._call()

    def _arm(self, timer: Timer, left_ns: int) -> None:
        super()._arm(timer, left_ns)
        if self._next_timer_due_ns() < self._alarm_ns:
            self._call()

    def _call(self) -> None:
        """Lets the loop run `_drain` soon, once."""
        if self._called or self._is_shutdown:
            return
        self._called = True
        if threading.get_ident() == self._thread:
            self._loop.call_soon(self._drain)
            return
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:
            # The loop is closed: nobody will run anything any more.
            self._called = False

    def _drain(self) -> None:
        """Runs what is ready now; what that brings follows in the loop's next turn, beside its other work."""
        self._called = False
        self._release_timers()
        for _ in range(len(self._ready)):
            if self._is_shutdown or not self._ready:
                break
            token = self._ready.popleft()
            try:
                token._execute(self)
            except Exception as error:
                # It ends the node, as the error of a task does.
                self._group.create_task(_fail(error))
        if self._ready:
            self._call()
        self._set_alarm()

    def _set_alarm(self) -> None:
        due_ns = self._next_timer_due_ns()
        if self._alarm is not None:
            if due_ns == self._alarm_ns:
                return
            self._alarm.cancel()
        self._alarm, self._alarm_ns = None, due_ns
        if due_ns != FOREVER_NS and not self._is_shutdown:
            self._alarm = self._loop.call_later(max(due_ns - monotonic_ns(), 0) / 1e9, self._ring)

    def _ring(self) -> None:
        self._alarm, self._alarm_ns = None, FOREVER_NS
        self._drain()

    def _start(self, entity: Entity, coroutine: Coroutine[Any, Any, Any], on_end: Callable[[], None]) -> bool:
        task = self._group.create_task(coroutine)
        self._running.add(task)

        def end(task: asyncio.Task[Any]) -> None:
            self._running.discard(task)
            on_end()

        task.add_done_callback(end)
        return True

    def end(self) -> None:
        """Lets the node go, and cancels its callbacks."""
        for node in self.get_nodes():
            self.remove_node(node)
        self.shutdown(timeout_sec=0)
        if self._alarm is not None:
            self._alarm.cancel()
        for task in list(self._running):
            task.cancel()


async def _fail(error: Exception) -> None:
    raise error
