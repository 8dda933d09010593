"""Publishers of managed nodes."""

from __future__ import annotations

from typing import Any

from ..publisher import MsgT, Publisher
from .managed_entity import SimpleManagedEntity

__all__ = ["LifecyclePublisher"]


class LifecyclePublisher(SimpleManagedEntity, Publisher[MsgT]):
    """Publishes while its node is active; at other times messages are dropped."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Made by `LifecycleNode.create_lifecycle_publisher`; the arguments are those of `Publisher`."""
        SimpleManagedEntity.__init__(self)
        Publisher.__init__(self, *args, **kwargs)

    @SimpleManagedEntity.when_enabled
    def publish(self, msg: MsgT | bytes) -> None:
        """As `Publisher.publish`, while the node is active."""
        Publisher.publish(self, msg)
