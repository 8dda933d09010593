"""The ledger: every part that entered, exactly once, in a SQLite file that survives ``kill -9``.

WAL and ``synchronous=FULL``: a write that is acknowledged is on the disk. One writer thread takes the writes in the
order in which they were given and commits them in groups; in simulated time there is no thread and a write happens at
once. The schema itself forbids a second fate, a fate without a part, a change of either, and a sorted part that was
never picked.

Times are seconds of the caller's clock. What a failed disk leaves unwritten stays queued and is tried again: a line
is lost only with the process.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from cell.accounts import Fate, Tally
from cell.ledger_room import Room
from cell.ledger_schema import INSERT, PartRecord, prepare, reconcile, records
from cell.reconciliation import Key, Reconciliation
from perception.errors import InputError

_UNFIT = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError)
"""What a line itself is to blame for; everything else is the disk's fault and is tried again."""


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
class _Write:
    """Statements that belong together, each with what follows the part's key."""

    key: Key
    lines: tuple[tuple[str, tuple[Any, ...]], ...]
    ack: Ack = field(default_factory=Ack)
    told: Callable[[Ack], None] | None = None


def ended_badly(path: Path) -> bool:
    """Whether the newest run in a ledger had no clean end; False without a file. Changes nothing.

    Raises:
        InputError: the file is no ledger or cannot be read.
    """
    if not path.exists():
        return False
    try:
        connection = sqlite3.connect(path, timeout=2.0)
        try:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return False  # killed before its first run began
            query = "SELECT count(*) FROM run WHERE closed_s IS NULL"
            return bool(connection.execute(query).fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError(f"not usable as a ledger: {error}", file=path) from error


class Ledger:
    """One run's writes and the file's reads. Use ``Ledger.open``."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: str,
        run_id: int,
        *,
        threaded: bool,
        retry_s: float,
        room: Room | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self.run_id = run_id
        self._retry_s = retry_s
        self._room = room
        self._database = threading.Lock()
        self._wake = threading.Condition()
        self._queue: deque[_Write] = deque()
        self._closing = False
        self._closed = False
        self._error: str | None = None
        self._full = False
        self._refused: deque[str] = deque(maxlen=100)
        self._entered = 0
        self._open_parts: set[Key] = set()
        self._found: dict[int, Key] = {}
        self._fates = dict.fromkeys(Fate, 0)
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
            self._thread.start()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        started_s: float,
        seed: int | None = None,
        versions: dict[str, str] | None = None,
        threaded: bool = False,
        retry_s: float = 0.5,
        keep_room: bool = False,
    ) -> tuple[Ledger, Reconciliation | None]:
        """Opens or creates the file, sees to what earlier runs left open, and begins a run.

        Parts that lay on the belt at a known place stay open: whoever keeps the books finds them again or gives them
        up; ``close`` closes the rest as unknown.

        Args:
            path: the file; its folder exists. ``:memory:`` for a ledger that is not kept.
            started_s: of the run, on the clock of all later stamps.
            threaded: writes are queued for a writer thread; otherwise each happens before its call returns.
            retry_s: between two tries while the disk refuses.
            keep_room: watch the disk's free space, and keep a little of it back for this ledger's lines.

        Returns:
            The ledger, and what was found open, or None where every earlier run was closed and accounted for.

        Raises:
            InputError: the folder is missing, the file is no ledger, is damaged, is of a newer version, cannot be
            written, or
                another process is writing to it.
        """
        name = str(path)
        if name != ":memory:" and not Path(name).parent.is_dir():
            raise InputError("the folder of the ledger does not exist", file=name)
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(name, timeout=2.0, isolation_level=None, check_same_thread=False)
            prepare(connection, name)
            connection.execute("BEGIN IMMEDIATE")
            cursor = connection.execute(
                "INSERT INTO run (started_s, seed, versions) VALUES (?, ?, ?)",
                (started_s, seed, json.dumps(versions or {}, sort_keys=True)),
            )
            run_id = int(cursor.lastrowid or 0)
            found = reconcile(connection, run_id, started_s)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise InputError(f"not usable as a ledger: {error}", file=name) from error
        except InputError:
            if connection is not None:
                connection.close()
            raise
        room = Room(Path(name)) if keep_room and name != ":memory:" else None
        return cls(connection, name, run_id, threaded=threaded, retry_s=retry_s, room=room), found

    def enter(
        self,
        part_id: int,
        at_s: float,
        *,
        verdict: str,
        score: float,
        defects: tuple[str, ...] = (),
        views: int = 0,
        model_hash: str = "",
        place: tuple[float, float, float, float] | None = None,
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """A part has entered. ``told`` is called with the settled acknowledgement, from the writer's thread if there
        is one.

        Args:
            part_id: its number in this run.
            at_s: when.
            verdict: ``pending`` for one that ``judge`` is still to be called for.
            score, defects, views, model_hash: what the verdict rests on.
            place: x and y in belt coordinates, length and width, m; where the next run looks for it after a crash.
            told: called when the write is settled.

        Raises:
            LedgerError: this and every other write, without a thread: the line is refused, or the disk refuses for now.
        """
        values = (at_s, verdict, score, json.dumps(list(defects)), views, model_hash)
        lines: tuple[tuple[str, tuple[Any, ...]], ...] = (("part", values),)
        if place is not None:
            lines = (*lines, ("sighting", place))
        return self._submit(_Write(self._key(part_id), lines, told=told))

    def judge(
        self,
        part_id: int,
        *,
        verdict: str,
        score: float,
        defects: tuple[str, ...] = (),
        views: int = 0,
        model_hash: str = "",
        place: tuple[float, float, float, float] | None = None,
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """The verdict on a part that entered without one."""
        values = (verdict, score, json.dumps(list(defects)), views, model_hash)
        lines: tuple[tuple[str, tuple[Any, ...]], ...] = (("verdict", values),)
        if place is not None:
            lines = (*lines, ("sighting", place))
        return self._submit(_Write(self._key(part_id), lines, told=told))

    def decide(
        self,
        part_id: int,
        at_s: float,
        *,
        action: str,
        bin_name: str = "",
        policy: str = "",
        reason: str = "",
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """A decision: ``pass``, ``divert`` (is to leave the belt) or ``pick`` (the arm takes it next); a part may
        have several."""
        values = (at_s, action, bin_name, policy, reason)
        return self._submit(_Write(self._key(part_id), (("decision", values),), told=told))

    def mark_picked(
        self,
        part_id: int,
        at_s: float,
        *,
        grip_width_m: float | None = None,
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """The part is in the hand. Its place may begin only once this is durable."""
        return self._submit(_Write(self._key(part_id), (("picked", (at_s, grip_width_m)),), told=told))

    def close_part(
        self,
        part_id: int,
        at_s: float,
        fate: Fate,
        *,
        bin_name: str = "",
        reason: str = "",
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """The part's one fate."""
        values = (at_s, Fate(fate).value, bin_name, reason)
        return self._submit(_Write(self._key(part_id), (("fate", values),), told=told))

    def find_again(self, key: Key, part_id: int, at_s: float) -> Ack:
        """A part of an earlier run is the one that this run calls ``part_id``: its lines go on."""
        self._found[part_id] = key
        return self._submit(_Write(key, (("reconciliation", (self.run_id, at_s, "belt", "found", part_id)),)))

    def give_up(self, key: Key, at_s: float, reason: str) -> Ack:
        """A part of an earlier run will not be seen again: unknown."""
        unknown = Fate.UNKNOWN.value
        lines = (
            ("fate", (at_s, unknown, "", reason)),
            ("reconciliation", (self.run_id, at_s, "belt", unknown, None)),
        )
        return self._submit(_Write(key, lines))

    def _key(self, part_id: int) -> Key:
        return self._found.get(part_id, (self.run_id, part_id))

    def counts(self) -> Tally:
        """What is durable of this run, at one instant; with the parts of earlier runs that it has found again."""
        with self._wake:
            return Tally(self._entered, dict(self._fates), len(self._open_parts))

    def parts(self, run_id: int | None = None) -> list[PartRecord]:
        """The durable records of a run (this one by default), by part.

        Raises:
            LedgerError: the file cannot be read.
        """
        try:
            with self._database:
                return records(self._connection, self.run_id if run_id is None else run_id)
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: {error}") from error

    @property
    def error(self) -> str | None:
        """Why the disk refuses writes at present; None while it takes them. The cell suspends on it."""
        return self._error

    @property
    def trouble(self) -> str | None:
        """Why the cell should suspend: the disk refuses lines, or is nearly full; None while all is well.

        Asked again and again; where there is no thread, lines that wait are tried again with it.
        """
        if self._thread is None and self._queue and not self._closed:
            self._drain()
        if self._error is not None:
            return f"the ledger's disk takes no lines: {self._error}"
        low = self._full or (not self._closed and self._room is not None and self._room.low())
        return "the ledger's disk is nearly full" if low else None

    def fill_disk(self, full: bool) -> None:
        """Fault injection: behave as on a disk that is full, or is no longer."""
        self._full = full

    @property
    def refused(self) -> tuple[str, ...]:
        """Lines that the schema refused for good, the newest hundred: each is a fault of the bookkeeping before it."""
        with self._wake:
            return tuple(self._refused)

    @property
    def backlog(self) -> int:
        """Writes that are not settled yet."""
        with self._wake:
            return len(self._queue)

    def _count(self, write: _Write) -> None:
        table, values = write.lines[0]
        if table in ("part", "reconciliation"):
            self._entered += 1
            self._open_parts.add(write.key)
        elif table == "fate" and write.key in self._open_parts:
            self._fates[Fate(values[1])] += 1
            self._open_parts.discard(write.key)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Waits until everything given so far is settled; True when it is."""
        if self._thread is None:
            return not self._queue or self._drain()
        with self._wake:
            return self._wake.wait_for(lambda: not self._queue, timeout_s)

    def close(self, at_s: float) -> None:
        """Ends the run cleanly: writes what is queued, then the run's end. Parts may still be in flight.

        Raises:
            LedgerError: the disk refuses; the run then counts as crashed.
        """
        if self._closed:
            return
        self._stop()
        try:
            with self._database:
                if not self._queue:
                    self._connection.execute(
                        "UPDATE run SET closed_s = ?, how = 'clean' WHERE run_id = ?", (at_s, self.run_id)
                    )
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: {error}") from error
        finally:
            self._closed = True
            self._connection.close()
            if self._room is not None:
                self._room.close()
        if self._queue:
            raise LedgerError(f"{self._path}: {len(self._queue)} lines could not be written: {self._error}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Lets go of the file without a clean end: the next run then has to be cleared by somebody. Callable twice."""
        if not self._closed:
            self._stop()
            self._closed = True
            self._connection.close()
            if self._room is not None:
                self._room.close()

    def _stop(self) -> None:
        if self._thread is not None:
            with self._wake:
                self._closing = True
                self._wake.notify_all()
            self._thread.join()
        elif self._queue:
            self._drain()

    def _submit(self, write: _Write) -> Ack:
        if self._closed or self._closing:
            raise LedgerError(f"{self._path}: the ledger is closed")
        with self._wake:
            self._queue.append(write)
            self._wake.notify_all()
        if self._thread is None:
            self._drain()
            if write.ack.error is not None:
                raise LedgerError(write.ack.error)
            if not write.ack.durable:
                raise LedgerError(f"{self._path}: {self._error}", write.ack)
        return write.ack

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
            if not self._drain():
                with self._wake:
                    if self._closing:
                        return
                    self._wake.wait_for(lambda: self._closing, self._retry_s)

    def _drain(self) -> bool:
        """Writes all that is queued in one transaction; False where the disk refused, everything then stays queued."""
        return self._write_all() or (self._room is not None and self._room.give_way() and self._write_all())

    def _write_all(self) -> bool:
        with self._wake:
            batch = list(self._queue)
        refused: dict[int, str] = {}
        try:
            with self._database:
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
            with self._database:
                if self._connection.in_transaction:
                    self._connection.rollback()
            self._error = str(error)
            return False
        self._settle(batch, refused)
        return True

    def _execute(self, write: _Write) -> None:
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

    def _settle(self, batch: list[_Write], refused: dict[int, str]) -> None:
        with self._wake:
            self._error = None
            for index, write in enumerate(batch):
                self._queue.popleft()
                if index in refused:
                    write.ack.error = refused[index]
                    self._refused.append(refused[index])
                    continue
                write.ack.durable = True
                self._count(write)
            self._wake.notify_all()
        for write in batch:
            if write.told is not None:
                write.told(write.ack)
