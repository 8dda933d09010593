"""A serial port under pyserial's surface, with one system call where pyserial makes four.

pyserial opens and sets it up; bytes then go through its descriptor, which is non-blocking.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

import serial

READ_SIZE = 4096
_NONE = struct.pack("I", 0)


class SerialPort:
    """A ``ByteLink`` that a thread can wait on. Nobody else may open the port meanwhile.

    Raises:
        OSError: it cannot be opened or set up.
    """

    def __init__(self, path: str, baudrate: int, *, parity: str = "N", stopbits: int = 1) -> None:
        self._port = serial.Serial(
            path, baudrate, parity=parity, stopbits=stopbits, timeout=0, write_timeout=0, exclusive=True
        )
        self._handle = self._port.fileno()

    @property
    def in_waiting(self) -> int:
        """As many bytes as a read is to take; whether any have come, it says itself."""
        return READ_SIZE

    def read(self, size: int = 1) -> bytes:
        """At most ``size`` bytes that have come. Raises: OSError: the port is gone."""
        try:
            data = os.read(self._handle, size)
        except BlockingIOError:
            return b""
        if not data:
            # Nothing has come; or nothing ever will, and only this says so.
            fcntl.ioctl(self._handle, termios.FIONREAD, _NONE)
        return data

    def write(self, data: bytes) -> int | None:
        """Send; returns how many bytes the port took. Raises: OSError: the port is gone."""
        try:
            return os.write(self._handle, data)
        except BlockingIOError:
            return 0

    def fileno(self) -> int:
        """For ``select``."""
        return self._handle

    def close(self) -> None:
        """Give the port back. Callable twice."""
        self._handle = -1
        self._port.close()
