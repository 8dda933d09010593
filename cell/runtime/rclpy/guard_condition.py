"""A condition that a program triggers itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ._entity import Entity, next_sequence

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup
    from .context import Context

__all__ = ["GuardCondition"]


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
        self._triggered = 0

    def trigger(self) -> None:
        """May be called from any thread."""
        self._check_alive()
        if not self._triggered:
            self._triggered = next_sequence()
            self._signal()

    def destroy(self) -> None:
        self._destroyed = True
        self._executor = None

    def _waiting(self) -> list[int]:
        return [self._triggered] if self._triggered else []

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        self._triggered = 0
        return self.callback() if self.callback is not None else None
