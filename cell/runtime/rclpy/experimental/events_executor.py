"""The executor that is driven by events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .._executor import Executor

__all__ = ["EventsExecutor"]


class EventsExecutor(Executor):
    """Runs what arrives in the thread that spins, and heeds no callback groups.

    All our executors are driven by events. As the original one's, this one's coroutines do not hold their callback
    group while they wait, and work is not given out by `wait_for_ready_callbacks`.
    """

    _heeds_groups = False

    def _run_until(self, condition: Callable[[], bool] | None, deadline_ns: int, *, once: bool) -> None:
        super()._run_until(condition, deadline_ns, once=once)
        if once or self._is_shutdown or not self._context._ok:
            return
        # What is ready when the time is over runs as well, as with the original.
        for _ in range(len(self._ready)):
            token = None if condition is not None and condition() else self._pop()
            if token is None:
                return
            token._execute(self)

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("EventsExecutor gives no work out")
