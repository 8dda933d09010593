"""A port with one device on it that speaks a protocol of its own, and not Modbus.

The protocol is the driver's, without I/O: a ``Talker`` is fed what came and says what to send and when to be called
again. ``StreamBus.poll`` does all the work and never waits, as that of ``cell.drivers.bus.Bus``, and a ``BusThread``
calls it in real time. A driver asks for it by its attribute ``BUS = StreamBus``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from cell.drivers.bus import FIRST_RETRY_S, LAST_RETRY_S, UNSENT_RETRY_S
from cell.drivers.line_statistics import LineStatistics
from cell.drivers.links import ByteLink

LOG = logging.getLogger(__name__)


class Talker(Protocol):
    """A conversation without I/O; times are on the bus's clock. ``statistics`` is what the bus shows of it."""

    statistics: LineStatistics

    def opened(self, now: float) -> None:
        """The port is open (again): whoever answers there is unknown."""
        ...

    def feed(self, data: bytes, now: float) -> None:
        """Bytes that came in by ``now``."""
        ...

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """What to send now, and when to call again; None: only after a feed, or when something is asked for."""
        ...

    def lost(self, reason: str, now: float) -> None:
        """The port is gone, and what was under way with it."""
        ...


class StreamBus:
    """One port, one talker. ``attach`` it before the first ``poll``.

    ``lock`` is held whenever the talker is called; a driver holds it when it changes the talker's state from another
    thread, and calls ``wake`` behind it.

    Args:
        name: of the port, for messages.
        open_link: opens the port, by the same path each time.
        clock: seconds, monotonic.
        baudrate: of the line.

    Raises:
        OSError: the port cannot be opened.
    """

    def __init__(self, name: str, open_link: Callable[[], ByteLink], clock: Callable[[], float], baudrate: int) -> None:
        self.name = name
        self.clock = clock
        self.baudrate = baudrate
        self.reopened = 0
        self.lock = threading.RLock()
        self._open_link = open_link
        self._talker: Talker | None = None
        self._link: ByteLink | None = open_link()
        self._greeted = False
        self._unsent = b""
        self._wake: Callable[[], None] | None = None
        self._changed = False
        self._retry_s = FIRST_RETRY_S
        self._reopen_s = 0.0
        self._closed = False
        self._error: str | None = None

    @property
    def connected(self) -> bool:
        """The port is open."""
        return self._link is not None

    @property
    def error(self) -> str | None:
        """Why the port is not open."""
        return self._error

    @property
    def link(self) -> ByteLink | None:
        """The open port, for whoever waits on it."""
        return self._link

    @property
    def statistics(self) -> LineStatistics:
        """Counts of this line since the start."""
        return LineStatistics() if self._talker is None else self._talker.statistics

    def attach(self, talker: Talker) -> None:
        """Say who speaks on this port."""
        self._talker = talker

    def on_wake(self, wake: Callable[[], None] | None) -> None:
        """Set what ``wake`` calls so that a waiting thread polls."""
        self._wake = wake

    def wake(self) -> None:
        """The talker has something new to say. From any thread."""
        self._changed = True
        if self._wake is not None:
            self._wake()

    def poll(self, now: float, readable: bool = True) -> float | None:
        """Do everything that is due by ``now``; returns when to call again (``now`` itself: at once)."""
        try:
            with self.lock:
                return self._poll(now)
        except OSError as error:
            self._lose(str(error), now)
            return self._reopen_s

    def close(self) -> None:
        """Give the port back. Nothing is sent any more."""
        self._closed = True
        self._lose("closed", self.clock())

    def fail(self, reason: str) -> None:
        """End for good: whoever polls this bus cannot go on."""
        self._closed = True
        self._lose(reason, self.clock())

    def _poll(self, now: float) -> float | None:
        talker = self._talker
        if self._closed or talker is None:
            return None
        link = self._link
        if link is None:
            if now < self._reopen_s:
                return self._reopen_s
            link = self._link = self._open_link()
            self._error = None
            self._greeted = False
            self.reopened += 1
            LOG.info("port %s is open again", self.name)
        if not self._greeted:
            self._greeted = True
            talker.opened(now)
        waiting = link.in_waiting
        if waiting:
            data = link.read(waiting)
            if data:
                self._retry_s = FIRST_RETRY_S
                talker.statistics.bytes_in += len(data)
                talker.feed(data, now)
        self._changed = False
        due_s: float | None = None
        if not self._unsent:
            self._unsent, due_s = talker.poll(now)
        if self._unsent:
            sent = link.write(self._unsent)
            taken = len(self._unsent) if sent is None else sent
            talker.statistics.bytes_out += taken
            self._unsent = self._unsent[taken:]
            # At once again: whoever lies behind an in-memory link is to see it before time goes on.
            return now + UNSENT_RETRY_S if self._unsent else now
        return now if self._changed else due_s

    def _lose(self, reason: str, now: float) -> None:
        with self.lock:
            link, self._link = self._link, None
            self._error = reason
            self._reopen_s = now + self._retry_s
            self._retry_s = min(2.0 * self._retry_s, LAST_RETRY_S)
            self._unsent = b""
            if link is None:
                return
            if not self._closed:
                LOG.warning("port %s is gone: %s", self.name, reason)
            try:
                link.close()
            except OSError as error:
                LOG.debug("port %s: closing it says %s", self.name, error)
            if self._talker is not None:
                self._talker.lost(reason, now)
