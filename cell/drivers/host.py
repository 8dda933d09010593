"""A device that is reached through somebody else's library, which opens its own connections.

The driver asks for it by ``BUS = HostBus`` and attaches itself as a ``Worker``; a ``BusThread`` of its own calls
``poll``, so the library may wait there without holding anybody else up. The port is ``tcp://HOST``; whether anybody is
there is the library's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cell.drivers.line_statistics import LineStatistics
from cell.drivers.links import ByteLink


class Worker(Protocol):
    """What a driver does on its thread."""

    def poll(self, now: float) -> float | None:
        """Do what is due; returns when to call again."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class HostBus:
    """The place of one worker among the buses.

    Args:
        name: of the port.
        clock: seconds, monotonic.
    """

    connected = True
    link: ByteLink | None = None
    reopened = 0
    baudrate = 0

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.clock = clock
        self.statistics = LineStatistics()
        self._worker: Worker | None = None
        self._wake: Callable[[], None] | None = None
        self._error: str | None = None

    @property
    def error(self) -> str | None:
        """Why nothing is done any more."""
        return self._error

    def attach(self, worker: Worker) -> None:
        """Say who works here."""
        self._worker = worker

    def on_wake(self, wake: Callable[[], None] | None) -> None:
        """Set what ``wake`` calls so that a waiting thread polls."""
        self._wake = wake

    def wake(self) -> None:
        """There is something to do. From any thread."""
        if self._wake is not None:
            self._wake()

    def poll(self, now: float, readable: bool = True) -> float | None:
        """Let the worker work. ``readable`` as for ``Bus``; there is nothing to read here."""
        return None if self._worker is None or self._error is not None else self._worker.poll(now)

    def close(self) -> None:
        """End it. Callable twice."""
        self.fail("closed")

    def fail(self, reason: str) -> None:
        """End for good."""
        if self._error is None:
            self._error = reason
            if self._worker is not None:
                self._worker.close()
