"""What this process knows of another one, and does with what comes from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cell.runtime import cdr
from cell.runtime.machine import frames
from cell.runtime.machine.frames import BAD_FRAME, DATA, HEAD, SLOT, VERSION
from cell.runtime.machine.inlet import Inlet
from cell.runtime.machine.services import Calls, RemoteServer, serve
from cell.runtime.transport import Endpoint

if TYPE_CHECKING:
    from cell.runtime.machine.link import Link
    from cell.runtime.machine.transport import MachineTransport

_HEAD_BYTES = HEAD.size
_unpack = HEAD.unpack_from


class Peer:
    """One other process. Everything here runs in the pump, and may call the bus."""

    def __init__(self, transport: MachineTransport, link: Link) -> None:
        self.link = link
        self.gid = b""
        self.calls = Calls()
        # Its readers, for the matching; changed with the transport's lock held.
        self.readers: dict[int, Endpoint] = {}
        self._transport = transport
        self._bus = transport.bus
        self._nodes: list[tuple[str, str]] = []
        self._others: dict[int, Endpoint] = {}
        self._servers: dict[int, RemoteServer] = {}
        self._inlets: dict[int, Inlet] = {}
        self._take_by_kind = {
            frames.NODE: self._node,
            frames.NODE_GONE: self._node_gone,
            frames.ENDPOINT: self._endpoint,
            frames.ENDPOINT_GONE: self._endpoint_gone,
            frames.MATCHED: self._matched,
            frames.OFFER: self._offer,
            frames.READY: self._ready,
            frames.REQUEST: self._request,
            frames.REPLY: self._reply,
            frames.SYNC: self._sync,
            frames.SYNCED: self._synced,
            frames.ALIVE: self._alive,
        }

    def take(self, data: bytes) -> None:
        """Does what a frame says."""
        try:
            kind, flags, _, number, serial, sequence, stamp_ns = _unpack(data)
            if kind != DATA or flags:
                self._take_other(kind, number, data)
                return
            inlet = self._inlets.get(number)
            if inlet is None:
                return
            if serial != inlet.serial + 1:
                inlet.count_lost(serial)
            inlet.serial = serial
            readers = inlet.readers
            if readers:
                # Small ones are copied out anyway, and a copy is quicker than a view.
                body: Any = data[_HEAD_BYTES:] if len(data) < cdr.VIEW_BYTES else memoryview(data)[_HEAD_BYTES:]
                message = cdr.deserialize(readers[0].endpoint.interface, body)
                for reader in readers:
                    reader.deliver(message, stamp_ns, sequence, inlet.endpoint)
        except cdr.CdrError as error:
            # Its definition of a type is another one: that message is lost, the rest may be in order.
            self._transport.warn(f"a message of process {self.gid.hex()} cannot be read: {error}")
        except BAD_FRAME as error:
            self._transport.refuse(self, f"{type(error).__name__}: {error}")

    def _take_other(self, kind: int, number: int, data: bytes) -> None:
        if not self.gid:
            if kind != frames.HELLO:
                raise ValueError("it does not introduce itself")
            self._hello(frames.body(data))
        elif kind == DATA:
            inlet = self._inlets.get(number)
            if inlet is not None:
                inlet.replayed(data, self._transport.local_readers)
        elif kind == SLOT:
            inlet = self._inlets.get(number)
            if inlet is not None:
                inlet.slot(data)
        else:
            self._take_by_kind[kind](number, data)

    def end(self) -> None:
        """The process is gone, and with it all that it owned."""
        self._transport.forget_readers(self)
        for inlet in self._inlets.values():
            inlet.close()
            self._bus.remove_foreign(inlet.endpoint)
        for endpoint in self._others.values():
            self._bus.remove_foreign(endpoint)
        for server in self._servers.values():
            self._bus.remove_server(server)
        for node in self._nodes:
            self._bus.remove_node(*node, local=False)

    def forget_reader(self, number: int) -> None:
        """A reader of this process is gone."""
        for inlet in list(self._inlets.values()):
            inlet.remove(number)

    def _hello(self, told: Any) -> None:
        version, gid = told["version"], bytes.fromhex(told["gid"])
        if version != VERSION:
            raise ValueError(f"it speaks version {version}, not {VERSION}")
        if len(gid) != 8:
            raise ValueError("its id is wrong")
        self.gid = gid
        self._transport.met(self)

    def _node(self, _: int, data: bytes) -> None:
        name, namespace = map(str, frames.body(data))
        self._nodes.append((name, namespace))
        self._bus.add_node(name, namespace, local=False)

    def _node_gone(self, _: int, data: bytes) -> None:
        name, namespace = map(str, frames.body(data))
        self._nodes.remove((name, namespace))
        self._bus.remove_node(name, namespace, local=False)

    def _endpoint(self, number: int, data: bytes) -> None:
        endpoint = frames.endpoint_of(frames.body(data), self._transport.interface)
        if number in self._others or number in self._servers or number in self._inlets:
            raise ValueError("the same number twice")
        if endpoint.kind == "service":
            server = RemoteServer(
                endpoint, number, self.link, self.calls, lambda: self._transport.service_type(endpoint.type_name)
            )
            self._servers[number] = server
            self._bus.add_server(server)
            return
        if endpoint.kind == "publisher":
            self._inlets[number] = Inlet(endpoint)
        else:
            self._others[number] = endpoint
            if endpoint.kind == "subscription":
                # Matched before it is seen: what is published once it is seen arrives.
                self._transport.match_reader(self, number, endpoint)
        self._bus.add_foreign(endpoint)

    def _endpoint_gone(self, number: int, _: bytes) -> None:
        if number in self._servers:
            self._bus.remove_server(self._servers.pop(number))
        elif number in self._inlets:
            inlet = self._inlets.pop(number)
            inlet.close()
            self._bus.remove_foreign(inlet.endpoint)
        else:
            endpoint = self._others.pop(number)
            if endpoint.kind == "subscription":
                self._transport.unmatch_reader(self, number)
            self._bus.remove_foreign(endpoint)

    def _matched(self, number: int, data: bytes) -> None:
        inlet, target = self._inlets.get(number), frames.body(data)
        reader = self._transport.local_readers.get(target)
        if inlet is not None and reader is not None:
            inlet.add(target, reader, HEAD.unpack_from(data)[4])

    def _offer(self, number: int, data: bytes) -> None:
        inlet = self._inlets.get(number)
        if inlet is None:
            return
        name, depth = frames.body(data)
        generation = HEAD.unpack_from(data)[4]
        ready = frames.frame(frames.READY, number, generation)
        self._transport.memory.open(inlet, generation, str(name), int(depth), lambda: self.link.send(ready))

    def _ready(self, number: int, data: bytes) -> None:
        self._transport.slots_ready(self, number, HEAD.unpack_from(data)[4])

    def _request(self, number: int, data: bytes) -> None:
        server = self._transport.local_servers.get(number)
        if server is not None:
            serve(server, data, self.link)

    def _reply(self, _: int, data: bytes) -> None:
        self.calls.answer(data)

    def _sync(self, number: int, data: bytes) -> None:
        self.link.send(frames.frame(frames.SYNCED, number, HEAD.unpack_from(data)[4]))

    def _synced(self, number: int, data: bytes) -> None:
        self._transport.synced(self, number, HEAD.unpack_from(data)[4])

    def _alive(self, number: int, data: bytes) -> None:
        inlet = self._inlets.get(number)
        if inlet is None:
            return
        alive = inlet.endpoint.alive = bool(HEAD.unpack_from(data)[4])
        for reader in self._bus.peers(inlet.endpoint):
            if reader.observer is not None:
                reader.observer.peer_alive(inlet.endpoint, alive)
