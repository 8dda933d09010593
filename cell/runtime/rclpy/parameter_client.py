"""Reads and sets the parameters of another node through its services."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .parameter import Parameter, parameter_dict_from_yaml_file
from .qos import QoSProfile, qos_profile_parameter_events, qos_profile_services_default

if TYPE_CHECKING:
    from rcl_interfaces import srv
    from rcl_interfaces.msg import Parameter as ParameterMsg
    from rcl_interfaces.msg import ParameterEvent

    from .callback_groups import CallbackGroup
    from .client import Client
    from .node import Node
    from .qos_overriding_options import QoSOverridingOptions
    from .subscription import Subscription
    from .task import Future

    DoneCallback = Callable[[Future[Any]], None]

__all__ = ["AsyncParameterClient"]

_POLL_S = 0.02


class AsyncParameterClient:
    """A client of the parameter services of one node. Each call gives a future of the service's response; a
    `callback` is called with that future when it is done."""

    def __init__(
        self,
        node: Node,
        remote_node_name: str,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> None:
        """`remote_node_name` may be relative to the namespace of `node`.

        Raises:
            InvalidServiceNameException: the remote name is not allowed.
        """
        from rcl_interfaces import srv  # noqa: PLC0415 (message classes load on use)

        self.node = node
        self.remote_node_name = remote_node_name

        def client(interface: type[Any], name: str) -> Client[Any, Any]:
            return node.create_client(
                interface, f"{remote_node_name}/{name}", qos_profile=qos_profile, callback_group=callback_group
            )

        self._get_parameter_client = client(srv.GetParameters, "get_parameters")
        self._list_parameter_client = client(srv.ListParameters, "list_parameters")
        self._set_parameter_client = client(srv.SetParameters, "set_parameters")
        self._get_parameter_types_client = client(srv.GetParameterTypes, "get_parameter_types")
        self._describe_parameters_client = client(srv.DescribeParameters, "describe_parameters")
        self._set_parameters_atomically_client = client(srv.SetParametersAtomically, "set_parameters_atomically")

    def services_are_ready(self) -> bool:
        """Whether all six services are there."""
        return all(client.service_is_ready() for client in self._clients())

    def wait_for_services(self, timeout_sec: float | None = None) -> bool:
        """Waits at most `timeout_sec` s (None: for ever) for all six services; gives whether they are there."""
        end_s = None if timeout_sec is None else time.monotonic() + timeout_sec
        while not self.services_are_ready():
            if end_s is not None and time.monotonic() >= end_s:
                return False
            time.sleep(_POLL_S)
        return True

    def list_parameters(
        self,
        prefixes: list[str] | None = None,
        depth: int | None = None,
        callback: DoneCallback | None = None,
    ) -> Future[srv.ListParameters.Response]:
        """Names below the prefixes (None: all), `depth` levels deep (None: any number)."""
        from rcl_interfaces.srv import ListParameters  # noqa: PLC0415 (message classes load on use)

        return _call(
            self._list_parameter_client, ListParameters.Request(prefixes=prefixes or [], depth=depth or 0), callback
        )

    def get_parameters(
        self, names: list[str], callback: DoneCallback | None = None
    ) -> Future[srv.GetParameters.Response]:
        """The values; none at all where one is not declared."""
        from rcl_interfaces.srv import GetParameters  # noqa: PLC0415 (message classes load on use)

        return _call(self._get_parameter_client, GetParameters.Request(names=names), callback)

    def set_parameters(
        self, parameters: Sequence[Parameter[Any] | ParameterMsg], callback: DoneCallback | None = None
    ) -> Future[srv.SetParameters.Response]:
        """Sets each by itself; the response has a result for each."""
        from rcl_interfaces.srv import SetParameters  # noqa: PLC0415 (message classes load on use)

        request = SetParameters.Request(parameters=_messages(parameters))
        return _call(self._set_parameter_client, request, callback)

    def describe_parameters(
        self, names: list[str], callback: DoneCallback | None = None
    ) -> Future[srv.DescribeParameters.Response]:
        """The descriptors; none at all where one is not declared."""
        from rcl_interfaces.srv import DescribeParameters  # noqa: PLC0415 (message classes load on use)

        return _call(self._describe_parameters_client, DescribeParameters.Request(names=names), callback)

    def get_parameter_types(
        self, names: list[str], callback: DoneCallback | None = None
    ) -> Future[srv.GetParameterTypes.Response]:
        """The types, as numbers of `Parameter.Type`; none at all where one is not declared."""
        from rcl_interfaces.srv import GetParameterTypes  # noqa: PLC0415 (message classes load on use)

        return _call(self._get_parameter_types_client, GetParameterTypes.Request(names=names), callback)

    def set_parameters_atomically(
        self, parameters: Sequence[Parameter[Any] | ParameterMsg], callback: DoneCallback | None = None
    ) -> Future[srv.SetParametersAtomically.Response]:
        """Sets all or none; the response has one result."""
        from rcl_interfaces.srv import SetParametersAtomically  # noqa: PLC0415 (message classes load on use)

        request = SetParametersAtomically.Request(parameters=_messages(parameters))
        return _call(self._set_parameters_atomically_client, request, callback)

    def delete_parameters(
        self, names: list[str], callback: DoneCallback | None = None
    ) -> Future[srv.SetParameters.Response]:
        """Unsets parameters, which only those of dynamic type allow."""
        return self.set_parameters([Parameter(name) for name in names], callback)

    def load_parameter_file(
        self, parameter_file: str, use_wildcard: bool = False, callback: DoneCallback | None = None
    ) -> Future[srv.SetParameters.Response]:
        """Sets what a file holds, whatever nodes it names; names with `*` count with `use_wildcard`.

        Raises:
            RuntimeError: the file holds nothing, or is not of the right form.
            FileNotFoundError: there is none.
        """
        found = parameter_dict_from_yaml_file(parameter_file, use_wildcard)
        return self.set_parameters(list(found.values()), callback)

    def load_parameter_file_atomically(
        self, parameter_file: str, use_wildcard: bool = False, callback: DoneCallback | None = None
    ) -> Future[srv.SetParametersAtomically.Response]:
        """As `load_parameter_file`, all or none."""
        found = parameter_dict_from_yaml_file(parameter_file, use_wildcard)
        return self.set_parameters_atomically(list(found.values()), callback)

    def on_parameter_event(
        self,
        callback: Callable[[ParameterEvent], None] | Callable[[ParameterEvent, Any], None],
        qos_profile: QoSProfile = qos_profile_parameter_events,
        *,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        raw: bool = False,
    ) -> Subscription[ParameterEvent]:
        """Subscribes to the parameter events of all nodes."""
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        return self.node.create_subscription(
            ParameterEvent,
            "/parameter_events",
            callback,
            qos_profile,
            callback_group=callback_group,
            event_callbacks=event_callbacks,
            qos_overriding_options=qos_overriding_options,
            raw=raw,
        )

    def _clients(self) -> tuple[Client[Any, Any], ...]:
        return (
            self._list_parameter_client,
            self._set_parameter_client,
            self._get_parameter_client,
            self._get_parameter_types_client,
            self._describe_parameters_client,
            self._set_parameters_atomically_client,
        )


def _call(client: Client[Any, Any], request: Any, callback: DoneCallback | None) -> Future[Any]:
    future: Future[Any] = client.call_async(request)
    if callback is not None:
        future.add_done_callback(callback)
    return future


def _messages(parameters: Sequence[Parameter[Any] | ParameterMsg]) -> list[ParameterMsg]:
    return [entry.to_parameter_msg() if isinstance(entry, Parameter) else entry for entry in parameters]
