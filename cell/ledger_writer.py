"""Writes the ledger's lines in the order in which they were given, each on the disk before it is acknowledged.

With a thread the lines are queued and committed in groups; without one (simulated time) each is written before the call
returns. What the disk refuses stays queued and is tried again; what the schema refuses is dropped, and said.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cell.ledger_room import Room
from cell.ledger_schema import INSERT
from cell.reconciliation import Key

_UNFIT = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, ValueError)
"""What a line itself is to blame for; everything else is the disk's fault and is tried again."""


Line = tuple[str, tuple[Any, ...]]
"""A kind of line (of ``cell.ledger_schema.INSERT``) and what follows the part's key."""


class LedgerError(RuntimeError):
    """A line could not be written or does not fit what stands in the ledger.

    Attributes:
        ack: of a line that the disk refuses for now; it waits, and is settled once it is written.
    """

    def __init__(self, words: str, ack: Ack | None = None) -> None:
        super().__init__(words)
        self.ack = ack


@dataclass(slots=True, eq=False)
class Ack:
    """What becomes of a write. ``durable``: it is on the disk. ``error``: why it was refused for good; None
    otherwise."""

    durable: bool = False
    error: str | None = None

    @property
    def settled(self) -> bool:
        return self.durable or self.error is not None


@dataclass(slots=True, eq=False)
class Write:
    """Statements that belong together, each with what follows the part's key."""

    key: Key
    lines: tuple[Line, ...]
    ack: Ack = field(default_factory=Ack)
    told: Callable[[Ack], None] | None = None


class LedgerWriter:
    """The queue in front of the file, and its thread.

    Args:
        connection: to the file; from here on used only with ``database`` held.
        path: the file's name, for messages.
        on_durable: called with each write once it is on the disk, with ``wake`` held.
        threaded: write on a thread.
        retry_s: between two tries while the disk refuses.
        room: of the disk, or None.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        on_durable: Callable[[Write], None],
        *,
        threaded: bool,
        retry_s: float,
        room: Room | None = None,
    ) -> None:
        self.database = threading.Lock()
        self.wake = threading.Condition()
        self.error: str | None = None
        self._connection = connection
        self._path = path
        self._on_durable = on_durable
        self._retry_s = retry_s
        self._room = room
        self._queue: deque[Write] = deque()
        self._refused: deque[str] = deque(maxlen=100)
        self._full = False
        self._closing = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
            self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the cell should suspend: the disk refuses lines, or is nearly full; None while all is well."""
        if self._thread is None and self._queue and not self._closing:
            self._drain()
        if self.error is not None:
            return f"the ledger's disk takes no lines: {self.error}"
        low = self._full or (not self._closing and self._room is not None and self._room.low())
        return "the ledger's disk is nearly full" if low else None

    @property
    def refused(self) -> tuple[str, ...]:
        """Lines that the schema refused for good, the newest hundred."""
        with self.wake:
            return tuple(self._refused)

    @property
    def backlog(self) -> int:
        """Writes that are not settled yet."""
        with self.wake:
            return len(self._queue)

    def fill_disk(self, full: bool) -> None:
        """Fault injection: behave as on a disk that is full, or is no longer."""
        self._full = full

    def submit(self, write: Write) -> Ack:
        """Takes a write; without a thread it is settled on return.

        Raises:
            LedgerError: the ledger is closed; or, without a thread, the line is refused, or the disk refuses for now.
        """
        if self._closing:
            raise LedgerError(f"{self._path}: the ledger is closed")
        with self.wake:
            self._queue.append(write)
            self.wake.notify_all()
        if self._thread is None:
            self._drain()
            if write.ack.error is not None:
                raise LedgerError(write.ack.error)
            if not write.ack.durable:
                raise LedgerError(f"{self._path}: {self.error}", write.ack)
        return write.ack

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything given so far is settled; True when it is."""
        if self._thread is None:
            return not self._queue or self._drain()
        with self.wake:
            return self.wake.wait_for(lambda: not self._queue, timeout_s)

    def stop(self) -> int:
        """Writes what is queued and takes no more; gives how many writes the disk has refused. Callable twice."""
        if self._thread is not None:
            with self.wake:
                self._closing = True
                self.wake.notify_all()
            self._thread.join()
        elif not self._closing and self._queue:
            self._drain()
        self._closing = True
        return len(self._queue)

    def close(self) -> None:
        """Lets go of the file, after ``stop``."""
        self._connection.close()
        if self._room is not None:
            self._room.close()

    def _work(self) -> None:
        while True:
            with self.wake:
                self.wake.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
            if not self._drain():
                with self.wake:
                    if self._closing:
                        return
                    self.wake.wait_for(lambda: self._closing, self._retry_s)

    def _drain(self) -> bool:
        """Writes all that is queued in one transaction; False where the disk refused, everything then stays queued."""
        return self._write_all() or (self._room is not None and self._room.give_way() and self._write_all())

    def _write_all(self) -> bool:
        with self.wake:
            batch = list(self._queue)
        refused: dict[int, str] = {}
        try:
            with self.database:
                self._connection.execute("BEGIN IMMEDIATE")
                if self._full:
                    raise sqlite3.OperationalError("database or disk is full")
                for index, write in enumerate(batch):
                    try:
                        self._execute(write)
                    except _UNFIT as error:
                        refused[index] = f"part {write.key[1]}: {error}"
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with self.database:
                if self._connection.in_transaction:
                    self._connection.rollback()
            self.error = str(error)
            return False
        self._settle(batch, refused)
        return True

    def _execute(self, write: Write) -> None:
        """All lines of a write or, on a bad one, none."""
        self._connection.execute("SAVEPOINT line")
        try:
            for table, values in write.lines:
                cursor = self._connection.execute(INSERT[table], (*write.key, *values))
                if table == "verdict" and cursor.rowcount == 0:
                    raise sqlite3.IntegrityError("a verdict on a part that did not enter")
        except _UNFIT:
            self._connection.execute("ROLLBACK TO line")
            raise
        finally:
            if self._connection.in_transaction:
                self._connection.execute("RELEASE line")

    def _settle(self, batch: list[Write], refused: dict[int, str]) -> None:
        with self.wake:
            self.error = None
            for index, write in enumerate(batch):
                self._queue.popleft()
                if index in refused:
                    write.ack.error = refused[index]
                    self._refused.append(refused[index])
                    continue
                write.ack.durable = True
                self._on_durable(write)
            self.wake.notify_all()
        for write in batch:
            if write.told is not None:
                write.told(write.ack)
