"""The state folder: where the ledger lies, and that one cell at a time uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cell.simfolder import default_state
from perception.errors import InputError

__all__ = ["LEDGER", "StateFolder", "default_state"]

LEDGER = "ledger.sqlite"


class StateFolder:
    """The folder, created where it is missing and locked until ``close``.

    Raises:
        InputError: it cannot be created or written, or another cell uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"cannot be the state folder: {error.strerror}", file=path, key="--state") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            raise InputError(
                "another cell runs on this state folder; name another one", file=path, key="--state"
            ) from None

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.path / LEDGER

    def close(self) -> None:
        """Let another cell use the folder."""
        os.close(self._handle)
