"""Waits for file descriptors of transports, on an executor's own thread where one has nothing else to do.

A message from another process then wakes the executor directly, without a hop over a receiving thread. While every
executor is busy, or none spins, a thread of the pump's own waits, so that nothing stays in a queue outside.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

# How long a descriptor may wait for an executor that has just left to run a callback, s.
_TAKE_OVER_S = 0.005


class Pump:
    """The descriptors of a ROS domain's transports, and who waits for them."""

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._leading = threading.Lock()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> bool:
        """True if there is any descriptor to wait for."""
        return bool(self._callbacks)

    def attach(self, fileno: int, callback: Callable[[], None]) -> None:
        """Calls `callback()` whenever the descriptor is readable; it must not block, and must drain it."""
        with self._changed:
            self._callbacks = {**self._callbacks, fileno: callback}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rclpy-pump", daemon=True)
                self._thread.start()

    def detach(self, fileno: int) -> None:
        """Forgets a descriptor; the caller closes it afterwards."""
        with self._changed:
            self._callbacks = {number: entry for number, entry in self._callbacks.items() if number != fileno}

    def wait(self, wake_fileno: int, timeout_s: float | None) -> bool:
        """Waits on the caller's thread until something happened, `wake_fileno` is readable or the time is over.

        Gives False at once where another thread is waiting already: the caller then waits in its own way.
        """
        if not self._leading.acquire(blocking=False):
            return False
        try:
            self._poll(wake_fileno, timeout_s)
        finally:
            self._leading.release()
        return True

    def _poll(self, wake_fileno: int | None, timeout_s: float | None) -> None:
        callbacks = self._callbacks
        watched = [*callbacks] if wake_fileno is None else [*callbacks, wake_fileno]
        # `poll` and `epoll` round to milliseconds, `select` does not.
        ready, _, _ = select.select(watched, [], [], timeout_s)
        for fileno in ready:
            callback = self._callbacks.get(fileno)
            if callback is not None:
                callback()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._callbacks:
                    self._thread = None
                    return
            if self._leading.acquire(timeout=1.0):
                try:
                    self._poll(None, _TAKE_OVER_S)
                finally:
                    self._leading.release()
            threading.Event().wait(_TAKE_OVER_S)
