"""What polls a bus in real time: a thread that alone touches the port."""

from __future__ import annotations

import logging
import os
import select
import threading
from typing import Protocol, cast

from cell.drivers.bus import Bus

LOG = logging.getLogger(__name__)


class WaitableLink(Protocol):
    """A link that a thread can wait on, as every real port is."""

    def fileno(self) -> int: ...


class BusThread:
    """Polls a bus in real time: sleeps until bytes come, something is submitted, or its deadline passes."""

    # Longest sleep; a port that vanishes without a word is noticed by the time-outs before that.
    MAX_WAIT_S = 0.5

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stop = threading.Event()
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._thread = threading.Thread(target=self._run, name=f"bus {bus.name}", daemon=True)

    def start(self) -> None:
        """Begin to poll; from here on only this thread touches the port."""
        self._bus.on_wake(self._wake)
        self._thread.start()

    def stop(self) -> None:
        """Return when the thread has ended and the port is given back. Callable twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._wake()
            self._thread.join()
        self._bus.on_wake(None)
        self._bus.close()
        os.close(self._read_fd)
        os.close(self._write_fd)

    def _wake(self) -> None:
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # a full pipe wakes as well

    def _run(self) -> None:
        bus = self._bus
        try:
            while not self._stop.is_set():
                now = bus.clock()
                due_s = bus.poll(now)
                wait_s = self.MAX_WAIT_S if due_s is None else min(due_s - now, self.MAX_WAIT_S)
                if wait_s > 0.0:
                    self._wait(wait_s)
        except Exception as error:
            LOG.exception("the thread of port %s ends", bus.name)
            bus.fail(f"its thread ended: {error}")

    def _wait(self, wait_s: float) -> None:
        sources = [self._read_fd]
        link = self._bus.link
        if link is not None:
            try:
                sources.append(cast(WaitableLink, link).fileno())
            except OSError:
                return  # the next poll finds out and reopens
        ready, _, _ = select.select(sources, (), (), wait_s)
        if self._read_fd in ready:
            os.read(self._read_fd, 4096)
