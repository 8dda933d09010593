"""Services across processes: a stand-in for each server elsewhere, and the way back for each request from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from cell.runtime import cdr
from cell.runtime.machine.frames import CLIENT_GID_BYTES, HEAD, REPLY, REQUEST

if TYPE_CHECKING:
    from cell.runtime.machine.link import Link
    from cell.runtime.transport import Endpoint, ServiceServer

# More than that is not kept for a process that takes nothing (it is stopped, or blocked for good).
_WAITING_LIMIT = 10_000
_NOBODY = bytes(CLIENT_GID_BYTES)


class Calls:
    """The requests of this process that one other process has not answered yet."""

    def __init__(self) -> None:
        self._numbers = count(1).__next__
        self._pending: dict[int, tuple[type[Any], Callable[[Any], None]]] = {}

    def add(self, response: type[Any], reply: Callable[[Any], None]) -> int:
        number = self._numbers()
        self._pending[number] = response, reply
        return number

    def answer(self, frame: bytes) -> None:
        """Gives the reply to whoever asked.

        Raises:
            CdrError, BAD_FRAME: it holds no response.
        """
        entry = self._pending.pop(HEAD.unpack_from(frame)[4], None)
        if entry is not None:
            response, reply = entry
            reply(cdr.deserialize(response, memoryview(frame)[HEAD.size :]))


class RemoteServer:
    """A server in another process. When it dies, what it has not answered stays unanswered, as in ROS 2."""

    def __init__(self, endpoint: Endpoint, number: int, link: Link, calls: Calls, interface: Callable[[], Any]) -> None:
        """`interface` gives the class of the service once it is needed."""
        self.endpoint = endpoint
        self._number = number
        self._link = link
        self._calls = calls
        self._interface = interface

    def request(self, request: Any, reply: Callable[[Any], None]) -> None:
        if self._link.waiting > _WAITING_LIMIT:
            return
        gid = (getattr(reply, "client_gid", b"") or _NOBODY)[:CLIENT_GID_BYTES].ljust(CLIENT_GID_BYTES, b"\0")
        sequence = getattr(reply, "sequence_number", 0)
        stamp_ns = getattr(reply, "source_timestamp_ns", 0)
        data = cdr.serialize(request)
        serial = self._calls.add(self._interface().Response, reply)
        self._link.send(HEAD.pack(REQUEST, 0, 0, self._number, serial, sequence, stamp_ns) + gid + data)


class _Answer:
    """The way back to a client in another process."""

    __slots__ = ("_link", "_serial", "client_gid", "sequence_number", "source_timestamp_ns")

    def __init__(self, link: Link, serial: int, client_gid: bytes, sequence: int, stamp_ns: int) -> None:
        self._link = link
        self._serial = serial
        self.client_gid = client_gid
        self.sequence_number = sequence
        self.source_timestamp_ns = stamp_ns

    def __call__(self, response: Any) -> None:
        if self._link.waiting <= _WAITING_LIMIT:
            self._link.send(HEAD.pack(REPLY, 0, 0, 0, self._serial, 0, 0) + cdr.serialize(response))


def serve(server: ServiceServer, frame: bytes, link: Link) -> None:
    """Gives a request from elsewhere to a server of this process.

    Raises:
        CdrError, BAD_FRAME: it holds no request.
    """
    _, _, _, _, serial, sequence, stamp_ns = HEAD.unpack_from(frame)
    start = HEAD.size + CLIENT_GID_BYTES
    request = cdr.deserialize(server.endpoint.interface.Request, memoryview(frame)[start:])
    server.request(request, _Answer(link, serial, frame[HEAD.size : start], sequence, stamp_ns))
