"""The folder in which the processes of a ROS domain find each other: one listening socket for each.

It lies in `/tmp/cellwright-<uid>` and belongs to one user alone, so other users' processes are never met. Not in
XDG_RUNTIME_DIR, because a service of the same user has none and would not meet a shell's processes. `CELL_MACHINE_DIR`
names another place.

No `pathlib` here: it takes longer to import than all else that `rclpy.init` does for a process that is alone.
"""
# ruff: noqa: PTH103, PTH108, PTH112, PTH118, PTH208

from __future__ import annotations

import _socket as socket  # the module `socket` takes 3 ms to import
import fcntl
import os
import stat
import time
from contextlib import suppress

_SUFFIX = ".sock"
_SHARED_MEMORY = "/dev/shm"
# How long another process may hold the lock, which it needs for well under a millisecond, before it counts as stopped.
_LOCK_WAIT_S = 0.5
_BACKLOG = 1024
_TYPE = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC


class FolderError(Exception):
    """The folder cannot be used; the message says why."""


class SlotError(Exception):
    """Shared memory cannot be used; the message says why."""


class Folder:
    """A domain's folder, with this process' own socket in it."""

    def __init__(self, domain_id: int) -> None:
        """Raises FolderError where the folder cannot be made, or somebody else could write into it."""
        base = os.environ.get("CELL_MACHINE_DIR") or f"/tmp/cellwright-{os.getuid()}"
        self.path = os.path.join(base, f"domain-{domain_id}")
        try:
            for folder in (base, self.path):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                found = os.lstat(folder)
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
                    raise FolderError(f"{folder} is not a folder that only this user can write into")
            self._fileno = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise FolderError(f"{error.filename}: {error.strerror}") from None
        self.name = f"{os.getpid()}-{os.urandom(4).hex()}{_SUFFIX}"
        # Names everything of this domain in shared memory.
        place = int.from_bytes(os.fsencode(os.path.realpath(self.path)), "big") % 0xFFFFFFFB
        self.prefix = f"cell{os.getuid()}_{domain_id}_{place:08x}_"

    def join(self) -> tuple[socket.socket, list[socket.socket]]:
        """Listens, and connects to everybody who listened before; gives the listener and the connections.

        Who comes later connects to this process, so that there is one connection for each pair.

        Raises:
            FolderError: the folder does not take a socket.
        """
        listener = socket.socket(socket.AF_UNIX, _TYPE)
        hidden = f".{self.name}"
        try:
            listener.bind(self._address(hidden))
            listener.listen(_BACKLOG)
            with _Lock(self._fileno):
                # Visible only once it listens: a socket that refuses is then always a dead process'.
                os.rename(hidden, self.name, src_dir_fd=self._fileno, dst_dir_fd=self._fileno)
                names = self._sockets()
                alive, stale = self._connect(names)
                for name in stale:
                    self._remove(name)
                if stale and not alive:
                    self._sweep()
        except OSError as error:
            listener.close()
            raise FolderError(f"{self.path}: {error.strerror}") from None
        return listener, alive

    def leave(self) -> None:
        """Takes the own socket away; the last process takes what shared memory still holds."""
        try:
            with _Lock(self._fileno):
                self._remove(self.name)
                alive, stale = self._connect(self._sockets())
                for connection in alive:
                    connection.close()
                for name in stale:
                    self._remove(name)
                if not alive:
                    self._sweep()
        finally:
            os.close(self._fileno)

    def forget(self) -> None:
        """In the child of a fork: closes what was inherited, and takes nothing away."""
        os.close(self._fileno)

    def has_leftovers(self) -> bool:
        """Whether anything of this domain lies in shared memory."""
        return any(self._shared())

    def free_bytes(self) -> int:
        """How much shared memory there is left."""
        try:
            found = os.statvfs(_SHARED_MEMORY)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    @property
    def slots_path(self) -> str:
        """Where iceoryx2 keeps what is no shared memory."""
        return os.path.join(self.path, "slots")

    def _sockets(self) -> list[str]:
        return [entry for entry in os.listdir(self._fileno) if entry.endswith(_SUFFIX) and entry[0] != "."]

    def _address(self, name: str) -> str:
        # A socket's address is at most 107 bytes; this way the folder's path may be longer.
        return f"/proc/self/fd/{self._fileno}/{name}"

    def _connect(self, names: list[str]) -> tuple[list[socket.socket], list[str]]:
        """Connections to all who listen, and the names of those who do not any more."""
        alive, stale = [], []
        for name in names:
            if name == self.name:
                continue
            connection = socket.socket(socket.AF_UNIX, _TYPE)
            try:
                connection.connect(self._address(name))
            except ConnectionRefusedError:
                connection.close()
                stale.append(name)
            except OSError:
                connection.close()
            else:
                alive.append(connection)
        return alive, stale

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._fileno)
        except OSError:
            return

    def _shared(self) -> list[str]:
        try:
            return [name for name in os.listdir(_SHARED_MEMORY) if name.startswith(self.prefix)]
        except OSError:
            return []

    def _sweep(self) -> None:
        """Nobody is here: what lies in shared memory belonged to processes that were killed."""
        for name in self._shared():
            with suppress(OSError):
                os.unlink(os.path.join(_SHARED_MEMORY, name))
        if os.path.isdir(self.slots_path):
            import shutil  # noqa: PLC0415 (slow to import, and only after shared memory was used)

            shutil.rmtree(self.slots_path, ignore_errors=True)


class _Lock:
    """One process at a time looks around in the folder; a stopped one does not keep the others waiting for ever."""

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno

    def __enter__(self) -> None:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return
                time.sleep(0.001)
            else:
                return

    def __exit__(self, *exc_info: object) -> None:
        fcntl.flock(self._fileno, fcntl.LOCK_UN)
