"""Tasks: functions and coroutines that an executor runs step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from .future import PENDING, Future

if TYPE_CHECKING:
    from .executors import Executor

__all__ = ["Future", "Task"]

T = TypeVar("T")


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
        if self._state != PENDING or not self._step_lock.acquire(blocking=False):
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
        if self._state != PENDING:
            return
        if self._is_coroutine and not self._executing:
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
                if self._state != PENDING:
                    # Cancelled by its own step.
                    self._handler.close()
                else:
                    self._wait_for(awaited)
                return
        except StopIteration as stop:
            self._end()
            self.set_result(stop.value)
        except Exception as error:
            self._end()
            self.set_exception(error)
        except BaseException:
            # A signal's exception ends the task, and is for whoever spins.
            self._end()
            Future.cancel(self)
            raise
        else:
            self._end()
            self.set_result(result)

    def _wait_for(self, awaited: Any) -> None:
        """Goes on when what the coroutine yielded is done: a future, one of asyncio's, or None for the next spin."""
        if isinstance(awaited, Future):
            if awaited._wake_when_done(self):
                return
        elif getattr(awaited, "_asyncio_future_blocking", False):
            # What asyncio's own tasks do with a future that they get: its loop tells when it is done.
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(lambda _: self._resume())
            return
        self._resume()

    def _resume(self) -> None:
        """What the task waited for is there: it is ready again."""
        executor = self._executor()
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
        if self._state != PENDING:
            return False
        self()
        if self._exception is not None and not self._exception_fetched:
            self._exception_fetched = True
            raise self._exception
        return True
