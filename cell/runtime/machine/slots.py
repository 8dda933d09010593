"""Big messages in shared memory, by iceoryx2: one service for each writer, and for each size that it outgrows.

A slot that is full comes to nobody twice, goes back when the last view on it goes, and is reclaimed from a process that
dies. Shared memory is populated before it is written: a full /dev/shm gives an error here, where a plain write would
end the process (SIGBUS).
"""

from __future__ import annotations

import ctypes
import os
import weakref
from pathlib import Path
from typing import Any

from cell.runtime.machine.folder import Folder, SlotError
from cell.runtime.machine.frames import SLOT_PREFIX

# Messages that a process may keep beyond those that wait: more are copied out of their slots.
_KEPT = 8
_PROCESSES = 64
# For how many full-up readers there are slots; with more of them, messages go over the sockets.
_SLOW_READERS = 3
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MADV_POPULATE_WRITE = 23  # linux/mman.h, from Linux 5.14
# What iceoryx2 may write for bookkeeping before a slot is populated.
_SPARE_BYTES = 1 << 20


class _Prefix(ctypes.Structure):
    """`SLOT_PREFIX` in place."""

    _fields_ = (("serial", ctypes.c_int64), ("size", ctypes.c_int64))


class SlotStore:
    """This process' part in the shared memory of a domain."""

    def __init__(self, folder: Folder) -> None:
        """Loads iceoryx2, which takes a while.

        Raises:
            SlotError: it is not there, or does not work here.
        """
        try:
            import iceoryx2  # noqa: PLC0415 (slow to import, and only for big messages between processes)
        except (ImportError, OSError) as error:
            raise SlotError(f"iceoryx2 cannot be imported: {error}") from None
        self._iox: Any = iceoryx2
        self._folder = folder
        self.check_room(_SPARE_BYTES)
        iceoryx2.set_log_level(iceoryx2.LogLevel.Fatal)
        config = iceoryx2.config.default()
        Path(folder.slots_path).mkdir(mode=0o700, exist_ok=True)
        try:
            config.global_cfg.root_path = iceoryx2.Path.new(folder.slots_path)
            config.global_cfg.prefix = iceoryx2.FileName.new(folder.prefix)
            builder = iceoryx2.NodeBuilder.new().config(config)
            builder = builder.signal_handling_mode(iceoryx2.SignalHandlingMode.Disabled)
            self._node: Any = builder.create(iceoryx2.ServiceType.Ipc)
        except Exception as error:
            # Its errors have no common base, and a fault of it must not end the process: there are the sockets.
            raise SlotError(f"iceoryx2: {error}") from None
        _objects.add(self)

    def check_room(self, size: int) -> None:
        """Raises SlotError where shared memory has less than `size` bytes left."""
        free = self._folder.free_bytes()
        if free < size:
            raise SlotError(f"/dev/shm is full: {free} of {size} bytes are free")

    def service(self, name: str, depth: int) -> Any:
        """Opens or makes the service of one writer."""
        iox = self._iox
        try:
            return (
                self._node.service_builder(iox.ServiceName.new(name))
                .publish_subscribe(iox.Slice[ctypes.c_uint64])
                .max_publishers(1)
                .max_subscribers(_PROCESSES)
                .max_nodes(_PROCESSES + 1)
                .subscriber_max_buffer_size(depth)
                .subscriber_max_borrowed_samples(depth + _KEPT)
                .history_size(0)
                .enable_safe_overflow(True)
                .open_or_create()
            )
        except Exception as error:
            # See __init__.
            raise SlotError(f"iceoryx2: {error}") from None

    def writer(self, name: str, size: int, depth: int) -> SlotWriter:
        return SlotWriter(self, self._iox, name, size, depth)

    def reader(self, name: str, depth: int) -> SlotReader:
        return SlotReader(self, name, depth)

    def clean(self) -> None:
        """Takes back what dead processes held."""
        try:
            self._node.try_cleanup_dead_nodes()
        except Exception:
            # Another process does it at the same time, or the next one that dies brings us here again.
            return

    def close(self) -> None:
        self._node = None

    def inherited(self) -> list[Any]:
        return [self._node]


class SlotWriter:
    """Loans slots of one size, and sends them."""

    def __init__(self, store: SlotStore, iox: Any, name: str, size: int, depth: int) -> None:
        """For messages of at most `size` bytes, and readers of at most `depth`.

        Raises:
            SlotError: shared memory is full, or iceoryx2 refuses.
        """
        self.name = name
        self.depth = depth
        self._elements = (size + SLOT_PREFIX.size + 7) // 8
        self.size = self._elements * 8 - SLOT_PREFIX.size
        count = _SLOW_READERS * (2 * depth + _KEPT) + 2
        store.check_room(2 * count * _PAGE + _SPARE_BYTES)
        self._populated: dict[int, int] = {}
        self._service = store.service(name, depth)
        try:
            self._port: Any = (
                self._service.publisher_builder()
                .initial_max_slice_len(self._elements)
                .max_loaned_samples(2)
                .allocation_strategy(iox.AllocationStrategy.Static)
                .backpressure_strategy(iox.BackpressureStrategy.DiscardData)
                .override_sample_preallocation(count)
                .create()
            )
            one, two = self._port.loan_slice_uninit(1), self._port.loan_slice_uninit(1)
            low, high = sorted((one.payload_ptr, two.payload_ptr))
            one.delete()
            two.delete()
        except Exception as error:
            # See SlotStore.
            raise SlotError(f"iceoryx2: {error}") from None
        step = high - low
        if not 0 <= step - self._elements * 8 <= _PAGE:
            raise SlotError("iceoryx2 lays its slots out in an unknown way")
        # Loaning writes a head before the slot, which nothing checks: those pages have to be there.
        for number in range(count):
            _populate(low + number * step - 128, 128 + SLOT_PREFIX.size)
        _objects.add(self)

    def loan(self, size: int) -> tuple[Any, memoryview]:
        """A slot, and the bytes for the message in it.

        Raises:
            SlotError: no slot is free, or shared memory is full.
        """
        elements = (size + SLOT_PREFIX.size + 7) // 8
        try:
            slot = self._port.loan_slice_uninit(elements)
        except Exception as error:
            # See SlotStore.
            raise SlotError(f"no free slot: {error}") from None
        place = slot.payload_ptr
        if self._populated.get(place, 0) < elements:
            try:
                _populate(place, elements * 8)
            except SlotError:
                slot.delete()
                raise
            self._populated[place] = elements
        return slot, memoryview((ctypes.c_uint8 * (elements * 8)).from_address(place)).cast("B")

    def close(self) -> None:
        self._port.delete()
        self._service = None

    def inherited(self) -> list[Any]:
        return [self._port, self._service]


class SlotReader:
    """Takes one writer's messages out of shared memory, the oldest first."""

    def __init__(self, store: SlotStore, name: str, depth: int) -> None:
        """Raises SlotError where iceoryx2 refuses."""
        store.check_room(_SPARE_BYTES)
        self._limit = depth + _KEPT - 1
        self._service = store.service(name, depth)
        # The slots that somebody looks at, by the address of the object that their views keep alive.
        self._kept: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._next: tuple[int, Any] | None = None
        try:
            self._port: Any = self._service.subscriber_builder().buffer_size(depth).create()
        except Exception as error:
            # See SlotStore.
            raise SlotError(f"iceoryx2: {error}") from None
        _objects.add(self)

    def take(self, serial: int) -> memoryview | bytes | None:
        """The message with that serial, read-only; None if it was overwritten. Older ones are passed over."""
        while True:
            if self._next is None:
                try:
                    slot = self._port.receive()
                except Exception:
                    # Everything that may be kept is kept, which `_limit` forbids; or the connection was damaged.
                    return None
                if slot is None:
                    return None
                self._next = (
                    SLOT_PREFIX.unpack_from((ctypes.c_char * SLOT_PREFIX.size).from_address(slot.payload_ptr))[0],
                    slot,
                )
            found, slot = self._next
            if found > serial:
                return None
            self._next = None
            if found == serial:
                return self._view(slot)
            slot.delete()

    def close(self) -> None:
        if self._next is not None:
            self._next[1].delete()
            self._next = None
        self._port.delete()
        self._service = None

    def inherited(self) -> list[Any]:
        return [self._port, self._service, self._next, *(slot for _, slot in self._kept.values())]

    def _view(self, slot: Any) -> memoryview | bytes:
        place = slot.payload_ptr
        size = _Prefix.from_address(place).size
        if not 0 <= size <= slot.header.number_of_elements * 8 - SLOT_PREFIX.size:
            slot.delete()
            raise ValueError("a slot holds less than it says")
        if len(self._kept) >= self._limit:
            copy = ctypes.string_at(place + SLOT_PREFIX.size, size)
            slot.delete()
            return copy
        owner = (ctypes.c_uint8 * size).from_address(place + SLOT_PREFIX.size)
        key = id(owner)
        kept = self._kept

        def give_back(_: object) -> None:
            entry = kept.pop(key, None)
            if entry is not None:
                entry[1].delete()

        kept[key] = weakref.ref(owner, give_back), slot
        return memoryview(owner).cast("B").toreadonly()


_libc = ctypes.CDLL(None, use_errno=True)
_objects: weakref.WeakSet[Any] = weakref.WeakSet()


def abandon() -> None:
    """In the child of a fork: keeps iceoryx2's objects for ever; their end would take away the parent's memory."""
    for entry in list(_objects):
        for held in entry.inherited():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


def _populate(address: int, size: int) -> None:
    """Raises SlotError where there is no memory for these pages."""
    start = address // _PAGE * _PAGE
    if _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(address + size - start), _MADV_POPULATE_WRITE):
        number = ctypes.get_errno()
        raise SlotError(f"/dev/shm is full, or the kernel is older than 5.14: {os.strerror(number)}")
