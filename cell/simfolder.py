"""Where simulated hardware in a process of its own is found: the folder ``sim`` of a state folder.

``lock`` is held while the process lives, so nothing in here is ever stale; ``info.json`` says what runs, ``ports``
holds a link to each line's pty, ``socket`` is how a controller talks to the simulator, ``output.log`` is what it had to
say.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cell.report import write_json
from perception.errors import InputError

STATE_VARIABLE: Final = "CELL_STATE"
"""Names the state folder where no ``--state`` does."""

LOCK_TRIES: Final = 20
"""Somebody who looks whether the folder is in use holds the lock for an instant."""


def default_state() -> Path:
    """``$CELL_STATE``, or ``$XDG_STATE_HOME/cellwright``, by default ``~/.local/state/cellwright``."""
    given = os.environ.get(STATE_VARIABLE, "")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_STATE_HOME", "")
    home = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return home / "cellwright"


@dataclass(frozen=True, slots=True)
class SimInfo:
    """What runs there.

    Attributes:
        pid: of the process.
        seed, parts, source: as for ``cell sim``.
        lines: baud rate of each line.
        overrides: what a controller has to be told of this hardware, by node.
        domain: the ROS domain that it stays in; None: that of the controller that uses it.
        kept: somebody started it for itself; otherwise it belongs to the run that started it, and ends with one.
    """

    pid: int
    seed: int
    parts: int | None
    source: str | None
    lines: dict[str, int]
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    domain: int | None = None
    kept: bool = False


class SimFolder:
    """The folder ``sim`` of a state folder; it need not exist."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.path = state / "sim"
        self.ports = self.path / "ports"
        self.output = self.path / "output.log"
        self._info = self.path / "info.json"
        self._socket = self.path / "socket"
        self._lock: int | None = None

    @classmethod
    def of_this_process(cls) -> SimFolder:
        """That of the state folder which the environment names."""
        return cls(default_state())

    def create(self) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made or written.
        """
        try:
            self.ports.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be used: {error.strerror}", file=self.path, key="--state") from None

    def take(self) -> None:
        """Lock the folder for this process, and clear away what a killed one has left.

        Raises:
            InputError: simulated hardware runs there already, or the folder cannot be used.
        """
        self.create()
        for _ in range(LOCK_TRIES):
            self._lock = self._try(fcntl.LOCK_EX)
            if self._lock is not None:
                break
            time.sleep(0.005)
        else:
            raise InputError("a cell sim runs on this state folder; name another one", file=self.state, key="--state")
        for left in (self._info, self._socket, *self.ports.iterdir()):
            left.unlink(missing_ok=True)

    def release(self) -> None:
        """Clear away and unlock. Callable twice."""
        if self._lock is None:
            return
        for left in (self._info, self._socket):
            left.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    @property
    def alive(self) -> bool:
        """Some process has taken the folder, and lives."""
        if not (self.path / "lock").exists():
            return False
        probe = self._try(fcntl.LOCK_SH)
        if probe is None:
            return True
        os.close(probe)
        return False

    def tell(self, info: SimInfo) -> None:
        """Say what runs here; the folder is taken."""
        write_json(self._info, asdict(info))

    def info(self) -> SimInfo | None:
        """What runs here; None where nothing does, or is not ready yet."""
        if not self.alive:
            return None
        try:
            return SimInfo(**json.loads(self._info.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"cannot be read: {error}", file=self._info) from None

    def socket_name(self) -> tuple[int, str]:
        """An open descriptor of the folder, to be closed, and the socket's path below it.

        The path of a socket has room for 107 bytes, and state folders may lie deep.
        """
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        return handle, f"/proc/self/fd/{handle}/{self._socket.name}"

    def _try(self, kind: int) -> int | None:
        try:
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"cannot be used: {error.strerror}", file=self.path, key="--state") from None
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        return handle
