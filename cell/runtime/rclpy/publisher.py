"""Publishers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cell.runtime.message_copies import checks_mutation, fingerprints, require_unchanged
from cell.runtime.transport import Endpoint, Writer

from ._qos_watch import Monitor, watched_ns
from ._rclpy_errors import RCLError
from ._topic_handles import PublisherHandle
from .callback_groups import ReentrantCallbackGroup
from .event_handler import EventBoard, EventHandler, PublisherEventCallbacks, QoSPublisherEventType
from .exceptions import InvalidHandle
from .qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    ReliabilityPolicy,
    mismatch,
    settled_profile,
)

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .callback_groups import CallbackGroup
    from .duration import Duration

__all__ = ["MsgT", "Publisher"]

MsgT = TypeVar("MsgT")

_KINDS = QoSPublisherEventType
# What the transports' clocks can still add to.
_FOREVER_NS = 2**62


class Publisher(Generic[MsgT]):
    """Publishes messages on a topic. What is published stays as it is, whatever happens to the message afterwards."""

    def __init__(
        self,
        bus: Bus,
        endpoint: Endpoint,
        topic: str,
        *,
        event_callbacks: PublisherEventCallbacks | None = None,
        callback_group: CallbackGroup | None = None,
    ) -> None:
        """Made by `Node.create_publisher`; `topic` is as the program gave it, `endpoint` holds the full name."""
        self.msg_type: type[MsgT] = endpoint.interface
        self.qos_profile = endpoint.qos
        self.topic = topic
        self._bus = bus
        self._endpoint = endpoint
        self._events = EventBoard(QoSPublisherEventType)
        self._destroyed = False
        self._handle = PublisherHandle(self)
        peers = bus.peers(endpoint)
        endpoint.qos = qos = settled_profile(endpoint.qos, [peer.qos for peer in peers], publisher=True)
        retain: int | None = None
        if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL:
            retain = 0 if qos.history == HistoryPolicy.KEEP_ALL else max(1, qos.depth)
        self._writer = Writer(endpoint, retain)
        self._deadline: Monitor | None = None
        self._lease: Monitor | None = None
        self._stamps = endpoint.lifespan_ns > 0
        self._start_monitors()
        # Whatever happens at each message beside delivering it.
        self._is_watched = self._deadline is not None or self._lease is not None
        self._checked: tuple[Any, dict[str, int]] | None = None
        self._checks = checks_mutation()
        callbacks = event_callbacks if event_callbacks is not None else PublisherEventCallbacks()
        self.event_handlers: list[EventHandler] = callbacks.create_event_handlers(
            callback_group if callback_group is not None else ReentrantCallbackGroup(), self._handle, topic
        )
        endpoint.observer = self
        bus.add_writer(self._writer)

    def publish(self, msg: MsgT | bytes) -> None:
        """Gives the message, or the bytes of a serialised one, to every matched subscription.

        What can change is copied. A big buffer is not: an ndarray becomes read-only, and so does what it is a view of.

        Raises:
            TypeError: neither a message of this publisher's type nor bytes.
            InvalidHandle: the publisher was destroyed.
            RCLError: the bytes are no such message.
        """
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed publisher")
        writer = self._writer
        message: Any
        if isinstance(msg, self.msg_type):
            # Nobody will ever see a volatile message that has no reader now.
            message = msg._snapshot() if writer.readers or writer.retains else None  # type: ignore[attr-defined]
        elif isinstance(msg, bytes):
            message = self._deserialised(msg)
        else:
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")
        if self._is_watched:
            self._touch()
        if message is None:
            writer.skip()
            return
        if self._checks:
            self._publish_checked(message)
            return
        writer.publish(message, time.time_ns() if self._stamps else 0)

    def get_subscription_count(self) -> int:
        self._require_alive()
        return len(self._bus.matched(self._endpoint))

    @property
    def topic_name(self) -> str:
        """The fully qualified name."""
        return self._endpoint.name

    @property
    def handle(self) -> PublisherHandle:
        return self._handle

    @property
    def logger_name(self) -> str:
        return ".".join((*self._endpoint.node_namespace.strip("/").split("/"), self._endpoint.node_name)).strip(".")

    def assert_liveliness(self) -> None:
        """Shows that the publisher is alive; with MANUAL_BY_TOPIC it has to, or to publish, within each lease."""
        self._require_alive()
        if self._lease is not None:
            self._touch_lease(self._lease)
            for reader in self._writer.far_readers():
                reader.tell_liveliness(True)

    def wait_for_all_acked(self, timeout: Duration | None = None) -> bool:
        """Waits until every matched subscription has the messages: in this process at once, elsewhere when it says so.

        Without a time-out, or with a negative one, as long as it takes; gives whether they have them.
        """
        self._require_alive()
        if self._endpoint.qos.reliability == ReliabilityPolicy.BEST_EFFORT:
            return True
        limit_ns = -1 if timeout is None else timeout.nanoseconds
        until_ns = time.monotonic_ns() + (limit_ns if limit_ns >= 0 else _FOREVER_NS)
        return all(
            reader.wait_for_acks(max(until_ns - time.monotonic_ns(), 0)) for reader in self._writer.far_readers()
        )

    def destroy(self) -> None:
        """Ends the publisher, once nobody uses its handle."""
        for handler in self.event_handlers:
            handler.destroy()
        self._handle.destroy_when_not_in_use()

    def __enter__(self) -> Publisher[MsgT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()

    # What the bus tells

    def peer_added(self, peer: Endpoint) -> None:
        if peer.type_name != self._endpoint.type_name:
            self._events.add(_KINDS.RCL_PUBLISHER_INCOMPATIBLE_TYPE, total=1)
            return
        policy = mismatch(self._endpoint.qos, peer.qos)
        if policy is not QoSPolicyKind.INVALID:
            self._events.add(_KINDS.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS, total=1, last_policy_kind=policy)
            return
        self._events.add(_KINDS.RCL_PUBLISHER_MATCHED, total=1, current=1)

    def peer_removed(self, peer: Endpoint) -> None:
        same = peer.type_name == self._endpoint.type_name
        if same and mismatch(self._endpoint.qos, peer.qos) is QoSPolicyKind.INVALID:
            self._events.add(_KINDS.RCL_PUBLISHER_MATCHED, current=-1)

    def peer_alive(self, peer: Endpoint, alive: bool) -> None:
        """Subscriptions have no liveliness."""

    # Inside

    def _require_alive(self) -> None:
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed publisher")

    def _end(self) -> None:
        self._destroyed = True
        for monitor in (self._deadline, self._lease):
            if monitor is not None:
                monitor.close()
        self._bus.remove_writer(self._writer)

    def _deserialised(self, data: bytes) -> MsgT:
        from cell.runtime import cdr  # noqa: PLC0415 (few programs serialise)

        try:
            return cdr.deserialize(self.msg_type, data)
        except cdr.CdrError as error:
            raise RCLError(f"Failed to publish: {error}") from None

    def _publish_checked(self, message: Any) -> None:
        topic = self._endpoint.name
        if self._checked is not None:
            require_unchanged(*self._checked, topic, "after it was published")
        before = fingerprints(message)
        self._writer.publish(message, time.time_ns() if self._stamps else 0)
        require_unchanged(message, before, topic, "while it was delivered")
        if self._writer.readers:
            self._checked = message, before

    # Deadline and liveliness

    def _start_monitors(self) -> None:
        qos = self._endpoint.qos
        deadline_ns = watched_ns(qos.deadline.nanoseconds)
        if deadline_ns:
            self._deadline = Monitor(deadline_ns, self._miss_deadline, repeats=True)
        lease_ns = watched_ns(qos.liveliness_lease_duration.nanoseconds)
        if lease_ns and qos.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC:
            self._lease = Monitor(lease_ns, self._lose_liveliness, repeats=False)
            self._lease.touch()

    def _touch(self) -> None:
        if self._deadline is not None:
            self._deadline.touch()
        if self._lease is not None:
            self._touch_lease(self._lease)

    def _touch_lease(self, lease: Monitor) -> None:
        lease.touch()
        if not self._endpoint.alive:
            self._tell_liveliness(alive=True)

    def _miss_deadline(self) -> None:
        self._events.add(_KINDS.RCL_PUBLISHER_OFFERED_DEADLINE_MISSED, total=1)

    def _lose_liveliness(self) -> None:
        self._events.add(_KINDS.RCL_PUBLISHER_LIVELINESS_LOST, total=1)
        self._tell_liveliness(alive=False)

    def _tell_liveliness(self, *, alive: bool) -> None:
        self._endpoint.alive = alive
        for peer in self._bus.peers(self._endpoint):
            if peer.observer is not None:
                peer.observer.peer_alive(self._endpoint, alive)
        for reader in self._writer.far_readers():
            reader.tell_liveliness(alive)
