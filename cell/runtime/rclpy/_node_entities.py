"""The part of a node that makes publishers, subscriptions, services, clients, timers and the like, and ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from cell.runtime.transport import Bus, Endpoint

from ._entity import Entity
from ._node_graph import NodeGraph
from .callback_groups import CallbackGroup
from .client import Client
from .clock import Clock
from .constants import S_TO_NS
from .context import Context
from .exceptions import NoTypeSupportImportedException
from .guard_condition import GuardCondition
from .logging import RcutilsLogger
from .publisher import MsgT, Publisher
from .qos import QoSProfile, qos_profile_services_default
from .qos_overriding_options import QoSOverridingOptions, _declare_qos_parameters
from .service import Service
from .subscription import Subscription
from .timer import Rate, Timer

if TYPE_CHECKING:
    from .executors import Executor
    from .node import Node
    from .waitable import Waitable

EntityT = TypeVar("EntityT", bound=Entity)


class Compound(Protocol):
    """An action server or client: entities of a node that stand in none of its lists, as in rclpy."""

    def _parts(self) -> list[Entity]: ...

    def destroy(self) -> None: ...


class NodeEntities(NodeGraph):
    """Creates and destroys what a node owns; a base of `Node`."""

    _rcl_bus: Bus
    _context: Context
    _clock: Clock
    _logger: RcutilsLogger
    _default_callback_group: CallbackGroup
    _rate_group: CallbackGroup
    _publishers: list[Publisher[Any]]
    _subscriptions: list[Subscription[Any]]
    _services: list[Service[Any, Any]]
    _clients: list[Client[Any, Any]]
    _timers: list[Timer]
    _guards: list[GuardCondition]
    _rcl_rates: list[Rate]
    _rcl_waitables: list[Waitable[Any]]
    _rcl_compounds: list[Compound]

    if TYPE_CHECKING:

        @property
        def executor(self) -> Executor | None: ...

        def _rcl_check_alive(self) -> None: ...

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

    @property
    def waitables(self) -> Iterator[Waitable[Any]]:
        yield from self._rcl_waitables

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
        qos = self._rcl_qos(qos_profile)
        name = self._rcl_topic(msg_type, topic)
        if qos_overriding_options is not None:
            _declare_qos_parameters(Publisher, cast("Node", self), name, qos, qos_overriding_options)
        endpoint = self._rcl_endpoint("publisher", name, msg_type, qos)
        publisher = publisher_class(
            self._rcl_bus,
            endpoint,
            topic,
            event_callbacks=event_callbacks,
            callback_group=self._rcl_group(callback_group),
        )
        self._publishers.append(publisher)
        for handler in publisher.event_handlers:
            self._rcl_own(handler)
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
        qos = self._rcl_qos(qos_profile)
        name = self._rcl_topic(msg_type, topic)
        if qos_overriding_options is not None:
            _declare_qos_parameters(Subscription, cast("Node", self), name, qos, qos_overriding_options)
        endpoint = self._rcl_endpoint("subscription", name, msg_type, qos)
        subscription: Subscription[MsgT] = Subscription(
            self._rcl_bus,
            endpoint,
            topic,
            callback,
            self._rcl_group(callback_group),
            raw=raw,
            event_callbacks=event_callbacks,
            content_filter_options=content_filter_options,
        )
        self._subscriptions.append(subscription)
        for handler in subscription.event_handlers:
            self._rcl_own(handler)
        return self._rcl_own(subscription)

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
        name = self._rcl_service(srv_type, srv_name)
        endpoint = self._rcl_endpoint("client", name, srv_type, qos_profile)
        client: Client[Any, Any] = Client(
            self._rcl_bus, endpoint, self._context, srv_name, self._rcl_group(callback_group)
        )
        self._clients.append(client)
        return self._rcl_own(client)

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
        return self._rcl_create_service(
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
            self._rcl_group(callback_group),
            int(float(timer_period_sec) * S_TO_NS),
            clock if clock is not None else self._clock,
            context=self._context,
            autostart=autostart,
        )
        self._timers.append(timer)
        return self._rcl_own(timer)

    def create_guard_condition(
        self, callback: Callable[[], Any], callback_group: CallbackGroup | None = None
    ) -> GuardCondition:
        guard = GuardCondition(callback, self._rcl_group(callback_group), context=self._context)
        self._guards.append(guard)
        return self._rcl_own(guard)

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """A rate in 1/s; its `sleep` blocks, so that another thread must spin the node.

        Raises:
            ValueError: the frequency is not positive.
        """
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        rate = Rate(self.create_timer(1.0 / frequency, None, self._rate_group, clock), context=self._context)
        self._rcl_rates.append(rate)
        return rate

    def add_waitable(self, waitable: Waitable[Any]) -> None:
        """Lets the node's executor run a compound entity."""
        self._rcl_waitables.append(waitable)
        waitable._attach(self._context)
        self._rcl_own(waitable)

    def remove_waitable(self, waitable: Waitable[Any]) -> None:
        """Raises ValueError where it was not added."""
        self._rcl_waitables.remove(waitable)
        waitable._detach()

    def destroy_publisher(self, publisher: Publisher[Any]) -> bool:
        return self._rcl_destroy(self._publishers, publisher)

    def destroy_subscription(self, subscription: Subscription[Any]) -> bool:
        return self._rcl_destroy(self._subscriptions, subscription)

    def destroy_client(self, client: Client[Any, Any]) -> bool:
        return self._rcl_destroy(self._clients, client)

    def destroy_service(self, service: Service[Any, Any]) -> bool:
        return self._rcl_destroy(self._services, service)

    def destroy_timer(self, timer: Timer) -> bool:
        return self._rcl_destroy(self._timers, timer)

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        return self._rcl_destroy(self._guards, guard)

    def destroy_rate(self, rate: Rate) -> bool:
        if rate not in self._rcl_rates:
            return False
        self._rcl_rates.remove(rate)
        self.destroy_timer(rate._timer)
        rate.destroy()
        return True

    # Inside

    def _rcl_entities(self) -> list[Entity]:
        parts = [part for compound in self._rcl_compounds for part in compound._parts()]
        talking: list[Publisher[Any] | Subscription[Any]] = [*self._publishers, *self._subscriptions]
        for entity in talking:
            parts += entity.event_handlers
        return [
            *self._subscriptions,
            *self._services,
            *self._clients,
            *self._timers,
            *self._guards,
            *self._rcl_waitables,
            *parts,
        ]

    def _rcl_own_parts(self, compound: Compound) -> None:
        """Takes in what consists of several entities: the entities join the executor that runs the node."""
        self._rcl_compounds.append(compound)
        for part in compound._parts():
            self._rcl_own(part)

    def _rcl_disown_parts(self, compound: Compound) -> None:
        self._rcl_compounds.remove(compound)

    def _rcl_own(self, entity: EntityT) -> EntityT:
        """Lets a new entity join the executor that runs the node already."""
        executor = self.executor
        if executor is not None:
            entity._join(executor)
            for _ in entity._waiting():
                executor._enqueue(entity)
        return entity

    def _rcl_group(self, group: CallbackGroup | None) -> CallbackGroup:
        return self._default_callback_group if group is None else group

    def _rcl_create_service(
        self,
        service_class: type[Service[Any, Any]],
        srv_type: type[Any],
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile,
        callback_group: CallbackGroup | None,
    ) -> Service[Any, Any]:
        endpoint = self._rcl_endpoint("service", self._rcl_service(srv_type, srv_name), srv_type, qos_profile)
        service = service_class(self._rcl_bus, endpoint, srv_name, callback, self._rcl_group(callback_group))
        self._services.append(service)
        return self._rcl_own(service)

    def _rcl_endpoint(self, kind: Any, name: str, interface: type[Any], qos: QoSProfile) -> Endpoint:
        return Endpoint(kind, name, interface, qos, node=(self._rcl_name, self._rcl_namespace))

    def _rcl_topic(self, msg_type: type[Any], topic: str) -> str:
        self._rcl_check_alive()
        if not hasattr(msg_type, "get_fields_and_field_types"):
            raise NoTypeSupportImportedException()
        return self._rcl_resolve(topic, service=False, only_expand=False)

    def _rcl_service(self, srv_type: type[Any], name: str) -> str:
        self._rcl_check_alive()
        if not hasattr(srv_type, "Request") or not hasattr(srv_type, "Response"):
            raise NoTypeSupportImportedException()
        return self._rcl_resolve(name, service=True, only_expand=False)

    @staticmethod
    @staticmethod
    def _rcl_qos(profile: QoSProfile | int) -> QoSProfile:
        if isinstance(profile, QoSProfile):
            return profile
        if isinstance(profile, bool) or not isinstance(profile, int):
            raise TypeError(f"Expected QoSProfile or int, but received {type(profile)!r}")
        if profile < 0:
            raise ValueError("history depth must be greater than or equal to zero")
        return QoSProfile(depth=profile)

    def _rcl_destroy(self, group: list[Any], entity: Any) -> bool:
        if entity not in group:
            return False
        group.remove(entity)
        entity.destroy()
        return True
