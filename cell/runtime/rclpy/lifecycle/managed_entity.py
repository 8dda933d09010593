"""What follows the transitions of a managed node."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, overload

from ._state_machine import TransitionCallbackReturn

if TYPE_CHECKING:
    from .node import LifecycleState

__all__ = ["ManagedEntity", "SimpleManagedEntity"]

Method = Callable[..., Any]


class ManagedEntity:
    """Is asked at each transition of its node; the default agrees to all of them."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Each of these gets the state that the node comes from."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS


class SimpleManagedEntity(ManagedEntity):
    """Is enabled while its node is active."""

    def __init__(self) -> None:
        self._enabled = False

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._enabled = False
        return TransitionCallbackReturn.SUCCESS

    @property
    def is_activated(self) -> bool:
        return self._enabled

    @overload
    @staticmethod
    def when_enabled(
        wrapped: None = None, *, when_not_enabled: Callable[..., Any] | None = None
    ) -> Callable[[Method], Method]: ...

    @overload
    @staticmethod
    def when_enabled(wrapped: Method, *, when_not_enabled: Callable[..., Any] | None = None) -> Method: ...

    @staticmethod
    def when_enabled(wrapped: Method | None = None, *, when_not_enabled: Callable[..., Any] | None = None) -> Any:
        """Decorates a method that works only while the entity is enabled.

        At other times `when_not_enabled()` is called instead, where it is given.
        """

        def decorate(method: Method) -> Method:
            @wraps(method)
            def only_when_enabled(self: SimpleManagedEntity, *args: Any, **kwargs: Any) -> Any:
                if self._enabled:
                    return method(self, *args, **kwargs)
                return when_not_enabled() if when_not_enabled is not None else None

            return only_when_enabled

        return decorate if wrapped is None else decorate(wrapped)
