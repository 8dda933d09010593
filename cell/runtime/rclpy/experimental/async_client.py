"""A client whose calls are awaited."""

from __future__ import annotations

import asyncio
from typing import Any, Generic

from ..client import Client
from ..future import Future
from ..service import SrvRequestT, SrvResponseT

__all__ = ["AsyncClient"]


class AsyncClient(Generic[SrvRequestT, SrvResponseT]):
    """Calls a service: `response = await client.call(request)`."""

    def __init__(self, client: Client[SrvRequestT, SrvResponseT]) -> None:
        self._client = client
        self._waiting: set[asyncio.Future[Any]] = set()

    @property
    def srv_type(self) -> Any:
        return self._client.srv_type

    @property
    def srv_name(self) -> str:
        return self._client.srv_name

    @property
    def service_name(self) -> str:
        """The fully qualified name."""
        return self._client.service_name

    @property
    def handle(self) -> Any:
        return self._client.handle

    def service_is_ready(self) -> bool:
        return self._client.service_is_ready()

    async def wait_for_service(self, *, check_interval: float = 0.1) -> None:
        """Waits for a server, looking every `check_interval` s; `asyncio.timeout` limits it."""
        while not self.service_is_ready():
            await asyncio.sleep(check_interval)

    async def call(self, request: SrvRequestT) -> SrvResponseT:
        """Sends a request and waits for the response; cancelled when the client is destroyed.

        Raises:
            TypeError: not a request of this service.
            RuntimeError: the client was destroyed.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[SrvResponseT] = loop.create_future()
        future = self._client.call_async(request)
        future._set_executor(None)

        def answer(done: Future[SrvResponseT]) -> None:
            loop.call_soon_threadsafe(_settle, answered, done)

        future.add_done_callback(answer)
        self._waiting.add(answered)
        try:
            return await answered
        finally:
            self._waiting.discard(answered)
            self._client.remove_pending_request(future)

    def destroy(self) -> None:
        self._client.destroy()
        for answered in list(self._waiting):
            answered.cancel()

    def __enter__(self) -> AsyncClient[SrvRequestT, SrvResponseT]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()


def _settle(answered: asyncio.Future[Any], done: Future[Any]) -> None:
    if answered.done():
        return
    if done.cancelled():
        answered.cancel()
        return
    error = done.exception()
    if error is None:
        answered.set_result(done.result())
    else:
        answered.set_exception(error)
