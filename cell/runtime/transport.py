"""The seam between nodes and the ways a message can travel.

A publisher is a `Writer`, a subscription a `Reader`; both register with the `Bus` of their ROS domain, which matches
them by topic, type and QoS. Delivery in one process is a call by reference. A `Transport` (between processes, on the
wire) is told of every local writer, reader, server and client. It attaches a `Reader` of its own to a local writer that
somebody elsewhere reads (`Writer.match`), calls `Reader.deliver` with what arrives from elsewhere, registers a
`ServiceServer` for a server that lives elsewhere, and tells the bus of foreign endpoints and nodes (`add_foreign`,
`add_node`), so that graph queries see them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .pump import Pump

if TYPE_CHECKING:
    from rclpy.qos import QoSProfile

EndpointKind = Literal["publisher", "subscription", "service", "client"]
Location = Literal["process", "machine", "wire"]


class Endpoint:
    """What the graph knows of a publisher, a subscription, a service or a client; names are fully qualified.

    `location` says how it is reached: in this process, in another one on this machine, or on the wire. `interface` is
    None where a foreign type is known by its name only. `gid` (16 bytes) identifies the endpoint in the whole domain.

    Two endpoints are never equal. (No dataclass: that module takes longer to import than all of the runtime.)
    """

    __slots__ = (
        "alive",
        "gid",
        "interface",
        "kind",
        "lifespan_ns",
        "location",
        "name",
        "node_name",
        "node_namespace",
        "observer",
        "qos",
        "type_hash",
        "type_name",
    )

    def __init__(
        self,
        kind: EndpointKind,
        name: str,
        interface: type[Any] | None,
        qos: QoSProfile,
        *,
        node: tuple[str, str],
        type_name: str = "",
        location: Location = "process",
        gid: bytes = b"",
        type_hash: str = "",
    ) -> None:
        """`node` is the name and the namespace of the owner; `type_name` is `package/kind/Type`.

        `type_hash` (RIHS01_...) is what a foreign owner says of its type; a local one's follows from its interface.
        """
        self.kind = kind
        self.name = name
        self.interface: Any = interface
        self.qos = qos
        self.node_name, self.node_namespace = node
        self.type_name = type_name or _type_name(interface)
        self.location = location
        self.gid = gid or _new_gid()
        # Who hears of the publishers and subscriptions that come and go on the same topic.
        self.observer: EndpointObserver | None = None
        lifespan_ns = qos.lifespan.nanoseconds
        self.lifespan_ns: int = lifespan_ns if lifespan_ns < _FOREVER_NS else 0
        self.type_hash = type_hash
        # False while a publisher fails to show in time that it is alive.
        self.alive = True

    @property
    def is_local(self) -> bool:
        return self.location == "process"


def _type_name(interface: Any) -> str:
    name = getattr(interface, "_TYPE_NAME", None)
    return str(name) if name else f"{interface.__module__}.{interface.__qualname__}".replace(".", "/")


_FOREVER_NS = 2**63 - 1
_process_gid = os.urandom(8)
_gid_numbers = count(1).__next__


def _renew_process_gid() -> None:
    global _process_gid  # noqa: PLW0603 (one of each process)
    _process_gid = os.urandom(8)


# The child of a fork is another process.
os.register_at_fork(after_in_child=_renew_process_gid)


def _new_gid() -> bytes:
    return _process_gid + _gid_numbers().to_bytes(8, "big")


class EndpointObserver(Protocol):
    """Hears of all publishers on a subscription's topic, or the reverse, fitting or not; called with the bus locked."""

    def peer_added(self, peer: Endpoint) -> None: ...

    def peer_removed(self, peer: Endpoint) -> None: ...

    def peer_alive(self, peer: Endpoint, alive: bool) -> None:
        """A publisher has failed to show in time that it is alive, or shows it again."""


class Reader(Protocol):
    """Takes the messages of one subscription.

    `direct` readers are called before all others (a node's clock is set before any callback sees the new time).
    """

    endpoint: Endpoint
    direct: bool

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        """Takes one message, in the publisher's or a transport's thread: quick, and never blocking.

        `stamp_ns` is the source time (0: take the time here), `sequence` counts the writer's messages from 1 (0: not
        known), `source` is the writer's endpoint.
        """


class FarReader(Reader, Protocol):
    """Stands for all readers elsewhere that a transport reaches."""

    def wait_for_acks(self, timeout_ns: int) -> bool:
        """Blocks until they have what was published, at most that long; gives whether they have."""

    def tell_liveliness(self, alive: bool) -> None:
        """The publisher shows that it is alive, or has failed to."""


class ServiceServer(Protocol):
    """Takes the requests of one service; `reply` may be called later, from any thread, at most once.

    A `reply` may tell who asks, for headers and introspection, by its attributes `client_gid` (16 bytes),
    `sequence_number` (from 1) and `source_timestamp_ns`; those of this process's clients do.
    """

    endpoint: Endpoint

    def request(self, request: Any, reply: Callable[[Any], None]) -> None: ...


class Transport(Protocol):
    """A way out of this process: hears of everything local. Called with the bus locked: quick, and never blocking.

    A transport's own threads may call the bus; they must not hold a lock then that these methods take.
    """

    def node_added(self, name: str, namespace: str) -> None: ...

    def node_removed(self, name: str, namespace: str) -> None: ...

    def writer_added(self, writer: Writer) -> None: ...

    def writer_removed(self, writer: Writer) -> None: ...

    def reader_added(self, reader: Reader) -> None: ...

    def reader_removed(self, reader: Reader) -> None: ...

    def server_added(self, server: ServiceServer) -> None: ...

    def server_removed(self, server: ServiceServer) -> None: ...

    def client_added(self, client: Endpoint) -> None: ...

    def client_removed(self, client: Endpoint) -> None: ...


class Writer:
    """The publishing end of a topic: keeps the matched readers, and the last samples where durability asks for it."""

    __slots__ = ("_lock", "_retained", "_sequence", "endpoint", "readers")

    def __init__(self, endpoint: Endpoint, retain: int | None) -> None:
        """`retain` is how many samples late readers get, 0 for all of them, None for volatile durability."""
        self.endpoint = endpoint
        self.readers: tuple[Reader, ...] = ()
        self._retained: deque[tuple[Any, int, int]] | None = None if retain is None else deque(maxlen=retain or None)
        self._lock = threading.Lock()
        self._sequence = count(1).__next__

    @property
    def retains(self) -> bool:
        """True if readers that come later get messages of now."""
        return self._retained is not None

    def publish(self, message: Any, stamp_ns: int = 0) -> None:
        """Delivers by reference to all matched readers, in this thread."""
        sequence = self._sequence()
        endpoint = self.endpoint
        if self._retained is None:
            for reader in self.readers:
                reader.deliver(message, stamp_ns, sequence, endpoint)
            return
        with self._lock:
            self._retained.append((message, stamp_ns, sequence))
            readers = self.readers
        for reader in readers:
            reader.deliver(message, stamp_ns, sequence, endpoint)

    def skip(self) -> None:
        """Counts a message that nobody takes."""
        self._sequence()

    def far_readers(self) -> list[FarReader]:
        """What stands for readers elsewhere."""
        return [reader for reader in self.readers if hasattr(reader, "wait_for_acks")]  # type: ignore[misc]

    def match(self, reader: Reader, *, replay: bool) -> None:
        """Adds a reader; with `replay` it first gets the retained samples."""
        with self._lock:
            if replay and self._retained is not None:
                for message, stamp_ns, sequence in self._retained:
                    reader.deliver(message, stamp_ns, sequence, self.endpoint)
            ordered = sorted((*self.readers, reader), key=lambda entry: not entry.direct)
            self.readers = tuple(ordered)

    def with_retained(self, take: Callable[[list[tuple[Any, int, int]]], None]) -> None:
        """Gives `take` the retained samples (message, stamp, sequence), oldest first, while nothing is published."""
        with self._lock:
            take(list(self._retained or ()))

    def unmatch(self, reader: Reader) -> None:
        with self._lock:
            self.readers = tuple(entry for entry in self.readers if entry is not reader)


class Bus:
    """One ROS domain in this process: who publishes, subscribes, serves and calls, and who is matched with whom."""

    def __init__(self, compatible: Callable[[QoSProfile, QoSProfile], bool]) -> None:
        """`compatible(offered, requested)` decides whether a writer's and a reader's QoS match."""
        self._compatible = compatible
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._writers: dict[str, list[Writer]] = {}
        self._readers: dict[str, list[Reader]] = {}
        self._servers: dict[str, list[ServiceServer]] = {}
        self._clients: list[Endpoint] = []
        self._foreign: list[Endpoint] = []
        self._nodes: list[tuple[str, str]] = []
        self._local_nodes: list[tuple[str, str]] = []
        self._enclaves: dict[tuple[str, str], str] = {}
        self._transports: list[Transport] = []
        self.pump = Pump()
        # The other processes that a transport reaches on this machine, by the first 8 bytes of their gids.
        self.machine_peers: frozenset[bytes] = frozenset()

    def attach(self, transport: Transport) -> None:
        """Adds a transport and tells it of what is there already."""
        with self._lock:
            self._transports.append(transport)
            for node in self._local_nodes:
                transport.node_added(*node)
            for writers in self._writers.values():
                for writer in writers:
                    transport.writer_added(writer)
            for readers in self._readers.values():
                for reader in readers:
                    transport.reader_added(reader)
            for servers in self._servers.values():
                for server in servers:
                    if server.endpoint.is_local:
                        transport.server_added(server)
            for client in self._clients:
                transport.client_added(client)

    def detach(self, transport: Transport) -> None:
        """Lets a transport go; it has taken back what it added."""
        with self._lock:
            self._transports.remove(transport)

    def add_node(self, name: str, namespace: str, *, local: bool = True, enclave: str = "/") -> None:
        with self._changed:
            self._nodes.append((name, namespace))
            if enclave != "/":
                self._enclaves[name, namespace] = enclave
            if local:
                self._local_nodes.append((name, namespace))
                for transport in self._transports:
                    transport.node_added(name, namespace)
            self._changed.notify_all()

    def remove_node(self, name: str, namespace: str, *, local: bool = True) -> None:
        with self._changed:
            self._nodes.remove((name, namespace))
            if (name, namespace) not in self._nodes:
                self._enclaves.pop((name, namespace), None)
            if local:
                self._local_nodes.remove((name, namespace))
                for transport in self._transports:
                    transport.node_removed(name, namespace)
            self._changed.notify_all()

    def add_foreign(self, endpoint: Endpoint) -> None:
        """Shows a publisher, a subscription or a client that lives elsewhere in the graph; a server: `add_server`."""
        with self._changed:
            self._foreign.append(endpoint)
            self._introduce(endpoint)
            self._changed.notify_all()

    def remove_foreign(self, endpoint: Endpoint) -> None:
        with self._changed:
            self._foreign = [entry for entry in self._foreign if entry is not endpoint]
            self._dismiss(endpoint)
            self._changed.notify_all()

    def nodes(self) -> list[tuple[str, str]]:
        """Names and namespaces, in the order of creation or discovery."""
        with self._lock:
            return list(self._nodes)

    def nodes_with_enclaves(self) -> list[tuple[str, str, str]]:
        """As `nodes`, with the security enclave of each."""
        with self._lock:
            return [(*node, self._enclaves.get(node, "/")) for node in self._nodes]

    def add_writer(self, writer: Writer) -> list[Endpoint]:
        """Matches a writer with the readers that are there; gives the readers whose QoS does not fit."""
        with self._lock:
            topic = writer.endpoint.name
            self._writers.setdefault(topic, []).append(writer)
            refused = [reader.endpoint for reader in self._readers.get(topic, ()) if not self._match(writer, reader)]
            self._introduce(writer.endpoint)
            for transport in self._transports:
                transport.writer_added(writer)
            self._changed.notify_all()
        return refused

    def remove_writer(self, writer: Writer) -> None:
        with self._lock:
            _discard(self._writers, writer.endpoint.name, writer)
            writer.readers = ()
            self._dismiss(writer.endpoint)
            for transport in self._transports:
                transport.writer_removed(writer)
            self._changed.notify_all()

    def add_reader(self, reader: Reader) -> list[Endpoint]:
        """Matches a reader with the writers that are there; gives the writers whose QoS does not fit."""
        with self._lock:
            topic = reader.endpoint.name
            self._readers.setdefault(topic, []).append(reader)
            refused = [writer.endpoint for writer in self._writers.get(topic, ()) if not self._match(writer, reader)]
            self._introduce(reader.endpoint)
            for transport in self._transports:
                transport.reader_added(reader)
            self._changed.notify_all()
        return refused

    def remove_reader(self, reader: Reader) -> None:
        with self._lock:
            topic = reader.endpoint.name
            _discard(self._readers, topic, reader)
            for writer in self._writers.get(topic, ()):
                writer.unmatch(reader)
            self._dismiss(reader.endpoint)
            for transport in self._transports:
                transport.reader_removed(reader)
            self._changed.notify_all()

    def add_server(self, server: ServiceServer) -> None:
        """Adds a server; a transport adds one for each that lives elsewhere."""
        with self._lock:
            self._servers.setdefault(server.endpoint.name, []).append(server)
            if server.endpoint.is_local:
                for transport in self._transports:
                    transport.server_added(server)
            self._changed.notify_all()

    def remove_server(self, server: ServiceServer) -> None:
        with self._lock:
            _discard(self._servers, server.endpoint.name, server)
            if server.endpoint.is_local:
                for transport in self._transports:
                    transport.server_removed(server)
            self._changed.notify_all()

    def add_client(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._clients.append(endpoint)
            for transport in self._transports:
                transport.client_added(endpoint)
            self._changed.notify_all()

    def remove_client(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._clients.remove(endpoint)
            for transport in self._transports:
                transport.client_removed(endpoint)
            self._changed.notify_all()

    def server(self, client: Endpoint) -> ServiceServer | None:
        """The server that answers a client: of its name and type, one in this process before all others, or None."""
        fitting = [
            server for server in self._servers.get(client.name, ()) if server.endpoint.type_name == client.type_name
        ]
        return min(fitting, key=lambda server: not server.endpoint.is_local, default=None)

    def matched(self, endpoint: Endpoint) -> list[Endpoint]:
        """The subscriptions that a publisher reaches, or the publishers that reach a subscription."""
        other: EndpointKind = "subscription" if endpoint.kind == "publisher" else "publisher"
        found = [entry for entry in self.endpoints(other, endpoint.name) if entry.type_name == endpoint.type_name]
        if endpoint.kind == "publisher":
            return [entry for entry in found if self._compatible(endpoint.qos, entry.qos)]
        return [entry for entry in found if self._compatible(entry.qos, endpoint.qos)]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        """Blocks until the condition on the graph holds, at most `timeout_s`; gives whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def notify(self) -> None:
        """Lets every `wait_for` look again, for conditions that depend on more than the graph (a shut-down)."""
        with self._changed:
            self._changed.notify_all()

    def endpoints(self, kind: EndpointKind | None = None, name: str | None = None) -> list[Endpoint]:
        """The endpoints of a kind and a name, in the order of creation; None for any."""
        with self._lock:
            found: list[Endpoint] = []
            for group in (self._writers, self._readers, self._servers):
                for entries in group.values():
                    found += [entry.endpoint for entry in entries]
            found += self._clients
            found += self._foreign
        return [endpoint for endpoint in found if kind in (None, endpoint.kind) and name in (None, endpoint.name)]

    def peers(self, endpoint: Endpoint) -> list[Endpoint]:
        """The subscriptions on a publisher's topic, or the publishers on a subscription's, fitting or not."""
        other: EndpointKind = "subscription" if endpoint.kind == "publisher" else "publisher"
        group: dict[str, list[Any]] = self._readers if endpoint.kind == "publisher" else self._writers
        with self._lock:
            local = [entry.endpoint for entry in group.get(endpoint.name, ())]
            return local + [entry for entry in self._foreign if entry.kind == other and entry.name == endpoint.name]

    def _introduce(self, endpoint: Endpoint) -> None:
        if endpoint.kind not in ("publisher", "subscription"):
            return
        for peer in self.peers(endpoint):
            if endpoint.observer is not None:
                endpoint.observer.peer_added(peer)
            if peer.observer is not None:
                peer.observer.peer_added(endpoint)

    def _dismiss(self, endpoint: Endpoint) -> None:
        if endpoint.kind not in ("publisher", "subscription"):
            return
        for peer in self.peers(endpoint):
            if peer.observer is not None:
                peer.observer.peer_removed(endpoint)

    def _match(self, writer: Writer, reader: Reader) -> bool:
        offered, requested = writer.endpoint, reader.endpoint
        if offered.interface is not requested.interface and offered.type_name != requested.type_name:
            return True
        if not self._compatible(offered.qos, requested.qos):
            return False
        writer.match(reader, replay=requested.qos.durability.name == "TRANSIENT_LOCAL")
        return True


def _discard(group: dict[str, list[Any]], name: str, entry: object) -> None:
    entries = group[name]
    entries.remove(entry)
    if not entries:
        del group[name]
