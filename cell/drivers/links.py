"""Where bytes go: pyserial's surface as a Protocol, and the one place that opens a port by its name.

A port is a path (``/dev/serial/by-id/...``), or ``SCHEME:NAME`` for a link that some package registers in the
entry-point group ``cellwright.links`` (the simulator registers ``sim``).
"""

from __future__ import annotations

from typing import Protocol


class ByteLink(Protocol):
    """The part of ``serial.Serial`` that the bus uses, opened with ``timeout=0``: nothing here blocks."""

    @property
    def in_waiting(self) -> int: ...

    def read(self, size: int = 1) -> bytes: ...

    def write(self, data: bytes) -> int | None: ...

    def close(self) -> None: ...
