"""The graph both ways: our nodes as `ros_discovery_info` tells them, and the nodes and endpoints outside on our bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cell.runtime.messages import interface
from cell.runtime.transport import Endpoint
from cell.runtime.wire.names import UNKNOWN_NODE
from cell.runtime.wire.services import RemoteServer, WireClient

if TYPE_CHECKING:
    from cell.runtime.transport import Bus
    from cell.runtime.wire.discovery import Found

Node = tuple[str, str]

INFO_TYPE = "rmw_dds_common/msg/ParticipantEntitiesInfo"


class LocalGraph:
    """Our nodes, and the GUIDs of what each has on the wire."""

    def __init__(self, participant: bytes) -> None:
        self._participant = participant
        self._nodes: list[Node] = []
        self._guids: dict[tuple[Node, bool], list[bytes]] = {}

    def add_node(self, node: Node) -> None:
        self._nodes.append(node)

    def remove_node(self, node: Node) -> None:
        if node in self._nodes:
            self._nodes.remove(node)

    def add(self, node: Node, guid: bytes, *, writer: bool) -> None:
        self._guids.setdefault((node, writer), []).append(guid)

    def remove(self, node: Node, guid: bytes, *, writer: bool) -> None:
        guids = self._guids.get((node, writer), [])
        if guid in guids:
            guids.remove(guid)
        if not guids:
            self._guids.pop((node, writer), None)

    def message(self) -> Any:
        """What `ros_discovery_info` says of this process; a node's endpoints stand with the first of its name."""
        gid = interface("rmw_dds_common/msg/Gid")
        entities = interface("rmw_dds_common/msg/NodeEntitiesInfo")
        told: set[Node] = set()
        entries = []
        for node in self._nodes:
            readers, writers = (() if node in told else self._guids.get((node, writer), ()) for writer in (False, True))
            told.add(node)
            entries.append(
                entities(
                    node_namespace=node[1],
                    node_name=node[0],
                    reader_gid_seq=[gid(data=list(guid)) for guid in readers],
                    writer_gid_seq=[gid(data=list(guid)) for guid in writers],
                )
            )
        return interface(INFO_TYPE)(gid=gid(data=list(self._participant)), node_entities_info_seq=entries)


class ForeignGraph:
    """Shows on the bus what lives outside; for the wire's thread alone.

    What belongs to a process that the bus's machine transport has met already (`bus.machine_peers`) stays hidden, so
    that nothing is there twice.
    """

    def __init__(self, bus: Bus, clients: Callable[[Endpoint], WireClient | None]) -> None:
        self._bus = bus
        self._clients = clients
        self._processes: dict[bytes, bytes] = {}
        self._nodes: dict[bytes, list[Node]] = {}
        self._owners: dict[bytes, Node] = {}
        self._found: dict[int, Found] = {}
        self._shown: dict[int, Endpoint | RemoteServer] = {}
        self._shown_nodes: dict[bytes, list[Node]] = {}
        self._enclaves: dict[bytes, str] = {}
        self._hidden: set[bytes] = set()

    def endpoint(self, handle: int) -> Endpoint | None:
        """What the bus knows of a writer or a reader outside."""
        shown = self._shown.get(handle)
        return shown.endpoint if isinstance(shown, RemoteServer) else shown

    def is_machine_peer(self, participant: bytes) -> bool:
        """Whether the machine transport carries that participant's messages already."""
        process = self._processes.get(participant)
        return bool(process) and process in getattr(self._bus, "machine_peers", ())

    def add_participant(self, participant: bytes, process: bytes, enclave: str) -> None:
        if enclave:
            self._enclaves[participant] = enclave
        if process:
            self._processes[participant] = process
            if self.is_machine_peer(participant):
                self._hidden.add(participant)

    def remove_participant(self, participant: bytes) -> None:
        self.set_nodes(participant, {})
        self._nodes.pop(participant, None)
        self._processes.pop(participant, None)
        self._enclaves.pop(participant, None)
        self._hidden.discard(participant)

    def set_nodes(self, participant: bytes, nodes: dict[Node, list[bytes]]) -> None:
        """The nodes of a participant, with the GUIDs of their endpoints."""
        self._nodes[participant] = list(nodes)
        self._owners = {guid: node for guid, node in self._owners.items() if guid[:12] != participant[:12]}
        for node, guids in nodes.items():
            self._owners.update(dict.fromkeys(guids, node))
        for handle, shown in self._shown.items():
            endpoint = shown.endpoint if isinstance(shown, RemoteServer) else shown
            if self._found[handle].participant == participant:
                endpoint.node_name, endpoint.node_namespace = self._owners.get(endpoint.gid, UNKNOWN_NODE)
        self._show_nodes(participant)
        self._bus.notify()

    def add(self, found: Found) -> None:
        if found.ros is not None:
            self._found[found.handle] = found
            self._show(found)

    def remove(self, found: Found) -> None:
        if self._found.pop(found.handle, None) is not None:
            self._hide(found.handle)
            if found.ros is not None and found.ros.kind == "reply" and found.is_writer:
                for other in [entry for entry in self._found.values() if _serves(entry) and _same_server(entry, found)]:
                    self._hide(other.handle)

    def reconcile(self) -> bool:
        """Looks again at who is a peer on this machine; gives whether anything has changed."""
        changed = False
        for participant in list(self._processes):
            hidden = self.is_machine_peer(participant)
            if hidden == (participant in self._hidden):
                continue
            changed = True
            (self._hidden.add if hidden else self._hidden.discard)(participant)
            self._show_nodes(participant)
            for found in [entry for entry in self._found.values() if entry.participant == participant]:
                if hidden:
                    self._hide(found.handle)
                else:
                    self._show(found)
        return changed

    def close(self) -> None:
        """Takes everything off the bus."""
        for handle in list(self._shown):
            self._hide(handle)
        for participant in list(self._shown_nodes):
            self._nodes[participant] = []
            self._show_nodes(participant)

    def _show(self, found: Found) -> None:
        ros = found.ros
        if ros is None or found.participant in self._hidden or found.handle in self._shown:
            return
        if ros.kind == "topic":
            self._shown[found.handle] = self._endpoint(found, "publisher" if found.is_writer else "subscription")
        elif ros.kind == "request" and found.is_writer:
            self._shown[found.handle] = self._endpoint(found, "client")
        elif ros.kind == "request":
            # A server is there once both of its ends are.
            if any(_answers(other) and _same_server(found, other) for other in self._found.values()):
                server = RemoteServer(self._make(found, "service"), self._clients)
                self._shown[found.handle] = server
                self._bus.add_server(server)
        elif found.is_writer:
            for other in [entry for entry in self._found.values() if _serves(entry) and _same_server(entry, found)]:
                self._show(other)

    def _endpoint(self, found: Found, kind: Any) -> Endpoint:
        endpoint = self._make(found, kind)
        self._bus.add_foreign(endpoint)
        return endpoint

    def _make(self, found: Found, kind: Any) -> Endpoint:
        ros = found.ros
        assert ros is not None
        return Endpoint(
            kind,
            ros.name,
            None,
            found.profile,
            node=self._owners.get(found.guid, UNKNOWN_NODE),
            type_name=ros.type_name,
            location="wire",
            gid=found.guid,
            type_hash=found.user_data.get("typehash", ""),
        )

    def _hide(self, handle: int) -> None:
        shown = self._shown.pop(handle, None)
        if isinstance(shown, RemoteServer):
            self._bus.remove_server(shown)
        elif shown is not None:
            self._bus.remove_foreign(shown)

    def _show_nodes(self, participant: bytes) -> None:
        wanted = [] if participant in self._hidden else self._nodes.get(participant, [])
        shown = self._shown_nodes.get(participant, [])
        for node in shown:
            if node not in wanted:
                self._bus.remove_node(*node, local=False)
        for node in wanted:
            if node not in shown:
                self._bus.add_node(*node, local=False, enclave=self._enclaves.get(participant, "/"))
        if wanted:
            self._shown_nodes[participant] = list(wanted)
        else:
            self._shown_nodes.pop(participant, None)


def read_info(message: Any) -> tuple[bytes, dict[Node, list[bytes]]]:
    """The participant of a `ros_discovery_info`, and its nodes."""
    nodes: dict[Node, list[bytes]] = {}
    for entry in message.node_entities_info_seq:
        guids = nodes.setdefault((entry.node_name, entry.node_namespace), [])
        guids += [bytes(gid.data) for gid in (*entry.reader_gid_seq, *entry.writer_gid_seq)]
    return bytes(message.gid.data), nodes


def _serves(found: Found) -> bool:
    return found.ros is not None and found.ros.kind == "request" and not found.is_writer


def _answers(found: Found) -> bool:
    return found.ros is not None and found.ros.kind == "reply" and found.is_writer


def _same_server(request_reader: Found, reply_writer: Found) -> bool:
    return (
        request_reader.ros is not None
        and reply_writer.ros is not None
        and request_reader.participant == reply_writer.participant
        and request_reader.ros[1:] == reply_writer.ros[1:]
        and request_reader.user_data.get("serviceid") == reply_writer.user_data.get("serviceid")
    )
