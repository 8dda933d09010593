"""A node's handle, as rclpy's C layer shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ._handle import Handle

if TYPE_CHECKING:
    from .node import Node


class NodeHandle(Handle):
    """The lower end of a node: its names, and the queries of the graph that tools use."""

    def __init__(self, node: Node, destroy: Callable[[], object]) -> None:
        super().__init__(destroy)
        self._node = node

    def get_node_name(self) -> str:
        return self._node._rcl_name

    def get_namespace(self) -> str:
        return self._node._rcl_namespace

    def get_fully_qualified_name(self) -> str:
        return f"{self._node._rcl_namespace.rstrip('/')}/{self._node._rcl_name}"

    def logger_name(self) -> str:
        return self._node._logger.name

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return self._node.get_node_names_and_namespaces()

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        return self._node.get_node_names_and_namespaces_with_enclaves()

    def get_count_publishers(self, topic_name: str) -> int:
        """Of a fully qualified name."""
        return len(self._node._rcl_bus.endpoints("publisher", topic_name))

    def get_count_subscribers(self, topic_name: str) -> int:
        """Of a fully qualified name."""
        return len(self._node._rcl_bus.endpoints("subscription", topic_name))

    def get_count_clients(self, service_name: str) -> int:
        """Of a fully qualified name."""
        return len(self._node._rcl_bus.endpoints("client", service_name))

    def get_count_services(self, service_name: str) -> int:
        """Of a fully qualified name."""
        return len(self._node._rcl_bus.endpoints("service", service_name))
