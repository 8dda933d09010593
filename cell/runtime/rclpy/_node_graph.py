"""The part of a node that asks about the graph.

Foreign endpoints and nodes (in other processes, on the wire) stand in the same lists as those of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cell.runtime.transport import Bus, Endpoint, EndpointKind

from . import _names
from ._arguments import Arguments
from ._rclpy_errors import NodeNameNonExistentError, RCLError
from .exceptions import InvalidServiceNameException, NameValidationException
from .expand_topic_name import expand_topic_name

if TYPE_CHECKING:
    from .endpoint_info import ServiceEndpointInfo, TopicEndpointInfo

NamesAndTypes = list[tuple[str, list[str]]]
InfoT = TypeVar("InfoT")

# How ROS 2 names its parts in DDS: rmw_dds_common, and design.ros2.org, "Topic and Service name mapping to DDS".
_DDS_PARTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "publisher": (("rt", "", ""),),
    "subscription": (("rt", "", ""),),
    "service": (("rq", "Request", "_Request"), ("rr", "Reply", "_Response")),
    "client": (("rq", "Request", "_Request"), ("rr", "Reply", "_Response")),
}


class NodeGraph:
    """Names, types and counts of what is on the graph; a base of `Node`."""

    _rcl_bus: Bus
    _rcl_rules: list[Arguments]
    _rcl_name: str
    _rcl_namespace: str

    if TYPE_CHECKING:

        def _rcl_check_alive(self) -> None: ...

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """The fully qualified name, after remapping unless `only_expand`.

        Raises:
            RuntimeError: the name is not allowed.
        """
        return self._rcl_resolved(topic, service=False, only_expand=only_expand)

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """As `resolve_topic_name`."""
        return self._rcl_resolved(service, service=True, only_expand=only_expand)

    def count_publishers(self, topic_name: str) -> int:
        """How many publishers a topic has.

        Raises:
            ValueError: the name is not allowed.
        """
        return self._rcl_count("publisher", topic_name)

    def count_subscribers(self, topic_name: str) -> int:
        """How many subscriptions a topic has; raises as `count_publishers`."""
        return self._rcl_count("subscription", topic_name)

    def count_clients(self, service_name: str) -> int:
        """How many clients a service has; raises as `count_publishers`."""
        return self._rcl_count("client", service_name)

    def count_services(self, service_name: str) -> int:
        """How many servers a service has; raises as `count_publishers`."""
        return self._rcl_count("service", service_name)

    def get_topic_names_and_types(self, no_demangle: bool = False) -> NamesAndTypes:
        """Names with the types seen on them, sorted; with `no_demangle` as they stand in DDS, those of services too."""
        self._rcl_check_alive()
        return _names_and_types(self._rcl_topics(no_demangle), no_demangle)

    def get_service_names_and_types(self) -> NamesAndTypes:
        """Names of services with their types, sorted."""
        self._rcl_check_alive()
        return _names_and_types(self._rcl_bus.endpoints("service"))

    def get_publisher_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> NamesAndTypes:
        """What a node publishes.

        Raises:
            NodeNameNonExistentError: no node of that name is there.
        """
        return _names_and_types(self._rcl_of_node("publisher", node_name, node_namespace), no_demangle)

    def get_subscriber_names_and_types_by_node(
        self, node_name: str, node_namespace: str, no_demangle: bool = False
    ) -> NamesAndTypes:
        """What a node subscribes to; raises as `get_publisher_names_and_types_by_node`."""
        return _names_and_types(self._rcl_of_node("subscription", node_name, node_namespace), no_demangle)

    def get_service_names_and_types_by_node(self, node_name: str, node_namespace: str) -> NamesAndTypes:
        """What a node serves; raises as `get_publisher_names_and_types_by_node`."""
        return _names_and_types(self._rcl_of_node("service", node_name, node_namespace))

    def get_client_names_and_types_by_node(self, node_name: str, node_namespace: str) -> NamesAndTypes:
        """What a node has clients for; raises as `get_publisher_names_and_types_by_node`."""
        return _names_and_types(self._rcl_of_node("client", node_name, node_namespace))

    def get_publishers_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """A topic's publishers, with node, type, hash, gid and QoS; with `no_mangle` the topic of that name in DDS.

        Raises:
            ValueError: the name is not allowed.
        """
        from .endpoint_info import topic_info  # noqa: PLC0415 (few programs ask)

        return self._rcl_infos("publisher", topic_name, no_mangle, topic_info)

    def get_subscriptions_info_by_topic(self, topic_name: str, no_mangle: bool = False) -> list[TopicEndpointInfo]:
        """As `get_publishers_info_by_topic`, of its subscriptions."""
        from .endpoint_info import topic_info  # noqa: PLC0415 (few programs ask)

        return self._rcl_infos("subscription", topic_name, no_mangle, topic_info)

    def get_servers_info_by_service(self, service_name: str, no_mangle: bool = False) -> list[ServiceEndpointInfo]:
        """As `get_publishers_info_by_topic`, of a service's servers."""
        from .endpoint_info import service_info  # noqa: PLC0415 (few programs ask)

        return self._rcl_infos("service", service_name, no_mangle, service_info)

    def get_clients_info_by_service(self, service_name: str, no_mangle: bool = False) -> list[ServiceEndpointInfo]:
        """As `get_publishers_info_by_topic`, of a service's clients."""
        from .endpoint_info import service_info  # noqa: PLC0415 (few programs ask)

        return self._rcl_infos("client", service_name, no_mangle, service_info)

    def get_node_names(self) -> list[str]:
        return [name for name, _ in self.get_node_names_and_namespaces()]

    def get_fully_qualified_node_names(self) -> list[str]:
        return [_full_name(name, namespace) for name, namespace in self.get_node_names_and_namespaces()]

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        self._rcl_check_alive()
        return self._rcl_bus.nodes()

    def get_node_names_and_namespaces_with_enclaves(self) -> list[tuple[str, str, str]]:
        self._rcl_check_alive()
        return self._rcl_bus.nodes_with_enclaves()

    def wait_for_node(self, fully_qualified_node_name: str, timeout: float) -> bool:
        """Blocks until a node of that name is there, at most `timeout` seconds; gives whether it is."""
        name = "/" + fully_qualified_node_name.lstrip("/")
        self._rcl_check_alive()
        return self._rcl_bus.wait_for(
            lambda: any(_full_name(*node) == name for node in self._rcl_bus.nodes()), max(timeout, 0.0)
        )

    def _rcl_resolve(self, name: str, *, service: bool, only_expand: bool) -> str:
        full_name = _names.expand(name, self._rcl_name, self._rcl_namespace, service=service)
        if not only_expand:
            full_name = _names.remap(full_name, self._rcl_name, self._rcl_namespace, self._rcl_rules, service=service)
        _names.check_full_name(full_name, service=service)
        return full_name

    def _rcl_resolved(self, name: str, *, service: bool, only_expand: bool) -> str:
        self._rcl_check_alive()
        try:
            return self._rcl_resolve(name, service=service, only_expand=only_expand)
        except (NameValidationException, ValueError) as error:
            raise RCLError(f"failed to resolve name: {error}") from None

    def _rcl_expanded(self, name: str, kind: EndpointKind) -> str:
        self._rcl_check_alive()
        full_name = expand_topic_name(name, self._rcl_name, self._rcl_namespace)
        try:
            _names.check_full_name(full_name, service=kind in ("service", "client"))
        except NameValidationException as error:
            what = "service" if isinstance(error, InvalidServiceNameException) else "topic"
            raise ValueError(f"{what} name '{name}' is invalid: {error.error_msg}") from None
        return full_name

    def _rcl_count(self, kind: EndpointKind, name: str) -> int:
        return len(self._rcl_bus.endpoints(kind, self._rcl_expanded(name, kind)))

    def _rcl_infos(
        self, kind: EndpointKind, name: str, no_mangle: bool, describe: Callable[[Endpoint], InfoT]
    ) -> list[InfoT]:
        if no_mangle:
            self._rcl_check_alive()
            if not isinstance(name, str):
                raise TypeError(f"a name must be a str, not {type(name).__name__}")
            found = [entry for entry in self._rcl_bus.endpoints(kind) if name in _dds_names(entry)]
        else:
            full_name = self._rcl_expanded(name, kind)
            service = kind in ("service", "client")
            full_name = _names.remap(full_name, self._rcl_name, self._rcl_namespace, self._rcl_rules, service=service)
            found = self._rcl_bus.endpoints(kind, full_name)
        return [describe(entry) for entry in found]

    def _rcl_topics(self, no_demangle: bool) -> list[Endpoint]:
        kinds: list[EndpointKind] = ["publisher", "subscription"]
        if no_demangle:
            kinds += ["service", "client"]
        return [entry for kind in kinds for entry in self._rcl_bus.endpoints(kind)]

    def _rcl_of_node(self, kind: EndpointKind, name: str, namespace: str) -> list[Endpoint]:
        self._rcl_check_alive()
        _names.check_node_name(name)
        _names.check_namespace(namespace)
        if (name, namespace) not in self._rcl_bus.nodes():
            raise NodeNameNonExistentError(f"cannot get endpoints of nonexistent node: {_full_name(name, namespace)}")
        return [
            entry
            for entry in self._rcl_bus.endpoints(kind)
            if (entry.node_name, entry.node_namespace) == (name, namespace)
        ]


def _full_name(name: str, namespace: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"


def _names_and_types(endpoints: list[Endpoint], dds: bool = False) -> NamesAndTypes:
    found: dict[str, set[str]] = {}
    for endpoint in endpoints:
        for name, type_name in _dds_names(endpoint).items() if dds else ((endpoint.name, endpoint.type_name),):
            found.setdefault(name, set()).add(type_name)
    return [(name, sorted(types)) for name, types in sorted(found.items())]


def _dds_names(endpoint: Endpoint) -> dict[str, str]:
    """The endpoint's topics in DDS, with their types."""
    package, _, rest = endpoint.type_name.partition("/")
    folder, _, name = rest.rpartition("/")
    stem = "::".join(part for part in (package, *folder.split("/"), "dds_") if part)
    if endpoint.qos.avoid_ros_namespace_conventions:
        return {endpoint.name: f"{stem}::{name}_"}
    return {
        f"{prefix}{endpoint.name}{suffix}": f"{stem}::{name}{type_suffix}_"
        for prefix, suffix, type_suffix in _DDS_PARTS[endpoint.kind]
    }
