"""Services in rmw_cyclonedds' manner: two topics, and a header that a reply echoes.

A request is the encapsulation, the client's number (u64), the request's number (i64, from 1), and the body.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cell.runtime import cdr
from cell.runtime.transport import Endpoint
from cell.runtime.type_description import dds_type_name, type_hash
from cell.runtime.wire import names
from cell.runtime.wire.discovery import Found
from cell.runtime.wire.endpoints import WireReader, WireWriter

if TYPE_CHECKING:
    from cell.runtime.transport import ServiceServer
    from cell.runtime.wire.backlog import Backlog

_HEADER = struct.Struct("<Qq")
_BODY = 4 + _HEADER.size
# How long a reply waits for the client's reader to be found (rmw_cyclonedds: 100 ms, and then gives up).
_READER_WAIT_S = 1.0
# Requests without an answer that a client remembers.
_PENDING = 10_000

Reply = Callable[[Any], None]


class _Pair:
    """The two ends of a service or a client: what it sends on, and what it hears from."""

    def __init__(
        self, participant: int, endpoint: Endpoint, number: int, prefix: bytes, backlog: Backlog, *, serves: bool
    ) -> None:
        self.endpoint = endpoint
        self.id = names.pair_id(number, prefix)
        interface, plain = endpoint.interface, endpoint.qos.avoid_ros_namespace_conventions
        request = (
            names.request(endpoint.name, plain=plain),
            dds_type_name(f"{endpoint.type_name}_Request"),
            type_hash(interface.Request),
        )
        reply = (
            names.reply(endpoint.name, plain=plain),
            dds_type_name(f"{endpoint.type_name}_Response"),
            type_hash(interface.Response),
        )
        heard, said = (request, reply) if serves else (reply, request)
        key = "serviceid" if serves else "clientid"

        def user_data(digest: str) -> bytes:
            return names.user_data(**{key: self.id, "typehash": digest})

        self.writer = WireWriter(participant, said[0], said[1], endpoint.qos, backlog, user_data=user_data(said[2]))
        self.reader = WireReader(participant, heard[0], heard[1], endpoint.qos, user_data=user_data(heard[2]))

    def _send(self, client: int, number: int, message: Any) -> None:
        parts = cdr.gather(message)[0]
        self.writer.write((cdr.HEADER + _HEADER.pack(client, number), *parts[1:]))


class WireServer(_Pair):
    """A local server, as clients outside see it."""

    def __init__(self, participant: int, server: ServiceServer, number: int, prefix: bytes, backlog: Backlog) -> None:
        """Raises WireError where Cyclone refuses."""
        self._server = server
        # Replies whose client's reader is not there yet: the time when to give up, the client's id, the sending.
        self._waiting: list[tuple[float, str, Callable[[], None]]] = []
        self._lock = threading.Lock()
        self.client_ids: frozenset[str] = frozenset()
        self.on_wait: Callable[[], None] = lambda: None
        super().__init__(participant, server.endpoint, number, prefix, backlog, serves=True)

    def deliver(self, data: Any, client: Found | None) -> None:
        """Takes a request, in the wire's thread.

        Raises:
            CdrError: the data are no request of this service.
        """
        number, sequence = _HEADER.unpack_from(data, 4)
        request = cdr.deserialize(self.endpoint.interface.Request, _body(data))
        client_id = client.user_data.get("clientid", "") if client is not None else ""
        self._server.request(request, partial(self._reply, number, sequence, client_id))

    @property
    def waits(self) -> bool:
        """True while replies wait for their client's reader."""
        return bool(self._waiting)

    def refresh(self, known: dict[int, Found]) -> bool:
        """Looks who listens, and sends what has waited; gives whether anything still waits."""
        found = (known.get(handle) for handle in self.writer.matched())
        self.client_ids = frozenset(entry.user_data.get("clientid", "") for entry in found if entry is not None)
        now = time.monotonic()
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for entry in waiting:
                if entry[1] not in self.client_ids and entry[0] > now:
                    self._waiting.append(entry)
        for _, client_id, send in waiting:
            if client_id in self.client_ids:
                send()
        return bool(self._waiting)

    def _reply(self, number: int, sequence: int, client_id: str, response: Any) -> None:
        # A client that tells no id is answered at once.
        if not client_id or client_id in self.client_ids:
            self._send(number, sequence, response)
            return
        send = partial(self._send, number, sequence, response)
        with self._lock:
            self._waiting.append((time.monotonic() + _READER_WAIT_S, client_id, send))
        self.on_wait()


class WireClient(_Pair):
    """A local client, as servers outside see it."""

    def __init__(self, participant: int, client: Endpoint, number: int, prefix: bytes, backlog: Backlog) -> None:
        """Raises WireError where Cyclone refuses."""
        self._replies: OrderedDict[int, Reply] = OrderedDict()
        self._lock = threading.Lock()
        self._sequence = 0
        super().__init__(participant, client, number, prefix, backlog, serves=False)

    def call(self, request: Any, reply: Reply) -> None:
        """Sends a request; `reply(response)` is called by the wire's thread."""
        with self._lock:
            self._sequence += 1
            sequence = self._sequence
            self._replies[sequence] = reply
            if len(self._replies) > _PENDING:
                self._replies.popitem(last=False)
        self._send(self.writer.handle, sequence, request)

    def deliver(self, data: Any) -> None:
        """Takes a reply, to this client or to another one.

        Raises:
            CdrError: the data are no response of this service.
        """
        number, sequence = _HEADER.unpack_from(data, 4)
        if number != self.writer.handle:
            return
        with self._lock:
            reply = self._replies.pop(sequence, None)
        if reply is not None:
            reply(cdr.deserialize(self.endpoint.interface.Response, _body(data)))


class RemoteServer:
    """A server outside, as the bus knows it; a request goes through any local client of that service."""

    def __init__(self, endpoint: Endpoint, clients: Callable[[Endpoint], WireClient | None]) -> None:
        self.endpoint = endpoint
        self._clients = clients

    def request(self, request: Any, reply: Reply) -> None:
        client = self._clients(self.endpoint)
        if client is not None:
            client.call(request, reply)


def _body(data: Any) -> bytes:
    """The message behind the header, with its encapsulation; 16 bytes of header leave its alignment as it is."""
    return bytes(data[:4]) + bytes(data[_BODY:])
