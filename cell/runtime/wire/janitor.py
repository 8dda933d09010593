"""Deletes what is no longer needed, in a thread of its own: Cyclone waits for readers that have not got everything."""

from __future__ import annotations

import threading
from collections import deque

from cell.runtime.wire.cyclone import library

# A thread that has nothing to do for so long ends, s.
_IDLE_S = 5.0


class Janitor:
    def __init__(self) -> None:
        self._entities: deque[int] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def delete(self, *entities: int) -> None:
        with self._changed:
            self._entities += entities
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="rclpy-wire-janitor", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Waits for the deletion that runs; the participant takes the rest with it."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._entities and not self._closed:
                    if not self._changed.wait(_IDLE_S) and not self._entities:
                        self._thread = None
                        return
                if self._closed:
                    return
                entity = self._entities.popleft()
            library().dds_delete(entity)
