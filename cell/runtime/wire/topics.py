"""Topics: what takes a local publisher's messages to the wire, and what brings the wire's to a local subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cell.runtime import cdr
from cell.runtime.transport import Endpoint
from cell.runtime.type_description import dds_type_name, type_hash
from cell.runtime.wire import names
from cell.runtime.wire.endpoints import WireReader, WireWriter
from cell.runtime.wire.policies import keeps_samples

if TYPE_CHECKING:
    from cell.runtime.transport import Bus, Reader, Writer
    from cell.runtime.wire.backlog import Backlog


class Outgoing:
    """A reader of one local writer that sends what it gets; while nobody listens outside, nothing is serialised."""

    direct = False

    def __init__(self, bus: Bus, participant: int, writer: Writer, backlog: Backlog) -> None:
        """Raises WireError where Cyclone refuses."""
        source = writer.endpoint
        self.source = source
        self.endpoint = Endpoint(
            "subscription", source.name, source.interface, source.qos, node=names.UNKNOWN_NODE, location="wire"
        )
        others = bus.endpoints("subscription", source.name)
        self.wire = WireWriter(
            participant,
            names.topic(source.name, plain=source.qos.avoid_ros_namespace_conventions),
            dds_type_name(source.type_name),
            source.qos,
            backlog,
            others=others,
            user_data=names.user_data(typehash=type_hash(source.interface)),
        )
        # With durability, Cyclone keeps the samples for those who come later.
        self.always = keeps_samples(source.qos, others)
        self.wanted = self.always

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        if self.wanted:
            self.wire.write((message,) if message.__class__ is bytes else cdr.gather(message)[0])

    def wait_for_acks(self, timeout_ns: int) -> bool:
        """Blocks until every reliable reader outside has all messages; gives whether they have them in time."""
        return self.wire.wait_for_acks(timeout_ns)

    def tell_liveliness(self, alive: bool) -> None:
        """Says that the publisher is alive, for liveliness by topic; outside they notice by themselves when not."""
        if alive:
            self.wire.assert_liveliness()


class Incoming:
    """The wire's end of one local reader."""

    def __init__(self, bus: Bus, participant: int, reader: Reader) -> None:
        """Raises WireError where Cyclone refuses."""
        target = reader.endpoint
        self.reader = reader
        self._interface = target.interface
        self.wire = WireReader(
            participant,
            names.topic(target.name, plain=target.qos.avoid_ros_namespace_conventions),
            dds_type_name(target.type_name),
            target.qos,
            others=bus.endpoints("publisher", target.name),
            user_data=names.user_data(typehash=type_hash(target.interface)),
        )

    def deliver(self, data: Any, stamp_ns: int, source: Endpoint | None) -> None:
        """Raises CdrError for data that are no message of the type."""
        self.reader.deliver(cdr.deserialize(self._interface, data), stamp_ns, 0, source)
