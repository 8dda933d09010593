"""Where an action server's goals wait for their execution, and where their results expire."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .._entity import NOTHING, Entity, next_sequence
from ..callback_groups import CallbackGroup, ReentrantCallbackGroup
from ..constants import S_TO_NS
from ..timer import Timer

if TYPE_CHECKING:
    from ..clock import Clock
    from ..context import Context


class GoalExecutions(Entity):
    """Runs each started goal as a task of its own, outside of the server's callback group.

    Where no executor runs the node, goals wait for one.
    """

    def __init__(self) -> None:
        self.callback_group = ReentrantCallbackGroup()
        self.callback_group.add_entity(self)
        self._started: deque[tuple[Callable[[], Coroutine[Any, Any, None]], int]] = deque()

    def start(self, execution: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Takes a goal's coroutine function; from any thread."""
        self._started.append((execution, next_sequence()))
        executor = self._executor
        if executor is not None:
            # Before everything else that is ready, as tasks are in rclpy.
            executor._enqueue_first(self)

    def destroy(self) -> None:
        self._destroyed = True
        self._executor = None
        self._started.clear()

    def _waiting(self) -> list[int]:
        return [entry[1] for entry in list(self._started)]

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        try:
            execution, _ = self._started.popleft()
        except IndexError:
            return NOTHING  # type: ignore[no-any-return]
        return execution()


class ResultExpiry(Timer):
    """Calls `forget(key)` for each ended goal, a while after its end, in time of the node's clock."""

    def __init__(
        self,
        timeout_s: float,
        forget: Callable[[bytes], None],
        clock: Clock,
        callback_group: CallbackGroup,
        context: Context,
    ) -> None:
        """A negative `timeout_s` keeps results for ever."""
        self._timeout_ns = int(timeout_s * S_TO_NS)
        self._forget = forget
        self._ended: deque[tuple[int, bytes]] = deque()
        super().__init__(
            self._expire, callback_group, max(self._timeout_ns, 0), clock, context=context, autostart=False
        )

    def add(self, key: bytes) -> None:
        """Notes that a goal has ended now; `plan` follows."""
        if self._timeout_ns >= 0:
            self._ended.append((self._clock._read() + self._timeout_ns, key))

    def destroy(self) -> None:
        super().destroy()
        # An executor may keep an armed timer until it would have been due: not the whole server with it.
        self.callback = None
        self._forget = _nothing
        self._ended.clear()

    def _expire(self) -> None:
        now = self._clock._read()
        while self._ended and self._ended[0][0] <= now:
            self._forget(self._ended.popleft()[1])
        self.plan()

    def plan(self) -> None:
        """Lets the timer run until the next result expires, or stops it where there is none."""
        if self._destroyed:
            return
        self.cancel()
        if self._ended:
            self.timer_period_ns = max(self._ended[0][0] - self._clock._read(), 0)
            self.reset()


def _nothing(_: bytes) -> None:
    """Forgets nothing."""
