"""A writer of another process as it is read here: each message is read once, and given to every reader by reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cell.runtime import cdr
from cell.runtime.machine.frames import HEAD, PLACE, TARGET

if TYPE_CHECKING:
    from cell.runtime.machine.slots import SlotReader
    from cell.runtime.transport import Endpoint, Reader


_HEAD_BYTES = HEAD.size


class Inlet:
    """Only the pump calls it, but for `remove` and `look_at`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        # By the number that the other process knows a reader by.
        self._readers: dict[int, Reader] = {}
        self.readers: tuple[Reader, ...] = ()
        self.serial = 0
        self._slots: dict[int, SlotReader] = {}
        self._closed = False

    @property
    def is_read(self) -> bool:
        return bool(self._readers)

    def add(self, number: int, reader: Reader, serial: int) -> None:
        """The other process counts with the reader from now on; `serial` is that of the last message before."""
        if not self._readers:
            self.serial = serial
        self._readers = {**self._readers, number: reader}
        self._order()

    def remove(self, number: int) -> None:
        if number in self._readers:
            self._readers = {key: reader for key, reader in self._readers.items() if key != number}
            self._order()

    def _order(self) -> None:
        self.readers = tuple(sorted(self._readers.values(), key=lambda reader: not reader.direct))

    def replayed(self, frame: bytes, local: dict[int, Reader]) -> None:
        """A retained sample, for one reader.

        Raises:
            CdrError, BAD_FRAME: it holds no message.
        """
        _, _, _, _, _, sequence, stamp_ns = HEAD.unpack_from(frame)
        reader = local.get(TARGET.unpack_from(frame, _HEAD_BYTES)[0])
        if reader is not None:
            message = cdr.deserialize(reader.endpoint.interface, memoryview(frame)[_HEAD_BYTES + TARGET.size :])
            reader.deliver(message, stamp_ns, sequence, self.endpoint)

    def slot(self, frame: bytes) -> None:
        """A message lies in shared memory.

        Raises:
            CdrError, BAD_FRAME: it holds no message.
        """
        _, _, _, _, serial, sequence, stamp_ns = HEAD.unpack_from(frame)
        generation, _ = PLACE.unpack_from(frame, _HEAD_BYTES)
        slots = self._slots.get(generation)
        if slots is None:
            return
        for older in [number for number in self._slots if number < generation]:
            self._slots.pop(older).close()
        data = slots.take(serial)
        if data is not None:
            if serial != self.serial + 1:
                self.count_lost(serial)
            self.serial = serial
            self._deliver(data, stamp_ns, sequence)

    def look_at(self, generation: int, slots: SlotReader) -> None:
        self._slots[generation] = slots
        if self._closed:
            self.close()

    def close(self) -> None:
        self._closed = True
        slots, self._slots = self._slots, {}
        for entry in slots.values():
            entry.close()

    def count_lost(self, serial: int) -> None:
        """Tells the readers of messages that were overwritten before they came here."""
        missing = serial - self.serial - 1
        if missing > 0:
            for reader in self.readers:
                lost = getattr(reader, "lost", None)
                if lost is not None:
                    lost(missing)

    def _deliver(self, data: Any, stamp_ns: int, sequence: int) -> None:
        readers = self.readers
        if not readers:
            return
        message = cdr.deserialize(readers[0].endpoint.interface, data)
        for reader in readers:
            reader.deliver(message, stamp_ns, sequence, self.endpoint)
