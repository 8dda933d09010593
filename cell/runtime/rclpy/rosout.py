"""Publishes a node's log records on /rosout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._rosout_registry import registry

if TYPE_CHECKING:
    from rcl_interfaces.msg import Log

    from ._log_output import Record
    from .node import Node
    from .publisher import Publisher
    from .qos import QoSProfile

__all__ = ["RosoutSink"]


class RosoutSink:
    """Sends the records of the node's logger, and of children that were taken from it."""

    def __init__(self, node: Node, qos: QoSProfile) -> None:
        from rcl_interfaces.msg import Log  # noqa: PLC0415 (message classes load on use)

        self._log = Log
        # The node's clock, so that a run in simulated time gives the same records again.
        self._clock = node.get_clock()
        self._name = node.get_logger().name
        self._publisher: Publisher[Log] = node.create_publisher(Log, "/rosout", qos)
        # Not among the node's own, which are those that the program made, as in rclpy.
        node._publishers.remove(self._publisher)
        registry.add(self._name, self._send)

    def close(self) -> None:
        registry.remove(self._name, self._send)
        self._publisher.destroy()

    def _send(self, record: Record) -> None:
        self._publisher.publish(
            self._log(
                stamp=self._clock.now().to_msg(),
                level=int(record.severity),
                name=record.name,
                msg=record.message,
                file=record.file,
                function=record.function,
                line=record.line,
            )
        )
