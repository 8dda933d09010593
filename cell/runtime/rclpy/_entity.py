"""What an executor runs: the common part of subscriptions, services, clients, timers and guard conditions."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import count
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from .callback_groups import ReentrantCallbackGroup
from .exceptions import InvalidHandle

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup
    from .executors import Executor

# The order of arrival of all work in this process: what makes `spin_until_idle` deterministic.
next_sequence = count(1).__next__

# What `_dispatch` gives where there was nothing to run (a token may outlive its work).
NOTHING: Any = object()

_anybody = ReentrantCallbackGroup()


class Entity:
    """Waits for work; each piece of work gives the executor one token, which is the entity itself."""

    callback_group: CallbackGroup
    _executor: Executor | None = None
    _destroyed = False

    def _waiting(self) -> list[int]:
        """The sequence numbers of the work that waits, for an executor that the entity joins."""
        return []

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        """Takes one piece of work and runs its callback; gives the coroutine of an `async def` callback, or NOTHING."""
        raise TypeError(f"{type(self).__name__} has nothing to run")

    def _execute(self, executor: Executor) -> bool:
        """Runs one token; False if it was stale, or waits for its callback group."""
        if self._executor is not executor:
            return False
        group = self.callback_group if executor._heeds_groups else _anybody
        if not group._claim(self):
            return False
        try:
            rest = self._dispatch()
        except BaseException:
            group._release(self)
            raise
        if type(rest) is not CoroutineType:
            group._release(self)
            return rest is not NOTHING
        return executor._start(self, rest, lambda: group._release(self))

    def _signal(self) -> None:
        """Gives the executor a token."""
        executor = self._executor
        if executor is not None:
            executor._enqueue(self)

    def _join(self, executor: Executor | None) -> None:
        """The node has joined or left an executor."""
        self._executor = executor

    def _check_alive(self) -> None:
        if self._destroyed:
            raise InvalidHandle(f"cannot use a destroyed {type(self).__name__}")
