"""A TCP connection under pyserial's surface, for Modbus TCP: ``tcp://HOST:PORT`` (port 502 if none is named).

Nothing waits: the connection is made in the background, and ``established`` says when it is there. What is not yet
delivered when it is closed is thrown away, so that no old command reaches a device that comes back.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from urllib.parse import urlsplit

from perception.errors import InputError

MODBUS_PORT = 502
# On a cell's own network an answer takes a millisecond; a try that is given up early is soon made again.
CONNECT_S = 0.3
READ_SIZE = 4096


def tcp_address(port: str) -> tuple[str, int]:
    """Host and port of ``tcp://HOST[:PORT]`` (what stands behind ``tcp:`` alone does too).

    Raises:
        InputError: it is no such address.
    """
    words = port if port.startswith("tcp:") else f"tcp:{port}"
    try:
        parts = urlsplit(words)
        number = parts.port
    except ValueError as error:
        raise InputError(f"{words}: {error}") from None
    if not words.startswith("tcp://") or not parts.hostname or parts.path or parts.query or parts.username:
        raise InputError(f"{words} is no address: write tcp://HOST:PORT")
    return parts.hostname, MODBUS_PORT if number is None else number


class TcpLink:
    """A ``ByteLink``.

    Args:
        host: a name or an address; a name is looked up at once, which may wait: give devices addresses.
        port: of the device.
        connect_s: how long it may take to be there.

    Raises:
        OSError: the host is not known or refuses at once.
    """

    def __init__(self, host: str, port: int, *, connect_s: float = CONNECT_S) -> None:
        self._name = f"tcp://{host}:{port}"
        self._established = False
        self._give_up_s = time.monotonic() + connect_s
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Closing resets: what the other end has not taken by then it never gets.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        failed = self._socket.connect_ex(address)
        if failed not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(failed, os.strerror(failed), self._name)

    @property
    def established(self) -> bool:
        """Bytes can go.

        Raises:
            OSError: the other end refuses, or has not answered in time.
        """
        if not self._established:
            if self._writable(0.0):
                failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if failed:
                    raise OSError(failed, os.strerror(failed), self._name)
                self._established = True
            elif time.monotonic() > self._give_up_s:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), self._name)
        return self._established

    def wait(self) -> None:
        """Return when it is there.

        Raises:
            OSError: it will not be.
        """
        while not self.established:
            self._writable(0.05)

    @property
    def in_waiting(self) -> int:
        """As many bytes as a read is to take; whether any have come, it says itself."""
        return READ_SIZE

    def read(self, size: int = 1) -> bytes:
        """What is there.

        Raises:
            OSError: the connection is gone.
        """
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.ECONNRESET, "the other end has closed the connection", self._name)
        return data

    def write(self, data: bytes) -> int | None:
        """Send; returns how many bytes could go.

        Raises:
            OSError: the connection is gone.
        """
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def close(self) -> None:
        """Reset the connection. Callable twice."""
        self._socket.close()

    def _writable(self, wait_s: float) -> bool:
        return bool(select.select((), [self._socket], (), wait_s)[1])


def open_tcp(name: str, baudrate: int) -> TcpLink:
    """The scheme ``tcp`` of ports: ``//HOST:PORT``; TCP has no baud rate.

    Raises:
        InputError: it is no address.
        OSError: it cannot be connected to.
    """
    return TcpLink(*tcp_address(name))
