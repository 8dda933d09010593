"""One record a part: what it joins, how it is written out for others, and what goes into an archive."""

from __future__ import annotations

import csv
import json
import random
import sqlite3
from pathlib import Path

import pytest

from cell.accounts import Fate
from cell.cli.main import main
from cell.ledger import Ledger, LedgerError
from cell.ledger_export import COLUMNS, Selection, export, read_only
from cell.ledger_retention import Retention, archive, due
from perception.errors import InputError

DAY_S = 86400.0


def fill(path: Path, *, started_s: float, parts: int, seed: int = 1, close: bool = True) -> int:
    """A run whose parts took every way; gives its number."""
    rng = random.Random(seed)
    ledger, _ = Ledger.open(path, started_s=started_s, seed=seed)
    for part in range(1, parts + 1):
        at_s = started_s + part
        ledger.enter(part, at_s, verdict="pending", score=0.0, place=(0.1, 0.0, 0.04, 0.03), picture=(at_s - 0.1, ""))
        defective = rng.random() < 0.5
        ledger.judge(
            part,
            verdict="defective" if defective else "good",
            score=rng.random(),
            defects=("scratch", 'a "quoted", one') if defective else (),
            views=3,
            model_hash="ab12",
            picture=(at_s, f"pictures/{part}.jpg" if defective else ""),
        )
        if defective:
            ledger.decide(part, at_s + 0.1, action="divert", bin_name="defect", policy="spt", reason="a scratch")
            ledger.decide(part, at_s + 0.2, action="pick", bin_name="defect", policy="spt", reason="nearest")
            ledger.mark_picked(part, at_s + 1.0, grip_width_m=0.031, current_a=0.12, tries=2)
            ledger.close_part(part, at_s + 2.0, Fate.SORTED, bin_name="defect")
        else:
            ledger.decide(part, at_s + 0.1, action="pass")
            ledger.close_part(part, at_s + 3.0, Fate.PASSED, reason="stayed on the belt")
        ledger.take_energy(part, 40.5)
    ledger.acknowledge(1, started_s + 9.0, what="part_dropped", by_whom="kim")
    ledger.acknowledge(1, started_s + 10.0, what="part_dropped", by_whom="somebody later")
    if close:
        ledger.close(started_s + parts + 5.0)
    else:
        ledger.leave()
    return ledger.run_id


def test_record_joins_everything_that_is_known_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, started_s=1000.0, parts=8)
    connection = read_only(path)
    rows = [
        dict(zip(COLUMNS, row, strict=True)) for row in connection.execute(f"SELECT {','.join(COLUMNS)} FROM record")
    ]
    connection.close()
    assert [row["part_id"] for row in rows] == list(range(1, 9))
    assert rows[0]["acknowledged"] == "part_dropped by kim"
    sorted_part = next(row for row in rows if row["fate"] == "sorted")
    assert sorted_part["decision"] == "pick" and sorted_part["policy"] == "spt"
    assert (sorted_part["grip_width_m"], sorted_part["grip_current_a"], sorted_part["grip_tries"]) == (0.031, 0.12, 2)
    assert sorted_part["picture_stamp_s"] == sorted_part["entered_s"]
    assert sorted_part["picture"].endswith(".jpg") and sorted_part["energy_j"] == 40.5
    passed = next(row for row in rows if row["fate"] == "passed")
    assert (passed["decision"], passed["picked_s"], passed["bin"]) == ("pass", None, "")


def test_csv_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path, out = tmp_path / "ledger.sqlite", tmp_path / "parts.csv"
    fill(path, started_s=1000.0, parts=30)
    second = fill(path, started_s=5000.0, parts=20, seed=2)
    assert export(path, out, Selection()) == 50
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(COLUMNS) and len(rows) == 50
    assert {tuple(json.loads(row["defects"])) for row in rows} == {(), ("scratch", 'a "quoted", one')}
    assert export(path, out, Selection(run_id=second)) == 20
    assert export(path, out, Selection(since_s=5001.0, until_s=5004.0)) == 3
    assert [entry.name for entry in tmp_path.iterdir() if "csv" in entry.name] == ["parts.csv"]


def test_parquet_keeps_types_and_what_is_not_known(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow (the extra parquet) is not installed")
    path, out = tmp_path / "ledger.sqlite", tmp_path / "parts.parquet"
    fill(path, started_s=1000.0, parts=40)
    assert export(path, out, Selection()) == 40
    table = parquet.read_table(out)
    assert {field.name: str(field.type) for field in table.schema} == {
        name: kind.replace("float64", "double") for name, kind in COLUMNS.items()
    }
    assert export(path, tmp_path / "parts.csv", Selection()) == 40
    with (tmp_path / "parts.csv").open(newline="", encoding="utf-8") as stream:
        for row, line in zip(table.to_pylist(), csv.DictReader(stream), strict=True):
            assert {key: "" if value is None else str(value) for key, value in row.items()} == line


def test_table_is_whole_or_not_there_when_it_cannot_be_written(tmp_path: Path) -> None:
    path, out = tmp_path / "ledger.sqlite", tmp_path / "parts.csv"
    fill(path, started_s=1000.0, parts=3)
    with pytest.raises(InputError, match="neither"):
        export(path, tmp_path / "parts.xlsx", Selection())
    with pytest.raises(InputError, match="folder does not exist"):
        export(path, tmp_path / "no" / "parts.csv", Selection())
    with pytest.raises(InputError, match="no ledger"):
        export(tmp_path / "none.sqlite", out, Selection())

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(path, out, Selection(), stop)
    assert {entry.name for entry in tmp_path.iterdir()} <= {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"}


def counts(path: Path) -> dict[int, int]:
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT run_id, count(*) FROM record WHERE fate NOT NULL GROUP BY run_id"))
    connection.close()
    return found


def test_only_old_whole_runs_go_and_every_line_is_in_exactly_one_file(tmp_path: Path) -> None:
    path, old = tmp_path / "ledger.sqlite", tmp_path / "archive.sqlite"
    first = fill(path, started_s=0.0, parts=1200)
    second = fill(path, started_s=50 * DAY_S, parts=20, seed=2)
    newest = fill(path, started_s=99 * DAY_S, parts=5, seed=3)
    before = export(path, tmp_path / "all.csv", Selection())
    moved = archive(path, old, before_s=10 * DAY_S, now_s=100 * DAY_S)
    assert (moved.runs, moved.parts) == (1, 1200)
    assert counts(old) == {first: 1200} and counts(path) == {second: 20, newest: 5}
    # Not the newest, however old it is; and again there is nothing to do.
    assert archive(path, old, before_s=1000 * DAY_S, now_s=100 * DAY_S).runs == 1
    assert archive(path, old, before_s=1000 * DAY_S, now_s=100 * DAY_S).runs == 0
    assert sum(counts(old).values()) + sum(counts(path).values()) == before
    assert export(old, tmp_path / "old.csv", Selection()) == 1220
    kept = (tmp_path / "all.csv").read_text().splitlines()
    assert (tmp_path / "old.csv").read_text().splitlines() == kept[: 1 + 1220]
    ledger, found = Ledger.open(path, started_s=101 * DAY_S)
    assert found is None
    ledger.close(102 * DAY_S)


def test_run_with_an_open_part_or_without_its_end_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger, _ = Ledger.open(path, started_s=0.0)
    # Where it lay is known: it is still looked for.
    ledger.enter(1, 1.0, verdict="good", score=0.1, place=(0.1, 0.0, 0.04, 0.03))
    ledger.close(2.0)
    fill(path, started_s=10.0, parts=3, close=False)
    connection = sqlite3.connect(path)
    assert due(connection, 1e9) == []
    connection.close()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_archiving_goes_on_where_it_was_interrupted(tmp_path: Path, steps: int) -> None:
    path, old = tmp_path / "ledger.sqlite", tmp_path / "archive.sqlite"
    first = fill(path, started_s=0.0, parts=1300)
    fill(path, started_s=10.0, parts=2, seed=2)
    asked = iter([False] * steps + [True] * 9)
    archive(path, old, before_s=DAY_S, now_s=DAY_S, stop=lambda: next(asked))
    assert counts(old) == {first: 1300}
    left = counts(path).get(first, 0)
    assert left == 1300 - 500 * steps
    assert archive(path, old, before_s=DAY_S, now_s=DAY_S).parts == left
    assert counts(old)[first] == 1300 and first not in counts(path)


def test_retention_moves_old_runs_while_a_cell_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = fill(path, started_s=0.0, parts=1100)
    ledger, _ = Ledger.open(path, started_s=100 * DAY_S, threaded=True)
    told: list[str] = []
    retention = Retention(path, 30.0, 100 * DAY_S, told.append)
    for part in range(1, 60):
        ledger.enter(part, 100 * DAY_S + part, verdict="good", score=0.1)
        ledger.close_part(part, 100 * DAY_S + part, Fate.PASSED)
    assert ledger.flush(60.0) and ledger.refused == ()
    retention._thread.join(60.0)
    retention.close()
    ledger.close(101 * DAY_S)
    assert told == [f"1100 parts of 1 runs went into {tmp_path / 'ledger-archive.sqlite'}"]
    assert counts(tmp_path / "ledger-archive.sqlite") == {first: 1100}
    assert counts(path) == {ledger.run_id: 59}


def test_retention_says_what_is_in_its_way_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = fill(path, started_s=0.0, parts=5)
    fill(path, started_s=10.0, parts=1, seed=2)
    (tmp_path / "ledger-archive.sqlite").write_text("something else" * 500)
    told: list[str] = []
    retention = Retention(path, 1.0, 100 * DAY_S, told.append)
    retention._thread.join(60.0)
    retention.close()
    assert len(told) == 1 and "could not be archived" in told[0]
    assert counts(path)[first] == 5


def test_lines_cannot_be_deleted_unless_their_run_is_archived(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path, started_s=0.0, parts=3)
    connection = sqlite3.connect(path)
    for table in ("fate", "part"):
        with pytest.raises(sqlite3.IntegrityError, match="stays"):
            connection.execute(f"DELETE FROM {table}")
    connection.close()


def test_evidence_of_a_part_that_did_not_enter_is_refused(tmp_path: Path) -> None:
    ledger, _ = Ledger.open(tmp_path / "l.sqlite", started_s=0.0)
    with pytest.raises(LedgerError):
        ledger.take_energy(7, 3.0)
    with pytest.raises(LedgerError):
        ledger.acknowledge(7, 3.0, what="x", by_whom="y")
    ledger.leave()


def test_commands_show_runs_and_a_part_and_say_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "ledger.sqlite", started_s=1000.0, parts=8)
    state = ["--state", str(tmp_path)]
    assert main(["ledger", "runs", *state]) == 0
    assert "8 parts" in capsys.readouterr().out
    assert main(["ledger", "show", "1", *state]) == 0
    story = capsys.readouterr().out
    assert "entered" in story and "acknowledged: part_dropped by kim" in story and "energy 40.5 J" in story
    assert main(["ledger", "show", "1", "--json", *state]) == 0
    assert json.loads(capsys.readouterr().out)["decisions"]
    assert main(["ledger", "show", "99", *state]) == 1
    assert main(["ledger", "export", str(tmp_path / "x.csv"), *state]) == 0
    assert "8 parts" in capsys.readouterr().out
    assert main(["ledger", "archive", "--older-than", "30", *state]) == 0
    assert "no run is that old" in capsys.readouterr().out
    assert main(["ledger", "runs", "--ledger", str(tmp_path / "none.sqlite")]) == 2
    (tmp_path / "text.sqlite").write_text("no database at all" * 100)
    assert main(["ledger", "export", str(tmp_path / "x.csv"), "--ledger", str(tmp_path / "text.sqlite")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
