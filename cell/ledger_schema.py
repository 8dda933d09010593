"""What the ledger's file looks like: its tables and the rules that they keep by themselves; how it is opened and read.

A part has one row, its place on the belt, its picture, any number of decisions, at most one mark that it was picked
with what proves it, the energy that it took, what people have acknowledged of it, and one fate, which nothing can
change. What a run finds open of an earlier one it writes down as a reconciliation. The view ``record`` joins all of
that to one line a part. Lines go only with a run that has been archived.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from cell.accounts import Fate
from cell.ledger_migrations import keep_copy, migrate
from cell.reconciliation import Awaited, Key, Reconciliation
from perception.errors import InputError

SCHEMA_VERSION = 3

BUSY_S = 2.0
"""Longest wait for a reader or another writer of the file."""

_FATES = ", ".join(f"'{fate.value}'" for fate in Fate)

SCHEMA = f"""
CREATE TABLE run (
  run_id INTEGER PRIMARY KEY,
  started_s REAL NOT NULL,
  seed INTEGER,
  versions TEXT NOT NULL,
  closed_s REAL,
  how TEXT CHECK (how IN ('clean', 'reconciled')),
  CHECK ((closed_s IS NULL) = (how IS NULL))
);
CREATE TABLE part (
  run_id INTEGER NOT NULL REFERENCES run,
  part_id INTEGER NOT NULL CHECK (part_id > 0),
  entered_s REAL NOT NULL,
  verdict TEXT NOT NULL CHECK (verdict IN ('pending', 'good', 'defective', 'unsure')),
  score REAL NOT NULL,
  defects TEXT NOT NULL,
  views INTEGER NOT NULL CHECK (views >= 0),
  model_hash TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id)
) WITHOUT ROWID;
CREATE TABLE sighting (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  belt_x_m REAL NOT NULL,
  y_m REAL NOT NULL,
  length_m REAL NOT NULL,
  width_m REAL NOT NULL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE decision (
  decision_id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  action TEXT NOT NULL CHECK (action IN ('pass', 'divert', 'pick')),
  bin TEXT NOT NULL,
  policy TEXT NOT NULL,
  reason TEXT NOT NULL,
  CHECK ((action = 'pass') = (bin = '')),
  FOREIGN KEY (run_id, part_id) REFERENCES part
);
CREATE INDEX decision_of_part ON decision (run_id, part_id);
CREATE TABLE picked (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  grip_width_m REAL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE fate (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  fate TEXT NOT NULL CHECK (fate IN ({_FATES})),
  bin TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE reconciliation (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  by_run_id INTEGER NOT NULL REFERENCES run,
  at_s REAL NOT NULL,
  place TEXT NOT NULL CHECK (place IN ('hand', 'belt')),
  result TEXT NOT NULL CHECK (result IN ('unknown', 'found')),
  seen_as INTEGER,
  CHECK ((result = 'found') = (seen_as IS NOT NULL)),
  PRIMARY KEY (run_id, part_id, by_run_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE picture (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  stamp_s REAL NOT NULL,
  file TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE grip (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  current_a REAL,
  pressure_pa REAL,
  tries INTEGER NOT NULL CHECK (tries > 0),
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE energy (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  energy_j REAL NOT NULL CHECK (energy_j >= 0),
  PRIMARY KEY (run_id, part_id),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE acknowledgement (
  run_id INTEGER NOT NULL,
  part_id INTEGER NOT NULL,
  at_s REAL NOT NULL,
  what TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  PRIMARY KEY (run_id, part_id, what),
  FOREIGN KEY (run_id, part_id) REFERENCES part
) WITHOUT ROWID;
CREATE TABLE archive (
  run_id INTEGER PRIMARY KEY REFERENCES run,
  at_s REAL NOT NULL,
  file TEXT NOT NULL
);
CREATE TRIGGER verdict_stands BEFORE UPDATE ON part WHEN OLD.verdict <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a verdict stands'); END;
CREATE TRIGGER one_fate BEFORE INSERT ON fate
WHEN EXISTS (SELECT 1 FROM fate WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'the part has a fate already'); END;
CREATE TRIGGER fate_stands BEFORE UPDATE ON fate BEGIN SELECT RAISE(ABORT, 'a fate stands'); END;
CREATE TRIGGER fate_stays BEFORE DELETE ON fate WHEN NOT EXISTS (SELECT 1 FROM archive WHERE run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'a fate stays'); END;
CREATE TRIGGER part_stays BEFORE DELETE ON part WHEN NOT EXISTS (SELECT 1 FROM archive WHERE run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'a part stays'); END;
CREATE TRIGGER sorted_was_picked BEFORE INSERT ON fate
WHEN NEW.fate = 'sorted'
  AND NOT EXISTS (SELECT 1 FROM picked WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'a part that was not picked cannot be sorted'); END;
CREATE TRIGGER passed_was_not_picked BEFORE INSERT ON fate
WHEN NEW.fate = 'passed' AND EXISTS (SELECT 1 FROM picked WHERE run_id = NEW.run_id AND part_id = NEW.part_id)
BEGIN SELECT RAISE(ABORT, 'a part that was picked did not pass'); END;
CREATE TRIGGER closed_run_takes_no_part BEFORE INSERT ON part
WHEN (SELECT closed_s FROM run WHERE run_id = NEW.run_id) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the run is closed'); END;
CREATE VIEW record AS
SELECT part.run_id AS run_id, part.part_id AS part_id, part.entered_s AS entered_s,
  picture.stamp_s AS picture_stamp_s, picture.file AS picture, part.model_hash AS model_hash,
  part.verdict AS verdict, part.score AS score, part.defects AS defects, part.views AS views,
  decision.action AS decision, decision.policy AS policy, decision.reason AS decision_reason,
  picked.at_s AS picked_s, picked.grip_width_m AS grip_width_m, grip.current_a AS grip_current_a,
  grip.pressure_pa AS grip_pressure_pa, grip.tries AS grip_tries,
  fate.fate AS fate, fate.at_s AS fate_s, fate.bin AS bin, fate.reason AS reason, energy.energy_j AS energy_j,
  (SELECT group_concat(what || ' by ' || by_whom, '; ') FROM acknowledgement AS one
    WHERE one.run_id = part.run_id AND one.part_id = part.part_id) AS acknowledged,
  (SELECT group_concat(result || ' by run ' || by_run_id, '; ') FROM reconciliation AS one
    WHERE one.run_id = part.run_id AND one.part_id = part.part_id) AS reconciled
FROM part
LEFT JOIN picture USING (run_id, part_id)
LEFT JOIN decision ON decision_id = (SELECT max(decision_id) FROM decision AS last
  WHERE last.run_id = part.run_id AND last.part_id = part.part_id)
LEFT JOIN picked USING (run_id, part_id)
LEFT JOIN grip USING (run_id, part_id)
LEFT JOIN fate USING (run_id, part_id)
LEFT JOIN energy USING (run_id, part_id);
"""

INSERT: dict[str, str] = {
    "part": "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "decision": "INSERT INTO decision (run_id, part_id, at_s, action, bin, policy, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)",
    "picked": "INSERT INTO picked VALUES (?, ?, ?, ?)",
    "fate": "INSERT INTO fate VALUES (?, ?, ?, ?, ?, ?)",
    "sighting": "INSERT OR REPLACE INTO sighting VALUES (?, ?, ?, ?, ?, ?)",
    "picture": "INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)",
    "grip": "INSERT OR REPLACE INTO grip VALUES (?, ?, ?, ?, ?)",
    "energy": "INSERT OR REPLACE INTO energy VALUES (?, ?, ?)",
    "acknowledgement": "INSERT OR IGNORE INTO acknowledgement VALUES (?, ?, ?, ?, ?)",
    "verdict": "UPDATE part SET verdict = ?3, score = ?4, defects = ?5, views = ?6, model_hash = ?7"
    " WHERE run_id = ?1 AND part_id = ?2",
    "reconciliation": "INSERT INTO reconciliation VALUES (?, ?, ?, ?, ?, ?, ?)",
}
"""What is written, each with the part's run and number first."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """All that the ledger knows of a part; what has not happened is None or empty. ``bin`` is where it lies."""

    run_id: int
    part_id: int
    entered_s: float
    verdict: str
    score: float
    defects: tuple[str, ...]
    views: int
    model_hash: str
    actions: tuple[str, ...]
    picked_s: float | None
    fate: Fate | None
    fate_s: float | None
    bin: str
    reason: str


def prepare(connection: sqlite3.Connection, name: str) -> None:
    """Settings and schema; what is there is checked first."""
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1e3)}")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise InputError(f"written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})", file=name)
    if version == 0 and tables:
        raise InputError("a database, but no ledger", file=name)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        return
    older = version < SCHEMA_VERSION
    if older or connection.execute("SELECT count(*) FROM run WHERE closed_s IS NULL").fetchone()[0]:
        # A run that crashed may have taken the file with it; what is damaged is not to be rewritten.
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise InputError(f"damaged: {verdict}", file=name)
    if older:
        keep_copy(connection, name, version)
        migrate(connection, name, SCHEMA_VERSION)


def reconcile(connection: sqlite3.Connection, by_run_id: int, at_s: float) -> Reconciliation | None:
    """Sees to what earlier runs have left open, in the caller's transaction: their ends, and parts without a fate.

    Of a part whose place on the belt is known nothing is decided yet: the camera may see it again.
    """
    rows = connection.execute(
        "SELECT part.run_id, part.part_id, verdict, picked.at_s IS NOT NULL, belt_x_m, y_m, length_m, width_m FROM part"
        " LEFT JOIN picked USING (run_id, part_id) LEFT JOIN fate USING (run_id, part_id)"
        " LEFT JOIN sighting USING (run_id, part_id)"
        " WHERE fate.part_id IS NULL ORDER BY part.run_id, part.part_id"
    ).fetchall()
    earlier = "FROM run WHERE closed_s IS NULL AND run_id <> ?"
    crashed = bool(connection.execute(f"SELECT count(*) {earlier}", (by_run_id,)).fetchone()[0])
    if not rows and not crashed:
        return None
    held: list[Key] = []
    lost: list[Key] = []
    awaited: list[Awaited] = []
    for run_id, part_id, verdict, was_picked, *place in rows:
        key = (int(run_id), int(part_id))
        if not was_picked and place[0] is not None:
            belt_x_m, y_m, length_m, width_m = place
            awaited.append(Awaited(key, belt_x_m, y_m, length_m, width_m, judged=verdict != "pending"))
            continue
        (held if was_picked else lost).append(key)
        where, words = ("hand", "picked") if was_picked else ("belt", "on the belt")
        connection.execute(INSERT["fate"], (*key, at_s, Fate.UNKNOWN.value, "", f"{words} when its run ended"))
        connection.execute(INSERT["reconciliation"], (*key, by_run_id, at_s, where, Fate.UNKNOWN.value, None))
    kept = 0
    if crashed:
        query = f"SELECT count(*) FROM fate WHERE run_id IN (SELECT run_id {earlier})"
        kept = int(connection.execute(query, (by_run_id,)).fetchone()[0]) - len(held) - len(lost)
    connection.execute(
        "UPDATE run SET closed_s = ?, how = 'reconciled' WHERE closed_s IS NULL AND run_id <> ?", (at_s, by_run_id)
    )
    return Reconciliation(crashed, tuple(held), tuple(lost), tuple(awaited), max(kept, 0))


def records(connection: sqlite3.Connection, run_id: int) -> list[PartRecord]:
    actions: dict[int, list[str]] = {}
    for part_id, action in connection.execute(
        "SELECT part_id, action FROM decision WHERE run_id = ? ORDER BY decision_id", (run_id,)
    ):
        actions.setdefault(part_id, []).append(action)
    rows = connection.execute(
        "SELECT part_id, entered_s, verdict, score, defects, views, model_hash, picked.at_s,"
        " fate, fate.at_s, bin, reason"
        " FROM part LEFT JOIN picked USING (run_id, part_id) LEFT JOIN fate USING (run_id, part_id)"
        " WHERE run_id = ? ORDER BY part_id",
        (run_id,),
    )
    return [
        PartRecord(
            run_id=run_id,
            part_id=row[0],
            entered_s=row[1],
            verdict=row[2],
            score=row[3],
            defects=tuple(json.loads(row[4])),
            views=row[5],
            model_hash=row[6],
            actions=tuple(actions.get(row[0], ())),
            picked_s=row[7],
            fate=Fate(row[8]) if row[8] is not None else None,
            fate_s=row[9],
            bin=row[10] or "",
            reason=row[11] or "",
        )
        for row in rows
    ]
