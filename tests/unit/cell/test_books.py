"""Accounts and ledger in step: every part entered, decided and closed once, whatever comes first."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from cell_parts import belt_part

from cell.accounts import Accounts, Fate
from cell.bookkeeping import Books, Ruling
from cell.ledger import Ledger
from perception.types import Verdict

DIVERT = Ruling("divert", "defect", "spt", "scratch")
PICK = Ruling("pick", "defect", "spt", "shortest")
PASS = Ruling("pass", "", "spt", "good")


@pytest.fixture
def books() -> Iterator[Books]:
    ledger, _ = Ledger.open(":memory:", started_s=0.0)
    yield Books(Accounts(), ledger)
    ledger.close(100.0)


def _counts(books: Books) -> dict[str, int]:
    return books.accounts.tally().as_dict()


def test_part_is_entered_once_when_it_is_seen_again(books: Books) -> None:
    books.enter(belt_part(1), "hash", 1.0)
    books.enter(belt_part(1, belt_x_m=-0.19), "hash", 1.1)
    assert _counts(books)["entered"] == 1
    part = books.part(1)
    assert part is not None
    assert part.belt_x_m == -0.19


def test_decision_waits_for_its_part_when_it_comes_first(books: Books) -> None:
    books.decide(1, PASS, 0.9)
    assert _counts(books)["entered"] == 0
    books.enter(belt_part(1, Verdict.GOOD), "hash", 1.0)
    closed = books.step(5.0, 2.0)
    assert [(one.part_id, one.fate) for one in closed] == [(1, Fate.PASSED)]


def test_part_is_missed_when_it_was_to_leave_and_rode_past(books: Books) -> None:
    books.enter(belt_part(1), "hash", 1.0)
    books.decide(1, DIVERT, 1.0)
    assert books.step(0.85 + 0.20 - 0.001, 2.0) == []
    assert [one.fate for one in books.step(0.85 + 0.20 + 0.001, 2.1)] == [Fate.MISSED]
    assert books.part(1) is None
    assert books.step(9.0, 3.0) == []


def test_part_is_sorted_once_when_its_pick_ends_and_the_belt_runs_on(books: Books) -> None:
    books.enter(belt_part(1), "hash", 1.0)
    books.decide(1, DIVERT, 1.0)
    books.decide(1, PICK, 1.1)
    books.accounts.picking(1)
    assert not books.picked_durable
    books.picked(1, 0.04, 1.5)
    assert books.picked_durable
    closed = books.end_pick(1, "sorted", "defect", "", 2.0)
    assert closed is not None
    assert (closed.fate, closed.bin) == (Fate.SORTED, "defect")
    assert books.step(9.0, 3.0) == []
    assert books.end_pick(1, "missed", "", "late", 3.0) is None
    assert _counts(books)["sorted"] == 1
    assert books.trouble is None


def test_part_stays_open_when_its_pick_is_to_be_tried_again(books: Books) -> None:
    books.enter(belt_part(1), "hash", 1.0)
    books.decide(1, DIVERT, 1.0)
    books.accounts.picking(1)
    assert books.end_pick(1, "retry", "", "too late", 1.5) is None
    assert _counts(books)["in_flight"] == 1


def test_ledger_and_accounts_agree_when_parts_end_in_every_way(books: Books) -> None:
    for part_id, ruling in enumerate((PASS, DIVERT, DIVERT, Ruling("divert", "reject", "spt", "unsure")), 1):
        books.enter(belt_part(part_id), "hash", 1.0)
        books.decide(part_id, ruling, 1.0)
    for part_id, word, bin_name in ((2, "sorted", "defect"), (3, "dropped", ""), (4, "sorted", "reject")):
        books.accounts.picking(part_id)
        books.picked(part_id, 0.04, 1.4)
        books.end_pick(part_id, word, bin_name, "", 1.5)
    books.step(9.0, 2.0)
    expected = {"entered": 4, "passed": 1, "sorted": 1, "dropped": 1, "rejected": 1}
    assert {key: value for key, value in _counts(books).items() if value} == expected
    assert {key: value for key, value in books.ledger.counts().as_dict().items() if value} == expected


@pytest.mark.parametrize(("gap_m", "found"), [(0.002, True), (0.014, True), (0.016, False), (0.10, False)])
def test_neighbour_is_found_when_a_hand_could_bring_both(books: Books, gap_m: float, found: bool) -> None:
    one = belt_part(1)
    apart_m = one.length_m * abs(math.cos(one.yaw_rad)) + one.width_m * abs(math.sin(one.yaw_rad)) + gap_m
    books.enter(one, "hash", 1.0)
    books.enter(belt_part(2, belt_x_m=one.belt_x_m - apart_m), "hash", 1.1)
    books.enter(belt_part(3, belt_x_m=one.belt_x_m - 3.0 * apart_m), "hash", 1.2)
    near = books.neighbour(1)
    assert (near is not None and near.part_id == 2) is found


def test_neighbour_is_none_of_those_that_are_no_longer_on_the_belt(books: Books) -> None:
    one = belt_part(1)
    books.enter(one, "hash", 1.0)
    books.enter(belt_part(2, belt_x_m=one.belt_x_m - 0.05), "hash", 1.1)
    assert books.neighbour(2) is not None
    books.accounts.picking(1)
    assert books.neighbour(2) is None
    assert books.neighbour(9) is None


def test_both_parts_are_rejected_once_when_a_hand_brings_two(books: Books) -> None:
    for number in (1, 2):
        books.enter(belt_part(number), "hash", 1.0)
    books.decide(1, DIVERT, 1.0)
    books.accounts.picking(1)
    books.picked(2, 0.05, 1.5)
    books.picked(1, 0.05, 1.5)
    for number in (1, 2):
        closed = books.end_pick(number, "rejected", "reject", "double pick", 2.0)
        assert closed is not None
        assert (closed.fate, closed.bin) == (Fate.REJECTED, "reject")
    assert books.step(9.0, 3.0) == []
    assert _counts(books)["rejected"] == 2
    assert books.trouble is None
