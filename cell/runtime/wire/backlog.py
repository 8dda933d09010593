"""What reliable writers could not get rid of in time, and the thread that goes on trying."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from cell.runtime.wire import cyclone

if TYPE_CHECKING:
    from cell.runtime.wire.endpoints import WireWriter


class Backlog:
    """One queue for each writer that is stuck; the oldest samples go when it is full, as "keep last" says."""

    def __init__(self, log: Any) -> None:
        self._log = log
        # Each sample in a list of its own: addresses are used again, objects tell entries apart.
        self._queues: dict[WireWriter, deque[list[int]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, writer: WireWriter, sample: int) -> bool:
        """Puts a sample behind those that wait; False where none do."""
        # No lock for the usual case; a writer's own messages come one after the other.
        if writer not in self._queues:
            return False
        with self._changed:
            queue = self._queues.get(writer)
            if queue is None:
                return False
            queue.append([sample])
            if 0 < writer.queue_length < len(queue):
                cyclone.library().ddsi_serdata_unref(queue.popleft()[0])
                self._log.warning(
                    f"slow readers of {writer.topic}: the oldest messages are lost", throttle_duration_sec=5.0
                )
            self._changed.notify()
        return True

    def start(self, writer: WireWriter, sample: int) -> None:
        """The first sample that a writer could not write in time."""
        with self._changed:
            if self._closed:
                cyclone.library().ddsi_serdata_unref(sample)
                return
            self._queues.setdefault(writer, deque()).append([sample])
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rclpy-wire-backlog", daemon=True)
                self._thread.start()
            self._changed.notify()

    def holds(self, writer: WireWriter) -> bool:
        return writer in self._queues

    def forget(self, writer: WireWriter) -> None:
        """The writer goes away, and what it could not write with it."""
        with self._changed:
            for (sample,) in self._queues.pop(writer, ()):
                cyclone.library().ddsi_serdata_unref(sample)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()
        for writer in list(self._queues):
            self.forget(writer)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queues and not self._closed:
                    # A thread that has nothing to do for long is not worth keeping.
                    if not self._changed.wait(10.0) and not self._queues:
                        self._thread = None
                        return
                if self._closed:
                    return
                # The writers in turn, so that one stuck does not hold up the rest for more than its time.
                writer, queue = next(iter(self._queues.items()))
                self._queues[writer] = self._queues.pop(writer)
                entry = queue[0]
                cyclone.library().ddsi_serdata_ref(entry[0])
            code = writer.write_sample(entry[0])
            with self._changed:
                if self._queues.get(writer) is not queue:
                    continue
                if code != cyclone.TIMEOUT and queue and queue[0] is entry:
                    cyclone.library().ddsi_serdata_unref(queue.popleft()[0])
                if not queue:
                    del self._queues[writer]
