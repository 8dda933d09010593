"""Clients of services."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from typing import TYPE_CHECKING, Any, Generic

from cell.runtime.transport import Endpoint

from ._entity import NOTHING, Entity, next_sequence
from ._snapshot import snapshot
from .service import SrvRequestT, SrvResponseT, _logger_name
from .task import Future

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from ._service_events import ServiceEvents
    from ._service_handles import ClientHandle
    from .callback_groups import CallbackGroup
    from .clock import Clock
    from .context import Context
    from .qos import QoSProfile
    from .service_introspection import ServiceIntrospectionState

__all__ = ["Client"]


class _ResponseFuture(Future[Any]):
    """The future of one request; the client forgets the request when it is cancelled."""

    def __init__(self, client: Client[Any, Any], convert: Callable[[Any], Any] | None = None) -> None:
        """`convert(response)` makes the result of a response."""
        super().__init__(executor=client._executor)
        self._client = client
        self._convert = convert
        self._number = 0

    def cancel(self) -> None:
        self._client._pending.pop(self._number, None)
        super().cancel()


class _ReplyTo:
    """The way back of one request; it also tells the server who asks."""

    __slots__ = ("_client", "sequence_number", "source_timestamp_ns")

    def __init__(self, client: Client[Any, Any], sequence_number: int) -> None:
        self._client = client
        self.sequence_number = sequence_number
        self.source_timestamp_ns = time.time_ns()

    @property
    def client_gid(self) -> bytes:
        return self._client.endpoint.gid

    def __call__(self, response: Any) -> None:
        self._client._take(self.sequence_number, response)


class Client(Entity, Generic[SrvRequestT, SrvResponseT]):
    """Calls a service; the response arrives as a callback of the client's group."""

    # Whether a response lets what else is ready go first.
    _yields = True

    def __init__(
        self,
        bus: Bus,
        endpoint: Endpoint,
        context: Context,
        srv_name: str,
        callback_group: CallbackGroup,
    ) -> None:
        """Made by `Node.create_client`; `srv_name` is as the program gave it, `endpoint` holds the full name."""
        self.context = context
        self.srv_type = endpoint.interface
        self.qos_profile = endpoint.qos
        self.srv_name = srv_name
        self.callback_group = callback_group
        self.endpoint = endpoint
        self._bus = bus
        self._numbers = count(1).__next__
        self._pending: dict[int, _ResponseFuture] = {}
        self._responses: deque[tuple[int, Any, tuple[Any, ...] | None, int]] = deque()
        self._events: ServiceEvents | None = None
        self._on_response: Callable[[int], Any] | None = None
        self._handle: ClientHandle | None = None
        callback_group.add_entity(self)
        bus.add_client(endpoint)

    @property
    def service_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def logger_name(self) -> str:
        """The name of the node's logger."""
        return _logger_name(self.endpoint)

    @property
    def handle(self) -> ClientHandle:
        from ._service_handles import ClientHandle  # noqa: PLC0415 (few programs need it)

        if self._handle is None:
            self._handle = ClientHandle(self)
        return self._handle

    def call_async(self, request: SrvRequestT) -> Future[SrvResponseT]:
        """Sends a request; the future gets the response once the executor has taken it.

        A request that no server takes stays unanswered, as in ROS 2.

        Raises:
            TypeError: not a request of this service.
            InvalidHandle: the client was destroyed.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"Expected {self.srv_type.Request}, got {type(request)}")
        return self._send(request, _ResponseFuture(self))

    def call(self, request: SrvRequestT, timeout_sec: float | None = None) -> SrvResponseT | None:
        """Sends a request and blocks until its response; another thread must run the executor.

        Raises:
            TypeError: not a request of this service.
            TimeoutError: no response came within `timeout_sec`.
            BaseException: what the future ended with.
        """
        arrived = threading.Event()
        future = self.call_async(request)
        future.add_done_callback(lambda _: arrived.set())
        if not arrived.wait(timeout_sec):
            self.remove_pending_request(future)
            raise TimeoutError(f"no response from {self.service_name} within {timeout_sec} s")
        return future.result()

    def get_pending_request(self, sequence_number: int) -> Future[SrvResponseT]:
        """The future of a request.

        Raises:
            KeyError: no such request waits for its response.
        """
        return self._pending[sequence_number]

    def remove_pending_request(self, future: Future[SrvResponseT]) -> None:
        """Forgets a request: its future never gets a result."""
        for number, pending in list(self._pending.items()):
            if pending is future:
                self._pending.pop(number, None)

    def service_is_ready(self) -> bool:
        self._check_alive()
        return self._bus.server(self.endpoint) is not None

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Blocks until a server is there; gives whether it is."""
        self._check_alive()
        self._bus.wait_for(lambda: self.service_is_ready() or not self.context.ok(), timeout_sec)
        return self.service_is_ready()

    def configure_introspection(
        self, clock: Clock, service_event_qos_profile: QoSProfile, introspection_state: ServiceIntrospectionState
    ) -> None:
        """Publishes requests and responses on `<service>/_service_event` from now on, or no longer.

        Raises:
            TypeError: `introspection_state` is no ServiceIntrospectionState.
            InvalidHandle: the client was destroyed.
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
        """Leaves the graph, once nobody uses the handle; futures of requests that wait never get a result."""
        if self._handle is None:
            self._end()
        else:
            self._handle.destroy_when_not_in_use()

    def _end(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_client(self.endpoint)
            self._executor = None
            self._pending.clear()
            self._responses.clear()
            if self._events is not None:
                self._events.destroy()

    def __enter__(self) -> Client[SrvRequestT, SrvResponseT]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def _send(self, request: Any, future: _ResponseFuture) -> Future[Any]:
        self._check_alive()
        number = future._number = self._numbers()
        self._pending[number] = future
        server = self._bus.server(self.endpoint)
        if server is not None:
            server.request(snapshot(request), _ReplyTo(self, number))
        events = self._events
        if events is not None:
            events.publish(0, self.endpoint.gid, number, request=request)
        return future

    def _take(self, number: int, response: Any) -> None:
        """Takes a response, in whatever thread it comes."""
        if self._destroyed:
            return
        executor = self._executor
        ahead = tuple(executor._ready) if executor is not None and self._yields else None
        self._responses.append((number, response, ahead, next_sequence()))
        self._signal()
        listener = self._on_response
        if listener is not None:
            listener(1)

    def _listen(self, callback: Callable[[int], Any] | None) -> None:
        self._on_response = callback
        if callback is not None and self._responses:
            callback(len(self._responses))

    def _waiting(self) -> list[int]:
        return [entry[3] for entry in list(self._responses)]

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        try:
            number, response, ahead, _ = self._responses.popleft()
        except IndexError:
            return NOTHING  # type: ignore[no-any-return]
        executor = self._executor
        if ahead is not None and executor is not None and not set(executor._ready) <= {*ahead, self}:
            # As in rclpy's rounds, every other entity that has become ready has its turn first, so that an action's
            # feedback comes before the answer to its goal.
            self._responses.appendleft((number, response, None, next_sequence()))
            executor._enqueue(self)
            return NOTHING  # type: ignore[no-any-return]
        events = self._events
        if events is not None:
            events.publish(3, self.endpoint.gid, number, response=response)
        future = self._pending.pop(number, None)
        if future is None:
            self._unexpected()
        elif not future.cancelled():
            future._set_executor(self._executor)
            future.set_result(response if future._convert is None else future._convert(response))
        return None

    def _unexpected(self) -> None:
        """A response that nobody waits for any more, or a second one to the same request."""
