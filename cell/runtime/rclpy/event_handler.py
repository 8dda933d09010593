"""Events of publishers and subscriptions: what happened, how often, and the callbacks that hear of it.

The names are those of rclpy; the statuses are those of rmw (rmw/events_statuses).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from ._entity import NOTHING, Entity, next_sequence
from ._handle import Handle
from ._rclpy_errors import UnsupportedEventTypeError
from .logging import get_logger
from .qos import QoSPolicyKind, qos_policy_name_from_kind

if TYPE_CHECKING:
    from .callback_groups import CallbackGroup

__all__ = [
    "EventHandle",
    "EventHandler",
    "IncompatibleTypeInfo",
    "MatchedInfo",
    "PublisherEventCallbacks",
    "QoSEventHandler",
    "QoSLivelinessChangedInfo",
    "QoSLivelinessLostInfo",
    "QoSMessageLostInfo",
    "QoSOfferedDeadlineMissedInfo",
    "QoSOfferedIncompatibleQoSInfo",
    "QoSPublisherEventType",
    "QoSPublisherMatchedInfo",
    "QoSRequestedDeadlineMissedInfo",
    "QoSRequestedIncompatibleQoSInfo",
    "QoSSubscriptionEventType",
    "QoSSubscriptionMatchedInfo",
    "SubscriptionEventCallbacks",
    "UnsupportedEventTypeError",
]


class QoSPublisherEventType(IntEnum):
    RCL_PUBLISHER_OFFERED_DEADLINE_MISSED = 0
    RCL_PUBLISHER_LIVELINESS_LOST = 1
    RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS = 2
    RCL_PUBLISHER_INCOMPATIBLE_TYPE = 3
    RCL_PUBLISHER_MATCHED = 4


class QoSSubscriptionEventType(IntEnum):
    RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED = 0
    RCL_SUBSCRIPTION_LIVELINESS_CHANGED = 1
    RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS = 2
    RCL_SUBSCRIPTION_MESSAGE_LOST = 3
    RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE = 4
    RCL_SUBSCRIPTION_MATCHED = 5


class _Status:
    """Counters; each `..._change` counts since the status was last taken."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, **values: Any) -> None:
        for slot in _slots(self):
            setattr(self, slot, values.get(slot, 0))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, slot) == getattr(other, slot) for slot in _slots(self))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{slot}={getattr(self, slot)!r}' for slot in _slots(self))})"


class _Counted(_Status):
    __slots__ = ("total_count", "total_count_change")

    total_count: int
    total_count_change: int


class QoSRequestedDeadlineMissedInfo(_Counted):
    """No message came within the deadline that a subscription asks for."""

    __slots__ = ()


class QoSOfferedDeadlineMissedInfo(_Counted):
    """A publisher published nothing within the deadline that it offers."""

    __slots__ = ()


class QoSLivelinessLostInfo(_Counted):
    """A publisher did not show in time that it is alive."""

    __slots__ = ()


class QoSMessageLostInfo(_Counted):
    """Messages that a subscription was never given."""

    __slots__ = ()


class IncompatibleTypeInfo(_Counted):
    """Endpoints on the same topic that have another type."""

    __slots__ = ()


class QoSLivelinessChangedInfo(_Status):
    """How many publishers that a subscription matches are alive."""

    __slots__ = ("alive_count", "alive_count_change", "not_alive_count", "not_alive_count_change")

    alive_count: int
    alive_count_change: int
    not_alive_count: int
    not_alive_count_change: int


class QoSRequestedIncompatibleQoSInfo(_Status):
    """Endpoints that were not matched, and the policy that kept the last of them apart."""

    __slots__ = ("last_policy_kind", "total_count", "total_count_change")

    last_policy_kind: QoSPolicyKind
    total_count: int
    total_count_change: int

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"last_policy_kind": QoSPolicyKind.INVALID, **values})


QoSOfferedIncompatibleQoSInfo = QoSRequestedIncompatibleQoSInfo


class MatchedInfo(_Status):
    """Endpoints that were matched, ever and now."""

    __slots__ = ("current_count", "current_count_change", "total_count", "total_count_change")

    current_count: int
    current_count_change: int
    total_count: int
    total_count_change: int


QoSPublisherMatchedInfo = QoSSubscriptionMatchedInfo = MatchedInfo

EventCallback = Callable[[Any], Any]

_STATUSES: dict[type[IntEnum], dict[Any, type[_Status]]] = {
    QoSPublisherEventType: {
        QoSPublisherEventType.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED: QoSOfferedDeadlineMissedInfo,
        QoSPublisherEventType.RCL_PUBLISHER_LIVELINESS_LOST: QoSLivelinessLostInfo,
        QoSPublisherEventType.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS: QoSOfferedIncompatibleQoSInfo,
        QoSPublisherEventType.RCL_PUBLISHER_INCOMPATIBLE_TYPE: IncompatibleTypeInfo,
        QoSPublisherEventType.RCL_PUBLISHER_MATCHED: MatchedInfo,
    },
    QoSSubscriptionEventType: {
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED: QoSRequestedDeadlineMissedInfo,
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_LIVELINESS_CHANGED: QoSLivelinessChangedInfo,
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS: QoSRequestedIncompatibleQoSInfo,
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST: QoSMessageLostInfo,
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE: IncompatibleTypeInfo,
        QoSSubscriptionEventType.RCL_SUBSCRIPTION_MATCHED: MatchedInfo,
    },
}


class EventBoard:
    """The statuses of one publisher or subscription, and the handles that wait for a change of one."""

    def __init__(self, kinds: type[IntEnum]) -> None:
        self._kinds = kinds
        self._statuses: dict[IntEnum, _Status] = {}
        self._handles: dict[IntEnum, list[EventHandle]] = {}
        self._lock = threading.Lock()

    def add(self, event_type: IntEnum, **changes: Any) -> None:
        """Adds to counters (`total=1` to `total_count` and `total_count_change`), or sets `last_policy_kind`."""
        with self._lock:
            status = self._status(event_type)
            for name, change in changes.items():
                if name == "last_policy_kind":
                    setattr(status, name, change)
                    continue
                setattr(status, f"{name}_count", getattr(status, f"{name}_count") + change)
                setattr(status, f"{name}_count_change", getattr(status, f"{name}_count_change") + change)
            handles = list(self._handles.get(event_type, ()))
        for handle in handles:
            handle._changed()

    def count(self, event_type: IntEnum) -> None:
        """As `add(event_type, total=1)`, at every message if need be."""
        if event_type in self._handles:
            self.add(event_type, total=1)
            return
        with self._lock:
            status: Any = self._status(event_type)
            status.total_count += 1
            status.total_count_change += 1

    def take(self, event_type: IntEnum) -> _Status:
        """The status as it is; its changes count from zero again."""
        with self._lock:
            status = self._status(event_type)
            taken = type(status)(**{slot: getattr(status, slot) for slot in _slots(status)})
            for slot in _slots(status):
                if slot.endswith("_change"):
                    setattr(status, slot, 0)
        return taken

    def attach(self, handle: EventHandle, event_type: IntEnum) -> bool:
        """Gives whether something has happened already.

        Raises:
            UnsupportedEventTypeError: an event of the other kind of endpoint.
        """
        if type(event_type) is not self._kinds:
            raise UnsupportedEventTypeError(f"event {event_type!r} is none of this endpoint's")
        with self._lock:
            self._handles.setdefault(event_type, []).append(handle)
            status = self._statuses.get(event_type)
            return status is not None and any(
                getattr(status, slot) for slot in _slots(status) if slot.endswith("_change")
            )

    def detach(self, handle: EventHandle, event_type: IntEnum) -> None:
        with self._lock:
            handles = self._handles.get(event_type, [])
            if handle in handles:
                handles.remove(handle)

    def _status(self, event_type: IntEnum) -> _Status:
        status = self._statuses.get(event_type)
        if status is None:
            status = self._statuses[event_type] = _STATUSES[type(event_type)][event_type]()
        return status


def _slots(status: _Status) -> list[str]:
    return [slot for cls in type(status).__mro__ for slot in getattr(cls, "__slots__", ())]


class EventHandle(Handle):
    """The lower end of one kind of event of one publisher or subscription."""

    def __init__(self, parent: Any, event_type: IntEnum) -> None:
        """`parent` is the handle of a publisher or a subscription.

        Raises:
            UnsupportedEventTypeError: an event of the other kind of endpoint.
        """
        super().__init__(self._detach)
        self._board: EventBoard = parent._events
        self._event_type = event_type
        self._listener: Callable[[], None] | None = None
        self._callback: Callable[[int], Any] | None = None
        self._executor: Any = None
        self.ready = self._board.attach(self, event_type)

    def take_event(self) -> Any:
        """The status; empty where nothing has happened since it was taken."""
        self.ready = False
        return self._board.take(self._event_type)

    def set_on_new_event_callback(self, callback: Callable[[int], Any]) -> None:
        """Calls `callback(count)` for each event, in the thread that it happens in."""
        self._callback = callback
        if self.ready:
            callback(1)

    def clear_on_new_event_callback(self) -> None:
        self._callback = None

    @property
    def _entity(self) -> EventHandle:
        """A wait set waits for the handle itself."""
        return self

    def _join(self, executor: Any) -> None:
        self._executor = executor

    def _waiting(self) -> list[int]:
        return [1] if self.ready else []

    def _changed(self) -> None:
        self.ready = True
        executor = self._executor
        if executor is not None:
            executor._enqueue(self)
        if self._callback is not None:
            self._callback(1)
        if self._listener is not None:
            self._listener()

    def _detach(self) -> None:
        self._board.detach(self, self._event_type)


class EventHandler(Entity):
    """Runs a callback, on the node's executor, when a kind of event has happened."""

    def __init__(
        self, *, callback_group: CallbackGroup, callback: EventCallback, event_type: IntEnum, parent_impl: Any
    ) -> None:
        """`parent_impl` is the handle of the publisher or the subscription.

        Raises:
            UnsupportedEventTypeError: an event of the other kind of endpoint.
        """
        self.callback_group = callback_group
        self.callback = callback
        self.event_type = event_type
        self._sequence = 0
        self._event = EventHandle(parent_impl, event_type)
        callback_group.add_entity(self)
        self._event._listener = self._happened
        if self._event.ready:
            self._sequence = next_sequence()

    def destroy(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._executor = None
            self._event._listener = None
            self._event.destroy_when_not_in_use()

    def _happened(self) -> None:
        # One token until it is taken: the status counts what comes meanwhile.
        if not self._sequence:
            self._sequence = next_sequence()
            self._signal()

    def _waiting(self) -> list[int]:
        return [self._sequence] if self._sequence else []

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        if not self._sequence:
            return NOTHING  # type: ignore[no-any-return]
        self._sequence = 0
        return self.callback(self._event.take_event())  # type: ignore[no-any-return]


class QoSEventHandler(EventHandler):
    """The former name of `EventHandler`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        _warn_former_name()
        super().__init_subclass__(**kwargs)

    def __init__(self, **kwargs: Any) -> None:
        _warn_former_name()
        super().__init__(**kwargs)


def _warn_former_name() -> None:
    import warnings  # noqa: PLC0415 (only for old programs)

    warnings.warn("QoSEventHandler is deprecated, use EventHandler instead.", DeprecationWarning, stacklevel=3)


class SubscriptionEventCallbacks:
    """What a subscription calls: each callback takes the status of its event."""

    def __init__(
        self,
        *,
        deadline: EventCallback | None = None,
        incompatible_qos: EventCallback | None = None,
        liveliness: EventCallback | None = None,
        message_lost: EventCallback | None = None,
        incompatible_type: EventCallback | None = None,
        matched: EventCallback | None = None,
        use_default_callbacks: bool = True,
    ) -> None:
        """With `use_default_callbacks`, incompatible QoS and types are logged where no callback is given for them."""
        self.deadline = deadline
        self.incompatible_qos = incompatible_qos
        self.liveliness = liveliness
        self.message_lost = message_lost
        self.incompatible_type = incompatible_type
        self.matched = matched
        self.use_default_callbacks = use_default_callbacks

    def create_event_handlers(
        self, callback_group: CallbackGroup, subscription: Any, topic_name: str
    ) -> list[EventHandler]:
        """One handler for each callback; `subscription` is a handle."""
        kinds = QoSSubscriptionEventType
        incompatible_qos, incompatible_type = self.incompatible_qos, self.incompatible_type
        if self.use_default_callbacks:
            logger = get_logger(subscription.get_logger_name())
            incompatible_qos = incompatible_qos or (
                lambda status: logger.warn(
                    f"New publisher discovered on topic '{topic_name}', offering incompatible QoS. "
                    "No messages will be received from it. "
                    f"Last incompatible policy: {qos_policy_name_from_kind(status.last_policy_kind)}"
                )
            )
            incompatible_type = incompatible_type or (
                lambda _: logger.warn(
                    f"Incompatible type on topic '{topic_name}', no messages will be received from it."
                )
            )
        return _handlers(
            callback_group,
            subscription,
            (self.deadline, kinds.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED),
            (incompatible_qos, kinds.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS),
            (self.liveliness, kinds.RCL_SUBSCRIPTION_LIVELINESS_CHANGED),
            (self.message_lost, kinds.RCL_SUBSCRIPTION_MESSAGE_LOST),
            (incompatible_type, kinds.RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE),
            (self.matched, kinds.RCL_SUBSCRIPTION_MATCHED),
        )


class PublisherEventCallbacks:
    """What a publisher calls: each callback takes the status of its event."""

    def __init__(
        self,
        *,
        deadline: EventCallback | None = None,
        liveliness: EventCallback | None = None,
        incompatible_qos: EventCallback | None = None,
        incompatible_type: EventCallback | None = None,
        matched: EventCallback | None = None,
        use_default_callbacks: bool = True,
    ) -> None:
        """With `use_default_callbacks`, incompatible QoS and types are logged where no callback is given for them."""
        self.deadline = deadline
        self.liveliness = liveliness
        self.incompatible_qos = incompatible_qos
        self.incompatible_type = incompatible_type
        self.matched = matched
        self.use_default_callbacks = use_default_callbacks

    def create_event_handlers(
        self, callback_group: CallbackGroup, publisher: Any, topic_name: str
    ) -> list[EventHandler]:
        """One handler for each callback; `publisher` is a handle."""
        kinds = QoSPublisherEventType
        incompatible_qos, incompatible_type = self.incompatible_qos, self.incompatible_type
        if self.use_default_callbacks:
            logger = get_logger(publisher.get_logger_name())
            incompatible_qos = incompatible_qos or (
                lambda status: logger.warn(
                    f"New subscription discovered on topic '{topic_name}', requesting incompatible QoS. "
                    "No messages will be sent to it. "
                    f"Last incompatible policy: {qos_policy_name_from_kind(status.last_policy_kind)}"
                )
            )
            incompatible_type = incompatible_type or (
                lambda _: logger.warn(f"Incompatible type on topic '{topic_name}', no messages will be sent to it.")
            )
        return _handlers(
            callback_group,
            publisher,
            (self.deadline, kinds.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED),
            (self.liveliness, kinds.RCL_PUBLISHER_LIVELINESS_LOST),
            (incompatible_qos, kinds.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS),
            (incompatible_type, kinds.RCL_PUBLISHER_INCOMPATIBLE_TYPE),
            (self.matched, kinds.RCL_PUBLISHER_MATCHED),
        )


def _handlers(
    callback_group: CallbackGroup, parent: Any, *wanted: tuple[EventCallback | None, IntEnum]
) -> list[EventHandler]:
    return [
        EventHandler(callback_group=callback_group, callback=callback, event_type=event_type, parent_impl=parent)
        for callback, event_type in wanted
        if callback is not None
    ]
