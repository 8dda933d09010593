"""A condition that signals trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import signals
from .guard_condition import GuardCondition

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup
    from .context import Context

__all__ = ["SignalHandlerGuardCondition"]


class SignalHandlerGuardCondition(GuardCondition):
    """Triggered by every signal that is handled, before the contexts are shut down."""

    def __init__(self, context: Context | None = None, callback_group: CallbackGroup | None = None) -> None:
        super().__init__(callback=None, callback_group=callback_group, context=context)
        signals._guards.append(self)

    def _end(self) -> None:
        if self in signals._guards:
            signals._guards.remove(self)
        super()._end()
