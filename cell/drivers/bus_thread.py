"""What polls a bus in real time: a thread that alone touches the port."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from typing import Protocol, cast

from cell.drivers.links import ByteLink

LOG = logging.getLogger(__name__)

# Sleep ends late, by some 50 us on a PC and 200 us in a virtual machine: a tenth of what the silence between two frames
# takes. Waits shorter than this are ended as much earlier as was learned, the rest is spent awake.
FINE_S = 0.01
MOST_LATE_S = 0.0003
NICE = -10


class WaitableLink(Protocol):
    """A link that a thread can wait on, as every real port is."""

    def fileno(self) -> int: ...


class PolledBus(Protocol):
    """What a thread needs of a bus."""

    name: str
    clock: Callable[[], float]

    @property
    def link(self) -> ByteLink | None: ...

    def poll(self, now: float, readable: bool = True) -> float | None: ...

    def on_wake(self, wake: Callable[[], None] | None) -> None: ...

    def close(self) -> None: ...

    def fail(self, reason: str) -> None: ...


class BusThread:
    """Polls a bus in real time: sleeps until bytes come, something is submitted, or its deadline passes."""

    # Longest sleep; a port that vanishes without a word is noticed by the time-outs before that.
    MAX_WAIT_S = 0.5

    def __init__(self, bus: PolledBus) -> None:
        self._bus = bus
        self._stop = threading.Event()
        self._late_s = 0.0
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
        if threading.get_ident() == self._thread.ident:
            return  # a callback submits: the bus looks at once
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # a full pipe wakes as well

    @staticmethod
    def _come_first() -> None:
        """A stop is not to wait behind a detector that loads every core: ahead of other threads, where the system lets
        us (root, or LimitNICE=-10 in a systemd unit)."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)

    def _run(self) -> None:
        bus = self._bus
        self._come_first()
        try:
            readable = True
            while not self._stop.is_set():
                now = bus.clock()
                due_s = bus.poll(now, readable)
                wait_s = self.MAX_WAIT_S if due_s is None else min(due_s - now, self.MAX_WAIT_S)
                readable = self._wait(now, wait_s) if wait_s > 0.0 else False
        except Exception as error:
            LOG.exception("the thread of port %s ends", bus.name)
            bus.fail(f"its thread ended: {error}")

    def _wait(self, now: float, wait_s: float) -> bool:
        """Until something is to be done; returns whether it is (or may be) on the link."""
        sources = [self._read_fd]
        link = self._bus.link
        if link is not None:
            try:
                sources.append(cast(WaitableLink, link).fileno())
            except OSError:
                return True  # the next poll finds out and reopens
        ahead_s = self._late_s if wait_s < FINE_S else 0.0
        ready, _, _ = select.select(sources, (), (), max(wait_s - ahead_s, 0.0))
        if ready:
            if self._read_fd in ready:
                os.read(self._read_fd, 4096)
            return len(ready) > (self._read_fd in ready)
        if wait_s < FINE_S:
            self._be_on_time(now + wait_s, ahead_s)
        return False

    def _be_on_time(self, due_s: float, ahead_s: float) -> None:
        """Learn how late sleep ends, and spend what it ended too early."""
        clock = self._bus.clock
        woke_s = clock()
        late_s = woke_s - (due_s - ahead_s)
        # Towards the least of it: what is too early is spent awake, at the processor's cost.
        change_s = min(max(late_s, 0.0), MOST_LATE_S) - self._late_s
        self._late_s += change_s / (4.0 if change_s < 0.0 else 64.0)
        while woke_s < due_s:
            woke_s = clock()
