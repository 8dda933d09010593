from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cell.accounts import Fate
from cell.ledger import Ack, Ledger, LedgerError, ended_badly
from cell.ledger_room import Room
from cell.ledger_schema import SCHEMA_VERSION
from perception.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


def _open(path: Path, **more: object) -> Ledger:
    return Ledger.open(path, started_s=5.0, **more)[0]  # type: ignore[arg-type]


def _enter(ledger: Ledger, *ids: int) -> None:
    for part_id in ids:
        ledger.enter(part_id, 6.0, verdict="defective", score=0.9, defects=("scratch",), views=5, model_hash="abc")


@pytest.mark.parametrize("threaded", [False, True])
def test_record_holds_everything_when_a_part_is_sorted(tmp_path: Path, threaded: bool) -> None:
    ledger = _open(tmp_path / "l.db", seed=3, versions={"cellwright": "0.1.0"}, threaded=threaded)
    _enter(ledger, 1)
    ledger.decide(1, 7.0, action="divert", bin_name="defect", policy="spt", reason="scratch")
    ledger.decide(1, 7.5, action="pick", bin_name="defect", policy="spt", reason="shortest cycle")
    ledger.mark_picked(1, 8.0, grip_width_m=0.04)
    ack = ledger.close_part(1, 9.0, Fate.SORTED, bin_name="defect", reason="")
    assert ledger.flush()
    assert ack.durable and ack.settled and ack.error is None
    (record,) = ledger.parts()
    assert (record.part_id, record.verdict, record.score, record.defects) == (1, "defective", 0.9, ("scratch",))
    assert (record.views, record.model_hash, record.actions) == (5, "abc", ("divert", "pick"))
    assert (record.entered_s, record.picked_s, record.fate_s) == (6.0, 8.0, 9.0)
    assert (record.fate, record.bin) == (Fate.SORTED, "defect")
    assert ledger.counts().as_dict()["sorted"] == 1
    assert ledger.counts().balanced
    ledger.close(10.0)
    with sqlite3.connect(tmp_path / "l.db") as file:
        assert file.execute("SELECT seed, versions, closed_s, how FROM run").fetchall() == [
            (3, '{"cellwright": "0.1.0"}', 10.0, "clean")
        ]
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


def test_writes_are_synced_fully_when_the_ledger_is_open(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.close(1.0)


@pytest.mark.parametrize("threaded", [False, True])
def test_second_fate_is_refused_when_a_part_has_one(tmp_path: Path, threaded: bool) -> None:
    ledger = _open(tmp_path / "l.db", threaded=threaded)
    _enter(ledger, 1)
    ledger.close_part(1, 7.0, Fate.MISSED)
    if threaded:
        ack = ledger.close_part(1, 8.0, Fate.PASSED)
        ledger.flush()
        assert not ack.durable and ack.error is not None and "fate" in ack.error
    else:
        with pytest.raises(LedgerError, match="fate already"):
            ledger.close_part(1, 8.0, Fate.PASSED)
    assert len(ledger.refused) == 1
    assert ledger.error is None
    assert ledger.counts().as_dict() == {
        "entered": 1, "sorted": 0, "passed": 0, "missed": 1, "dropped": 0, "rejected": 0, "unknown": 0, "in_flight": 0,
    }  # fmt: skip
    ledger.close(9.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda it: it.enter(1, 6.0, verdict="good", score=0.1),
        lambda it: it.enter(0, 6.0, verdict="good", score=0.1),
        lambda it: it.enter(2, 6.0, verdict="nice", score=0.1),
        lambda it: it.enter(2, 6.0, verdict="good", score=float("nan")),
        lambda it: it.enter(2, float("nan"), verdict="good", score=0.1),
        lambda it: it.close_part(9, 7.0, Fate.MISSED),
        lambda it: it.close_part(1, 7.0, Fate.SORTED, bin_name="defect"),
        lambda it: it.mark_picked(9, 7.0),
        lambda it: it.decide(1, 7.0, action="eat", bin_name="defect"),
        lambda it: it.decide(1, 7.0, action="pass", bin_name="defect"),
        lambda it: it.decide(1, 7.0, action="pick", bin_name=""),
        lambda it: it.decide(9, 7.0, action="pass"),
        lambda it: it.enter(2**70, 6.0, verdict="good", score=0.1),
        lambda it: it.enter(2, 6.0, verdict="good", score=object()),
    ],
)
def test_line_is_refused_and_leaves_nothing_when_it_does_not_fit(tmp_path: Path, wrong: object) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1)
    before = ledger.parts()
    with pytest.raises(LedgerError):
        wrong(ledger)  # type: ignore[operator]
    assert ledger.parts() == before
    assert ledger.backlog == 0
    ledger.close_part(1, 7.0, Fate.MISSED)
    assert ledger.counts().balanced
    ledger.close(9.0)


def test_picked_part_cannot_pass_when_it_is_closed(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1)
    ledger.mark_picked(1, 7.0)
    with pytest.raises(LedgerError, match="did not pass"):
        ledger.close_part(1, 8.0, Fate.PASSED)
    ledger.close_part(1, 8.0, Fate.DROPPED)
    ledger.close(9.0)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fate SET fate = 'passed'",
        "DELETE FROM fate",
        "DELETE FROM part",
        "INSERT OR REPLACE INTO fate VALUES (1, 1, 9.0, 'passed', '', '')",
    ],
)
def test_schema_itself_refuses_when_somebody_rewrites_history(tmp_path: Path, statement: str) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1)
    ledger.close_part(1, 7.0, Fate.MISSED)
    ledger.close(8.0)
    other = sqlite3.connect(tmp_path / "l.db")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
    assert other.execute("SELECT fate FROM fate").fetchall() == [("missed",)]
    other.close()


def test_good_lines_stay_when_one_of_a_group_is_refused(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db", threaded=True)
    gate = ledger._writer.database
    with gate:  # The writer waits, so that all lines become one group.
        acks = [
            ledger.enter(1, 6.0, verdict="good", score=0.1),
            ledger.enter(1, 6.0, verdict="good", score=0.1),
            ledger.enter(2, 6.0, verdict="good", score=0.1),
        ]
    assert ledger.flush()
    assert [ack.durable for ack in acks] == [True, False, True]
    assert [record.part_id for record in ledger.parts()] == [1, 2]
    ledger.close(9.0)


def test_listener_hears_of_durability_when_the_thread_has_written(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db", threaded=True)
    _enter(ledger, 1)
    heard: list[tuple[bool, str]] = []
    done = threading.Event()

    def told(ack: Ack) -> None:
        other = sqlite3.connect(tmp_path / "l.db")
        marks = other.execute("SELECT count(*) FROM picked").fetchone()[0]
        other.close()
        heard.append((ack.durable and marks == 1, threading.current_thread().name))
        done.set()

    ledger.mark_picked(1, 7.0, told=told)
    assert done.wait(5.0)
    assert heard == [(True, "ledger")]
    ledger.close(9.0)


def test_run_is_clean_when_it_was_closed_and_all_parts_have_fates(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1)
    ledger.close_part(1, 7.0, Fate.MISSED)
    ledger.close(9.0)
    again, found = Ledger.open(tmp_path / "l.db", started_s=1.0)
    assert found is None
    assert again.run_id == 2
    assert again.counts().entered == 0
    _enter(again, 1)  # ids are unique in a run
    assert len(again.parts(1)) == 1
    again.close(2.0)


def test_open_parts_become_unknown_when_the_run_before_ended_without_a_close(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1, 2, 3)
    ledger.close_part(1, 7.0, Fate.MISSED)
    ledger.mark_picked(2, 7.0)
    with ledger:
        pass  # leaves the file, but not cleanly
    again, found = Ledger.open(tmp_path / "l.db", started_s=1.0)
    assert found is not None
    assert (found.crashed, found.held, found.on_belt) == (True, ((1, 2),), ((1, 3),))
    assert [record.fate for record in again.parts(1)] == [Fate.MISSED, Fate.UNKNOWN, Fate.UNKNOWN]
    assert "picked" in again.parts(1)[1].reason
    again.close(2.0)
    assert Ledger.open(tmp_path / "l.db", started_s=1.0)[1] is None


def test_crash_is_reported_when_no_part_was_open(tmp_path: Path) -> None:
    with _open(tmp_path / "l.db"):
        pass
    ledger, found = Ledger.open(tmp_path / "l.db", started_s=1.0)
    assert found is not None and found.crashed and found.held == found.on_belt == ()
    ledger.close(2.0)


def test_parts_in_flight_are_unknown_but_no_crash_when_the_run_was_closed_over_them(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    _enter(ledger, 1)
    ledger.close(9.0)
    again, found = Ledger.open(tmp_path / "l.db", started_s=1.0)
    assert found is not None and not found.crashed and found.on_belt == ((1, 1),)
    again.close(2.0)


_VICTIM = """
import sys
from cell.accounts import Fate
from cell.ledger import Ledger
ledger, _ = Ledger.open(sys.argv[1], started_s=0.0, threaded=sys.argv[2] == "thread")
part_id = 0
while True:
    part_id += 1
    ledger.enter(part_id, 1.0, verdict="defective", score=0.9)
    ledger.decide(part_id, 1.0, action="divert", bin_name="defect")
    mark = ledger.mark_picked(part_id, 2.0)
    if part_id % 3:
        last = ledger.close_part(part_id, 3.0, Fate.SORTED, bin_name="defect")
        ledger.flush()
        assert last.durable
        print(part_id, flush=True)
"""


@pytest.mark.parametrize("how", ["thread", "direct"])
def test_acknowledged_lines_survive_when_the_process_is_killed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "l.db"
    victim = subprocess.Popen(
        [sys.executable, "-c", _VICTIM, str(path), how],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert victim.stdout is not None
    acknowledged = [int(victim.stdout.readline()) for _ in range(25)]
    victim.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in victim.stdout.read().split()]
    victim.wait()
    victim.stdout.close()
    ledger, found = Ledger.open(path, started_s=9.0)
    assert found is not None and found.crashed
    records = {record.part_id: record for record in ledger.parts(1)}
    assert all(records[part_id].fate is Fate.SORTED for part_id in acknowledged)
    # Every part that entered has exactly one fate, and each third one was in the hand.
    assert sorted(records) == list(range(1, max(records) + 1))
    assert all(record.fate is not None for record in records.values())
    unknown = {part_id for part_id, record in records.items() if record.fate is Fate.UNKNOWN}
    assert {part_id for _, part_id in (*found.held, *found.on_belt)} == unknown
    assert {part_id for part_id in records if part_id % 3 == 0} <= unknown
    ledger.close(10.0)


def test_lines_wait_and_are_written_when_the_disk_was_full_for_a_while(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    pages = int(ledger._connection.execute("PRAGMA page_count").fetchone()[0])
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    given = 0
    with pytest.raises(LedgerError, match="full"):
        for part_id in range(1, 2000):
            given = part_id
            ledger.enter(part_id, 6.0, verdict="good", score=0.1, model_hash="x" * 500)
    assert ledger.error is not None and "full" in ledger.error
    assert ledger.backlog == 1
    assert ledger.counts().entered == given - 1
    assert ledger.counts().balanced
    ledger._connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.flush()
    assert ledger.error is None
    assert ledger.counts().entered == given
    ledger.close(9.0)


def test_thread_tries_again_when_the_disk_was_full_for_a_while(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db", threaded=True, retry_s=0.01)
    with ledger._writer.database:
        pages = int(ledger._connection.execute("PRAGMA page_count").fetchone()[0])
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    ack = ledger.enter(1, 6.0, verdict="good", score=0.1, model_hash="x" * 50_000)
    assert not ledger.flush(0.1)
    assert ledger.error is not None
    assert not ack.settled
    with ledger._writer.database:
        ledger._connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.flush()
    assert ack.durable and ledger.error is None
    ledger.close(9.0)


def test_close_says_so_when_lines_cannot_be_written(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db", threaded=True, retry_s=60.0)
    with ledger._writer.database:
        pages = int(ledger._connection.execute("PRAGMA page_count").fetchone()[0])
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    ledger.enter(1, 6.0, verdict="good", score=0.1, model_hash="x" * 50_000)
    with pytest.raises(LedgerError, match="1 lines could not be written"):
        ledger.close(9.0)
    again, found = Ledger.open(tmp_path / "l.db", started_s=1.0)
    assert found is not None and found.crashed
    again.close(2.0)


def test_nothing_is_taken_when_the_ledger_is_closed(tmp_path: Path) -> None:
    ledger = _open(tmp_path / "l.db")
    ledger.close(9.0)
    ledger.close(9.0)
    with pytest.raises(LedgerError, match="closed"):
        _enter(ledger, 1)


def test_open_names_the_file_when_its_folder_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "none" / "l.db"
    with pytest.raises(InputError) as caught:
        _open(path)
    assert caught.value.file == str(path)
    assert not path.parent.exists()


def test_open_refuses_when_the_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.write_bytes(b"not a database, but long enough to be looked at as one" * 40)
    before = path.read_bytes()
    with pytest.raises(InputError, match="not usable as a ledger"):
        _open(path)
    assert path.read_bytes() == before


def test_open_refuses_when_the_database_is_something_else(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "l.db")
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    with pytest.raises(InputError, match="no ledger"):
        _open(tmp_path / "l.db")


def test_open_refuses_when_a_newer_version_wrote_the_file(tmp_path: Path) -> None:
    _open(tmp_path / "l.db").close(1.0)
    other = sqlite3.connect(tmp_path / "l.db")
    other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(InputError, match="newer version"):
        _open(tmp_path / "l.db")


def test_open_refuses_when_the_crashed_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with _open(path, threaded=True) as ledger:
        _enter(ledger, *range(1, 400))
        assert ledger.flush()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(random.Random(1).randbytes(size // 4))
    with pytest.raises(InputError):
        _open(path)


def test_open_refuses_when_the_path_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        _open(tmp_path)


def test_open_refuses_when_another_writer_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cell.ledger_schema.BUSY_S", 0.02)
    _open(tmp_path / "l.db").close(1.0)
    other = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InputError, match="locked"):
        _open(tmp_path / "l.db")
    other.close()


def test_low_space_is_said_when_the_disk_has_less_than_asked(tmp_path: Path) -> None:
    assert not Room(tmp_path / "l.db", least_bytes=1, kept_bytes=0).low()
    assert Room(tmp_path / "l.db", least_bytes=shutil.disk_usage(tmp_path).total + 1, kept_bytes=0).low()
    ledger = _open(tmp_path / "l.db", keep_room=True)
    assert ledger.trouble is None
    assert (tmp_path / "l.reserve").stat().st_size > 1_000_000
    ledger.close(1.0)
    assert not (tmp_path / "l.reserve").exists()


def test_no_bad_end_is_seen_when_the_file_is_still_empty(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    assert not ended_badly(path)
    ledger, found = Ledger.open(path, started_s=0.0)
    assert found is None
    ledger.close(1.0)
