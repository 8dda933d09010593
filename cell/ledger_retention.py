"""Retention: runs that ended long ago go from the ledger into an archive, which is a ledger of its own.

A run is copied whole, the copy is on the disk, and only then its parts go: a kill or a power loss in between leaves
both, and the next time it goes on from there. The newest run, one without its end, and one with a part without a fate
stay. A run's own row stays too, with the archive's name.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cell.ledger_schema import prepare
from perception.errors import InputError

_OF_A_PART: Final = ("acknowledgement", "energy", "grip", "picture", "reconciliation", "fate", "picked", "decision")
"""What refers to a part; ``sighting`` and the part itself follow."""

_TABLES: Final = (*_OF_A_PART, "sighting", "part")
_STEP: Final = 500
"""So many parts go in one transaction: a running cell waits for its turn no longer than that takes."""


ARCHIVE: Final = "ledger-archive.sqlite"
"""The archive's name, beside the ledger."""

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Archived:
    """What went: runs and parts."""

    runs: int
    parts: int


def due(connection: sqlite3.Connection, before_s: float) -> list[int]:
    """The runs that ended before then and that may go, the oldest first."""
    rows = connection.execute(
        "SELECT run_id FROM run WHERE closed_s < ? AND run_id <> (SELECT max(run_id) FROM run)"
        " AND EXISTS (SELECT 1 FROM part WHERE part.run_id = run.run_id)"
        " AND NOT EXISTS (SELECT 1 FROM part LEFT JOIN fate USING (run_id, part_id)"
        "  WHERE part.run_id = run.run_id AND fate.part_id IS NULL) ORDER BY run_id",
        (before_s,),
    )
    return [int(row[0]) for row in rows]


def archive(
    ledger: Path,
    into: Path,
    *,
    before_s: float,
    now_s: float,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Archived:
    """Moves every run that ended before ``before_s`` into the archive ``into``, made where it is missing.

    A cell may run on the ledger meanwhile. ``progress`` is called with the number of runs moved and of all; ``stop``
    is asked after each step, and what is not moved then is moved the next time.

    Raises:
        InputError: one of the files cannot be used; no line is lost.
    """
    if not ledger.is_file():
        raise InputError("there is no ledger", file=ledger)
    if into.exists() and into.samefile(ledger):
        raise InputError("is the ledger itself", file=into)
    runs = parts = 0
    try:
        with contextlib.closing(sqlite3.connect(ledger, timeout=5.0, isolation_level=None)) as connection:
            prepare(connection, str(ledger))
            wanted = due(connection, before_s)
            if not wanted:
                return Archived(0, 0)
            with contextlib.closing(sqlite3.connect(into, timeout=5.0, isolation_level=None)) as other:
                prepare(other, str(into))
            connection.execute("ATTACH ? AS archived", (str(into),))
            connection.execute("PRAGMA archived.synchronous = FULL")
            for number, run_id in enumerate(wanted, 1):
                _copy(connection, run_id)
                gone = _remove(connection, run_id, now_s, into.name, stop)
                parts += gone
                if stop():
                    break
                runs += 1
                if progress is not None:
                    progress(number, len(wanted))
            connection.execute("DETACH archived")
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        raise InputError(f"cannot be archived into {into}: {error}", file=ledger) from None
    return Archived(runs, parts)


def _copy(connection: sqlite3.Connection, run_id: int) -> None:
    """The run as a whole in the archive, durable there; one that is there is whole already."""
    if connection.execute("SELECT EXISTS (SELECT 1 FROM archived.part WHERE run_id = ?)", (run_id,)).fetchone()[0]:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "INSERT OR IGNORE INTO archived.run SELECT * FROM main.run WHERE run_id = ?1 OR run_id IN"
            " (SELECT by_run_id FROM main.reconciliation WHERE run_id = ?1)",
            (run_id,),
        )
        # Open while its parts come: the archive, too, takes none for a run that is closed.
        connection.execute("UPDATE archived.run SET closed_s = NULL, how = NULL WHERE run_id = ?", (run_id,))
        for table in reversed(_TABLES):
            connection.execute(f"INSERT INTO archived.{table} SELECT * FROM main.{table} WHERE run_id = ?", (run_id,))
        connection.execute(
            "UPDATE archived.run SET (closed_s, how) = (SELECT closed_s, how FROM main.run WHERE run_id = ?1)"
            " WHERE run_id = ?1",
            (run_id,),
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def _remove(connection: sqlite3.Connection, run_id: int, now_s: float, name: str, stop: Callable[[], bool]) -> int:
    """The run's parts out of the ledger, some at a time."""
    connection.execute("INSERT OR REPLACE INTO main.archive VALUES (?, ?, ?)", (run_id, now_s, name))
    gone = 0
    while not stop():
        connection.execute("BEGIN IMMEDIATE")
        try:
            numbers = [
                row[0]
                for row in connection.execute(
                    "SELECT part_id FROM main.part WHERE run_id = ? ORDER BY part_id LIMIT ?", (run_id, _STEP)
                )
            ]
            if numbers:
                for table in _TABLES:
                    connection.execute(
                        f"DELETE FROM main.{table} WHERE run_id = ? AND part_id BETWEEN ? AND ?",
                        (run_id, numbers[0], numbers[-1]),
                    )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        gone += len(numbers)
        if not numbers:
            break
    return gone


class Retention:
    """Archives what is old enough, once, on a thread of its own while a cell runs.

    Args:
        ledger: the file; the archive lies beside it.
        keep_days: runs that ended longer ago go.
        now_s: of the clock by which runs end.
        tell: hears in one line what went, or why nothing could.
    """

    def __init__(self, ledger: Path, keep_days: float, now_s: float, tell: Callable[[str], object]) -> None:
        self._ledger = ledger
        self._before_s = now_s - keep_days * DAY_S
        self._now_s = now_s
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what has not gone goes the next time. Callable twice."""
        self._stop.set()
        self._thread.join()

    def _pause(self) -> bool:
        # Lets the books, which wait for the same file, go first.
        return self._stop.wait(0.05)

    def _run(self) -> None:
        into = self._ledger.with_name(ARCHIVE)
        try:
            moved = archive(self._ledger, into, before_s=self._before_s, now_s=self._now_s, stop=self._pause)
        except InputError as error:
            self._tell(f"old runs could not be archived: {error}")
            return
        if moved.parts:
            self._tell(f"{moved.parts} parts of {moved.runs} runs went into {into}")
