"""A ROS domain on the wire: everything local is told to DDS, and what DDS brings goes to the bus.

One thread waits for Cyclone and does all that calls the bus; no Python runs in Cyclone's own threads. The methods of
`transport.Transport` come with the bus locked, and only make Cyclone's entities; those are deleted by the janitor.
"""

from __future__ import annotations

import atexit
import ctypes as ct
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, qos_check_compatible

from cell.runtime import cdr
from cell.runtime.interfaces import InterfaceError
from cell.runtime.messages import interface
from cell.runtime.transport import _process_gid
from cell.runtime.type_description import dds_type_name, type_hash
from cell.runtime.wire import cyclone, names
from cell.runtime.wire.backlog import Backlog
from cell.runtime.wire.configuration import configuration
from cell.runtime.wire.cyclone import WireError, check, library
from cell.runtime.wire.discovery import PROCESS_KEY, Discovery, Found
from cell.runtime.wire.endpoints import WireReader, WireWriter
from cell.runtime.wire.graph import INFO_TYPE, ForeignGraph, LocalGraph, read_info
from cell.runtime.wire.janitor import Janitor
from cell.runtime.wire.services import WireClient, WireServer
from cell.runtime.wire.topics import Incoming, Outgoing

if TYPE_CHECKING:
    from cell.runtime.transport import Bus, Endpoint, Reader, ServiceServer, Writer

# How often the thread looks at what nothing wakes it for (peers on this machine, replies that wait), ns.
_TICK_NS, _BUSY_TICK_NS = 1_000_000_000, 10_000_000
# How long a discovered endpoint may take to be matched with a local one that fits, s.
_MATCH_WAIT_S = 0.05
_TRIGGERS = 64
_BAD_DATA = (cdr.CdrError, struct.error)


class WireTransport:
    """The wire's end of a bus."""

    def __init__(self, bus: Bus, domain_id: int) -> None:
        """Raises WireError where Cyclone is not there or refuses, ValueError for bad ROS_* variables."""
        from rclpy.logging import get_logger  # noqa: PLC0415 (only for the wire)

        lib = library()
        self._bus = bus
        self._log = get_logger("rclpy.wire")
        self._domain = check(lib.dds_create_domain(domain_id, configuration().encode()), f"open domain {domain_id}")
        try:
            self._participant = self._make_participant(domain_id)
            self._prefix = cyclone.guid(self._participant)
            self._waitset = check(lib.dds_create_waitset(self._participant), "make a wait set")
            self._guard = check(lib.dds_create_guardcondition(self._participant), "make a guard condition")
            self._backlog = Backlog(self._log)
            self._discovery = Discovery(self._participant)
            self._info_writer, self._info_reader = self._make_info()
        except BaseException:
            lib.dds_delete(self._domain)
            raise
        self._janitor = Janitor()
        self._local = LocalGraph(self._prefix)
        self._graph = ForeignGraph(bus, self._client_for)
        # Everything that the bus's callers and the wire's thread share; never held while the bus is called.
        self._lock = threading.Lock()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._conditions: dict[int, int] = {}
        self._token = 0
        self._outgoing: dict[int, Outgoing] = {}
        self._incoming: dict[int, tuple[Incoming, int]] = {}
        self._servers: dict[int, tuple[WireServer, int]] = {}
        self._clients: dict[int, tuple[WireClient, int]] = {}
        self._pairs = 0
        self._told = False
        self._stopping = False
        self._unmatched: list[tuple[float, Found]] = []
        check(lib.dds_waitset_attach(self._waitset, self._guard, 0), "wait for a guard condition")
        for condition in self._discovery.conditions:
            check(lib.dds_waitset_attach(self._waitset, condition, 0), "wait for discovery")
        self._listen(self._info_reader, self._take_info)
        self._thread = threading.Thread(target=self._run, name="rclpy-wire", daemon=True)

    def start(self) -> None:
        self._bus.attach(self)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Leaves the domain; a second call does nothing."""
        if self._stopping:
            return
        atexit.unregister(self.stop)
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._bus.detach(self)
        for outgoing in list(self._outgoing.values()):
            outgoing.wanted = False
        self._graph.close()
        self._backlog.close()
        self._janitor.close()
        library().dds_delete(self._domain)

    # Called with the bus locked

    def node_added(self, name: str, namespace: str) -> None:
        with self._lock:
            self._local.add_node((name, namespace))
        self._tell()

    def node_removed(self, name: str, namespace: str) -> None:
        with self._lock:
            self._local.remove_node((name, namespace))
        self._tell()

    def writer_added(self, writer: Writer) -> None:
        outgoing = self._try(Outgoing, self._bus, self._participant, writer, self._backlog)
        if outgoing is None:
            return
        with self._lock:
            self._outgoing[id(writer)] = outgoing
        self._refresh(outgoing)
        self._own(outgoing.source, outgoing.wire)
        writer.match(outgoing, replay=outgoing.always)

    def writer_removed(self, writer: Writer) -> None:
        with self._lock:
            outgoing = self._outgoing.pop(id(writer), None)
        if outgoing is not None:
            writer.unmatch(outgoing)
            outgoing.wanted = False
            self._backlog.forget(outgoing.wire)
            self._disown(outgoing.source, outgoing.wire)
            self._janitor.delete(outgoing.wire.entity)

    def reader_added(self, reader: Reader) -> None:
        incoming = self._try(Incoming, self._bus, self._participant, reader)
        if incoming is not None:
            token = self._listen(incoming.wire, lambda: self._take(incoming))
            with self._lock:
                self._incoming[id(reader)] = incoming, token
            self._own(reader.endpoint, incoming.wire)

    def reader_removed(self, reader: Reader) -> None:
        with self._lock:
            incoming, token = self._incoming.pop(id(reader), (None, 0))
        if incoming is not None:
            self._forget(incoming.wire, token)
            self._disown(reader.endpoint, incoming.wire)

    def server_added(self, server: ServiceServer) -> None:
        wire = self._try(WireServer, self._participant, server, self._pair(), self._prefix, self._backlog)
        if wire is not None:
            wire.on_wait = self._wake
            token = self._listen(wire.reader, lambda: self._take_requests(wire))
            with self._lock:
                self._servers[id(server)] = wire, token
            self._own(server.endpoint, wire.reader, wire.writer)

    def server_removed(self, server: ServiceServer) -> None:
        with self._lock:
            wire, token = self._servers.pop(id(server), (None, 0))
        self._remove_pair(wire, token)

    def client_added(self, client: Endpoint) -> None:
        wire = self._try(WireClient, self._participant, client, self._pair(), self._prefix, self._backlog)
        if wire is not None:
            token = self._listen(wire.reader, lambda: self._take_replies(wire))
            with self._lock:
                self._clients[id(client)] = wire, token
            self._own(client, wire.reader, wire.writer)

    def client_removed(self, client: Endpoint) -> None:
        with self._lock:
            wire, token = self._clients.pop(id(client), (None, 0))
        self._remove_pair(wire, token)

    # Inside

    def _make_participant(self, domain_id: int) -> int:
        lib = library()
        qos = lib.dds_create_qos()
        try:
            data = names.user_data(enclave="/", **{PROCESS_KEY: _process_gid.hex()})
            lib.dds_qset_userdata(qos, data, len(data))
            return check(lib.dds_create_participant(domain_id, qos, None), f"join domain {domain_id}")
        finally:
            lib.dds_delete_qos(qos)

    def _make_info(self) -> tuple[WireWriter, WireReader]:
        profile = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        listening = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        arguments = self._participant, names.DISCOVERY_TOPIC, dds_type_name(INFO_TYPE)
        data = names.user_data(typehash=type_hash(interface(INFO_TYPE)))
        writer = WireWriter(*arguments, profile, self._backlog, user_data=data)
        _probe(writer)
        return writer, WireReader(*arguments, listening, user_data=data)

    def _try(self, make: Callable[..., Any], *arguments: Any) -> Any:
        """What `make` makes; None, and a line in the log, where it cannot."""
        try:
            return make(*arguments)
        except (WireError, InterfaceError) as error:
            self._log.error(f"not on the wire: {error}")
            return None

    def _pair(self) -> int:
        with self._lock:
            self._pairs += 1
            return self._pairs

    def _own(self, endpoint: Endpoint, *ends: WireWriter | WireReader) -> None:
        with self._lock:
            for end in ends:
                node = endpoint.node_name, endpoint.node_namespace
                self._local.add(node, end.guid, writer=isinstance(end, WireWriter))
        self._tell()

    def _disown(self, endpoint: Endpoint, *ends: WireWriter | WireReader) -> None:
        with self._lock:
            for end in ends:
                node = endpoint.node_name, endpoint.node_namespace
                self._local.remove(node, end.guid, writer=isinstance(end, WireWriter))
        self._tell()

    def _remove_pair(self, pair: WireServer | WireClient | None, token: int) -> None:
        if pair is not None:
            self._forget(pair.reader, token)
            self._disown(pair.endpoint, pair.reader, pair.writer)
            self._backlog.forget(pair.writer)
            self._janitor.delete(pair.writer.entity)

    def _listen(self, reader: WireReader, handler: Callable[[], None]) -> int:
        with self._lock:
            self._token += 1
            token = self._token
            self._handlers[token] = handler
        check(library().dds_waitset_attach(self._waitset, reader.condition, token), f"wait for {reader.topic}")
        return token

    def _forget(self, reader: WireReader, token: int) -> None:
        with self._lock:
            self._handlers.pop(token, None)
        library().dds_waitset_detach(self._waitset, reader.condition)
        self._janitor.delete(reader.entity)

    def _tell(self) -> None:
        """Lets the thread say anew what is here; several changes become one message."""
        self._told = False
        self._wake()

    def _wake(self) -> None:
        library().dds_set_guardcondition(self._guard, True)

    def _client_for(self, server: Endpoint) -> WireClient | None:
        with self._lock:
            clients = [client for client, _ in self._clients.values()]
        for client in clients:
            if client.endpoint.name == server.name and client.endpoint.type_name == server.type_name:
                return client
        return None

    # The wire's thread

    def _run(self) -> None:
        lib = library()
        triggers = (ct.c_ssize_t * _TRIGGERS)()
        busy = False
        while not self._stopping:
            tick_ns = _BUSY_TICK_NS if busy else _TICK_NS
            count = lib.dds_waitset_wait(self._waitset, triggers, _TRIGGERS, tick_ns)
            if self._stopping:
                return
            lib.dds_set_guardcondition(self._guard, False)
            try:
                self._look_around()
                for token in triggers[: min(max(count, 0), _TRIGGERS)]:
                    handler = self._handlers.get(token)
                    if handler is not None:
                        handler()
                busy = self._look_again()
            except Exception as error:
                # The wire goes on: what failed here is one message, or one change of the graph.
                self._log.error(f"the wire's thread: {error!r}", throttle_duration_sec=1.0)
            if not self._told:
                self._told = True
                with self._lock:
                    message = self._local.message()
                self._info_writer.write(cdr.gather(message)[0])

    def _look_around(self) -> None:
        """Takes in what has come and gone."""
        changes = self._discovery.poll()
        for told in changes.participants_added:
            self._graph.add_participant(*told)
        for found in changes.added:
            self._await_match(found)
        if changes.added or changes.removed:
            # Before the graph shows them: who sees a subscription there may publish at once.
            self._refresh_all()
        for found in changes.added:
            self._graph.add(found)
        for found in changes.removed:
            self._graph.remove(found)
        for participant in changes.participants_removed:
            self._graph.remove_participant(participant)

    def _look_again(self) -> bool:
        """Looks at what nothing wakes the thread for; gives whether it should do so soon again."""
        now = time.monotonic()
        if self._graph.reconcile():
            self._refresh_all()
        if self._unmatched:
            self._unmatched = [entry for entry in self._unmatched if entry[0] > now]
            self._refresh_all()
        with self._lock:
            servers = [server for server, _ in self._servers.values()]
        waiting = [server.refresh(self._discovery.endpoints) for server in servers if server.waits]
        return any(waiting) or bool(self._unmatched)

    def _await_match(self, found: Found) -> None:
        """Waits a little until Cyclone has matched an endpoint outside with the local ones that fit it.

        Otherwise a program that has seen a subscription in the graph would publish into the void.
        """
        with self._lock:
            if found.is_writer:
                ends: list[WireWriter | WireReader] = [
                    entry.wire for entry, _ in self._incoming.values() if _fits(found.profile, entry.reader.endpoint)
                ]
                ends += [entry.reader for entry, _ in self._clients.values()]
            else:
                ends = [entry.wire for entry in self._outgoing.values() if _fits(entry.source, found.profile)]
                ends += [entry.writer for entry, _ in self._clients.values()]
        until = time.monotonic() + _MATCH_WAIT_S
        for end in ends:
            if (end.topic, end.type_name) != (found.topic, found.type_name):
                continue
            while found.handle not in end.matched():
                if time.monotonic() > until:
                    self._unmatched.append((time.monotonic() + 1.0, found))
                    return
                time.sleep(0.0005)

    def _refresh_all(self) -> None:
        with self._lock:
            outgoing = list(self._outgoing.values())
            servers = [server for server, _ in self._servers.values()]
        for entry in outgoing:
            self._refresh(entry)
        for server in servers:
            server.refresh(self._discovery.endpoints)

    def _refresh(self, outgoing: Outgoing) -> None:
        """Whether anybody outside listens who does not get the messages on this machine already."""
        outgoing.wanted = outgoing.always or any(
            found is None or not self._graph.is_machine_peer(found.participant)
            for found in map(self._discovery.endpoints.get, outgoing.wire.matched())
        )

    def _source(self, handle: int) -> Found | None:
        found = self._discovery.endpoints.get(handle)
        if found is None:
            self._look_around()
            found = self._discovery.endpoints.get(handle)
        return found

    def _take(self, incoming: Incoming) -> None:
        for data, stamp_ns, handle in incoming.wire.take():
            source = self._source(handle)
            if source is None or not self._graph.is_machine_peer(source.participant):
                try:
                    incoming.deliver(data, stamp_ns, self._graph.endpoint(handle))
                except _BAD_DATA as error:
                    self._bad_data(incoming.wire.topic, error)

    def _take_requests(self, server: WireServer) -> None:
        for data, _, handle in server.reader.take():
            source = self._source(handle)
            if source is None or not self._graph.is_machine_peer(source.participant):
                try:
                    server.deliver(data, source)
                except _BAD_DATA as error:
                    self._bad_data(server.reader.topic, error)

    def _take_replies(self, client: WireClient) -> None:
        for data, _, _ in client.reader.take():
            try:
                client.deliver(data)
            except _BAD_DATA as error:
                self._bad_data(client.reader.topic, error)

    def _take_info(self) -> None:
        for data, _, _ in self._info_reader.take():
            try:
                self._graph.set_nodes(*read_info(cdr.deserialize(interface(INFO_TYPE), data)))
            except _BAD_DATA as error:
                self._bad_data(names.DISCOVERY_TOPIC, error)

    def _bad_data(self, topic: str, error: Exception) -> None:
        self._log.warning(f"a message on {topic} cannot be read: {error}", throttle_duration_sec=5.0)


def _fits(offered: Endpoint | QoSProfile, requested: Endpoint | QoSProfile) -> bool:
    profiles = [entry if isinstance(entry, QoSProfile) else entry.qos for entry in (offered, requested)]
    return qos_check_compatible(*profiles).compatibility != QoSCompatibility.ERROR


def _probe(writer: WireWriter) -> None:
    """Tries once that Cyclone takes and gives back bytes of any kind: those functions are not of its public interface.

    Raises:
        WireError: it does not.
    """
    from cell.runtime.wire.samples import contents, new_sample  # noqa: PLC0415 (only here)

    # As a time stamp would stand there: no length of a sequence, and no multiple of four.
    data = cdr.HEADER + bytes(range(0xF0, 0xFF))
    kind = cyclone.sample_type(writer.entity)
    if contents(new_sample(kind, (data[:4], data[4:]))) != data:
        raise WireError("this cyclonedds changes samples: the wire cannot be used with it")


def start(bus: Bus, domain_id: int) -> Callable[[], None]:
    """Puts a bus on the wire; gives what takes it off.

    Raises:
        WireError: Cyclone DDS is missing, of another version, or refuses.
        ValueError: bad ROS_* variables.
    """
    transport = WireTransport(bus, domain_id)
    transport.start()
    return transport.stop
