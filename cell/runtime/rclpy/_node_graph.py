"""The part of a node that asks about the graph."""

from __future__ import annotations

from typing import Any

from cell.runtime.transport import Bus, Endpoint

from . import _names
from ._arguments import Arguments
from ._rclpy_errors import NodeNameNonExistentError
from .endpoint_info import ServiceEndpointInfo, TopicEndpointInfo, service_info, topic_info


class NodeGraph:
    """Names, types and counts of what is on the graph; a base of `Node`."""

    _bus: Bus
    _rules: list[Arguments]
    _name: str
    _namespace: str

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """The fully qualified name, after remapping unless `only_expand`.

        Raises:
            InvalidTopicNameException: the name is not allowed.
        """
        return self._resolve(topic, service=False, only_expand=only_expand)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """As `resolve_topic_name`.

        Raises:
            InvalidServiceNameException: the name is not allowed.
        """
        return self._resolve(service, service=True, only_expand=only_expand)

    def count_publishers(self, topic_name: str) -> int:
        return len(self._bus.endpoints("publisher", self.resolve_topic_name(topic_name)))

    def count_subscribers(self, topic_name: str) -> int:
        return len(self._bus.endpoints("subscription", self.resolve_topic_name(topic_name)))

    def count_clients(self, service_name: str) -> int:
        return len(self._bus.endpoints("client", self.resolve_service_name(service_name)))

    def count_services(self, service_name: str) -> int:
        return len(self._bus.endpoints("service", self.resolve_service_name(service_name)))

    def get_topic_names_and_types(self, no_demangle: bool = False) -> list[tuple[str, list[str]]]:
        """Names with the types seen on them, sorted."""
        return _names_and_types(self._bus.endpoints("publisher") + self._bus.endpoints("subscription"))

    def get_service_names_and_types(self) -> list[tuple[str, list[str]]]:
        return _names_and_types(self._bus.endpoints("service"))

    def get_publisher_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        return _names_and_types(self._of_node("publisher", node_name, node_namespace))

    def get_subscriber_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> list[tuple[str, list[str]]]:
        return _names_and_types(self._of_node("subscription", node_name, node_namespace))

    def get_service_names_and_types_by_node(self, node_name: str, node_namespace: str) -> list[tuple[str, list[str]]]:
        return _names_and_types(self._of_node("service", node_name, node_namespace))

    def get_client_names_and_types_by_node(self, node_name: str, node_namespace: str) -> list[tuple[str, list[str]]]:
        return _names_and_types(self._of_node("client", node_name, node_namespace))

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return [topic_info(entry) for entry in self._bus.endpoints("publisher", self.resolve_topic_name(topic_name))]

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        return [topic_info(entry) for entry in self._bus.endpoints("subscription", self.resolve_topic_name(topic_name))]

    def get_servers_info_by_service(self, service_name: str, no_mangle: bool = False) -> list[ServiceEndpointInfo]:
        return [
            service_info(entry) for entry in self._bus.endpoints("service", self.resolve_service_name(service_name))
        ]

    def get_clients_info_by_service(self, service_name: str, no_mangle: bool = False) -> list[ServiceEndpointInfo]:
        return [service_info(entry) for entry in self._bus.endpoints("client", self.resolve_service_name(service_name))]

    def get_node_names(self) -> list[str]:
        return [name for name, _ in self._bus.nodes()]

    def get_fully_qualified_node_names(self) -> list[str]:
        return [f"{namespace.rstrip('/')}/{name}" for name, namespace in self._bus.nodes()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        return self._bus.nodes()

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        return [(name, namespace, "/") for name, namespace in self._bus.nodes()]

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Blocks until a node of that name is there, at most `timeout` seconds; gives whether it is."""
        name = (
            fully_qualified_node_name if fully_qualified_node_name.startswith("/") else f"/{fully_qualified_node_name}"
        )
        return self._bus.wait_for(lambda: name in self.get_fully_qualified_node_names(), timeout)

    def _resolve(self, name: str, *, service: bool, only_expand: bool) -> str:
        full_name = _names.expand(name, self._name, self._namespace, service=service)
        if only_expand:
            return full_name
        return _names.remap(full_name, self._name, self._namespace, self._rules, service=service)

    def _of_node(self, kind: Any, name: str, namespace: str) -> list[Endpoint]:
        if (name, namespace) not in self._bus.nodes():
            raise NodeNameNonExistentError(f"cannot get endpoints of nonexistent node: {namespace}/{name}")
        return [
            entry for entry in self._bus.endpoints(kind) if (entry.node_name, entry.node_namespace) == (name, namespace)
        ]


def _names_and_types(endpoints: list[Endpoint]) -> list[tuple[str, list[str]]]:
    found: dict[str, set[str]] = {}
    for endpoint in endpoints:
        found.setdefault(endpoint.name, set()).add(endpoint.type_name)
    return [(name, sorted(types)) for name, types in sorted(found.items())]
