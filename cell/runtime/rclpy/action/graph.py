"""Which actions are there: derived from the feedback topics, which servers publish and clients subscribe."""

from __future__ import annotations

from collections.abc import Iterable

from cell.runtime.transport import Endpoint

# At run time too: whoever imports actions has `rclpy.node`, as in rclpy.
from ..node import Node

__all__ = [
    "get_action_client_names_and_types_by_node",
    "get_action_names_and_types",
    "get_action_server_names_and_types_by_node",
]

_SUFFIX = "/_action/feedback"
_TYPE_SUFFIX = "_FeedbackMessage"


def get_action_names_and_types(node: Node) -> list[tuple[str, list[str]]]:
    """All actions that have a server or a client."""
    return _actions([*node._rcl_bus.endpoints("publisher"), *node._rcl_bus.endpoints("subscription")])


def get_action_server_names_and_types_by_node(
    node: Node, remote_node_name: str, remote_node_namespace: str
) -> list[tuple[str, list[str]]]:
    """The actions that a node serves."""
    return _actions(node._rcl_of_node("publisher", remote_node_name, remote_node_namespace))


def get_action_client_names_and_types_by_node(
    node: Node, remote_node_name: str, remote_node_namespace: str
) -> list[tuple[str, list[str]]]:
    """The actions that a node has clients of."""
    return _actions(node._rcl_of_node("subscription", remote_node_name, remote_node_namespace))


def _actions(endpoints: Iterable[Endpoint]) -> list[tuple[str, list[str]]]:
    found: dict[str, set[str]] = {}
    for endpoint in endpoints:
        if endpoint.name.endswith(_SUFFIX):
            types = found.setdefault(endpoint.name.removesuffix(_SUFFIX), set())
            types.add(endpoint.type_name.removesuffix(_TYPE_SUFFIX))
    return [(name, sorted(types)) for name, types in sorted(found.items())]
