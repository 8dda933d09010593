"""Where bytes go: pyserial's surface as a Protocol, and what a port's name says about the line behind it.

A port is a path (``/dev/serial/by-id/...``), ``tcp://HOST:PORT`` for Modbus TCP, or ``SCHEME:NAME`` for a link that
some package registers in the entry-point group ``cellwright.links`` (the simulator registers ``sim``, and ``sim+tcp``
for lines that carry Modbus TCP).
"""

from __future__ import annotations

from typing import Protocol

TCP_SCHEME = "tcp"


class ByteLink(Protocol):
    """The part of ``serial.Serial`` that the bus uses, opened with ``timeout=0``: nothing here blocks.

    A link that is not there at once (a TCP connection) has ``established`` too, which is False until it is, and raises
    OSError when it will never be. A link that cannot tell when a peer is gone raises OSError from any of these.
    """

    @property
    def in_waiting(self) -> int: ...

    def read(self, size: int = 1) -> bytes: ...

    def write(self, data: bytes) -> int | None: ...

    def close(self) -> None: ...


def speaks_tcp(port: str) -> bool:
    """Whether Modbus TCP is spoken on a port of this name: its scheme is ``tcp``, or ends in ``+tcp``."""
    scheme, colon, _ = port.partition(":")
    return bool(colon) and "/" not in scheme and scheme.rpartition("+")[2] == TCP_SCHEME
