"""The controller's way to an emulated line in another process: a socket beside its pty.

What goes through a pty is handed over by a worker thread of the kernel, which has to wait for a processor like
everybody else: on a busy machine for a tenth of a second, in which the device looks dead. A socket hands over at once.
The bytes, their pace and who answers are the same; other programs open the pty.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
from pathlib import Path

READ_SIZE = 4096
_CREDENTIALS_BYTES = 12  # pid, uid, gid as native ints: unix(7), SO_PEERCRED


def _address(path: Path) -> str:
    # In the abstract namespace: a path may be longer than an address, and nothing is left behind.
    return f"\0cellwright/line/{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:32]}"


class LineSocket:
    """A ``ByteLink`` to the line whose pty is at ``path``.

    Raises:
        ConnectionRefusedError: there is no socket for that line, or somebody else is connected.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(_address(path))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    @property
    def in_waiting(self) -> int:
        """As many bytes as a read is to take; whether any have come, it says itself."""
        return READ_SIZE

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` bytes that have come. Raises: OSError: the line is gone."""
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("the simulated line is gone")
        return data

    def write(self, data: bytes) -> int | None:
        """Send; returns how many bytes were taken. Raises: OSError: the line is gone."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def close(self) -> None:
        """Callable twice."""
        self._socket.close()


class LineListener:
    """The line's end: takes one controller of this user at a time.

    Raises:
        OSError: another process has the line.
    """

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(_address(path))
            self._listener.listen(2)
        except OSError:
            self._listener.close()
            raise
        self._listener.setblocking(False)
        self._connection: socket.socket | None = None

    def filenos(self) -> list[int]:
        """What to wait for."""
        found = [self._listener.fileno()]
        if self._connection is not None:
            found.append(self._connection.fileno())
        return found

    def read(self) -> bytes:
        """What the controller has sent; takes one that comes, and lets one go that has gone."""
        data = self._received()
        if self._connection is None:
            self._accept()
            data = self._received()
        else:
            self._refuse()
        return data

    def write(self, data: bytes) -> bool:
        """Hands a reply over; False where nobody is there, or nobody reads."""
        if self._connection is None:
            return False
        try:
            return self._connection.send(data) == len(data)
        except OSError:
            return False

    def close(self) -> None:
        """The line is unplugged: the controller gets an error, who connects is refused."""
        self._listener.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _received(self) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        try:
            data = connection.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            connection.close()
            self._connection = None
        return data

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS_BYTES)
            if int.from_bytes(found[4:8], sys.byteorder) != os.getuid():
                connection.close()
                return
            connection.setblocking(False)
            self._connection = connection

    def _refuse(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.close()
