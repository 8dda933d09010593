"""What a ledger does to its disk, written down operation by operation, and what of it a loss of power may leave.

SQLite's own file layer is wrapped (a VFS of apsw): every write, truncation, deletion and sync of the database and its
log is kept with its bytes. ``after_power_loss`` then builds the files as a disk may show them afterwards: what was
synced is there; of what was not, nothing, all, or any part, down to single sectors.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512


@dataclass(frozen=True)
class Operation:
    """``what``: write, truncate, sync, delete, sync folder; or ``note``, somebody else's word in the order."""

    what: str
    file: str = ""
    offset: int = 0
    data: bytes = b""
    note: Any = None


@dataclass
class Journal:
    """Operations in their order.

    Attributes:
        acknowledged: for each committed transaction: how many operations there were when the commit returned, and the
            statements in it with their values.
    """

    operations: list[Operation] = field(default_factory=list)
    acknowledged: list[tuple[int, list[tuple[str, tuple[Any, ...]]]]] = field(default_factory=list)

    def note(self, what: Any) -> None:
        """Something that happened between the operations."""
        self.operations.append(Operation("note", note=what))

    @property
    def writes(self) -> list[int]:
        """Places of all operations that change a file."""
        return [k for k, op in enumerate(self.operations) if op.what in ("write", "truncate", "delete")]


class _File(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, name: Any, flags: list[int], journal: Journal) -> None:
        self._journal = journal
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._name = Path(path).name
        # SQLite's layer for Unix syncs the folder with a log's or journal's first sync.
        self._folder_too = bool(flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._journal.operations.append(Operation("write", self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._journal.operations.append(Operation("truncate", self._name, size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._journal.operations.append(Operation("sync", self._name))
        if self._folder_too:
            self._folder_too = False
            self._journal.operations.append(Operation("sync folder"))


class RecordingDisk(apsw.VFS):  # type: ignore[misc]
    """Registered as ``name`` while it lives."""

    def __init__(self, name: str, journal: Journal) -> None:
        self._journal = journal
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(name, flags, self._journal)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        super().xDelete(name, sync_folder)
        self._journal.operations.append(Operation("delete", Path(name).name))
        if sync_folder:
            self._journal.operations.append(Operation("sync folder"))


class _Cursor:
    def __init__(self, rows: list[Any], rowcount: int, lastrowid: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount
        self.lastrowid = lastrowid

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class _Connection:
    """As much of ``sqlite3.Connection`` as the ledger uses."""

    def __init__(self, path: str, disk: str, journal: Journal) -> None:
        self._genuine = apsw.Connection(path, vfs=disk)
        self._journal = journal
        self._statements: list[tuple[str, tuple[Any, ...]]] = []

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Cursor:
        try:
            rows = list(self._genuine.execute(sql, tuple(values)))
        except apsw.ConstraintError as error:
            raise sqlite3.IntegrityError(str(error)) from error
        except apsw.Error as error:
            raise sqlite3.OperationalError(str(error)) from error
        if sql.startswith(("INSERT", "UPDATE")):
            self._statements.append((sql, tuple(values)))
        if not self.in_transaction:
            if self._statements:
                self._journal.acknowledged.append((len(self._journal.operations), self._statements))
            self._statements = []
        return _Cursor(rows, self._genuine.changes(), self._genuine.last_insert_rowid())

    def executescript(self, sql: str) -> None:
        self._genuine.execute(sql)

    @property
    def in_transaction(self) -> bool:
        return bool(self._genuine.in_transaction)

    def rollback(self) -> None:
        self._genuine.execute("ROLLBACK")
        self._statements = []

    def close(self) -> None:
        self._genuine.close()


class RecordingSqlite:
    """Stands in for the module ``sqlite3`` in ``cell.ledger``."""

    def __init__(self, disk: str, journal: Journal) -> None:
        self._disk = disk
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: str, **_: Any) -> _Connection:
        return _Connection(str(path), self._disk, self._journal)


Files = dict[str, bytearray]


class Disk:
    """What is safely on the disk after the first operations of a journal, and what is still on its way there.

    ``advance`` goes on by one operation; going back is another ``Disk``.
    """

    def __init__(self) -> None:
        self.safe: Files = {}
        self.pending: list[Operation] = []

    def advance(self, operation: Operation) -> None:
        if operation.what == "note":
            return
        if operation.what not in ("sync", "sync folder"):
            self.pending.append(operation)
            return
        folder = operation.what == "sync folder"
        later = []
        for one in self.pending:
            if one.what == "delete" if folder else one.file == operation.file and one.what != "delete":
                _apply(self.safe, one)
            else:
                later.append(one)
        self.pending = later

    def after_power_loss(self, how: str, rng: random.Random) -> Files:
        """The files as they may be found.

        Args:
            how: ``none`` or ``all`` of what is pending; ``some`` of it, in any order of arrival; ``torn``: all, but of
                the last write and of some others only some sectors; ``junk``: as torn, and sectors that were being
                written hold neither the old nor the new.
            rng: what chance decides.
        """
        files = {name: bytearray(content) for name, content in self.safe.items()}
        for index, one in enumerate(self.pending):
            last = index == len(self.pending) - 1
            if how == "none" or (how == "some" and rng.random() < 0.5):
                continue
            if one.what == "write" and how in ("torn", "junk") and (last or rng.random() < 0.3):
                for part in _sectors(one):
                    chance = rng.random()
                    if chance < 0.5:
                        _apply(files, part)
                    elif how == "junk" and chance < 0.7:
                        _apply(files, Operation("write", part.file, part.offset, rng.randbytes(len(part.data))))
                continue
            _apply(files, one)
        return files


def lay_out(files: Files, folder: Path) -> None:
    """Write the files into an empty folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _sectors(write: Operation) -> Iterator[Operation]:
    start = write.offset
    end = write.offset + len(write.data)
    while start < end:
        stop = min((start // SECTOR + 1) * SECTOR, end)
        yield Operation("write", write.file, start, write.data[start - write.offset : stop - write.offset])
        start = stop


def _apply(files: Files, one: Operation) -> None:
    if one.what == "delete":
        files.pop(one.file, None)
        return
    content = files.setdefault(one.file, bytearray())
    if one.what == "truncate":
        if len(content) > one.offset:
            del content[one.offset :]
        else:
            content.extend(bytes(one.offset - len(content)))
        return
    end = one.offset + len(one.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[one.offset : end] = one.data
