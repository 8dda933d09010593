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
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from cell.accounts import Fate, Tally
from cell.ledger_room import Room
from cell.ledger_schema import PartRecord, prepare, reconcile, records
from cell.ledger_writer import Ack, LedgerError, LedgerWriter, Line, Write
from cell.reconciliation import Key, Reconciliation
from perception.errors import InputError

__all__ = ["Ack", "Ledger", "LedgerError", "ended_badly"]

_DAMAGED = (TypeError, ValueError, OverflowError)
"""What a damaged file makes of its values."""


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
        self._closed = False
        self._entered = 0
        self._open_parts: set[Key] = set()
        self._found: dict[int, Key] = {}
        self._fates = dict.fromkeys(Fate, 0)
        self._writer = LedgerWriter(connection, path, self._count, threaded=threaded, retry_s=retry_s, room=room)

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
        except InputError:
            if connection is not None:
                connection.close()
            raise
        except (sqlite3.Error, *_DAMAGED) as error:
            if connection is not None:
                connection.close()
            raise InputError(f"not usable as a ledger: {error}", file=name) from error
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
        picture: tuple[float, str] | None = None,
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
            picture: the camera's stamp of its newest view (s), and a file in which it is kept, or nothing.
            told: called when the write is settled.

        Raises:
            LedgerError: this and every other write, without a thread: the line is refused, or the disk refuses for now.
        """
        values = (at_s, verdict, score, json.dumps(list(defects)), views, model_hash)
        lines = (("part", values), *_seen(place, picture))
        return self._submit(Write(self._key(part_id), lines, told=told))

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
        picture: tuple[float, str] | None = None,
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """The verdict on a part that entered without one."""
        values = (verdict, score, json.dumps(list(defects)), views, model_hash)
        lines = (("verdict", values), *_seen(place, picture))
        return self._submit(Write(self._key(part_id), lines, told=told))

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
        return self._submit(Write(self._key(part_id), (("decision", values),), told=told))

    def mark_picked(
        self,
        part_id: int,
        at_s: float,
        *,
        grip_width_m: float | None = None,
        current_a: float | None = None,
        pressure_pa: float | None = None,
        tries: int = 1,
        told: Callable[[Ack], None] | None = None,
    ) -> Ack:
        """The part is in the hand, and what proves it: width, motor current, or the cup's pressure (absolute); after
        how many tries. Its place may begin only once this is durable."""
        lines: tuple[Line, ...] = (
            ("picked", (at_s, grip_width_m)),
            ("grip", (current_a, pressure_pa, tries)),
        )
        return self._submit(Write(self._key(part_id), lines, told=told))

    def take_energy(self, part_id: int, energy_j: float) -> Ack:
        """What the cell has taken from the mains for a part."""
        return self._submit(Write(self._key(part_id), (("energy", (energy_j,)),)))

    def acknowledge(self, part_id: int, at_s: float, *, what: str, by_whom: str) -> Ack:
        """Somebody has taken note of what happened to a part; only the first time of each ``what`` counts."""
        return self._submit(Write(self._key(part_id), (("acknowledgement", (at_s, what, by_whom)),)))

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
        return self._submit(Write(self._key(part_id), (("fate", values),), told=told))

    def find_again(self, key: Key, part_id: int, at_s: float) -> Ack:
        """A part of an earlier run is the one that this run calls ``part_id``: its lines go on."""
        self._found[part_id] = key
        return self._submit(Write(key, (("reconciliation", (self.run_id, at_s, "belt", "found", part_id)),)))

    def give_up(self, key: Key, at_s: float, reason: str) -> Ack:
        """A part of an earlier run will not be seen again: unknown."""
        unknown = Fate.UNKNOWN.value
        lines = (
            ("fate", (at_s, unknown, "", reason)),
            ("reconciliation", (self.run_id, at_s, "belt", unknown, None)),
        )
        return self._submit(Write(key, lines))

    def _key(self, part_id: int) -> Key:
        return self._found.get(part_id, (self.run_id, part_id))

    def counts(self) -> Tally:
        """What is durable of this run, at one instant; with the parts of earlier runs that it has found again."""
        with self._writer.wake:
            return Tally(self._entered, dict(self._fates), len(self._open_parts))

    def parts(self, run_id: int | None = None) -> list[PartRecord]:
        """The durable records of a run (this one by default), by part.

        Raises:
            LedgerError: the file cannot be read.
        """
        try:
            with self._writer.database:
                return records(self._connection, self.run_id if run_id is None else run_id)
        except (sqlite3.Error, *_DAMAGED) as error:
            raise LedgerError(f"{self._path}: {error}") from error

    @property
    def error(self) -> str | None:
        """Why the disk refuses writes at present; None while it takes them. The cell suspends on it."""
        return self._writer.error

    @property
    def trouble(self) -> str | None:
        """Why the cell should suspend: the disk refuses lines, or is nearly full; None while all is well.

        Asked again and again; where there is no thread, lines that wait are tried again with it.
        """
        return self._writer.trouble

    def fill_disk(self, full: bool) -> None:
        """Fault injection: behave as on a disk that is full, or is no longer."""
        self._writer.fill_disk(full)

    @property
    def refused(self) -> tuple[str, ...]:
        """Lines that the schema refused for good, the newest hundred: each is a fault of the bookkeeping before it."""
        return self._writer.refused

    @property
    def backlog(self) -> int:
        """Writes that are not settled yet."""
        return self._writer.backlog

    def _count(self, write: Write) -> None:
        table, values = write.lines[0]
        if table in ("part", "reconciliation"):
            self._entered += 1
            self._open_parts.add(write.key)
        elif table == "fate" and write.key in self._open_parts:
            self._fates[Fate(values[1])] += 1
            self._open_parts.discard(write.key)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Waits until everything given so far is settled; True when it is."""
        return self._writer.flush(timeout_s)

    def close(self, at_s: float) -> None:
        """Ends the run cleanly: writes what is queued, then the run's end. Parts may still be in flight.

        Raises:
            LedgerError: the disk refuses; the run then counts as crashed.
        """
        if self._closed:
            return
        left = self._writer.stop()
        try:
            if not left:
                with self._writer.database:
                    self._connection.execute(
                        "UPDATE run SET closed_s = ?, how = 'clean' WHERE run_id = ?", (at_s, self.run_id)
                    )
        except sqlite3.Error as error:
            raise LedgerError(f"{self._path}: {error}") from error
        finally:
            self._closed = True
            self._writer.close()
        if left:
            raise LedgerError(f"{self._path}: {left} lines could not be written: {self.error}")

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Lets go of the file without a clean end: the next run then has to be cleared by somebody. Callable twice."""
        if not self._closed:
            self._writer.stop()
            self._closed = True
            self._writer.close()

    def _submit(self, write: Write) -> Ack:
        return self._writer.submit(write)


def _seen(place: tuple[float, float, float, float] | None, picture: tuple[float, str] | None) -> Iterator[Line]:
    if place is not None:
        yield "sighting", place
    if picture is not None:
        yield "picture", picture
