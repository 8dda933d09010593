"""The transport between the processes of a machine: tells the others what is here, and the bus what is there.

While no other process is there, nothing but the folder and the registry of local endpoints is loaded.
"""

from __future__ import annotations

import _socket as socket  # the module `socket` takes 3 ms to import
import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from rclpy.qos import QoSCompatibility, qos_check_compatible

from cell.runtime import transport as seam
from cell.runtime.machine.folder import Folder
from cell.runtime.machine.memory import Memory

if TYPE_CHECKING:
    from cell.runtime.machine.link import Link
    from cell.runtime.machine.outlet import Outlet
    from cell.runtime.machine.peer import Peer
    from cell.runtime.transport import Bus, Endpoint, Reader, ServiceServer, Writer

# How long the end of a context waits for the others to be told.
_LEAVE_WAIT_S = 0.25
_CREDENTIALS_BYTES = 12  # pid, uid, gid as native ints: unix(7), SO_PEERCRED


class MachineTransport:
    """One domain's processes on this machine, seen from this one.

    Lock order: the bus', then `_lock`, then a writer's, an outlet's, a connection's. The pump's callbacks hold none
    when they call the bus.
    """

    def __init__(self, bus: Bus, domain_id: int) -> None:
        """Raises FolderError where the domain's folder cannot be used."""
        self.bus = bus
        self.folder = Folder(domain_id)
        self.memory = Memory(self.folder, self.warn)
        # Also read without the lock: each change is one step.
        self.local_readers: dict[int, Reader] = {}
        self.local_servers: dict[int, ServiceServer] = {}
        self._lock = threading.RLock()
        self._numbers = count(1).__next__
        self._number_of: dict[int, int] = {}
        self._nodes: list[tuple[str, str]] = []
        self._endpoints: dict[int, Endpoint] = {}
        self._writers: dict[str, dict[int, Writer]] = {}
        # Of the writers that somebody elsewhere reads, or has read.
        self._outlets: dict[int, Outlet] = {}
        self._peers: dict[Link, Peer] = {}
        self._links: tuple[Link, ...] = ()
        self._hashes: dict[Any, str] = {}
        self._stopped = False
        self._listener, connections = self.folder.join()
        _alive.add(self)
        bus.attach(self)
        for connection in connections:
            self._connect(connection)
        bus.pump.attach(self._listener.fileno(), self._accept)
        atexit.register(self.stop)

    def stop(self) -> None:
        """Leaves the domain, and the bus without anything from elsewhere."""
        if self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        _alive.discard(self)
        # In a thread of its own, as a signal's handler comes here too, and may have interrupted whoever holds a lock.
        # The interpreter waits for it at its end.
        leaving = threading.Thread(target=self._leave, name="rclpy-leaving")
        leaving.start()
        leaving.join(_LEAVE_WAIT_S)

    def _leave(self) -> None:
        self.bus.pump.detach(self._listener.fileno())
        self._listener.close()
        self.bus.detach(self)
        for peer in list(self._peers.values()):
            self._part(peer)
        for outlet in list(self._outlets.values()):
            outlet.close()
        self.memory.close()
        self.folder.leave()

    def forget(self) -> None:
        """In the child of a fork: lets go of what belongs to the parent, without a word to anybody."""
        self._stopped = True
        self._listener.close()
        for link in self._links:
            link.forget()
        self._links = ()
        for outlet in self._outlets.values():
            outlet.forget()
        self.folder.forget()
        self.bus.pump.forget()

    def warn(self, text: str) -> None:
        from rclpy.logging import get_logger  # noqa: PLC0415 (only for faults)

        get_logger("rclpy.machine").warning(text)

    # From the bus, with the bus locked

    def node_added(self, name: str, namespace: str) -> None:
        with self._lock:
            self._nodes.append((name, namespace))
            self._tell_node(name, namespace, here=True)

    def node_removed(self, name: str, namespace: str) -> None:
        with self._lock:
            self._nodes.remove((name, namespace))
            self._tell_node(name, namespace, here=False)

    def writer_added(self, writer: Writer) -> None:
        with self._lock:
            number = self._add(writer, writer.endpoint)
            self._writers.setdefault(writer.endpoint.name, {})[number] = writer
            for peer in self._peers.values():
                for reader_number, reader in peer.readers.items():
                    self._match(writer, number, peer.link, reader_number, reader)

    def writer_removed(self, writer: Writer) -> None:
        with self._lock:
            number = self._remove(writer)
            writers = self._writers[writer.endpoint.name]
            del writers[number]
            if not writers:
                del self._writers[writer.endpoint.name]
            outlet = self._outlets.pop(number, None)
        if outlet is not None:
            outlet.close()

    def reader_added(self, reader: Reader) -> None:
        with self._lock:
            number = self._number(reader)
            self.local_readers[number] = reader
            self._show(number, reader.endpoint)

    def reader_removed(self, reader: Reader) -> None:
        with self._lock:
            number = self._remove(reader)
            del self.local_readers[number]
            peers = list(self._peers.values())
        for peer in peers:
            peer.forget_reader(number)

    def server_added(self, server: ServiceServer) -> None:
        with self._lock:
            number = self._number(server)
            self.local_servers[number] = server
            self._show(number, server.endpoint)

    def server_removed(self, server: ServiceServer) -> None:
        with self._lock:
            del self.local_servers[self._remove(server)]

    def client_added(self, client: Endpoint) -> None:
        with self._lock:
            self._add(client, client)

    def client_removed(self, client: Endpoint) -> None:
        with self._lock:
            self._remove(client)

    # From the peers, in the pump

    def met(self, peer: Peer) -> None:
        """A process has introduced itself."""
        with self._lock:
            self.bus.machine_peers = frozenset(entry.gid for entry in self._peers.values() if entry.gid)

    def match_reader(self, peer: Peer, number: int, reader: Endpoint) -> None:
        with self._lock:
            peer.readers[number] = reader
            for writer_number, writer in self._writers.get(reader.name, {}).items():
                self._match(writer, writer_number, peer.link, number, reader)

    def unmatch_reader(self, peer: Peer, number: int) -> None:
        with self._lock:
            reader = peer.readers.pop(number)
            for writer_number in self._writers.get(reader.name, {}):
                outlet = self._outlets.get(writer_number)
                if outlet is not None:
                    outlet.remove(peer.link, number)

    def forget_readers(self, peer: Peer) -> None:
        with self._lock:
            peer.readers.clear()
            for outlet in self._outlets.values():
                outlet.remove(peer.link, None)

    def slots_ready(self, peer: Peer, number: int, generation: int) -> None:
        with self._lock:
            outlet = self._outlets.get(number)
        if outlet is not None:
            outlet.ready(peer.link, generation)

    def synced(self, peer: Peer, number: int, serial: int) -> None:
        with self._lock:
            outlet = self._outlets.get(number)
        if outlet is not None:
            outlet.synced(peer.link, serial)

    def interface(self, type_name: str) -> Any:
        """The class of a type from elsewhere, or None where it is not known here."""
        from cell.runtime.interfaces import InterfaceError  # noqa: PLC0415 (only with peers)
        from cell.runtime.messages import interface  # noqa: PLC0415 (only with peers)

        try:
            return interface(type_name)
        except (InterfaceError, ValueError):
            return None

    def service_type(self, type_name: str) -> Any:
        """The class of a service that somebody here calls."""
        with self._lock:
            local = [entry for entry in self._endpoints.values() if entry.type_name == type_name]
        return local[0].interface if local else self.interface(type_name)

    # Connections

    def _accept(self) -> None:
        try:
            fileno, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        self._connect(socket.socket(fileno=fileno))

    def _connect(self, connection: socket.socket) -> None:
        """Begins a conversation: introduces this process, and tells what is here."""
        try:
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS_BYTES)
        except OSError:
            connection.close()
            return
        if int.from_bytes(found[4:8], sys.byteorder) != os.getuid():
            connection.close()
            return
        from cell.runtime.machine import frames  # noqa: PLC0415 (only with peers, see the module)
        from cell.runtime.machine.link import Link  # noqa: PLC0415 (see above)
        from cell.runtime.machine.peer import Peer  # noqa: PLC0415 (see above)

        with self._lock:
            link = Link(connection, self.bus.pump, self._on_end)
            link.send(frames.frame(frames.HELLO, body={"version": frames.VERSION, "gid": seam._process_gid.hex()}))
            for node in self._nodes:
                link.send(frames.frame(frames.NODE, body=node))
            for number, endpoint in self._endpoints.items():
                link.send(self._shown(number, endpoint))
            peer = self._peers[link] = Peer(self, link)
            self._links = tuple(self._peers)
            link.listen(peer.take)

    def refuse(self, peer: Peer, fault: str) -> None:
        """Lets a peer go that sends what it must not."""
        self.warn(f"a process on this machine is let go: {fault}")
        self._part(peer)

    def _on_end(self, link: Link) -> None:
        peer = self._peers.get(link)
        if peer is not None:
            self._part(peer)
            if peer.gid:
                self.memory.clean()

    def _part(self, peer: Peer) -> None:
        with self._lock:
            if self._peers.pop(peer.link, None) is None:
                return
            self._links = tuple(self._peers)
            self.met(peer)
        peer.link.close()
        peer.end()

    # Inside

    def _number(self, entry: object) -> int:
        number = self._number_of[id(entry)] = self._numbers()
        return number

    def _add(self, entry: object, endpoint: Endpoint) -> int:
        number = self._number(entry)
        self._show(number, endpoint)
        return number

    def _show(self, number: int, endpoint: Endpoint) -> None:
        self._endpoints[number] = endpoint
        if self._links:
            data = self._shown(number, endpoint)
            for link in self._links:
                link.send(data)

    def _remove(self, entry: object) -> int:
        number = self._number_of.pop(id(entry))
        endpoint = self._endpoints.pop(number)
        if self._links:
            from cell.runtime.machine import frames  # noqa: PLC0415 (only with peers)

            gone = frames.frame(frames.ENDPOINT_GONE, number)
            for link in self._links:
                # A process that takes nothing for long is not told of what came and went meanwhile.
                if not link.waiting or not link.withdraw(self._shown(number, endpoint)):
                    link.send(gone)
        return number

    def _tell_node(self, name: str, namespace: str, *, here: bool) -> None:
        if self._links:
            from cell.runtime.machine import frames  # noqa: PLC0415 (only with peers)

            data = frames.frame(frames.NODE if here else frames.NODE_GONE, body=[name, namespace])
            for link in self._links:
                link.send(data)

    def _match(self, writer: Writer, writer_number: int, link: Link, number: int, reader: Endpoint) -> None:
        """Lets a reader elsewhere have a local writer's messages, where topic, type and QoS fit."""
        source = writer.endpoint
        if (source.name, source.type_name) != (reader.name, reader.type_name):
            return
        if qos_check_compatible(source.qos, reader.qos).compatibility == QoSCompatibility.ERROR:
            return
        outlet = self._outlets.get(writer_number)
        if outlet is None:
            from cell.runtime.machine.outlet import Outlet  # noqa: PLC0415 (only with peers)

            outlet = self._outlets[writer_number] = Outlet(writer, writer_number, self.memory)
        outlet.add(link, number, reader)

    def _shown(self, number: int, endpoint: Endpoint) -> bytes:
        from cell.runtime.machine import frames  # noqa: PLC0415 (only with peers)

        return frames.frame(frames.ENDPOINT, number, body=frames.endpoint_body(endpoint, self._hash))

    def _hash(self, endpoint: Endpoint) -> str:
        found = self._hashes.get(endpoint.interface)
        if found is None:
            from cell.runtime.interfaces import InterfaceError  # noqa: PLC0415 (only with peers)
            from cell.runtime.type_description import type_hash  # noqa: PLC0415 (only with peers)

            try:
                found = type_hash(endpoint.interface)
            except (InterfaceError, AttributeError):
                found = ""
            self._hashes[endpoint.interface] = found
        return found


def start(bus: Bus, domain_id: int) -> Callable[[], None]:
    """Joins the other processes of the domain; gives what leaves them.

    Raises:
        FolderError: the domain's folder cannot be used.
    """
    return MachineTransport(bus, domain_id).stop


_alive: weakref.WeakSet[MachineTransport] = weakref.WeakSet()


def _after_fork() -> None:
    """The child of a fork uses nothing of its parent's: it is another process, and joins when it calls `rclpy.init`."""
    from cell.runtime.machine import slots  # noqa: PLC0415 (only here)

    slots.abandon()
    for entry in list(_alive):
        entry.forget()
    _alive.clear()
    context = sys.modules.get("rclpy.context")
    if context is not None:
        # A context that the child makes gets a bus of its own, without what the parent's bus knows.
        context._domains.clear()


os.register_at_fork(after_in_child=_after_fork)
