"""The sockets of an emulated control box, in real time. Its ports are those of the makers, so give it a host of its own
(127.0.0.2 and on are this machine as well)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from typing import Any

from sim.emulators.ur import HZ, Dashboard, RtdeSession, UrArmDevice

RTDE, DASHBOARD, SCRIPTS = 30004, 29999, (30002, 30003)


class UrBox:
    """Listens on all ports of one host and runs the arm's cycle.

    Args:
        host: of the loopback network.
        arm: what is behind it; ``lock`` guards it.

    Raises:
        OSError: a port is taken.
    """

    def __init__(self, host: str, arm: UrArmDevice) -> None:
        self.host = host
        self.arm = arm
        self.lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[socket.socket, Any] = {}
        self._stop = threading.Event()
        for port in (RTDE, DASHBOARD, *SCRIPTS):
            listener = socket.create_server((host, port))
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, port)
        self._thread = threading.Thread(target=self._run, name="ur box", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def hang_up(self) -> None:
        """Cut every connection, as a cable that is pulled and put back."""
        with self.lock:
            for connection in list(self._sessions):
                self._drop(connection)

    def close(self) -> None:
        """End everything."""
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            self._selector.unregister(sock)
            sock.close()
        self._selector.close()

    def _run(self) -> None:
        next_s = time.monotonic()
        while not self._stop.is_set():
            for key, _ in self._selector.select(max(next_s - time.monotonic(), 0.0)):
                assert isinstance(key.fileobj, socket.socket)
                with self.lock:
                    if isinstance(key.data, int):
                        self._accept(key.fileobj, key.data)
                    else:
                        self._read(key.fileobj)
            if time.monotonic() >= next_s:
                next_s = max(next_s + 1.0 / HZ, time.monotonic())
                with self.lock:
                    self.arm.cycle()
                    for connection, session in list(self._sessions.items()):
                        if isinstance(session, RtdeSession):
                            self._write(connection, session.cycle())

    def _accept(self, listener: socket.socket, port: int) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session: Any = self.arm
        if port == RTDE:
            session = RtdeSession(self.arm)
        elif port == DASHBOARD:
            session = Dashboard(self.arm)
            connection.sendall(Dashboard.GREETING)
        self._sessions[connection] = session
        self._selector.register(connection, selectors.EVENT_READ, "connection")

    def _read(self, connection: socket.socket) -> None:
        session = self._sessions.get(connection)
        if session is None:
            return
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
        elif session is self.arm:
            self.arm.upload(data.decode("utf-8", "replace"))
        else:
            self._write(connection, session.feed(data))

    def _write(self, connection: socket.socket, data: bytes) -> None:
        if data:
            with contextlib.suppress(OSError):
                connection.sendall(data)

    def _drop(self, connection: socket.socket) -> None:
        self._sessions.pop(connection, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()
