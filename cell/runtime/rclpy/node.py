"""Nodes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from cell.runtime.transport import Endpoint

from . import _names
from ._arguments import parse_arguments
from ._entity import Entity
from ._node_graph import NodeGraph
from ._node_parameters import NodeParameters
from ._parameters import ParameterStore
from .callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from .client import Client
from .clock import Clock, ROSClock
from .constants import S_TO_NS
from .context import Context
from .exceptions import (
    InvalidHandle,
    NotInitializedException,
    NoTypeSupportImportedException,
)
from .guard_condition import GuardCondition
from .logging import RcutilsLogger, get_logger
from .parameter import Parameter
from .publisher import MsgT, Publisher
from .qos import (
    QoSProfile,
    qos_check_compatible,
    qos_profile_parameter_events,
    qos_profile_rosout_default,
    qos_profile_services_default,
)
from .qos_overriding_options import QoSOverridingOptions, apply_overrides
from .service import Service
from .subscription import Subscription
from .time_source import TimeSource
from .timer import Rate, Timer
from .utilities import get_default_context

if TYPE_CHECKING:
    from .executors import Executor
    from .rosout import RosoutSink

__all__ = ["Node"]

HIDDEN_NODE_PREFIX = "_"

EntityT = TypeVar("EntityT", bound=Entity)
T = TypeVar("T")


class Node(NodeParameters, NodeGraph):
    """A node of the graph: it owns publishers, subscriptions, services, clients, timers and parameters."""

    PARAM_REL_TOL = 1e-6

    def __init__(
        self,
        node_name: str,
        *,
        context: Context | None = None,
        cli_args: list[str] | None = None,
        namespace: str | None = None,
        use_global_arguments: bool = True,
        enable_rosout: bool = True,
        rosout_qos_profile: QoSProfile | int = qos_profile_rosout_default,
        start_parameter_services: bool = True,
        parameter_overrides: list[Parameter[Any]] | None = None,
        allow_undeclared_parameters: bool = False,
        automatically_declare_parameters_from_overrides: bool = False,
        enable_logger_service: bool = False,
    ) -> None:
        """Joins the graph.

        Raises:
            NotInitializedException: the context is not initialised.
            InvalidNodeNameException, InvalidNamespaceException: a name is not allowed.
            UnknownROSArgsError, ValueError: bad `cli_args`.
        """
        self._context = context if context is not None else get_default_context()
        if not self._context.ok():
            raise NotInitializedException("cannot create node")
        self._rules = [parse_arguments(_with_marker(cli_args or []))]
        if use_global_arguments:
            self._rules.append(self._context._arguments)
        self._name, self._namespace = self._resolve_identity(node_name, namespace)
        self._bus = self._context._bus
        self._publishers: list[Publisher[Any]] = []
        self._subscriptions: list[Subscription[Any]] = []
        self._services: list[Service[Any, Any]] = []
        self._clients: list[Client[Any, Any]] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._rates: list[Rate] = []
        self._executor_ref: weakref.ref[Executor] | None = None
        self._destroyed = False
        self._default_callback_group = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()
        self._logger = get_logger(self._dotted_name())
        self._bus.add_node(self._name, self._namespace)
        self._context.track_node(self)
        self._store = ParameterStore(
            self._collect_overrides(parameter_overrides), allow_undeclared_parameters, self._publish_event
        )
        self._events: Publisher[Any] | None = None
        self._clock = ROSClock()
        if automatically_declare_parameters_from_overrides:
            for name, override in self._store.overrides.items():
                self.declare_parameter(name, override.value, ignore_override=True)
        self._time_source = TimeSource(node=self)
        self._time_source.attach_clock(self._clock)
        self._rosout: RosoutSink | None = None
        if enable_rosout:
            self._start_rosout(rosout_qos_profile)
        self._start_parameter_events()
        if start_parameter_services:
            self._start_parameter_services()

    # Identity

    def get_name(self) -> str:
        return self._name

    def get_namespace(self) -> str:
        return self._namespace

    def get_fully_qualified_name(self) -> str:
        return f"{self._namespace.rstrip('/')}/{self._name}"

    @property
    def context(self) -> Context:
        return self._context

    @property
    def default_callback_group(self) -> CallbackGroup:
        """The group of everything that is created without one: mutually exclusive."""
        return self._default_callback_group

    @property
    def handle(self) -> Node:
        """Raises InvalidHandle after `destroy_node`."""
        self._check_alive()
        return self

    def get_logger(self) -> RcutilsLogger:
        return self._logger

    def get_clock(self) -> Clock:
        """ROS time; it follows /clock while the parameter `use_sim_time` is true."""
        return self._clock

    @property
    def executor(self) -> Executor | None:
        """The executor that runs this node, or None."""
        return self._executor_ref() if self._executor_ref is not None else None

    @executor.setter
    def executor(self, new_executor: Executor | None) -> None:
        current = self.executor
        if current is new_executor:
            return
        self._executor_ref = None
        if current is not None:
            current.remove_node(self)
        if new_executor is not None:
            self._executor_ref = weakref.ref(new_executor)
            new_executor.add_node(self)

    @property
    def publishers(self) -> Iterator[Publisher[Any]]:
        yield from self._publishers

    @property
    def subscriptions(self) -> Iterator[Subscription[Any]]:
        yield from self._subscriptions

    @property
    def clients(self) -> Iterator[Client[Any, Any]]:
        yield from self._clients

    @property
    def services(self) -> Iterator[Service[Any, Any]]:
        yield from self._services

    @property
    def timers(self) -> Iterator[Timer]:
        yield from self._timers

    @property
    def guards(self) -> Iterator[GuardCondition]:
        yield from self._guards

    # Topics, services, timers

    def create_publisher(
        self,
        msg_type: type[MsgT],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        publisher_class: type[Publisher[MsgT]] = Publisher,
    ) -> Publisher[MsgT]:
        """A publisher; an int for QoS is the depth.

        Raises:
            InvalidTopicNameException: the name is not allowed.
            NoTypeSupportImportedException: not a message type.
        """
        qos = self._qos(qos_profile)
        name = self._topic(msg_type, topic)
        if qos_overriding_options is not None:
            apply_overrides(self, "publisher", name, qos, qos_overriding_options)
        endpoint = self._endpoint("publisher", name, msg_type, qos)
        publisher = publisher_class(self._bus, endpoint, topic)
        for reader in publisher._refused:
            self._warn_incompatible(name, qos_check_compatible(qos, reader.qos).reason)
        self._publishers.append(publisher)
        return publisher

    def create_subscription(
        self,
        msg_type: type[MsgT],
        topic: str,
        callback: Callable[[MsgT], Any] | Callable[[MsgT, Any], Any],
        qos_profile: QoSProfile | int,
        *,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: QoSOverridingOptions | None = None,
        raw: bool = False,
        content_filter_options: Any = None,
    ) -> Subscription[MsgT]:
        """A subscription; `callback(message)` or `callback(message, info)` runs for each message.

        Raises:
            InvalidTopicNameException: the name is not allowed.
            NoTypeSupportImportedException: not a message type.
            RuntimeError: the callback takes other arguments.
        """
        qos = self._qos(qos_profile)
        name = self._topic(msg_type, topic)
        if qos_overriding_options is not None:
            apply_overrides(self, "subscription", name, qos, qos_overriding_options)
        endpoint = self._endpoint("subscription", name, msg_type, qos)
        subscription: Subscription[MsgT] = Subscription(
            self._bus, endpoint, topic, callback, self._group(callback_group), raw=raw
        )
        for writer in subscription._refused:
            self._warn_incompatible(name, qos_check_compatible(writer.qos, qos).reason)
        self._subscriptions.append(subscription)
        return self._own(subscription)

    def create_client(
        self,
        srv_type: type[Any],
        srv_name: str,
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> Client[Any, Any]:
        """A client of a service.

        Raises:
            InvalidServiceNameException: the name is not allowed.
            NoTypeSupportImportedException: not a service type.
        """
        name = self._service(srv_type, srv_name)
        endpoint = self._endpoint("client", name, srv_type, qos_profile)
        client: Client[Any, Any] = Client(self._bus, endpoint, self._context, srv_name, self._group(callback_group))
        self._clients.append(client)
        return self._own(client)

    def create_service(
        self,
        srv_type: type[Any],
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> Service[Any, Any]:
        """A service; `callback(request, response)` returns the response and may be `async`.

        Raises:
            InvalidServiceNameException: the name is not allowed.
            NoTypeSupportImportedException: not a service type.
        """
        return self._create_service(
            Service, srv_type, srv_name, callback, qos_profile=qos_profile, callback_group=callback_group
        )

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable[..., Any] | None,
        callback_group: CallbackGroup | None = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """A timer on the node's clock, or on another one."""
        timer = Timer(
            callback,
            self._group(callback_group),
            int(float(timer_period_sec) * S_TO_NS),
            clock if clock is not None else self._clock,
            context=self._context,
            autostart=autostart,
        )
        self._timers.append(timer)
        return self._own(timer)

    def create_guard_condition(
        self, callback: Callable[[], Any], callback_group: CallbackGroup | None = None
    ) -> GuardCondition:
        guard = GuardCondition(callback, self._group(callback_group), context=self._context)
        self._guards.append(guard)
        return self._own(guard)

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """A rate in 1/s; its `sleep` blocks, so that another thread must spin the node.

        Raises:
            ValueError: the frequency is not positive.
        """
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        rate = Rate(self.create_timer(1.0 / frequency, None, self._rate_group, clock), context=self._context)
        self._rates.append(rate)
        return rate

    def destroy_publisher(self, publisher: Publisher[Any]) -> bool:
        return self._destroy(self._publishers, publisher)

    def destroy_subscription(self, subscription: Subscription[Any]) -> bool:
        return self._destroy(self._subscriptions, subscription)

    def destroy_client(self, client: Client[Any, Any]) -> bool:
        return self._destroy(self._clients, client)

    def destroy_service(self, service: Service[Any, Any]) -> bool:
        return self._destroy(self._services, service)

    def destroy_timer(self, timer: Timer) -> bool:
        return self._destroy(self._timers, timer)

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        return self._destroy(self._guards, guard)

    def destroy_rate(self, rate: Rate) -> bool:
        if rate not in self._rates:
            return False
        self._rates.remove(rate)
        self.destroy_timer(rate._timer)
        rate.destroy()
        return True

    def destroy_node(self) -> None:
        """Leaves the graph with everything the node owns; a second call does nothing."""
        if self._destroyed:
            return
        self.executor = None
        self._destroyed = True
        self._time_source.detach_node()
        if self._rosout is not None:
            self._rosout.close()
        for rate in self._rates:
            rate.destroy()
        owned: tuple[list[Any], ...] = (
            self._publishers,
            self._subscriptions,
            self._clients,
            self._services,
            self._timers,
            self._guards,
        )
        for group in owned:
            for entity in list(group):
                entity.destroy()
            group.clear()
        self._bus.remove_node(self._name, self._namespace)
        self._context.untrack_node(self)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy_node()

    # Inside

    def _check_alive(self) -> None:
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed node")

    def _entities(self) -> list[Entity]:
        return [*self._subscriptions, *self._services, *self._clients, *self._timers, *self._guards]

    def _join_executor(self, executor: Executor | None) -> None:
        if executor is None:
            self._executor_ref = None
        for entity in self._entities():
            entity._join(executor)

    def _own(self, entity: EntityT) -> EntityT:
        """Lets a new entity join the executor that runs the node already."""
        executor = self.executor
        if executor is not None:
            entity._join(executor)
            for _ in entity._waiting():
                executor._enqueue(entity)
        return entity

    def _group(self, group: CallbackGroup | None) -> CallbackGroup:
        return self._default_callback_group if group is None else group

    def _create_service(
        self,
        service_class: type[Service[Any, Any]],
        srv_type: type[Any],
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile,
        callback_group: CallbackGroup | None,
    ) -> Service[Any, Any]:
        endpoint = self._endpoint("service", self._service(srv_type, srv_name), srv_type, qos_profile)
        service = service_class(self._bus, endpoint, srv_name, callback, self._group(callback_group))
        self._services.append(service)
        return self._own(service)

    def _endpoint(self, kind: Any, name: str, interface: type[Any], qos: QoSProfile) -> Endpoint:
        return Endpoint(kind, name, interface, qos, node=(self._name, self._namespace))

    def _topic(self, msg_type: type[Any], topic: str) -> str:
        self._check_alive()
        if not hasattr(msg_type, "get_fields_and_field_types"):
            raise NoTypeSupportImportedException()
        return self._resolve(topic, service=False, only_expand=False)

    def _service(self, srv_type: type[Any], name: str) -> str:
        self._check_alive()
        if not hasattr(srv_type, "Request") or not hasattr(srv_type, "Response"):
            raise NoTypeSupportImportedException()
        return self._resolve(name, service=True, only_expand=False)

    @staticmethod
    def _qos(profile: QoSProfile | int) -> QoSProfile:
        if isinstance(profile, QoSProfile):
            return profile
        if isinstance(profile, bool) or not isinstance(profile, int):
            raise TypeError(f"Expected QoSProfile or int, but received {type(profile)!r}")
        if profile < 0:
            raise ValueError("history depth must be greater than or equal to zero")
        return QoSProfile(depth=profile)

    def _warn_incompatible(self, topic: str, reason: str) -> None:
        self._logger.warning(f"Incompatible QoS on {topic}, no messages will be sent: {reason}")

    def _resolve_identity(self, given_name: str, given_namespace: str | None) -> tuple[str, str]:
        _names.check_node_name(given_name)
        name = next((found for rules in self._rules if (found := rules.node_name(given_name))), given_name)
        namespace = next((found for rules in self._rules if (found := rules.namespace(given_name))), given_namespace)
        namespace = namespace or "/"
        namespace = namespace if namespace.startswith("/") else f"/{namespace}"
        _names.check_node_name(name)
        _names.check_namespace(namespace)
        return name, namespace

    def _dotted_name(self) -> str:
        return ".".join(part for part in (*self._namespace.strip("/").split("/"), self._name) if part)

    def _destroy(self, group: list[Any], entity: Any) -> bool:
        if entity not in group:
            return False
        group.remove(entity)
        entity.destroy()
        return True

    def _start_rosout(self, profile: QoSProfile | int) -> None:
        from .rosout import RosoutSink  # noqa: PLC0415 (it needs this module's class)

        self._rosout = RosoutSink(self, self._qos(profile))

    def _start_parameter_events(self) -> None:
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        self._events = self.create_publisher(ParameterEvent, "/parameter_events", qos_profile_parameter_events)

    def _start_parameter_services(self) -> None:
        from .parameter_service import ParameterService  # noqa: PLC0415 (it needs this module's class)

        self._parameter_service = ParameterService(self)


def _with_marker(cli_args: list[str]) -> list[str]:
    """Arguments given to a node alone may leave out the leading --ros-args."""
    return cli_args if "--ros-args" in cli_args else ["--ros-args", *cli_args]
