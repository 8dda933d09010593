"""A condition that a program triggers itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ._entity import Entity, next_sequence
from ._handle import Handle

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup
    from .context import Context

__all__ = ["GuardCondition"]


class _GuardConditionHandle(Handle):
    """The lower end of a guard condition."""

    def __init__(self, guard: GuardCondition) -> None:
        super().__init__(guard._end)
        self._entity = guard

    def trigger_guard_condition(self) -> None:
        self._entity.trigger()


class GuardCondition(Entity):
    """Runs its callback after `trigger`; triggers that come before it runs count as one."""

    def __init__(
        self,
        callback: Callable[[], Any] | None,
        callback_group: CallbackGroup | None,
        context: Context | None = None,
    ) -> None:
        from .callback_groups import ReentrantCallbackGroup  # noqa: PLC0415 (only a bare condition needs it)

        self.callback = callback
        self.callback_group = callback_group if callback_group is not None else ReentrantCallbackGroup()
        self.callback_group.add_entity(self)
        self._handle = _GuardConditionHandle(self)
        self._triggered = 0

    @property
    def handle(self) -> _GuardConditionHandle:
        """Within `with guard.handle:` the condition stays; after `destroy` that raises InvalidHandle."""
        return self._handle

    def trigger(self) -> None:
        """May be called from any thread.

        Raises:
            InvalidHandle: the condition was destroyed.
        """
        self._check_alive()
        if not self._triggered:
            self._triggered = next_sequence()
            self._signal()

    def destroy(self) -> None:
        self._handle.destroy_when_not_in_use()

    def __enter__(self) -> GuardCondition:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def _end(self) -> None:
        self._destroyed = True
        self._executor = None

    def _waiting(self) -> list[int]:
        return [self._triggered] if self._triggered else []

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        self._triggered = 0
        return self.callback() if self.callback is not None else None
