"""An emulated device behind a TCP port of 127.0.0.1, in real time: any Modbus TCP client can talk to it."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

LOG = logging.getLogger(__name__)

HOST = "127.0.0.1"
# A port with nothing to do looks this often whether it is to end.
MAX_WAIT_S = 0.5


class Session(Protocol):
    """One connection of an emulator, without I/O, for example ``sim.emulators.slave.TcpSession``."""

    closed: bool

    def feed(self, data: bytes, now: float) -> None: ...

    def poll(self, now: float) -> tuple[bytes, float | None]: ...

    def close(self) -> None: ...


class TcpPort:
    """A listening port with a thread that serves all its connections.

    Args:
        name: of the line, for the thread and messages.
        connect: makes the session behind a new connection.
        clock: real time in seconds, monotonic.
        lock: held whenever a session is made, fed or polled; shared with whoever else touches the world.
        port: to listen on; 0: a free one, which stays the same over ``unplug`` and ``plug``.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Session],
        clock: Callable[[], float],
        *,
        lock: AbstractContextManager[object],
        port: int = 0,
    ) -> None:
        self._name = name
        self._connect = connect
        self._clock = clock
        self._lock = lock
        self._port = port
        self._stop = threading.Event()
        self._plugged = True
        self._listener: socket.socket | None = None
        self._sessions: dict[socket.socket, Session] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=f"line {name}", daemon=True)
        self._listen()

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"{HOST}:{self._port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def unplug(self) -> None:
        """The cable is out: open connections fall silent without a word, and no new one can be made."""
        self._plugged = False
        self._wake()

    def plug(self) -> None:
        """The cable is back. Connections of before are reset, as by a device that has given them up."""
        self._plugged = True
        self._wake()

    def close(self) -> None:
        """End the thread and every connection. Callable twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        self._end_all()
        if self._listener is not None:
            self._listener.close()
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _listen(self) -> None:
        listener = socket.create_server((HOST, self._port), reuse_port=False)
        listener.setblocking(False)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _wake(self) -> None:
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return  # a full pipe wakes as well

    def _run(self) -> None:
        try:
            wait_s = MAX_WAIT_S
            while not self._stop.is_set():
                wait_s = self._serve(wait_s)
        except Exception:
            LOG.exception("the simulated line %s ends", self._name)
            self._end_all()

    def _serve(self, wait_s: float) -> float:
        ready = {key.fileobj for key, _ in self._selector.select(wait_s)}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        self._follow_plug()
        if self._listener in ready and self._plugged:
            self._accept()
        next_s = self._clock() + MAX_WAIT_S
        for connection in list(self._sessions):
            wanted_s = self._exchange(connection, connection in ready)
            if wanted_s is not None:
                next_s = min(next_s, wanted_s)
        return max(next_s - self._clock(), 0.0)

    def _follow_plug(self) -> None:
        if self._plugged and self._listener is None:
            self._end_all()
            self._listen()
        elif not self._plugged and self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # gone again before it was looked at
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sessions[connection] = self._connect()
        self._selector.register(connection, selectors.EVENT_READ)

    def _exchange(self, connection: socket.socket, readable: bool) -> float | None:
        """What is due on one connection; returns when it wants to be looked at again."""
        session = self._sessions[connection]
        try:
            data = connection.recv(4096) if readable else b""
            if readable and not data:
                raise ConnectionResetError
            if not self._plugged:
                return None
            now = self._clock()
            with self._lock:
                if data:
                    session.feed(data, now)
                out, wanted_s = session.poll(now)
            if session.closed:
                raise ConnectionResetError
            if out:
                connection.sendall(out)
        except BlockingIOError:
            LOG.warning("nobody reads line %s, a reply is lost", self._name)
            self._end(connection)
            return None
        except OSError:
            self._end(connection)
            return None
        return wanted_s

    def _end(self, connection: socket.socket) -> None:
        session = self._sessions.pop(connection)
        self._selector.unregister(connection)
        connection.close()
        with self._lock:
            session.close()

    def _end_all(self) -> None:
        for connection in list(self._sessions):
            self._end(connection)
