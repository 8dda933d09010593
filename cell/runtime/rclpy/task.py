"""Futures, and tasks that run coroutines step by step on an executor."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from .executors import Executor

__all__ = ["Future", "Task"]

T = TypeVar("T")

_PENDING, _CANCELLED, _FINISHED = range(3)


class Future(Generic[T]):
    """A result that is not there yet. `await` it in a coroutine that an executor runs."""

    def __init__(self, *, executor: Executor | None = None) -> None:
        self._state = _PENDING
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._exception_fetched = False
        self._callbacks: list[Callable[[Any], Any]] = []
        self._waiters: list[Task[Any]] = []
        self._lock = threading.Lock()
        self._executor = executor

    def __del__(self) -> None:
        if getattr(self, "_exception", None) is not None and not self._exception_fetched:
            print(f"The following exception was never retrieved: {self._exception}", file=sys.stderr)  # noqa: T201

    def __await__(self) -> Generator[Any, None, T | None]:
        while self._state == _PENDING:
            yield self
        return self.result()

    def cancel(self) -> None:
        """Ends the future without a result; nothing happens where it is done."""
        with self._lock:
            if self._state != _PENDING:
                return
            self._state = _CANCELLED
        self._finish()

    def cancelled(self) -> bool:
        return self._state == _CANCELLED

    def done(self) -> bool:
        """True with a result, with an exception, and after `cancel`."""
        return self._state != _PENDING

    def result(self) -> T | None:
        """The result, None where there is none yet.

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
            self._state = _FINISHED
        self._finish()

    def set_exception(self, exception: BaseException) -> None:
        with self._lock:
            self._exception = exception
            self._exception_fetched = False
            self._state = _FINISHED
        self._finish()

    def add_done_callback(self, callback: Callable[[Future[T]], Any]) -> None:
        """Calls `callback(future)` once done: at once where it is done, on the executor where the future has one."""
        with self._lock:
            if self._state == _PENDING:
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
        self._executor = executor

    def _finish(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter._resume()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Future[T]], Any]) -> None:
        executor = self._executor
        if executor is not None and not executor._is_shutdown:
            executor.create_task(callback, self)
            return
        try:
            callback(self)
        except Exception as error:
            # As in rclpy: whoever sets a result must not be hit by somebody else's callback.
            print(f"Unhandled exception in done callback: {error}", file=sys.stderr)  # noqa: T201

    def _wake_when_done(self, task: Task[Any]) -> bool:
        """Registers a task that awaits this future; False where it is done already."""
        with self._lock:
            if self._state != _PENDING:
                return False
            self._waiters.append(task)
            return True


class Task(Future[T]):
    """A function or coroutine that an executor runs; a coroutine goes on when what it awaits is done."""

    def __init__(
        self,
        handler: Callable[..., Any] | Coroutine[Any, Any, T],
        args: tuple[Any, ...] | list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(executor=executor)
        self._args = tuple(args or ())
        self._kwargs = kwargs or {}
        self._handler: Any = handler
        self._is_coroutine = type(handler) is CoroutineType
        self._executing = False
        self._step_lock = threading.Lock()
        self._on_end: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Runs a function to its end, or a coroutine to its next await."""
        if self._state != _PENDING or not self._step_lock.acquire(blocking=False):
            return
        try:
            self._executing = True
            self._step()
        finally:
            self._executing = False
            self._step_lock.release()

    def executing(self) -> bool:
        return self._executing

    def cancel(self) -> None:
        """Ends the task; its coroutine is closed, so that its `finally` blocks run."""
        if self._is_coroutine and self._state == _PENDING and not self._executing:
            self._handler.close()
        super().cancel()
        self._end()

    def _step(self) -> None:
        try:
            result: Any = None
            if not self._is_coroutine:
                result = self._handler(*self._args, **self._kwargs)
                if type(result) is CoroutineType:
                    self._handler, self._is_coroutine = result, True
            if self._is_coroutine:
                awaited = self._handler.send(None)
                if not (isinstance(awaited, Future) and awaited._wake_when_done(self)):
                    self._resume()
                return
        except StopIteration as stop:
            self._end()
            self.set_result(stop.value)
        except Exception as error:
            self._end()
            self.set_exception(error)
        else:
            self._end()
            self.set_result(result)

    def _resume(self) -> None:
        """What the task waited for is there: it is ready again."""
        executor = self._executor
        if executor is not None:
            executor._enqueue(self)

    def _end(self) -> None:
        # The arguments may hold large messages; a future may be kept for long.
        self._args, self._kwargs = (), {}
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end()

    def _execute(self, executor: Executor) -> bool:
        """One step, for the executor; raises what the step raised."""
        if self._state != _PENDING:
            return False
        self()
        if self._exception is not None and not self._exception_fetched:
            self._exception_fetched = True
            raise self._exception
        return True
