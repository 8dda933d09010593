"""Room on the ledger's disk: watched ahead, and a little of it kept back for the lines of parts that are under way.

When the disk is nearly full the cell suspends, and what has begun is still to be written down. Should somebody else
take the last byte first, a file beside the ledger gives way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

LEAST_BYTES: Final = 50_000_000
"""Less free space than this suspends the cell: some hundred thousand lines."""

AGAIN: Final = 1.2
"""There has to be this much more than the least before it counts as enough again."""

KEPT_BYTES: Final = 4_000_000
"""Kept back: the log up to its next move into the file, and the file's own growth by that."""


class Room:
    """Of one ledger's disk.

    Args:
        ledger: its file.
        least_bytes: free space below which the disk counts as nearly full.
        kept_bytes: size of the file that gives way; 0: none.
    """

    def __init__(self, ledger: Path, *, least_bytes: int = LEAST_BYTES, kept_bytes: int = KEPT_BYTES) -> None:
        self._folder = ledger.parent
        self._kept = ledger.with_suffix(".reserve")
        self._least_bytes = least_bytes
        self._kept_bytes = kept_bytes
        self._low = False

    def low(self) -> bool:
        """Whether the disk is nearly full; keeps room back again where there is enough.

        Room that was given away for lines has to be back before the disk counts as well.
        """
        free = shutil.disk_usage(self._folder).free
        self._low = free < self._least_bytes * (AGAIN if self._low else 1.0)
        if not self._low and self._kept_bytes:
            self._low = not self._keep()
        return self._low

    def give_way(self) -> bool:
        """Hand the room that is kept back to whoever writes next; False where there is none."""
        try:
            self._kept.unlink()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Keep nothing back any more. Callable twice."""
        self.give_way()

    def _keep(self) -> bool:
        try:
            handle = os.open(self._kept, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return False
        try:
            if os.fstat(handle).st_size < self._kept_bytes:
                os.posix_fallocate(handle, 0, self._kept_bytes)
        except OSError:
            with contextlib.suppress(OSError):
                self._kept.unlink()
            return False
        finally:
            os.close(handle)
        return True
