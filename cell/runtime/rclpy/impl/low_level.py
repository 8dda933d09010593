"""Entities below nodes: parts of waitables, made from handles, without a callback, and gone with their last reference.

Their names and arguments are those of rclpy's C layer, as `Waitable`s written for it use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..callback_groups import ReentrantCallbackGroup
from ..client import Client
from ..guard_condition import GuardCondition
from ..qos import QoSProfile
from ..service import Service
from ..subscription import Subscription
from ..timer import Timer

if TYPE_CHECKING:
    from .._node_handle import NodeHandle
    from ..clock import Clock

__all__ = ["client", "guard_condition", "service", "subscription", "timer"]


class _Part:
    """Holds an entity and shows its handle; ends the entity when it is let go."""

    def __init__(self, entity: Any) -> None:
        self._entity = entity
        self._handle = entity.handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def __enter__(self) -> Any:
        self._handle.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._handle.__exit__(*exc_info)

    def __del__(self) -> None:
        # A constructor that raised leaves no handle.
        handle = self.__dict__.get("_handle")
        if handle is not None:
            handle.destroy_when_not_in_use()


class _ClientPart(_Part):
    """The lower end of a client: requests and responses without futures."""

    def send_request(self, request: Any) -> int:
        """Sends a request; gives its number."""
        return self._entity.call_async(request)._number  # type: ignore[no-any-return]

    def take_response(self, response_type: type[Any]) -> tuple[Any, Any]:
        """The number of a request and its response, or `(None, None)` where none waits."""
        client = self._entity
        futures = dict(client._pending)
        client._dispatch()
        for number, future in futures.items():
            if future.done():
                return number, future.result()
        return None, None


class _TimerPart(_Part):
    """The lower end of a timer."""

    def __init__(self, entity: Timer) -> None:
        super().__init__(entity)

    def is_timer_ready(self) -> bool:
        return bool(self._entity.is_ready())

    def call_timer(self) -> None:
        """Takes the call that is due."""
        self._entity._dispatch()

    def cancel_timer(self) -> None:
        self._entity.cancel()

    def reset_timer(self) -> None:
        self._entity.reset()

    def time_until_next_call(self) -> int | None:
        """Nanoseconds; None for a cancelled timer."""
        return self._entity.time_until_next_call()  # type: ignore[no-any-return]


def _ignore(*arguments: object) -> None:
    """The callback of a part: what it has is taken by its handle."""


def _profile(given: Any) -> QoSProfile:
    return given if isinstance(given, QoSProfile) else QoSProfile(**given.to_dict())


def subscription(node_handle: NodeHandle, msg_type: type[Any], topic: str, qos_profile: Any) -> _Part:
    node = node_handle._node
    endpoint = node._rcl_endpoint("subscription", node._rcl_topic(msg_type, topic), msg_type, _profile(qos_profile))
    return _Part(Subscription(node._rcl_bus, endpoint, topic, _ignore, ReentrantCallbackGroup()))


def client(node_handle: NodeHandle, srv_type: type[Any], srv_name: str, qos_profile: Any) -> _ClientPart:
    node = node_handle._node
    endpoint = node._rcl_endpoint("client", node._rcl_service(srv_type, srv_name), srv_type, _profile(qos_profile))
    return _ClientPart(Client(node._rcl_bus, endpoint, node.context, srv_name, ReentrantCallbackGroup()))


def service(node_handle: NodeHandle, srv_type: type[Any], srv_name: str, qos_profile: Any) -> _Part:
    node = node_handle._node
    endpoint = node._rcl_endpoint("service", node._rcl_service(srv_type, srv_name), srv_type, _profile(qos_profile))
    return _Part(Service(node._rcl_bus, endpoint, srv_name, _ignore, ReentrantCallbackGroup()))


def timer(clock: Clock, context_handle: Any, period_nsec: int, autostart: bool = True) -> _TimerPart:
    """`clock` may be a clock or its handle."""
    own = getattr(clock, "_entity", clock)
    context = getattr(context_handle, "_context", None)
    return _TimerPart(Timer(_ignore, None, period_nsec, own, context=context, autostart=autostart))


def guard_condition(context_handle: Any) -> _Part:
    return _Part(GuardCondition(None, None, context=getattr(context_handle, "_context", None)))
