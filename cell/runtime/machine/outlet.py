"""A writer of this process as it is read in other processes: one serialisation, sent to each of them."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from rclpy.qos import HistoryPolicy

from cell.runtime import cdr
from cell.runtime.machine.folder import SlotError
from cell.runtime.machine.frames import (
    ALIVE,
    DATA,
    DEPTH_LIMIT,
    HEAD,
    MATCHED,
    OFFER,
    PLACE,
    REPLAYED,
    SLOT,
    SLOT_PREFIX,
    SYNC,
    TARGET,
    frame,
)
from cell.runtime.transport import Endpoint, Writer

if TYPE_CHECKING:
    from cell.runtime.machine.link import Link
    from cell.runtime.machine.memory import Memory
    from cell.runtime.machine.slots import SlotWriter

# From here on a message goes through shared memory. What fits into one datagram is faster there: a text of 20 kB comes
# back after 0.13 ms, through slots after 0.16 to 0.32 ms (two shared cores).
SLOT_BYTES = 60_000
# So many messages wait for a reader that keeps all.
_ALL = 1000
# How long after a refusal shared memory is asked for again.
_RETRY_S = 5.0


def depth_of(endpoint: Endpoint) -> int:
    """How many messages of one writer may wait for a reader."""
    qos = endpoint.qos
    return _ALL if qos.history == HistoryPolicy.KEEP_ALL else max(1, qos.depth)


class Outlet:
    """Stands for all readers elsewhere among the writer's readers."""

    direct = False

    def __init__(self, writer: Writer, number: int, memory: Memory) -> None:
        source = writer.endpoint
        self.endpoint = Endpoint(
            "subscription", source.name, source.interface, source.qos, node=("", "/"), location="machine"
        )
        self.writer = writer
        self.number = number
        self._memory = memory
        self._lock = threading.Lock()
        self._serial = 0
        # The readers by their connection and number, and how much each connection may have to wait for.
        self._readers: dict[Link, dict[int, int]] = {}
        self._links: tuple[tuple[Link, int], ...] = ()
        self._slots: SlotWriter | None = None
        self._generation = 0
        self._ready: frozenset[Link] = frozenset()
        # The one before stays until nobody can wait for its messages any more.
        self._retired: tuple[SlotWriter, int] | None = None
        self._asked = 0
        self._asked_depth = 0
        self._ask_again_s = 0.0
        self._warned = False
        # The number of the last question whether all was taken, and who has still to answer which.
        self._syncs = 0
        self._unsynced: dict[Link, int] = {}
        self._taken = threading.Condition(self._lock)

    # Who reads

    def add(self, link: Link, number: int, reader: Endpoint) -> None:
        """Lets a reader elsewhere in: first it gets the retained samples, if it wants them, then what comes."""
        readers = self._readers.get(link)
        if readers is not None and number in readers:
            return
        if not self._readers:
            self.writer.match(self, replay=False)
        if reader.qos.durability.name == "TRANSIENT_LOCAL":
            self.writer.with_retained(lambda samples: self._begin(link, number, depth_of(reader), samples))
        else:
            self._begin(link, number, depth_of(reader), [])

    def remove(self, link: Link, number: int | None) -> None:
        """Lets a reader go; all of a connection with None."""
        with self._lock:
            readers = self._readers.get(link)
            if readers is None:
                return
            if number is None:
                readers.clear()
            elif readers.pop(number, None) is None:
                return
            if not readers:
                del self._readers[link]
                self._ready -= {link}
                self._unsynced.pop(link, None)
                self._taken.notify_all()
            self._count()
        if not self._readers:
            self.writer.unmatch(self)

    def close(self) -> None:
        with self._lock:
            self._readers.clear()
            self._count()
            self._ready = frozenset()
            self._unsynced.clear()
            self._taken.notify_all()
            slots, self._slots = self._slots, None
            retired, self._retired = self._retired, None
        if slots is not None:
            slots.close()
        if retired is not None:
            retired[0].close()

    def forget(self) -> None:
        """In the child of a fork: sends nothing any more."""
        self._lock = threading.Lock()
        self._links = ()

    def _begin(self, link: Link, number: int, depth: int, samples: list[tuple[Any, int, int]]) -> None:
        with self._lock:
            for message, stamp_ns, sequence in samples:
                head = HEAD.pack(DATA, REPLAYED, 0, self.number, 0, sequence, stamp_ns)
                link.send(head + TARGET.pack(number) + cdr.serialize(message))
            link.send(frame(MATCHED, self.number, self._serial, number))
            first = link not in self._readers
            self._readers.setdefault(link, {})[number] = depth
            self._count()
            if not self.writer.endpoint.alive:
                link.send(frame(ALIVE, self.number, 0))
            slots = self._slots
            if first and slots is not None:
                link.send(frame(OFFER, self.number, self._generation, [slots.name, slots.depth]))

    def _count(self) -> None:
        self._links = tuple((link, max(readers.values())) for link, readers in self._readers.items())

    # Messages

    def deliver(self, message: Any, stamp_ns: int, sequence: int, source: Endpoint | None) -> None:
        """Sends a message to all processes that read it."""
        parts, size = cdr.gather(message)
        stamp_ns = stamp_ns or time.time_ns()
        with self._lock:
            links = self._links
            if not links:
                return
            self._serial = serial = self._serial + 1
            if size >= SLOT_BYTES and self._ready_for(size):
                links = self._send_slot(parts, size, serial, sequence, stamp_ns)
                if not links:
                    return
            parts[0] = HEAD.pack(DATA, 0, 0, self.number, serial, sequence, stamp_ns) + parts[0]
            data = b"".join(parts)
            for link, depth in links:
                link.send_message(data, self.number, depth)

    def _ready_for(self, size: int) -> bool:
        """Whether anybody can take this size from shared memory; asks for more of it where it does not fit."""
        slots = self._slots
        depth = min(max(depth for _, depth in self._links), DEPTH_LIMIT)
        if slots is None or size > slots.size or depth > slots.depth:
            due = size > self._asked or (slots is not None and depth > slots.depth >= self._asked_depth)
            if due and time.monotonic() >= self._ask_again_s:
                room = size if slots is None else max(2 * slots.size, size)
                self._asked, self._asked_depth = room, depth
                self._memory.ask(self, room, depth)
            return slots is not None and size <= slots.size and bool(self._ready)
        return bool(self._ready)

    def _send_slot(
        self, parts: list[Any], size: int, serial: int, sequence: int, stamp_ns: int
    ) -> tuple[tuple[Link, int], ...]:
        """Puts the message into shared memory; gives the connections that cannot take it from there."""
        slots = self._slots
        assert slots is not None
        try:
            slot, room = slots.loan(size)
        except SlotError as error:
            if not self._warned:
                self._warned = True
                self._memory.warn(f"{self.writer.endpoint.name}: {error}; messages go over a socket, slowly")
            return self._links
        SLOT_PREFIX.pack_into(room, 0, serial, size)
        cdr.fill(parts, size, room, SLOT_PREFIX.size)
        slot.assume_init().send()
        ready = self._ready
        data = HEAD.pack(SLOT, 0, 0, self.number, serial, sequence, stamp_ns) + PLACE.pack(self._generation, size)
        for link, depth in self._links:
            if link in ready:
                link.send_message(data, self.number, depth)
        if self._retired is not None and serial > self._retired[1]:
            self._retired[0].close()
            self._retired = None
        return tuple(entry for entry in self._links if entry[0] not in ready)

    # What the readers are asked and told

    def wait_for_acks(self, timeout_ns: int) -> bool:
        """Blocks until each process that reads has taken what was sent so far; gives whether it is so in time."""
        with self._taken:
            self._syncs += 1
            asked = self._syncs
            for link, _ in self._links:
                self._unsynced[link] = asked
                link.send(frame(SYNC, self.number, asked))
            return self._taken.wait_for(
                lambda: all(left > asked for left in self._unsynced.values()),
                min(timeout_ns / 1e9, threading.TIMEOUT_MAX),
            )

    def synced(self, link: Link, asked: int) -> None:
        """A process has taken what was sent before the question with that number."""
        with self._taken:
            if self._unsynced.get(link, asked + 1) <= asked:
                del self._unsynced[link]
                self._taken.notify_all()

    def tell_liveliness(self, alive: bool) -> None:
        """The publisher shows that it is alive, or has failed to."""
        data = frame(ALIVE, self.number, int(alive))
        for link, _ in self._links:
            link.send(data)

    # Shared memory

    def offer(self, slots: SlotWriter) -> None:
        """New shared memory: messages go there once a process says that it looks there."""
        with self._lock:
            if not self._readers:
                slots.close()
                return
            if self._retired is not None:
                self._retired[0].close()
            if self._slots is not None:
                self._retired = self._slots, self._serial + DEPTH_LIMIT
            self._slots = slots
            self._generation += 1
            self._ready = frozenset()
            data = frame(OFFER, self.number, self._generation, [slots.name, slots.depth])
            for link, _ in self._links:
                link.send(data)

    def refuse(self) -> None:
        """There is no shared memory now; it is asked for again later."""
        with self._lock:
            self._asked = self._asked_depth = 0
            self._ask_again_s = time.monotonic() + _RETRY_S

    def ready(self, link: Link, generation: int) -> None:
        with self._lock:
            if generation == self._generation and link in self._readers:
                self._ready |= {link}
