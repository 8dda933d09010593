"""The six services by which others read and set a node's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from .parameter import PARAMETER_SEPARATOR_STRING, Parameter
from .qos import qos_profile_parameters

if TYPE_CHECKING:
    from rcl_interfaces.msg import ListParametersResult

    from ._parameters import ParameterStore
    from .node import Node

__all__ = ["ParameterService"]


class ParameterService:
    """`~/describe_parameters`, `get_parameters`, `get_parameter_types`, `list_parameters`, `set_parameters` and
    `set_parameters_atomically` of one node."""

    def __init__(self, node: Node) -> None:
        from rcl_interfaces import srv  # noqa: PLC0415 (message classes load on use)

        self._node = node
        for interface, name, callback in (
            (srv.DescribeParameters, "describe_parameters", self._describe),
            (srv.GetParameters, "get_parameters", self._get),
            (srv.GetParameterTypes, "get_parameter_types", self._get_types),
            (srv.ListParameters, "list_parameters", self._list),
            (srv.SetParameters, "set_parameters", self._set),
            (srv.SetParametersAtomically, "set_parameters_atomically", self._set_atomically),
        ):
            node.create_service(interface, f"~/{name}", callback, qos_profile=qos_profile_parameters)

    def _describe(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._node.describe_parameters(list(request.names))
        except ParameterNotDeclaredException:
            response.descriptors = []
        return response

    def _get(self, request: Any, response: Any) -> Any:
        try:
            response.values = [entry.get_parameter_value() for entry in self._node.get_parameters(list(request.names))]
        except (ParameterNotDeclaredException, ParameterUninitializedException):
            response.values = []
        return response

    def _get_types(self, request: Any, response: Any) -> Any:
        try:
            response.types = [entry.value for entry in self._node.get_parameter_types(list(request.names))]
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list(self, request: Any, response: Any) -> Any:
        response.result = list_parameters(self._node._store, list(request.prefixes), request.depth)
        return response

    def _set(self, request: Any, response: Any) -> Any:
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        for message in request.parameters:
            try:
                result = self._node.set_parameters_atomically([Parameter.from_parameter_msg(message)])
            except ParameterNotDeclaredException as error:
                result = SetParametersResult(successful=False, reason=str(error))
            response.results.append(result)
        return response

    def _set_atomically(self, request: Any, response: Any) -> Any:
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        try:
            parameters = [Parameter.from_parameter_msg(message) for message in request.parameters]
            response.result = self._node.set_parameters_atomically(parameters)
        except ParameterNotDeclaredException as error:
            response.result = SetParametersResult(successful=False, reason=str(error))
        return response


def list_parameters(store: ParameterStore, prefixes: list[str], depth: int) -> ListParametersResult:
    """Names below the prefixes (all without any), `depth` levels deep (0: any number), and the prefixes of names.

    Raises:
        ValueError: a negative depth.
    """
    from rcl_interfaces.msg import ListParametersResult  # noqa: PLC0415 (message classes load on use)

    if depth < 0:
        raise ValueError("Depth must be greater than or equal to zero.")
    separator = PARAMETER_SEPARATOR_STRING
    names = []
    for name in store.values:
        if prefixes:
            below = [
                name.removeprefix(prefix).count(separator)
                for prefix in prefixes
                if name == prefix or name.startswith(prefix + separator)
            ]
            if not any(depth == 0 or level <= depth for level in below):
                continue
        elif depth and name.count(separator) >= depth:
            continue
        names.append(name)
    found: list[str] = []
    for name in names:
        prefix = name.rpartition(separator)[0]
        if prefix and prefix not in found:
            found.append(prefix)
    return ListParametersResult(names=names, prefixes=found)
