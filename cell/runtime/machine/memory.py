"""The thread that prepares shared memory, so that no callback waits: loads iceoryx2, makes and opens services."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cell.runtime.machine.folder import SlotError

if TYPE_CHECKING:
    from cell.runtime.machine.folder import Folder
    from cell.runtime.machine.inlet import Inlet
    from cell.runtime.machine.outlet import Outlet
    from cell.runtime.machine.slots import SlotStore


class Memory:
    """The work for that thread, in its order. Without shared memory all goes over the sockets, with a warning."""

    def __init__(self, folder: Folder, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self._folder = folder
        self._changed = threading.Condition()
        self._work: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._store: SlotStore | None = None
        self._refused = False
        self._stopping = False
        self._names = 0

    def ask(self, outlet: Outlet, size: int, depth: int) -> None:
        """Makes shared memory for a writer's messages of up to `size` bytes, and offers it to the readers."""
        self._do(lambda: self._make(outlet, size, depth))

    def open(self, inlet: Inlet, generation: int, name: str, depth: int, ready: Callable[[], None]) -> None:
        """Looks at the shared memory that a writer elsewhere offers; calls `ready` then."""
        self._do(lambda: self._open(inlet, generation, name, depth, ready))

    def clean(self) -> None:
        """Takes back what processes held that have died."""
        if self._store is not None or self._folder.has_leftovers():
            self._do(self._clean)

    def close(self) -> None:
        """Ends the thread; the ports have been closed before."""
        with self._changed:
            self._stopping = True
            self._work.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        if self._store is not None:
            self._store.close()

    def _do(self, work: Callable[[], None]) -> None:
        with self._changed:
            if self._stopping:
                return
            self._work.append(work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rclpy-memory", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._work and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                work = self._work.popleft()
            if self._refused:
                continue
            try:
                if self._store is None:
                    from cell.runtime.machine.slots import SlotStore  # noqa: PLC0415 (slow to import)

                    self._store = SlotStore(self._folder)
                work()
            except SlotError as error:
                # Without iceoryx2 it is pointless to try again; a full /dev/shm may have room for the next one.
                self._refused = self._store is None and "full" not in str(error)
                self.warn(f"big messages to other processes go over sockets, slowly: {error}")

    def _make(self, outlet: Outlet, size: int, depth: int) -> None:
        assert self._store is not None
        self._names += 1
        name = f"{outlet.writer.endpoint.gid.hex()}/{self._names}"
        try:
            slots = self._store.writer(name, size, depth)
        except SlotError:
            outlet.refuse()
            raise
        outlet.offer(slots)

    def _open(self, inlet: Inlet, generation: int, name: str, depth: int, ready: Callable[[], None]) -> None:
        assert self._store is not None
        inlet.look_at(generation, self._store.reader(name, depth))
        ready()

    def _clean(self) -> None:
        assert self._store is not None
        self._store.clean()
