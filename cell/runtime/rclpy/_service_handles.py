"""The handles of services and clients, as rclpy's C layer shows them: what lies below their callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._handle import Handle

if TYPE_CHECKING:
    from .client import Client
    from .service import RequestHeader, Service


class _EntityHandle(Handle):
    """What the handles of services and clients share."""

    def __init__(self, entity: Any) -> None:
        super().__init__(entity._end)
        self._entity = entity

    @property
    def qos(self) -> Any:
        return self._entity.qos_profile

    def get_logger_name(self) -> str:
        return self._entity.logger_name  # type: ignore[no-any-return]

    def configure_introspection(self, clock: Any, qos: Any, state: Any) -> None:
        self._entity.configure_introspection(clock, qos, state)


class ServiceHandle(_EntityHandle):
    """The lower end of a service."""

    _entity: Service[Any, Any]

    @property
    def name(self) -> str:
        return self._entity.service_name

    def service_take_request(self, request_type: type[Any]) -> tuple[Any, RequestHeader] | tuple[None, None]:
        """The oldest request and its header, or `(None, None)` where none waits."""
        self._entity._check_alive()
        return self._entity._take_request() or (None, None)

    def service_send_response(self, response: Any, header: RequestHeader) -> None:
        self._entity.send_response(response, header)

    def set_on_new_request_callback(self, callback: Callable[[int], Any]) -> None:
        """Calls `callback(count)` in the requesting thread for each request, and now for those that wait."""
        self._entity._check_alive()
        self._entity._listen(callback)

    def clear_on_new_request_callback(self) -> None:
        self._entity._listen(None)


class ClientHandle(_EntityHandle):
    """The lower end of a client."""

    _entity: Client[Any, Any]

    @property
    def service_name(self) -> str:
        return self._entity.service_name

    def service_server_is_available(self) -> bool:
        return self._entity.service_is_ready()

    def set_on_new_response_callback(self, callback: Callable[[int], Any]) -> None:
        """Calls `callback(count)` in the responding thread for each response, and now for those that wait."""
        self._entity._check_alive()
        self._entity._listen(callback)

    def clear_on_new_response_callback(self) -> None:
        self._entity._listen(None)
