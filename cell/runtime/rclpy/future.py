"""Futures: results that are not there yet."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from .executors import Executor
    from .task import Task

__all__ = ["Future"]

T = TypeVar("T")

PENDING, CANCELLED, FINISHED = range(3)


def _nobody() -> None:
    """Stands for the executor of a future that has none."""


class Future(Generic[T]):
    """A result that is not there yet. `await` it in a coroutine that an executor runs.

    Its done callbacks run on its executor, which it refers to weakly, or at once where it has none.
    """

    def __init__(self, *, executor: Executor | None = None) -> None:
        self._state = PENDING
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._exception_fetched = False
        self._callbacks: list[Callable[[Any], Any]] = []
        self._waiters: list[Task[Any] | Executor] = []
        self._lock = threading.Lock()
        self._executor: Callable[[], Executor | None] = _nobody if executor is None else weakref.ref(executor)

    def __del__(self) -> None:
        if getattr(self, "_exception", None) is not None and not self._exception_fetched:
            print(f"The following exception was never retrieved: {self._exception}", file=sys.stderr)  # noqa: T201

    def __await__(self) -> Generator[Any, None, T | None]:
        while self._state == PENDING:
            yield self
        return self.result()

    def cancel(self) -> None:
        """Ends the future without a result; nothing happens where it has ended."""
        with self._lock:
            if self._state != PENDING:
                return
            self._state = CANCELLED
        self._finish()

    def cancelled(self) -> bool:
        return self._state == CANCELLED

    def done(self) -> bool:
        """True with a result or an exception; a cancelled future is not done (as in rclpy)."""
        return self._state == FINISHED

    def result(self) -> T | None:
        """The result, None where there is none.

        Raises:
            BaseException: the exception that the future ended with.
        """
        if self._exception is not None:
            self._exception_fetched = True
            raise self._exception
        return self._result

    def exception(self) -> BaseException | None:
        """The exception that the future ended with, or None."""
        self._exception_fetched = True
        return self._exception

    def set_result(self, result: T) -> None:
        with self._lock:
            self._result = result
            self._state = FINISHED
        self._finish()

    def set_exception(self, exception: BaseException) -> None:
        with self._lock:
            self._exception = exception
            self._exception_fetched = False
            self._state = FINISHED
        self._finish()

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Calls `callback(future)` when the future ends, cancelled or not; soon where it has ended."""
        with self._lock:
            if self._state == PENDING:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def remove_done_callback(self, callback: Callable[[Future[T]], Any]) -> bool:
        """Removes every entry of the callback; gives whether there was one."""
        with self._lock:
            before = len(self._callbacks)
            self._callbacks = [entry for entry in self._callbacks if entry != callback]
            return len(self._callbacks) != before

    def _set_executor(self, executor: Executor | None) -> None:
        self._executor = _nobody if executor is None else weakref.ref(executor)

    def _ended(self) -> bool:
        """Done or cancelled."""
        return self._state != PENDING

    def _finish(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter._resume()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Future[T]], Any]) -> None:
        executor = self._executor()
        # Nobody would run a task of an executor that has ended.
        if executor is not None and not getattr(executor, "_is_shutdown", False):
            executor.create_task(callback, self)
            return
        try:
            callback(self)
        except Exception as error:
            # As in rclpy: whoever sets a result must not be hit by somebody else's callback.
            print(f"Unhandled exception in done callback: {error}", file=sys.stderr)  # noqa: T201

    def _wake_when_done(self, waiter: Task[Any] | Executor) -> bool:
        """Registers a task that awaits this future, or an executor that spins for it; False where it has ended."""
        with self._lock:
            if self._state != PENDING:
                return False
            self._waiters.append(waiter)
            return True

    def _forget_waiter(self, waiter: Task[Any] | Executor) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
