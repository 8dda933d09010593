"""The alarms on the disk: what happened to each, and how they stand, so that a restart forgets nobody's word.

A file of its own beside the ledger. Losing it costs acknowledgements and history, never a part: a damaged one is set
aside and a new one begun. In real time a thread writes, so that nobody waits for the disk.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cell.alarms import Alarm, Change
from cell.causes import Priority, Reaction

LOG = logging.getLogger(__name__)

KEEP: Final = 10_000
"""Events that the journal keeps; at one alarm in ten minutes, three months."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, at_s REAL NOT NULL, name TEXT NOT NULL, what TEXT NOT NULL, words TEXT NOT NULL,
    by TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS standing (
    name TEXT PRIMARY KEY, words TEXT NOT NULL, priority INTEGER NOT NULL, reaction TEXT NOT NULL,
    latched INTEGER NOT NULL, active INTEGER NOT NULL, acknowledged INTEGER NOT NULL, raised_s REAL NOT NULL,
    count INTEGER NOT NULL, shelved_until_s REAL, comment TEXT NOT NULL, by TEXT NOT NULL
);
"""

_Entry = tuple[tuple[Change, ...], tuple[Alarm, ...]]


class AlarmJournal:
    """One journal.

    Args:
        path: the file; ``:memory:`` keeps nothing.
        threaded: a thread of its own writes.

    Raises:
        OSError: the file cannot be opened or made.
    """

    def __init__(self, path: str, *, threaded: bool) -> None:
        self.path = path
        self.trouble: str | None = None
        """Why it does not write, in words."""
        self._connection = _open(path)
        self.kept = _read(self._connection)
        self._queue: queue.SimpleQueue[_Entry | None] | None = queue.SimpleQueue() if threaded else None
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="alarm journal", daemon=True)
            self._thread.start()

    def write(self, changes: tuple[Change, ...], alarms: tuple[Alarm, ...]) -> None:
        """Note what happened, and how all alarms stand."""
        if self._queue is not None:
            self._queue.put((changes, alarms))
        else:
            self._write(changes, alarms)

    def close(self) -> None:
        """Write what is left and close the file. Callable twice."""
        if self._thread is not None and self._queue is not None:
            self._queue.put(None)
            self._thread.join(5.0)
            self._thread = None
        self._connection.close()

    def _run(self) -> None:
        assert self._queue is not None
        while (entry := self._queue.get()) is not None:
            self._write(*entry)

    def _write(self, changes: tuple[Change, ...], alarms: tuple[Alarm, ...]) -> None:
        try:
            with self._connection as connection:
                connection.executemany(
                    "INSERT INTO event (at_s, name, what, words, by) VALUES (?, ?, ?, ?, ?)",
                    [(change.at_s, change.name, change.what, change.words, change.by) for change in changes],
                )
                connection.execute("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (KEEP,))
                connection.execute("DELETE FROM standing")
                connection.executemany(
                    "INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [_row(a) for a in alarms]
                )
            self.trouble = None
        except sqlite3.Error as error:
            if self.trouble is None:
                LOG.warning("the alarm journal cannot be written: %s", error)
            self.trouble = str(error)


def read_events(path: Path, last: int) -> list[Change]:
    """The newest events of a journal, oldest first; none where there is no journal.

    Raises:
        sqlite3.Error: it is none.
    """
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)) as connection:
        rows = connection.execute(
            "SELECT at_s, name, what, words, by FROM event ORDER BY id DESC LIMIT ?", (last,)
        ).fetchall()
    return [Change(*row) for row in reversed(rows)]


def _open(path: str) -> sqlite3.Connection:
    for attempt in (1, 2):
        connection = sqlite3.connect(path, check_same_thread=False, timeout=2.0)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(SCHEMA)
            connection.execute("SELECT count(*) FROM event").fetchone()
            return connection
        except sqlite3.DatabaseError as error:
            connection.close()
            if attempt == 2 or path == ":memory:" or isinstance(error, sqlite3.OperationalError):
                raise OSError(f"the alarm journal {path} cannot be used: {error}") from error
            aside = Path(path).with_suffix(".damaged")
            Path(path).replace(aside)
            LOG.warning("the alarm journal was damaged (%s); it lies in %s", error, aside)
    raise AssertionError("unreachable")


def _read(connection: sqlite3.Connection) -> tuple[Alarm, ...]:
    rows: Iterable[tuple[object, ...]] = connection.execute(
        "SELECT name, words, priority, reaction, latched, active, acknowledged, raised_s, count, shelved_until_s, "
        "comment, by FROM standing"
    ).fetchall()
    return tuple(_alarm(row) for row in rows)


def _alarm(row: tuple[object, ...]) -> Alarm:
    name, words, priority, reaction, latched, active, acknowledged, raised_s, count, until_s, comment, by = row
    return Alarm(
        name=str(name),
        words=str(words),
        priority=Priority(int(str(priority))),
        reaction=Reaction(str(reaction)),
        latched=bool(latched),
        active=bool(active),
        acknowledged=bool(acknowledged),
        raised_s=float(str(raised_s)),
        count=int(str(count)),
        shelved_until_s=None if until_s is None else float(str(until_s)),
        comment=str(comment),
        by=str(by),
    )


def _row(alarm: Alarm) -> tuple[object, ...]:
    return (
        alarm.name, alarm.words, int(alarm.priority), alarm.reaction.value, alarm.latched, alarm.active,
        alarm.acknowledged, alarm.raised_s, alarm.count, alarm.shelved_until_s, alarm.comment, alarm.by,
    )  # fmt: skip
