"""The executor that is driven by events."""

from __future__ import annotations

from typing import Any, NoReturn

from .._executor import Executor

__all__ = ["EventsExecutor"]


class EventsExecutor(Executor):
    """Runs what arrives in the thread that spins, and heeds no callback groups.

    All our executors are driven by events. As the original one's, this one's coroutines do not hold their callback
    group while they wait, and work is not given out by `wait_for_ready_callbacks`.
    """

    _heeds_groups = False

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("EventsExecutor gives no work out")
