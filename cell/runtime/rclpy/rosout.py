"""Publishes a node's log records on /rosout."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from .logging import LoggingSeverity, _sinks
from .qos import QoSProfile

if TYPE_CHECKING:
    from .node import Node

__all__ = ["RosoutSink"]


class RosoutSink:
    """Sends the records of the node's logger and of its children."""

    def __init__(self, node: Node, qos: QoSProfile) -> None:
        from rcl_interfaces.msg import Log  # noqa: PLC0415 (message classes load on use)

        self._log = Log
        self._clock = node.get_clock()
        self._name = node.get_logger().name
        self._root = self._name.partition(".")[0]
        self._publisher = node.create_publisher(Log, "/rosout", qos)
        _sinks.setdefault(self._root, []).append(self._send)

    def close(self) -> None:
        sinks = _sinks.get(self._root, [])
        if self._send in sinks:
            sinks.remove(self._send)
        if not sinks:
            _sinks.pop(self._root, None)

    def _send(self, severity: LoggingSeverity, name: str, message: str, frame: FrameType) -> None:
        if name != self._name and not name.startswith(f"{self._name}."):
            return
        code = frame.f_code
        self._publisher.publish(
            self._log(
                stamp=self._clock.now().to_msg(),
                level=int(severity),
                name=name,
                msg=message,
                file=code.co_filename,
                function=code.co_name,
                line=frame.f_lineno,
            )
        )
