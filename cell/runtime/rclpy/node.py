"""Nodes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeVar

from . import _names
from . import executors as _  # noqa: F401 (as in rclpy: where nodes are, `rclpy.executors` is)
from ._arguments import parse_arguments
from ._node_entities import Compound, NodeEntities
from ._node_handle import NodeHandle
from ._node_parameters import NodeParameters
from ._parameters import ParameterStore
from ._rclpy_errors import NodeNameNonExistentError
from .callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from .client import Client
from .clock import Clock, ROSClock
from .context import Context
from .exceptions import (
    InvalidHandle,
    NotInitializedException,
)
from .guard_condition import GuardCondition
from .logging import RcutilsLogger, get_logger
from .parameter import Parameter
from .publisher import Publisher
from .qos import (
    QoSProfile,
    qos_profile_parameter_events,
    qos_profile_rosout_default,
)
from .service import Service
from .subscription import Subscription
from .time_source import TimeSource
from .timer import Rate, Timer
from .utilities import get_default_context

if TYPE_CHECKING:
    from .executors import Executor
    from .rosout import RosoutSink
    from .waitable import Waitable

__all__ = ["Node", "NodeNameNonExistentError"]

HIDDEN_NODE_PREFIX = "_"

T = TypeVar("T")


class Node(NodeParameters, NodeEntities):
    """A node of the graph: it owns publishers, subscriptions, services, clients, timers and parameters.

    What it keeps for itself is named `_rcl_...`, or as in rclpy: all other names are free for subclasses.
    """

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
            UnknownROSArgsError, RCLInvalidROSArgsError: bad `cli_args`.
        """
        self._context = context if context is not None else get_default_context()
        if not self._context.ok():
            raise NotInitializedException("cannot create node")
        self._rcl_rules = [parse_arguments(_with_marker(cli_args or []))]
        if use_global_arguments:
            self._rcl_rules.append(self._context._arguments)
        self._rcl_name, self._rcl_namespace = self._rcl_resolve_identity(node_name, namespace)
        self._rcl_bus = self._context._bus
        self._publishers: list[Publisher[Any]] = []
        self._subscriptions: list[Subscription[Any]] = []
        self._services: list[Service[Any, Any]] = []
        self._clients: list[Client[Any, Any]] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._rcl_waitables: list[Waitable[Any]] = []
        self._rcl_rates: list[Rate] = []
        self._rcl_compounds: list[Compound] = []
        self._rcl_executor_ref: weakref.ref[Executor] | None = None
        self._rcl_destroyed = False
        self._rcl_handle = NodeHandle(self, self._rcl_leave)
        self._default_callback_group = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()
        self._logger = get_logger(self._rcl_dotted_name())
        self._rcl_bus.add_node(self._rcl_name, self._rcl_namespace, enclave=self._context._arguments.enclave)
        self._context.track_node(self)
        self._rcl_store = ParameterStore(
            self._rcl_collect_overrides(parameter_overrides), allow_undeclared_parameters, self._rcl_publish_event
        )
        self._rcl_events: Publisher[Any] | None = None
        self._clock = self._rcl_make_clock()
        self._rcl_rosout: RosoutSink | None = None
        # The switch is the process's own, as in rcl: `use_global_arguments` does not matter here.
        if enable_rosout and self._context._arguments.rosout_logs is not False:
            self._rcl_start_rosout(rosout_qos_profile)
        self._rcl_start_parameter_events()
        if automatically_declare_parameters_from_overrides:
            for name, override in self._rcl_store.overrides.items():
                self.declare_parameter(name, override.value, ignore_override=True)
        self._time_source = TimeSource(node=self)
        self._time_source.attach_clock(self._clock)
        if start_parameter_services:
            self._rcl_start_parameter_services()
        if enable_logger_service:
            self._rcl_start_logger_service()
        self._rcl_start_type_description_service()

    # Identity

    def get_name(self) -> str:
        """Raises InvalidHandle after `destroy_node`, as what follows."""
        self._rcl_check_alive()
        return self._rcl_name

    def get_namespace(self) -> str:
        self._rcl_check_alive()
        return self._rcl_namespace

    def get_fully_qualified_name(self) -> str:
        self._rcl_check_alive()
        return f"{self._rcl_namespace.rstrip('/')}/{self._rcl_name}"

    @property
    def context(self) -> Context:
        return self._context

    @property
    def default_callback_group(self) -> CallbackGroup:
        """The group of everything that is created without one: mutually exclusive."""
        return self._default_callback_group

    @property
    def handle(self) -> NodeHandle:
        """Within `with node.handle:` the node stays; after `destroy_node` that raises InvalidHandle."""
        return self._rcl_handle

    def get_logger(self) -> RcutilsLogger:
        return self._logger

    def _rcl_make_clock(self) -> ROSClock:
        return ROSClock()

    def get_clock(self) -> Clock:
        """ROS time; it follows /clock while the parameter `use_sim_time` is true."""
        return self._clock

    @property
    def executor(self) -> Executor | None:
        """The executor that runs this node, or None."""
        return self._rcl_executor_ref() if self._rcl_executor_ref is not None else None

    @executor.setter
    def executor(self, new_executor: Executor | None) -> None:
        current = self.executor
        if current is new_executor:
            return
        self._rcl_executor_ref = None
        if current is not None:
            current.remove_node(self)
        if new_executor is not None:
            self._rcl_executor_ref = weakref.ref(new_executor)
            new_executor.add_node(self)

    def destroy_node(self) -> None:
        """Leaves the graph with everything the node owns; a second call does nothing."""
        if self._rcl_destroyed:
            return
        executor = self.executor
        self._rcl_executor_ref = None
        self._rcl_destroyed = True
        if executor is not None:
            executor._node_destroyed(self)
        self._time_source.detach_node()
        if self._rcl_rosout is not None:
            self._rcl_rosout.close()
        for rate in self._rcl_rates:
            rate.destroy()
        for compound in list(self._rcl_compounds):
            compound.destroy()
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
        for waitable in list(self._rcl_waitables):
            self.remove_waitable(waitable)
        self._rcl_rates.clear()
        self._rcl_handle.destroy_when_not_in_use()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy_node()

    # Inside

    def _rcl_leave(self) -> None:
        self._rcl_bus.remove_node(self._rcl_name, self._rcl_namespace)
        self._context.untrack_node(self)

    def _rcl_check_alive(self) -> None:
        if self._rcl_destroyed:
            raise InvalidHandle("cannot use Destroyable because destruction was requested")

    def _rcl_join_executor(self, executor: Executor | None) -> None:
        if executor is None:
            self._rcl_executor_ref = None
        for entity in self._rcl_entities():
            entity._join(executor)

    def _rcl_resolve_identity(self, given_name: str, given_namespace: str | None) -> tuple[str, str]:
        _names.check_node_name(given_name)
        name = next((found for rules in self._rcl_rules if (found := rules.node_name(given_name))), given_name)
        namespace = next(
            (found for rules in self._rcl_rules if (found := rules.namespace(given_name))), given_namespace
        )
        namespace = namespace or "/"
        namespace = namespace if namespace.startswith("/") else f"/{namespace}"
        _names.check_node_name(name)
        _names.check_namespace(namespace)
        return name, namespace

    def _rcl_dotted_name(self) -> str:
        return ".".join(part for part in (*self._rcl_namespace.strip("/").split("/"), self._rcl_name) if part)

    def _rcl_start_rosout(self, profile: QoSProfile | int) -> None:
        from .rosout import RosoutSink  # noqa: PLC0415 (it needs this module's class)

        self._rcl_rosout = RosoutSink(self, self._rcl_qos(profile))

    def _rcl_start_parameter_events(self) -> None:
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        self._rcl_events = self.create_publisher(ParameterEvent, "/parameter_events", qos_profile_parameter_events)

    def _rcl_start_parameter_services(self) -> None:
        from .parameter_service import ParameterService  # noqa: PLC0415 (it needs this module's class)

        self._parameter_service = ParameterService(self)

    def _rcl_start_type_description_service(self) -> None:
        from .type_description_service import TypeDescriptionService  # noqa: PLC0415 (it needs this module's class)

        self._type_description_service = TypeDescriptionService(self)

    def _rcl_start_logger_service(self) -> None:
        from .logging_service import LoggingService  # noqa: PLC0415 (as above, and few nodes have it)

        self._logger_service = LoggingService(self)


def _with_marker(cli_args: list[str]) -> list[str]:
    """Arguments given to a node alone may leave out the leading --ros-args."""
    return cli_args if "--ros-args" in cli_args else ["--ros-args", *cli_args]
