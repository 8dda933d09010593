"""A ledger of an older schema becomes one of this version, whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cell.ledger import Ledger
from cell.ledger_migrations import MIGRATIONS, migrate, schema_of
from cell.ledger_schema import SCHEMA_VERSION
from perception.errors import InputError

OLDEST = Path(__file__).parent / "data" / "ledger_schema_1.sql"


def tables(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in rows}


def oldest(path: Path, parts: int = 3) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(OLDEST.read_text() + "PRAGMA user_version = 1; PRAGMA journal_mode = WAL;")
    connection.execute("INSERT INTO run VALUES (1, 0.0, 7, '{}', NULL, NULL)")
    for part in range(1, parts):
        connection.execute("INSERT INTO part VALUES (1, ?, 1.0, 'good', 0.1, '[]', 1, 'm')", (part,))
        connection.execute("INSERT INTO fate VALUES (1, ?, 2.0, 'passed', '', 'at the end')", (part,))
    connection.execute("UPDATE run SET closed_s = 9.0, how = 'clean'")
    connection.commit()
    connection.close()


def test_migrated_ledger_has_the_tables_of_a_new_one_and_all_its_lines(tmp_path: Path) -> None:
    oldest(tmp_path / "old.sqlite", parts=4)
    ledger, found = Ledger.open(tmp_path / "old.sqlite", started_s=10.0)
    assert found is None
    assert [record.part_id for record in ledger.parts(1)] == [1, 2, 3]
    ledger.close(11.0)
    Ledger.open(tmp_path / "new.sqlite", started_s=10.0)[0].close(11.0)
    assert tables(tmp_path / "old.sqlite") == tables(tmp_path / "new.sqlite")
    assert schema_of(tmp_path / "old.sqlite") == SCHEMA_VERSION
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION))


def test_copy_of_before_stands_beside_the_ledger_when_opening_migrates_it(tmp_path: Path) -> None:
    oldest(tmp_path / "l.sqlite")
    Ledger.open(tmp_path / "l.sqlite", started_s=10.0)[0].close(11.0)
    copy = tmp_path / "l.sqlite.schema-1"
    assert schema_of(copy) == 1
    connection = sqlite3.connect(copy)
    assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(
    "step", ["CREATE TABLE later (a);\nINSERT INTO nowhere VALUES (1);", "DELETE FROM run;"], ids=["sql", "orphans"]
)
def test_ledger_is_as_before_when_a_step_fails(step: str, tmp_path: Path) -> None:
    oldest(tmp_path / "l.sqlite")
    before = tables(tmp_path / "l.sqlite")
    connection = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)
    with pytest.raises((sqlite3.Error, InputError)):
        migrate(connection, "l.sqlite", 3, {1: "CREATE TABLE more (b);", 2: step})
    assert connection.execute("SELECT count(*) FROM run").fetchone() == (1,)
    connection.close()
    assert tables(tmp_path / "l.sqlite") == before and schema_of(tmp_path / "l.sqlite") == 1


def test_way_down_and_missing_steps_are_refused_in_one_line(tmp_path: Path) -> None:
    oldest(tmp_path / "l.sqlite")
    connection = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)
    with pytest.raises(InputError, match=r"written by a newer version \(schema 1, this one knows 0\)"):
        migrate(connection, "l.sqlite", 0)
    with pytest.raises(InputError, match="no way from schema 1 to 2 is known"):
        migrate(connection, "l.sqlite", 2, {})
    connection.close()


def test_damaged_ledger_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    oldest(path, parts=2000)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    content = bytearray(path.read_bytes())
    for start in range(8192, len(content) - 4096, 8192):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged|malformed"):
        Ledger.open(path, started_s=10.0)
    assert schema_of(path) == 1 and not (tmp_path / "l.sqlite.schema-1").exists()
