"""Waits for one message, without an executor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cell.runtime.transport import Endpoint

    from .node import Node
    from .qos import QoSProfile

__all__ = ["wait_for_message"]

MsgT = TypeVar("MsgT")


class _First:
    """A reader that keeps the first message."""

    direct = False

    def __init__(self, endpoint: Endpoint, woken: threading.Event) -> None:
        self.endpoint = endpoint
        self.message: Any = None
        self._woken = woken

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        if not self._woken.is_set():
            self.message = message
            self._woken.set()


def wait_for_message(
    msg_type: type[MsgT],
    node: Node,
    topic: str,
    *,
    qos_profile: QoSProfile | int = 1,
    time_to_wait: float = -1,
) -> tuple[bool, MsgT | None]:
    """The next message on a topic, as `(True, message)`; `(False, None)` after `time_to_wait` seconds without one.

    A negative time means no limit; the shut-down of the node's context ends the waiting too.

    Raises:
        InvalidTopicNameException, NoTypeSupportImportedException: as `Node.create_subscription`.
    """
    name = node._rcl_topic(msg_type, topic)
    endpoint = node._rcl_endpoint("subscription", name, msg_type, node._rcl_qos(qos_profile))
    woken = threading.Event()
    first = _First(endpoint, woken)
    forget = node.context._on_shutdown_call(woken.set)
    node._rcl_bus.add_reader(first)
    try:
        if node.context.ok():
            woken.wait(None if time_to_wait < 0 else time_to_wait)
    finally:
        node._rcl_bus.remove_reader(first)
        forget()
    return first.message is not None, first.message
