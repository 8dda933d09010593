"""Clients of services."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Coroutine
from itertools import count
from typing import TYPE_CHECKING, Any, Generic

from cell.runtime.transport import Endpoint

from ._entity import NOTHING, Entity, next_sequence
from .service import SrvRequestT, SrvResponseT
from .task import Future

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .callback_groups import CallbackGroup
    from .context import Context

__all__ = ["Client"]


class Client(Entity, Generic[SrvRequestT, SrvResponseT]):
    """Calls a service; the response arrives as a callback of the client's group."""

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
        self._pending: dict[int, Future[Any]] = {}
        self._responses: deque[tuple[int, Any, int]] = deque()
        callback_group.add_entity(self)
        bus.add_client(endpoint)

    @property
    def service_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def handle(self) -> Client[SrvRequestT, SrvResponseT]:
        return self

    def call_async(self, request: SrvRequestT) -> Future[SrvResponseT]:
        """Sends a request; the future gets the response once the executor has taken it.

        A request that no server takes stays unanswered, as in ROS 2.

        Raises:
            TypeError: not a request of this service.
            InvalidHandle: the client was destroyed.
        """
        self._check_alive()
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f"Expected {self.srv_type.Request}, got {type(request)}")
        freeze = request._freeze
        if freeze is not None:
            freeze()
        return self._send(request, Future(executor=self._executor))

    def call(self, request: SrvRequestT, timeout_sec: float | None = None) -> SrvResponseT | None:
        """Sends a request and blocks until its response; another thread must run the executor.

        Gives None after `timeout_sec`.

        Raises:
            TypeError: not a request of this service.
            BaseException: what the future ended with.
        """
        arrived = threading.Event()
        future = self.call_async(request)
        future.add_done_callback(lambda _: arrived.set())
        if not arrived.wait(timeout_sec):
            self.remove_pending_request(future)
            return None
        return future.result()

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

    def destroy(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_client(self.endpoint)
            self._executor = None
            self._pending.clear()

    def __enter__(self) -> Client[SrvRequestT, SrvResponseT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()

    def _send(self, request: Any, future: Future[Any]) -> Future[Any]:
        number = self._numbers()
        self._pending[number] = future
        server = self._bus.server(self.endpoint)
        if server is not None:
            server.request(request, lambda response: self._take(number, response))
        return future

    def _take(self, number: int, response: Any) -> None:
        if not self._destroyed:
            self._responses.append((number, response, next_sequence()))
            self._signal()

    def _waiting(self) -> list[int]:
        return [entry[2] for entry in self._responses]

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        try:
            number, response, _ = self._responses.popleft()
        except IndexError:
            return NOTHING  # type: ignore[no-any-return]
        future = self._pending.pop(number, None)
        if future is not None and not future.cancelled():
            future._set_executor(self._executor)
            future.set_result(response)
        return None


class _DirectFuture(Future[Any]):
    """Calls its callbacks where its result is set, without a further turn through the executor."""

    def _set_executor(self, executor: Any) -> None:
        self._executor = None
