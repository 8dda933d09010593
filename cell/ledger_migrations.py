"""How a ledger of an older version becomes one of this version: numbered steps, all of them in one transaction.

``MIGRATIONS[n]`` leads from schema n to n + 1. A step once released is never changed, and ``SCHEMA`` always shows the
newest; a test holds the two together. There is no way down: going back means the backup that an upgrade has made.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perception.errors import InputError

MIGRATIONS: Final[Mapping[int, str]] = {
    1: """
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
CREATE TRIGGER verdict_stands BEFORE UPDATE ON part WHEN OLD.verdict <> 'pending'
BEGIN SELECT RAISE(ABORT, 'a verdict stands'); END;
""",
    2: """
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
DROP TRIGGER IF EXISTS fate_stays;
DROP TRIGGER IF EXISTS part_stays;
CREATE TRIGGER fate_stays BEFORE DELETE ON fate WHEN NOT EXISTS (SELECT 1 FROM archive WHERE run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'a fate stays'); END;
CREATE TRIGGER part_stays BEFORE DELETE ON part WHEN NOT EXISTS (SELECT 1 FROM archive WHERE run_id = OLD.run_id)
BEGIN SELECT RAISE(ABORT, 'a part stays'); END;
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
""",
}
"""SQL statements by the schema that they start from; without BEGIN, COMMIT and PRAGMA."""


def schema_of(path: Path) -> int:
    """The schema of a ledger's file; 0 where it is missing or has no tables yet. Changes nothing.

    Raises:
        InputError: it is no database or cannot be read.
    """
    if not path.exists():
        return 0
    try:
        connection = sqlite3.connect(path, timeout=2.0)
        try:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError(f"not usable as a ledger: {error}", file=path) from error


def migrate(
    connection: sqlite3.Connection, name: str, target: int, migrations: Mapping[int, str] = MIGRATIONS
) -> tuple[int, ...]:
    """Brings an open ledger to ``target``; returns the schemas that it passed, none where it is there already.

    What a full disk or a kill interrupts has not happened: the file then has its old schema and all its lines.

    Raises:
        InputError: the file is newer, or a step is missing, or has failed; the file is as before.
        sqlite3.Error: the disk refuses; the file is as before.
    """
    # Foreign keys are checked as a whole at the end: a step may build a table anew. Not settable in a transaction.
    keys = int(connection.execute("PRAGMA foreign_keys").fetchone()[0])
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > target:
            raise InputError(f"written by a newer version (schema {version}, this one knows {target})", file=name)
        passed = tuple(range(version, target))
        for step in passed:
            if step not in migrations:
                raise InputError(f"no way from schema {step} to {step + 1} is known", file=name)
            for statement in _statements(migrations[step]):
                connection.execute(statement)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone() if passed else None
        if broken is not None:
            raise InputError(f"after the migration a line of {broken[0]} belongs to nothing", file=name)
        connection.execute(f"PRAGMA user_version = {target}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise
    finally:
        connection.execute(f"PRAGMA foreign_keys = {keys}")
    return passed


def keep_copy(connection: sqlite3.Connection, name: str, version: int) -> Path:
    """A copy of an open ledger beside it, before it is migrated: ``ledger.sqlite.schema-1``.

    Raises:
        sqlite3.Error, OSError: it cannot be written; nothing is left behind.
    """
    path = Path(f"{name}.schema-{version}")
    part = Path(f"{path}.part")
    part.unlink(missing_ok=True)
    try:
        copy = sqlite3.connect(part)
        try:
            connection.backup(copy)
        finally:
            copy.close()
        owner = Path(name).stat()
        if os.geteuid() == 0:
            os.chown(part, owner.st_uid, owner.st_gid)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def _statements(script: str) -> list[str]:
    """One by one: ``executescript`` would commit the transaction first."""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text.strip())
            text = ""
    if text.strip():
        raise ValueError(f"a statement without its end: {text.strip()[:60]}")
    return found
