"""An emulated line behind a pty, in real time: any program that opens serial ports can talk to it.

Beside a pty with a link there is a socket for the cell's own controller (``sim.line_sockets`` says why).
"""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import tty
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sim.line_sockets import LineListener

LOG = logging.getLogger(__name__)

BITS_PER_CHARACTER = 10
# A line with nothing to do looks this often whether it is to end.
MAX_WAIT_S = 0.5
# Sleep may end so late.
SPIN_S = 0.0004


class Station(Protocol):
    """What answers on the line: an emulator, or several."""

    def feed(self, data: bytes, now: float) -> None: ...

    def poll(self, now: float) -> tuple[bytes, float | None]: ...


class PtyPort:
    """One line behind a pty, with a thread that paces it.

    A pty carries bytes at once; the time that they take on a real wire is added on both ways: a request counts as
    arrived, and a reply is handed over, when its last byte would be there.

    Args:
        name: of the line, for the thread and messages.
        station: fed and polled under ``lock``.
        clock: real time in seconds, monotonic.
        baudrate: of the modelled wire.
        lock: shared with whoever else touches the world behind the station.
        link: a symbolic link to keep pointing at the pty, as ``/dev/serial/by-id`` does; the path stays the same after
            ``unplug`` and ``plug``.
        spin: be awake a little before whatever is due, so that it is on time: for measuring.
    """

    def __init__(
        self,
        name: str,
        station: Station,
        clock: Callable[[], float],
        baudrate: int,
        *,
        lock: AbstractContextManager[object],
        link: Path | None = None,
        spin: bool = False,
    ) -> None:
        self._name = name
        self._station = station
        self._clock = clock
        self._character_s = BITS_PER_CHARACTER / baudrate
        self._lock = lock
        self._link = link
        self._spin = spin
        self._stop = threading.Event()
        # Guards the pty's descriptors against unplug and plug from other threads.
        self._plug = threading.Lock()
        self._master: int | None = None
        self._slave: int | None = None
        self._path = ""
        self._controller: LineListener | None = None
        # Who asked last gets the reply.
        self._by_socket = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._thread = threading.Thread(target=self._run, name=f"line {name}", daemon=True)
        self.plug()

    @property
    def path(self) -> str:
        """What a program opens."""
        return str(self._link) if self._link is not None else self._path

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def unplug(self) -> None:
        """The port vanishes: who has it open gets an error, who opens it finds nothing."""
        with self._plug:
            for descriptor in (self._master, self._slave):
                if descriptor is not None:
                    os.close(descriptor)
            self._master = self._slave = None
            if self._controller is not None:
                self._controller.close()
                self._controller = None
            if self._link is not None:
                self._link.unlink(missing_ok=True)
        self._wake()

    def plug(self) -> None:
        """The port is there (again)."""
        with self._plug:
            if self._master is not None:
                return
            master, slave = os.openpty()
            tty.setraw(master)
            tty.setraw(slave)
            os.set_blocking(master, False)
            # The slave stays open here as well, so that a program that closes the port does not hang the line up.
            self._master, self._slave = master, slave
            self._path = os.ttyname(slave)
            if self._link is not None:
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(self._path)
                self._controller = LineListener(self._link)
        self._wake()

    def close(self) -> None:
        """End the thread and the pty."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self.unplug()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return  # a full pipe wakes as well

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            LOG.exception("the simulated line %s ends", self._name)
            self.unplug()

    def _serve(self) -> None:
        outgoing: list[tuple[float, bytes]] = []
        busy_until_s = 0.0
        due_s: float | None = None
        while not self._stop.is_set():
            received = self._read()
            now = self._clock()
            with self._lock:
                if received:
                    self._station.feed(received, now + len(received) * self._character_s)
                # What was due meanwhile happened when it was due, however late this thread woke up.
                if due_s is None or due_s > now:
                    due_s = now
                while True:
                    reply, wanted_s = self._station.poll(due_s)
                    if reply:
                        busy_until_s = max(busy_until_s, due_s) + len(reply) * self._character_s
                        outgoing.append((busy_until_s, reply))
                    if wanted_s is None or wanted_s > now or wanted_s <= due_s:
                        break
                    due_s = wanted_s
                due_s = wanted_s
            while outgoing and outgoing[0][0] <= now:
                self._write(outgoing.pop(0)[1])
            if outgoing and (wanted_s is None or outgoing[0][0] < wanted_s):
                wanted_s = outgoing[0][0]
            wait_s = MAX_WAIT_S if wanted_s is None else min(max(wanted_s - self._clock(), 0.0), MAX_WAIT_S)
            if self._spin:
                wait_s = max(wait_s - SPIN_S, 0.0)
            self._wait(wait_s)

    def _wait(self, wait_s: float) -> None:
        master, controller = self._master, self._controller
        sources = [self._wake_read] if master is None else [self._wake_read, master]
        if controller is not None:
            sources += controller.filenos()
        try:
            ready, _, _ = select.select(sources, (), (), wait_s)
        except ValueError:
            return  # as below: a socket that is closed has the number -1
        except OSError as error:
            # Unplugged between the lines above: the next turn sees no pty.
            if error.errno != errno.EBADF:
                raise
            return
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)

    def _read(self) -> bytes:
        with self._plug:
            if self._master is None:
                return b""
            if self._controller is not None:
                data = self._controller.read()
                if data:
                    self._by_socket = True
                    return data
            try:
                data = os.read(self._master, 4096)
            except BlockingIOError:
                return b""
            self._by_socket = False
            return data

    def _write(self, data: bytes) -> None:
        with self._plug:
            if self._master is None:
                return
            if self._by_socket:
                # Nobody there any more: nobody to answer.
                if self._controller is not None:
                    self._controller.write(data)
                return
            try:
                os.write(self._master, data)
            except BlockingIOError:
                LOG.warning("nobody reads line %s, a reply is lost", self._name)
