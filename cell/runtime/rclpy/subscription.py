"""Subscriptions: a bounded queue of messages, and the callback that the executor runs for each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, TypedDict

from cell.runtime.message_copies import checks_mutation, fingerprints, require_unchanged
from cell.runtime.transport import Endpoint

from ._callbacks import takes
from ._entity import NOTHING, Entity, next_sequence
from ._qos_watch import Monitor, watched_ns
from ._rclpy_errors import RCLError
from ._topic_handles import SubscriptionHandle
from .event_handler import EventBoard, EventHandler, QoSSubscriptionEventType, SubscriptionEventCallbacks
from .publisher import MsgT
from .qos import HistoryPolicy, QoSPolicyKind, mismatch, settled_profile

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .callback_groups import CallbackGroup
    from .subscription_content_filter_options import ContentFilterOptions

__all__ = ["MessageInfo", "Subscription"]

_KINDS = QoSSubscriptionEventType


class MessageInfo(TypedDict):
    """What a callback with two parameters learns of a message; times in nanoseconds of the system clock."""

    source_timestamp: int
    received_timestamp: int
    publication_sequence_number: int | None
    reception_sequence_number: int | None


# A message that waits, shared by all readers: the message, its number in this process, its source and reception times
# (0 where nobody wants them), the publisher's and the subscription's own count, and when it outlives itself (or 0).
_Sample = tuple[Any, int, int, int, int, int, int]


class Subscription(Entity, Generic[MsgT]):
    """Takes messages of a topic; keeps the last `depth`, and drops the oldest when a further one comes."""

    class CallbackType(Enum):
        MessageOnly = 0
        WithMessageInfo = 1

    direct = False

    def __init__(
        self,
        bus: Bus,
        endpoint: Endpoint,
        topic: str,
        callback: Callable[..., Any],
        callback_group: CallbackGroup,
        *,
        raw: bool = False,
        event_callbacks: SubscriptionEventCallbacks | None = None,
        content_filter_options: ContentFilterOptions | None = None,
    ) -> None:
        """Made by `Node.create_subscription`; `topic` is as the program gave it, `endpoint` holds the full name.

        Raises:
            RuntimeError: the callback takes other arguments.
            RCLError: the content filter is not well formed.
        """
        self.msg_type: type[MsgT] = endpoint.interface
        self.qos_profile = endpoint.qos
        self.topic = topic
        self.callback_group = callback_group
        self.raw = raw
        self.endpoint = endpoint
        self._bus = bus
        self._events = EventBoard(QoSSubscriptionEventType)
        self._queue: deque[_Sample] = deque()
        self._lock = threading.Lock()
        self._received = 0
        self._listener: Callable[[int], Any] | None = None
        self._unheard = 0
        self._filter: Callable[[Any], bool] | None = None
        self._filter_options: ContentFilterOptions | None = None
        self._prints: dict[int, dict[str, int]] | None = {} if checks_mutation() else None
        self._deadline: Monitor | None = None
        self._silent: set[bytes] = set()
        self.callback = callback
        if content_filter_options is not None:
            self.set_content_filter(*content_filter_options)
        endpoint.qos = qos = settled_profile(endpoint.qos, [peer.qos for peer in bus.peers(endpoint)], publisher=False)
        self._depth = 0 if qos.history == HistoryPolicy.KEEP_ALL else max(1, qos.depth)
        deadline_ns = watched_ns(qos.deadline.nanoseconds)
        if deadline_ns:
            self._deadline = Monitor(deadline_ns, self._miss_deadline, repeats=True)
        # Whatever happens at each message beside queueing it.
        self._is_plain = self._deadline is None and self._filter is None
        self._handle = SubscriptionHandle(self)
        callbacks = event_callbacks if event_callbacks is not None else SubscriptionEventCallbacks()
        self.event_handlers: list[EventHandler] = callbacks.create_event_handlers(callback_group, self._handle, topic)
        callback_group.add_entity(self)
        endpoint.observer = self
        bus.add_reader(self)

    @property
    def callback(self) -> Callable[..., Any]:
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any]) -> None:
        """Raises RuntimeError for a callback that takes neither a message, nor a message and its info."""
        wants_info = not takes(value, 1)
        if wants_info and not takes(value, 2):
            raise RuntimeError(
                "Subscription.__init__(): callback should be either be callable with one argument "
                "(to get only the message) or two (to get message and message info)"
            )
        self._wants_info = wants_info
        self._callback = value

    @property
    def _callback_type(self) -> Subscription.CallbackType:
        return self.CallbackType.WithMessageInfo if self._wants_info else self.CallbackType.MessageOnly

    @property
    def topic_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def handle(self) -> SubscriptionHandle:
        return self._handle

    @property
    def logger_name(self) -> str:
        return ".".join((*self.endpoint.node_namespace.strip("/").split("/"), self.endpoint.node_name)).strip(".")

    def get_publisher_count(self) -> int:
        self._check_alive()
        return len(self._bus.matched(self.endpoint))

    # Content filter

    @property
    def is_cft_supported(self) -> bool:
        """Always: messages are looked at before they are queued."""
        return True

    @property
    def is_cft_enabled(self) -> bool:
        return self._filter is not None

    def set_content_filter(self, filter_expression: str, expression_parameters: list[str]) -> None:
        """Takes only messages that fit the expression from now on; the empty expression takes all.

        Raises:
            RCLError: the expression is not well formed, or does not fit the message type.
        """
        from ._content_filter import compile_filter  # noqa: PLC0415 (few subscriptions have one)
        from .subscription_content_filter_options import ContentFilterOptions  # noqa: PLC0415 (as above)

        self._check_alive()
        if not filter_expression:
            self._filter, self._filter_options = None, None
        else:
            self._filter = compile_filter(filter_expression, expression_parameters, self.msg_type)
            self._filter_options = ContentFilterOptions(filter_expression, list(expression_parameters))
        self._is_plain = self._deadline is None and self._filter is None

    def get_content_filter(self) -> ContentFilterOptions:
        """Raises RCLError where no filter is set."""
        self._check_alive()
        if self._filter_options is None:
            raise RCLError("failed to get the content filter: none is set")
        return self._filter_options

    # What the bus tells

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        """Takes a message from a writer, in its thread; nothing changes it any more."""
        if not self._is_plain:
            if self._filter is not None and not self._filter(message):
                return
            if self._deadline is not None:
                self._deadline.touch()
        # Always: whoever takes the message by the handle wants to know, too.
        received_ns = time.time_ns()
        expires_ns = 0
        if source is not None and source.lifespan_ns:
            expires_ns = (stamp_ns or received_ns) + source.lifespan_ns
            if expires_ns <= received_ns:
                return
        depth = self._depth
        queue = self._queue
        number = next_sequence()
        if self._prints is not None:
            self._prints[number] = fingerprints(message)
        with self._lock:
            # A full queue has a token for each of its messages: the new one comes in the place of the oldest.
            full = len(queue) >= depth > 0
            if full:
                dropped = queue.popleft()
                if self._prints is not None:
                    del self._prints[dropped[1]]
            self._received = reception = self._received + 1
            queue.append((message, number, stamp_ns or received_ns, received_ns, sequence, reception, expires_ns))
        if full:
            self._events.count(_KINDS.RCL_SUBSCRIPTION_MESSAGE_LOST)
        else:
            executor = self._executor
            if executor is not None:
                executor._enqueue(self)
        if self._listener is not None:
            self._listener(1)

    def lost(self, count: int) -> None:
        """Counts messages that were sent to this subscription and that its callback will never see."""
        self._events.add(_KINDS.RCL_SUBSCRIPTION_MESSAGE_LOST, total=count)

    def peer_added(self, peer: Endpoint) -> None:
        if peer.type_name != self.endpoint.type_name:
            self._events.add(_KINDS.RCL_SUBSCRIPTION_INCOMPATIBLE_TYPE, total=1)
            return
        policy = mismatch(peer.qos, self.endpoint.qos)
        if policy is not QoSPolicyKind.INVALID:
            self._events.add(_KINDS.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS, total=1, last_policy_kind=policy)
            return
        self._events.add(_KINDS.RCL_SUBSCRIPTION_MATCHED, total=1, current=1)
        self._events.add(_KINDS.RCL_SUBSCRIPTION_LIVELINESS_CHANGED, alive=1)
        if not peer.alive:
            self.peer_alive(peer, alive=False)

    def peer_removed(self, peer: Endpoint) -> None:
        if not self._fits(peer):
            return
        self._events.add(_KINDS.RCL_SUBSCRIPTION_MATCHED, current=-1)
        if peer.gid in self._silent:
            self._silent.discard(peer.gid)
            self._events.add(_KINDS.RCL_SUBSCRIPTION_LIVELINESS_CHANGED, not_alive=-1)
        else:
            self._events.add(_KINDS.RCL_SUBSCRIPTION_LIVELINESS_CHANGED, alive=-1)

    def peer_alive(self, peer: Endpoint, alive: bool) -> None:
        if not self._fits(peer) or (peer.gid in self._silent) is not alive:
            return
        if alive:
            self._silent.discard(peer.gid)
        else:
            self._silent.add(peer.gid)
        change = 1 if alive else -1
        self._events.add(_KINDS.RCL_SUBSCRIPTION_LIVELINESS_CHANGED, alive=change, not_alive=-change)

    # Ending

    def destroy(self) -> None:
        """Ends the subscription, once nobody uses its handle."""
        for handler in self.event_handlers:
            handler.destroy()
        self._handle.destroy_when_not_in_use()

    def __enter__(self) -> Subscription[MsgT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()

    # Inside

    def _fits(self, peer: Endpoint) -> bool:
        same = peer.type_name == self.endpoint.type_name
        return same and mismatch(peer.qos, self.endpoint.qos) is QoSPolicyKind.INVALID

    def _miss_deadline(self) -> None:
        self._events.add(_KINDS.RCL_SUBSCRIPTION_REQUESTED_DEADLINE_MISSED, total=1)

    def _end(self) -> None:
        self._destroyed = True
        if self._deadline is not None:
            self._deadline.close()
        self._bus.remove_reader(self)
        self._executor = None
        self._queue.clear()

    def _listen(self, callback: Callable[[int], Any] | None) -> None:
        self._listener = callback
        if callback is not None and self._queue:
            callback(len(self._queue))

    def _waiting(self) -> list[int]:
        with self._lock:
            return [entry[1] for entry in self._queue]

    def _pop(self) -> _Sample | None:
        """The oldest message that has not outlived itself."""
        while True:
            try:
                sample = self._queue.popleft()
            except IndexError:
                return None
            if not sample[6] or sample[6] > time.time_ns():
                return sample
            if self._prints is not None:
                del self._prints[sample[1]]

    def _take(self, *, raw: bool) -> tuple[Any, MessageInfo] | None:
        self._check_alive()
        sample = self._pop()
        if sample is None:
            return None
        if self._prints is not None:
            del self._prints[sample[1]]
        return self._own_message(sample, raw), self._info(sample)

    def _own_message(self, sample: _Sample, raw: bool) -> Any:
        if not raw:
            return sample[0]._share()
        from cell.runtime import cdr  # noqa: PLC0415 (few programs serialise)

        return cdr.serialize(sample[0])

    @staticmethod
    def _info(sample: _Sample) -> MessageInfo:
        return MessageInfo(
            source_timestamp=sample[2],
            received_timestamp=sample[3],
            publication_sequence_number=sample[4] or None,
            reception_sequence_number=sample[5],
        )

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        sample = self._pop()
        if sample is None:
            return NOTHING  # type: ignore[no-any-return]
        if self._prints is not None:
            return self._dispatch_checked(sample, self._prints)
        message = self._own_message(sample, True) if self.raw else sample[0]._share()
        if not self._wants_info:
            return self._callback(message)  # type: ignore[no-any-return]
        return self._callback(message, self._info(sample))  # type: ignore[no-any-return]

    def _dispatch_checked(self, sample: _Sample, prints: dict[int, dict[str, int]]) -> Coroutine[Any, Any, Any] | None:
        """Looks whether the message that all readers share is what it was: before the callback, and after it."""
        # Only its own: a lower number may be of a message that another thread is still about to queue.
        before = prints.pop(sample[1])
        require_unchanged(sample[0], before, self.endpoint.name, "before it was read")
        message = self._own_message(sample, self.raw)
        rest = self._callback(message, self._info(sample)) if self._wants_info else self._callback(message)
        if type(rest) is CoroutineType:
            return self._check_later(rest, sample[0], before)
        require_unchanged(sample[0], before, self.endpoint.name, "while a callback ran")
        return rest  # type: ignore[no-any-return]

    async def _check_later(self, rest: Coroutine[Any, Any, Any], message: Any, before: dict[str, int]) -> None:
        await rest
        require_unchanged(message, before, self.endpoint.name, "while a callback ran")


class _DirectSubscription:
    """Calls back in the publisher's thread, before all other subscriptions: for a node's clock."""

    direct = True

    def __init__(self, endpoint: Endpoint, callback: Callable[[Any], None]) -> None:
        self.endpoint = endpoint
        self._callback = callback

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        self._callback(message)
