"""Publishers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cell.runtime.transport import Endpoint, Writer

from .exceptions import InvalidHandle
from .qos import DurabilityPolicy, HistoryPolicy

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .duration import Duration

__all__ = ["MsgT", "Publisher"]

MsgT = TypeVar("MsgT")


class Publisher(Generic[MsgT]):
    """Publishes messages on a topic. A published message is shared by all its readers: do not change it any more."""

    def __init__(self, bus: Bus, endpoint: Endpoint, topic: str) -> None:
        """Made by `Node.create_publisher`; `topic` is as the program gave it, `endpoint` holds the full name."""
        self.msg_type: type[MsgT] = endpoint.interface
        self.qos_profile = qos_profile = endpoint.qos
        self.topic = topic
        self._bus = bus
        self._endpoint = endpoint
        retain: int | None = None
        if qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
            retain = 0 if qos_profile.history == HistoryPolicy.KEEP_ALL else max(1, qos_profile.depth)
        self._writer = Writer(endpoint, retain)
        self._freeze = getattr(self.msg_type, "_freeze", None)
        self._destroyed = False
        self._refused = bus.add_writer(self._writer)

    def publish(self, msg: MsgT | bytes) -> None:
        """Gives the message to every matched subscription, by reference; its buffers become read-only.

        Raises:
            TypeError: not a message of this publisher's type.
            InvalidHandle: the publisher was destroyed.
        """
        if not isinstance(msg, self.msg_type):
            raise TypeError(f"Expected {self.msg_type}, got {type(msg)}")
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed publisher")
        if self._freeze is not None:
            self._freeze(msg)
        self._writer.publish(msg)

    def get_subscription_count(self) -> int:
        return len(self._bus.matched(self._endpoint))

    @property
    def topic_name(self) -> str:
        """The fully qualified name."""
        return self._endpoint.name

    @property
    def handle(self) -> Publisher[MsgT]:
        return self

    @property
    def logger_name(self) -> str:
        return ".".join((*self._endpoint.node_namespace.strip("/").split("/"), self._endpoint.node_name)).strip(".")

    def assert_liveliness(self) -> None:
        """A publisher in this process is alive as long as it exists."""

    def wait_for_all_acked(self, timeout: Duration | None = None) -> bool:
        """A message is delivered when `publish` returns."""
        return True

    def destroy(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_writer(self._writer)

    def __enter__(self) -> Publisher[MsgT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()
