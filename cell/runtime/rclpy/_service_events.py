"""What a service or a client publishes on `<service>/_service_event` while its introspection is on.

Topic, message and order are those of rcl (rcl/src/rcl/service_event_publisher.c, REP 2012).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cell.runtime.transport import Endpoint

from ._snapshot import snapshot
from .publisher import Publisher
from .service_introspection import ServiceIntrospectionState

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .clock import Clock
    from .qos import QoSProfile

REQUEST_SENT, REQUEST_RECEIVED, RESPONSE_SENT, RESPONSE_RECEIVED = range(4)


class ServiceEvents:
    """The publisher of one service's or client's events."""

    def __init__(self, bus: Bus, owner: Endpoint, clock: Clock, qos: QoSProfile, *, contents: bool) -> None:
        """`owner` is the service or the client; `contents` adds requests and responses."""
        self._event_type: Any = owner.interface.Event
        self._clock = clock
        self._contents = contents
        topic = f"{owner.name}/_service_event"
        node = (owner.node_name, owner.node_namespace)
        endpoint = Endpoint("publisher", topic, self._event_type, qos, node=node)
        self._publisher: Publisher[Any] = Publisher(bus, endpoint, topic)

    def publish(
        self, event: int, client_gid: bytes, sequence_number: int, *, request: Any = None, response: Any = None
    ) -> None:
        """Publishes one event; the time is that of the clock."""
        from service_msgs.msg import ServiceEventInfo  # noqa: PLC0415 (message classes load on use)

        info = ServiceEventInfo(
            event_type=event,
            stamp=self._clock.now().to_msg(),
            client_gid=client_gid,
            sequence_number=sequence_number,
        )
        message = self._event_type(info=info)
        if self._contents and request is not None:
            message.request = [snapshot(request)]
        if self._contents and response is not None:
            message.response = [snapshot(response)]
        self._publisher.publish(message)

    def destroy(self) -> None:
        self._publisher.destroy()


def configured(
    current: ServiceEvents | None,
    bus: Bus,
    owner: Endpoint,
    state: ServiceIntrospectionState,
    *,
    clock: Clock,
    qos: QoSProfile,
) -> ServiceEvents | None:
    """The events that follow a change of the configuration; None while introspection is off.

    Raises:
        TypeError: `state` is no ServiceIntrospectionState.
    """
    if not isinstance(state, ServiceIntrospectionState):
        raise TypeError(f"introspection_state must be a ServiceIntrospectionState, not {type(state).__name__}")
    if current is not None:
        current.destroy()
    if state is ServiceIntrospectionState.OFF:
        return None
    return ServiceEvents(bus, owner, clock, qos, contents=state is ServiceIntrospectionState.CONTENTS)
