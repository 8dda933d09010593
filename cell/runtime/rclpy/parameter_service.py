"""The six services by which others read and set a node's parameters."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from .exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from .parameter import Parameter
from .qos import qos_profile_parameters

if TYPE_CHECKING:
    from .node import Node

__all__ = ["ParameterService"]


class ParameterService:
    """`~/describe_parameters`, `get_parameters`, `get_parameter_types`, `list_parameters`, `set_parameters` and
    `set_parameters_atomically` of one node. Where one name of a request is not declared, the answer is empty."""

    def __init__(self, node: Node) -> None:
        from rcl_interfaces import srv  # noqa: PLC0415 (message classes load on use)

        self._node_weak_ref = weakref.ref(node)
        name = node.get_name()
        for interface, service, callback in (
            (srv.DescribeParameters, "describe_parameters", self._describe_parameters_callback),
            (srv.GetParameters, "get_parameters", self._get_parameters_callback),
            (srv.GetParameterTypes, "get_parameter_types", self._get_parameter_types_callback),
            (srv.ListParameters, "list_parameters", self._list_parameters_callback),
            (srv.SetParameters, "set_parameters", self._set_parameters_callback),
            (srv.SetParametersAtomically, "set_parameters_atomically", self._set_parameters_atomically_callback),
        ):
            node.create_service(interface, f"{name}/{service}", callback, qos_profile=qos_profile_parameters)

    def _describe_parameters_callback(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._get_node().describe_parameters(list(request.names))
        except ParameterNotDeclaredException:
            response.descriptors = []
        return response

    def _get_parameters_callback(self, request: Any, response: Any) -> Any:
        try:
            found = self._get_node().get_parameters(list(request.names))
        except (ParameterNotDeclaredException, ParameterUninitializedException):
            found = []
        response.values = [entry.get_parameter_value() for entry in found]
        return response

    def _get_parameter_types_callback(self, request: Any, response: Any) -> Any:
        try:
            response.types = [entry.value for entry in self._get_node().get_parameter_types(list(request.names))]
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list_parameters_callback(self, request: Any, response: Any) -> Any:
        response.result = self._get_node().list_parameters(list(request.prefixes), request.depth)
        return response

    def _set_parameters_callback(self, request: Any, response: Any) -> Any:
        for message in request.parameters:
            response.results.append(self._set([message]))
        return response

    def _set_parameters_atomically_callback(self, request: Any, response: Any) -> Any:
        response.result = self._set(request.parameters)
        return response

    def _set(self, messages: Any) -> Any:
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        node = self._get_node()
        try:
            return node.set_parameters_atomically([Parameter.from_parameter_msg(message) for message in messages])
        except ParameterNotDeclaredException as error:
            return SetParametersResult(successful=False, reason=str(error))

    def _get_node(self) -> Node:
        node = self._node_weak_ref()
        if node is None:
            raise ReferenceError("Expected valid node weak reference")
        return node
