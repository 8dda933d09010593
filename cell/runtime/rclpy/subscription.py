"""Subscriptions: a bounded queue of messages, and the callback that the executor runs for each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypedDict

from cell.runtime.transport import Endpoint

from ._callbacks import takes
from ._entity import NOTHING, Entity, next_sequence
from .publisher import MsgT
from .qos import HistoryPolicy

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .callback_groups import CallbackGroup

__all__ = ["MessageInfo", "Subscription"]


class MessageInfo(TypedDict):
    """What a callback with two parameters learns of a message; times in nanoseconds of the system clock."""

    source_timestamp: int
    received_timestamp: int
    publication_sequence_number: int | None
    reception_sequence_number: int | None


class Subscription(Entity, Generic[MsgT]):
    """Takes messages of a topic; keeps the last `depth`, and drops the oldest when a further one comes."""

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
    ) -> None:
        """Made by `Node.create_subscription`; `topic` is as the program gave it, `endpoint` holds the full name."""
        self.msg_type: type[MsgT] = endpoint.interface
        self.qos_profile = qos_profile = endpoint.qos
        self.topic = topic
        self.callback_group = callback_group
        self.raw = raw
        self.endpoint = endpoint
        self._bus = bus
        self._depth = 0 if qos_profile.history == HistoryPolicy.KEEP_ALL else max(1, qos_profile.depth)
        self._queue: deque[tuple[Any, int, int, int, int]] = deque()
        self._lock = threading.Lock()
        self._received = 0
        self.callback = callback
        callback_group.add_entity(self)
        self._refused = bus.add_reader(self)

    @property
    def callback(self) -> Callable[..., Any]:
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any]) -> None:
        """Raises RuntimeError for a callback that takes neither a message, nor a message and its info."""
        self._wants_info = not takes(value, 1)
        if self._wants_info and not takes(value, 2):
            raise RuntimeError(
                "Subscription.__init__(): callback should be either be callable with one argument "
                "(to get only the message) or two (to get message and message info)"
            )
        self._callback = value

    @property
    def topic_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def handle(self) -> Subscription[MsgT]:
        return self

    @property
    def logger_name(self) -> str:
        return ".".join((*self.endpoint.node_namespace.strip("/").split("/"), self.endpoint.node_name)).strip(".")

    def get_publisher_count(self) -> int:
        return len(self._bus.matched(self.endpoint))

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        """Takes a message from a writer, in its thread."""
        received_ns = time.time_ns() if self._wants_info else 0
        depth = self._depth
        queue = self._queue
        with self._lock:
            # A full queue has a token for each of its messages: the new one comes in the place of the oldest.
            full = len(queue) >= depth > 0
            if full:
                queue.popleft()
            queue.append((message, next_sequence(), stamp_ns or received_ns, received_ns, sequence))
        if not full:
            executor = self._executor
            if executor is not None:
                executor._enqueue(self)

    def destroy(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_reader(self)
            self._executor = None
            self._queue.clear()

    def __enter__(self) -> Subscription[MsgT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()

    def _waiting(self) -> list[int]:
        with self._lock:
            return [entry[1] for entry in self._queue]

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        with self._lock:
            if not self._queue:
                return NOTHING  # type: ignore[no-any-return]
            message, _, stamp_ns, received_ns, sequence = self._queue.popleft()
        if not self._wants_info:
            return self._callback(message)  # type: ignore[no-any-return]
        self._received += 1
        info = MessageInfo(
            source_timestamp=stamp_ns,
            received_timestamp=received_ns,
            publication_sequence_number=sequence or None,
            reception_sequence_number=self._received,
        )
        return self._callback(message, info)  # type: ignore[no-any-return]


class _DirectSubscription:
    """Calls back in the publisher's thread, before all other subscriptions: for a node's clock."""

    direct = True

    def __init__(self, endpoint: Endpoint, callback: Callable[[Any], None]) -> None:
        self.endpoint = endpoint
        self._callback = callback

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        self._callback(message)
