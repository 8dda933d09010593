"""The seam between nodes and the ways a message can travel.

A publisher is a `Writer`, a subscription a `Reader`; both register with the `Bus` of their ROS domain, which matches
them by topic, type and QoS. Delivery in one process is a call by reference. A transport (between processes, on the
wire) needs nothing else: it learns of local endpoints as an `Observer`, adds a `Reader` of its own for every remote
subscriber and a `Writer` for every remote publisher, and likewise a `ServiceServer` for a remote service.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from rclpy.qos import QoSProfile

EndpointKind = Literal["publisher", "subscription", "service", "client"]


class Endpoint:
    """What the graph knows of a publisher, a subscription, a service or a client; names are fully qualified.

    Two endpoints are never equal. (No dataclass: that module takes longer to import than all of the runtime.)
    """

    __slots__ = ("interface", "kind", "name", "node_name", "node_namespace", "qos")

    def __init__(
        self, kind: EndpointKind, name: str, interface: type[Any], qos: QoSProfile, *, node: tuple[str, str]
    ) -> None:
        """`node` is the name and the namespace of the owner."""
        self.kind = kind
        self.name = name
        self.interface = interface
        self.qos = qos
        self.node_name, self.node_namespace = node

    @property
    def type_name(self) -> str:
        """`package/kind/Type`."""
        name = getattr(self.interface, "_TYPE_NAME", None)
        return str(name) if name else f"{self.interface.__module__}.{self.interface.__qualname__}".replace(".", "/")


class Reader(Protocol):
    """Takes the messages of one subscription.

    `direct` readers are called before all others (a node's clock is set before any callback sees the new time).
    """

    endpoint: Endpoint
    direct: bool

    def deliver(self, message: Any, stamp_ns: int) -> None:
        """Takes one message, in the publisher's thread: quick, and never blocking. `stamp_ns` 0: stamp it here."""


class ServiceServer(Protocol):
    """Takes the requests of one service; `reply` may be called later, from any thread, at most once."""

    endpoint: Endpoint

    def request(self, request: Any, reply: Callable[[Any], None]) -> None: ...


class Observer(Protocol):
    """Hears of every endpoint in this process; a transport is one."""

    def endpoint_added(self, endpoint: Endpoint) -> None: ...

    def endpoint_removed(self, endpoint: Endpoint) -> None: ...


class Writer:
    """The publishing end of a topic: keeps the matched readers, and the last samples where durability asks for it."""

    __slots__ = ("_lock", "_retained", "endpoint", "readers")

    def __init__(self, endpoint: Endpoint, retain: int | None) -> None:
        """`retain` is how many samples late readers get, 0 for all of them, None for volatile durability."""
        self.endpoint = endpoint
        self.readers: tuple[Reader, ...] = ()
        self._retained: deque[Any] | None = None if retain is None else deque(maxlen=retain or None)
        self._lock = threading.Lock()

    def publish(self, message: Any, stamp_ns: int = 0) -> None:
        """Delivers by reference to all matched readers, in this thread."""
        if self._retained is None:
            for reader in self.readers:
                reader.deliver(message, stamp_ns)
            return
        with self._lock:
            self._retained.append(message)
            readers = self.readers
        for reader in readers:
            reader.deliver(message, stamp_ns)

    def match(self, reader: Reader, *, replay: bool) -> None:
        """Adds a reader; with `replay` it first gets the retained samples."""
        with self._lock:
            if replay and self._retained is not None:
                for message in self._retained:
                    reader.deliver(message, 0)
            ordered = sorted((*self.readers, reader), key=lambda entry: not entry.direct)
            self.readers = tuple(ordered)

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
        self._nodes: list[tuple[str, str]] = []
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Adds an observer and tells it of what is there already."""
        with self._lock:
            self._observers.append(observer)
            for endpoint in self.endpoints():
                observer.endpoint_added(endpoint)

    def add_node(self, name: str, namespace: str) -> None:
        with self._changed:
            self._nodes.append((name, namespace))
            self._changed.notify_all()

    def remove_node(self, name: str, namespace: str) -> None:
        with self._changed:
            self._nodes.remove((name, namespace))
            self._changed.notify_all()

    def nodes(self) -> list[tuple[str, str]]:
        """Names and namespaces, in the order of creation."""
        with self._lock:
            return list(self._nodes)

    def add_writer(self, writer: Writer) -> list[Endpoint]:
        """Matches a writer with the readers that are there; gives the readers whose QoS does not fit."""
        with self._lock:
            topic = writer.endpoint.name
            self._writers.setdefault(topic, []).append(writer)
            refused = [reader.endpoint for reader in self._readers.get(topic, ()) if not self._match(writer, reader)]
            self._announce(writer.endpoint)
        return refused

    def remove_writer(self, writer: Writer) -> None:
        with self._lock:
            _discard(self._writers, writer.endpoint.name, writer)
            writer.readers = ()
            self._withdraw(writer.endpoint)

    def add_reader(self, reader: Reader) -> list[Endpoint]:
        """Matches a reader with the writers that are there; gives the writers whose QoS does not fit."""
        with self._lock:
            topic = reader.endpoint.name
            self._readers.setdefault(topic, []).append(reader)
            refused = [writer.endpoint for writer in self._writers.get(topic, ()) if not self._match(writer, reader)]
            self._announce(reader.endpoint)
        return refused

    def remove_reader(self, reader: Reader) -> None:
        with self._lock:
            topic = reader.endpoint.name
            _discard(self._readers, topic, reader)
            for writer in self._writers.get(topic, ()):
                writer.unmatch(reader)
            self._withdraw(reader.endpoint)

    def add_server(self, server: ServiceServer) -> None:
        with self._lock:
            self._servers.setdefault(server.endpoint.name, []).append(server)
            self._announce(server.endpoint)

    def remove_server(self, server: ServiceServer) -> None:
        with self._lock:
            _discard(self._servers, server.endpoint.name, server)
            self._withdraw(server.endpoint)

    def add_client(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._clients.append(endpoint)
            self._announce(endpoint)

    def remove_client(self, endpoint: Endpoint) -> None:
        with self._lock:
            self._clients.remove(endpoint)
            self._withdraw(endpoint)

    def server(self, client: Endpoint) -> ServiceServer | None:
        """The server that answers a client: the first of its name and type, or None."""
        servers = self._servers.get(client.name, ())
        return next((server for server in servers if server.endpoint.type_name == client.type_name), None)

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
        return [endpoint for endpoint in found if kind in (None, endpoint.kind) and name in (None, endpoint.name)]

    def _match(self, writer: Writer, reader: Reader) -> bool:
        offered, requested = writer.endpoint, reader.endpoint
        if offered.interface is not requested.interface and offered.type_name != requested.type_name:
            return True
        if not self._compatible(offered.qos, requested.qos):
            return False
        writer.match(reader, replay=requested.qos.durability.name == "TRANSIENT_LOCAL")
        return True

    def _announce(self, endpoint: Endpoint) -> None:
        for observer in self._observers:
            observer.endpoint_added(endpoint)
        self._changed.notify_all()

    def _withdraw(self, endpoint: Endpoint) -> None:
        for observer in self._observers:
            observer.endpoint_removed(endpoint)
        self._changed.notify_all()


def _discard(group: dict[str, list[Any]], name: str, entry: object) -> None:
    entries = group[name]
    entries.remove(entry)
    if not entries:
        del group[name]
