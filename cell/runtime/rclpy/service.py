"""Services: requests wait in a queue, and the executor runs the callback that answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cell.runtime.transport import Endpoint

from ._entity import NOTHING, Entity, next_sequence

if TYPE_CHECKING:
    from cell.runtime.transport import Bus

    from .callback_groups import CallbackGroup

__all__ = ["Service", "SrvRequestT", "SrvResponseT", "SrvT"]

SrvT = TypeVar("SrvT")
SrvRequestT = TypeVar("SrvRequestT")
SrvResponseT = TypeVar("SrvResponseT")

Reply = Callable[[Any], None]


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
        self._requests: deque[tuple[Any, Reply, int]] = deque()
        callback_group.add_entity(self)
        bus.add_server(self)

    @property
    def service_name(self) -> str:
        """The fully qualified name."""
        return self.endpoint.name

    @property
    def handle(self) -> Service[SrvRequestT, SrvResponseT]:
        return self

    def request(self, request: Any, reply: Reply) -> None:
        """Takes a request from a client, in its thread."""
        self._requests.append((request, reply, next_sequence()))
        self._signal()

    def send_response(self, response: SrvResponseT, header: Reply) -> None:
        """Answers one request.

        Raises:
            TypeError: not a response of this service.
        """
        self._check_alive()
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(f"Expected {self.srv_type.Response}, got {type(response)}")
        freeze = response._freeze
        if freeze is not None:
            freeze()
        header(response)

    def destroy(self) -> None:
        if not self._destroyed:
            self._destroyed = True
            self._bus.remove_server(self)
            self._executor = None

    def __enter__(self) -> Service[SrvRequestT, SrvResponseT]:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.destroy()

    def _waiting(self) -> list[int]:
        return [entry[2] for entry in self._requests]

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        try:
            request, reply, _ = self._requests.popleft()
        except IndexError:
            return NOTHING  # type: ignore[no-any-return]
        answer = self.callback(request, self.srv_type.Response())
        if type(answer) is CoroutineType:
            return self._answer_later(answer, reply)
        self.send_response(answer, reply)
        return None

    async def _answer_later(self, answer: Coroutine[Any, Any, Any], reply: Reply) -> None:
        self.send_response(await answer, reply)


class _DeferredService(Service[Any, Any]):
    """`callback(request, reply)` answers when it can, by `send_response(response, reply)`."""

    def _dispatch(self) -> Coroutine[Any, Any, Any] | None:
        try:
            request, reply, _ = self._requests.popleft()
        except IndexError:
            return NOTHING  # type: ignore[no-any-return]
        return self.callback(request, reply)  # type: ignore[no-any-return]
