"""Services: requests wait in a queue, and the executor runs the callback that answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cell.runtime.transport import Endpoint

from ._entity import NOTHING, Entity, next_sequence
from ._snapshot import snapshot

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from ._service_events import ServiceEvents
    from ._service_handles import ServiceHandle
    from .callback_groups import CallbackGroup
    from .clock import Clock
    from .qos import QoSProfile
    from .service_introspection import ServiceIntrospectionState

__all__ = ["Service", "SrvRequestT", "SrvResponseT", "SrvT"]

SrvT = TypeVar("SrvT")
SrvRequestT = TypeVar("SrvRequestT")
SrvResponseT = TypeVar("SrvResponseT")

Reply = Callable[[Any], None]

_NOBODY = bytes(16)


class RequestId:
    """Which request of which client."""

    __slots__ = ("sequence_number", "writer_guid")

    def __init__(self, writer_guid: bytes, sequence_number: int) -> None:
        self.writer_guid = writer_guid
        self.sequence_number = sequence_number


class RequestHeader:
    """Who asked, when (in nanoseconds), and the way back; what `Service.send_response` takes."""

    __slots__ = ("_reply", "received_timestamp", "request_id", "source_timestamp")

    def __init__(self, reply: Reply) -> None:
        """Transports may tell who asked by the attributes `client_gid`, `sequence_number`, `source_timestamp_ns`."""
        self._reply = reply
        self.received_timestamp = time.time_ns()
        self.source_timestamp: int = getattr(reply, "source_timestamp_ns", 0)
        self.request_id = RequestId(getattr(reply, "client_gid", _NOBODY), getattr(reply, "sequence_number", 0))


class Service(Entity, Generic[SrvRequestT, SrvResponseT]):
    """Answers requests: `callback(request, response)` fills and returns the response; it may be `async`."""

    def __init__(
        self,
        bus: Bus,
        endpoint: Endpoint,
        srv_name: str,
        callback: Callable[[SrvRequestT, SrvResponseT], Any],
        callback_group: CallbackGroup,
    ) -> None:
        """Made by `Node.create_service`; `srv_name` is as the program gave it, `endpoint` holds the full name."""
        self.srv_type = endpoint.interface
        self.qos_profile = endpoint.qos
        self.srv_name = srv_name
        self.callback = callback
        self.callback_group = callback_group
        self.endpoint = endpoint
        self._bus = bus
        self._requests: deque[tuple[Any, RequestHeader, int]] = deque()
        self._events: ServiceEvents | None = None
        self._on_request: Callable[[int], Any] | None = None
        self._handle: ServiceHandle | None = None
        callback_group.add_entity(self)
        bus.add_server(self)

    @property
    def service_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def logger_name(self) -> str:
        """The name of the node's logger."""
        return _logger_name(self.endpoint)

    @property
    def handle(self) -> ServiceHandle:
        from ._service_handles import ServiceHandle  # noqa: PLC0415 (few programs need it)

        if self._handle is None:
            self._handle = ServiceHandle(self)
        return self._handle

    def request(self, request: Any, reply: Reply) -> None:
        """Takes a request from a client, in its thread."""
        self._requests.append((request, RequestHeader(reply), next_sequence()))
        self._signal()
        listener = self._on_request
        if listener is not None:
            listener(1)

    def send_response(self, response: SrvResponseT, header: Any) -> None:
        """Answers one request; `header` is what came with it.

        Raises:
            TypeError: not a response of this service.
            InvalidHandle: the service was destroyed.
        """
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(f"Expected {self.srv_type.Response}, got {type(response)}")
        self._check_alive()
        header._reply(snapshot(response))
        events = self._events
        if events is not None:
            asked = header.request_id
            events.publish(2, asked.writer_guid, asked.sequence_number, response=response)

    def configure_introspection(
        self, clock: Clock, service_event_qos_profile: QoSProfile, introspection_state: ServiceIntrospectionState
    ) -> None:
        """Publishes requests and responses on `<service>/_service_event` from now on, or no longer.

        Raises:
            TypeError: `introspection_state` is no ServiceIntrospectionState.
            InvalidHandle: the service was destroyed.
        """
        from ._service_events import configured  # noqa: PLC0415 (few programs need it)

        self._check_alive()
        self._events = configured(
            self._events,
            self._bus,
            self.endpoint,
            introspection_state,
            clock=clock,
            qos=service_event_qos_profile,
        )

    def destroy(self) -> None:
        """Leaves the graph, once nobody uses the handle; requests that wait stay unanswered."""
        if self._handle is None:
            self._end()
        else:
            self._handle.destroy_when_not_in_use()

    def _end(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_server(self)
            self._executor = None
            self._requests.clear()
            if self._events is not None:
                self._events.destroy()

    def __enter__(self) -> Service[SrvRequestT, SrvResponseT]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def _listen(self, callback: Callable[[int], Any] | None) -> None:
        self._on_request = callback
        if callback is not None and self._requests:
            callback(len(self._requests))

    def _waiting(self) -> list[int]:
        return [entry[2] for entry in list(self._requests)]

    def _take_request(self) -> tuple[Any, RequestHeader] | None:
        try:
            request, header, _ = self._requests.popleft()
        except IndexError:
            return None
        events = self._events
        if events is not None:
            asked = header.request_id
            events.publish(1, asked.writer_guid, asked.sequence_number, request=request)
        return request, header

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        taken = self._take_request()
        if taken is None:
            return NOTHING  # type: ignore[no-any-return]
        request, header = taken
        answer = self.callback(request, self.srv_type.Response())
        if type(answer) is CoroutineType:
            return self._answer_later(answer, header)
        if not self._destroyed:
            self.send_response(answer, header)
        return None

    async def _answer_later(self, answer: Coroutine[Any, Any, Any], header: RequestHeader) -> None:
        response = await answer
        # Whoever destroys a service meanwhile does not want its answers.
        if not self._destroyed:
            self.send_response(response, header)


class _DeferredService(Service[Any, Any]):
    """`callback(request, header)` answers when it can, by `send_response(response, header)`."""

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        taken = self._take_request()
        if taken is None:
            return NOTHING  # type: ignore[no-any-return]
        return self.callback(*taken)  # type: ignore[no-any-return]


def _logger_name(endpoint: Endpoint) -> str:
    return ".".join(part for part in (*endpoint.node_namespace.split("/"), endpoint.node_name) if part)
