"""Parts of earlier runs among those that the camera shows: which is which, and which is nobody."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from cell.accounts import Accounts, Fate
from cell.bookkeeping import Books, Ruling
from cell.ledger import Ledger
from cell.ledger_migrations import MIGRATIONS
from cell.ledger_schema import SCHEMA, SCHEMA_VERSION
from cell.reconciliation import Awaited, Search
from perception.types import BeltPart, Verdict

PART = BeltPart(
    part_id=1,
    belt_x_m=-3.0,
    y_m=0.03,
    yaw_rad=0.0,
    length_m=0.06,
    width_m=0.04,
    covariance=(0.0, 0.0, 0.0, 0.0),
    verdict=Verdict.PENDING,
    score=0.0,
    defects=(),
    views=1,
    final=False,
    stamp_s=0.0,
)
LAY = Awaited((1, 7), -3.0, 0.03, 0.06, 0.04)


def seen(**values: object) -> BeltPart:
    return dataclasses.replace(PART, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "same"),
    [
        (seen(belt_x_m=-3.001), True),
        (seen(belt_x_m=-3.010, y_m=0.034), True),  # touched
        (seen(belt_x_m=-2.962), True),  # a view that was placed late
        (seen(belt_x_m=-2.962, length_m=0.05), False),  # another size
        (seen(belt_x_m=-2.962, y_m=0.045), False),  # another place across the belt
        (seen(belt_x_m=-2.93), False),
        (seen(belt_x_m=-3.03, length_m=0.01, views=0), True),  # a piece of it
        (seen(belt_x_m=-3.06, length_m=0.01, views=0), False),
    ],
)
def test_part_is_told_from_its_neighbours_when_it_is_seen_again(part: BeltPart, same: bool) -> None:
    search = Search([LAY])
    assert (search.find(part) is LAY) is same
    assert search.waiting == (0 if same else 1)


def test_nearest_is_found_and_none_twice_when_several_lie_together() -> None:
    other = dataclasses.replace(LAY, key=(1, 8), belt_x_m=-3.03)
    search = Search([LAY, other])
    assert search.find(seen(belt_x_m=-3.028)) is other
    assert search.find(seen(belt_x_m=-3.001)) is LAY
    assert search.find(seen(belt_x_m=-3.001)) is None


@pytest.mark.parametrize(
    ("travel_m", "gone"),
    [(3.0, False), (3.3, False), (3.36, True), (9.0, True), (2.8, True), (0.0, True), (-420_000.0, True)],
)
def test_part_is_given_up_when_it_is_out_of_sight_or_the_counter_began_anew(travel_m: float, gone: bool) -> None:
    search = Search([LAY])
    assert search.give_up(travel_m) == ([LAY] if gone else [])


def books_after_a_crash(path: Path) -> Books:
    first, _ = Ledger.open(path, started_s=0.0)
    books = Books(Accounts(), first)
    for number, x_m in ((1, -2.0), (2, -2.4), (3, -3.0)):
        books.enter(seen(part_id=number, belt_x_m=x_m), "hash", 1.0)
    books.enter(seen(part_id=1, belt_x_m=-2.0, verdict=Verdict.DEFECTIVE, final=True), "hash", 1.5)
    books.picked(1, 0.04, 2.0)
    first.leave()
    ledger, reconciled = Ledger.open(path, started_s=10.0)
    assert reconciled is not None
    assert (reconciled.held, [one.key for one in reconciled.awaited]) == (((1, 1),), [(1, 2), (1, 3)])
    return Books(Accounts(), ledger, reconciled)


def test_books_balance_and_each_part_has_one_fate_when_a_run_takes_over(tmp_path: Path) -> None:
    books = books_after_a_crash(tmp_path / "l.db")
    tally = books.accounts.tally()
    assert (tally.entered, tally.in_flight) == (0, 0)
    assert tally.balanced and tally == books.ledger.counts()
    assert books.reconciled is not None
    assert "1 part in the hand: unknown" in books.reconciled.words
    # At a travel of 3.0 m the third lies under the camera, the second has gone by.
    books.step(3.0, 10.5)
    books.enter(seen(part_id=1, belt_x_m=-3.001, verdict=Verdict.GOOD, final=True), "hash", 11.0)
    books.enter(seen(part_id=2, belt_x_m=-3.3), "hash", 11.0)
    books.decide(1, Ruling("pass", "", "spt", "good"), 11.1)
    books.step(3.0 + 1.2, 17.0)
    tally = books.accounts.tally()
    assert tally.balanced and tally == books.ledger.counts()
    assert (tally.entered, tally.fates[Fate.UNKNOWN], tally.fates[Fate.PASSED], tally.in_flight) == (2, 0, 1, 1)
    assert books.reconciliation() == {"kept": 0, "in_hand": 1, "unknown": 2, "found_again": 1, "looked_for": 0}
    books.close(20.0)
    with sqlite3.connect(tmp_path / "l.db") as file:
        assert file.execute("SELECT run_id, part_id, fate FROM fate WHERE run_id = 1 ORDER BY part_id").fetchall() == [
            (1, 1, "unknown"),
            (1, 2, "unknown"),
            (1, 3, "passed"),
        ]
        assert file.execute("SELECT verdict FROM part WHERE run_id = 1 AND part_id = 3").fetchone() == ("good",)
        assert file.execute("SELECT part_id FROM part WHERE run_id = 2").fetchall() == [(2,)]
        assert file.execute("SELECT part_id, place, result, seen_as FROM reconciliation").fetchall() == [
            (1, "hand", "unknown", None),
            (2, "belt", "unknown", None),
            (3, "belt", "found", 1),
        ]
    file.close()


def test_everything_is_unknown_when_the_run_ends_before_it_has_looked(tmp_path: Path) -> None:
    books = books_after_a_crash(tmp_path / "l.db")
    books.close(11.0)
    ledger, found = Ledger.open(tmp_path / "l.db", started_s=12.0)
    assert found is None
    assert {record.fate for record in ledger.parts(1)} == {Fate.UNKNOWN}
    ledger.close(13.0)


def test_parts_are_still_looked_for_when_the_second_run_crashes_too(tmp_path: Path) -> None:
    books = books_after_a_crash(tmp_path / "l.db")
    books.enter(seen(part_id=1, belt_x_m=-3.0), "hash", 11.0)
    books.ledger.leave()
    ledger, found = Ledger.open(tmp_path / "l.db", started_s=12.0)
    assert found is not None and [one.key for one in found.awaited] == [(1, 2), (1, 3)]
    third = Books(Accounts(), ledger, found)
    third.enter(seen(part_id=1, belt_x_m=-3.0), "hash", 13.0)
    third.close(14.0)
    with sqlite3.connect(tmp_path / "l.db") as file:
        assert file.execute("SELECT by_run_id, result FROM reconciliation WHERE part_id = 3").fetchall() == [
            (2, "found"),
            (3, "found"),
        ]
    file.close()


def test_old_ledger_looks_like_a_new_one_when_it_was_migrated(tmp_path: Path) -> None:
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(SCHEMA)
    shapes = dict(fresh.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    later = "".join(MIGRATIONS[step] for step in range(1, SCHEMA_VERSION))
    added = {name for name, sql in shapes.items() if sql in later}
    path = tmp_path / "l.db"
    old = sqlite3.connect(path)
    for name, sql in shapes.items():
        if name not in added:
            old.execute(sql)
    old.execute("INSERT INTO run VALUES (1, 0.0, 1, '{}', NULL, NULL)")
    old.execute("INSERT INTO part VALUES (1, 1, 1.0, 'good', 0.1, '[]', 3, 'hash')")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    ledger, found = Ledger.open(path, started_s=5.0)
    # Nobody wrote down then where a part lay.
    assert found is not None and found.on_belt == ((1, 1),) and found.awaited == ()
    ledger.close(6.0)
    with sqlite3.connect(path) as file:
        assert dict(file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")) == shapes
    file.close()
    assert (tmp_path / "l.db.schema-1").exists()
