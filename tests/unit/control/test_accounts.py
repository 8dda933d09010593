from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cell.accounts import AccountLimits, Accounts, Closed, Fate, Place
from cell.ledger import Ledger


def _entered(*ids: int) -> Accounts:
    accounts = Accounts()
    for part_id in ids:
        assert accounts.enter(part_id, 0.0)
    return accounts


def test_part_passes_when_it_stays_to_the_belts_end() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=False)
    assert accounts.step(1.099) == []
    assert accounts.step(1.101) == [Closed(1, Fate.PASSED, "", "stayed on the belt")]
    assert accounts.step(1.2) == []


def test_part_is_missed_when_it_leaves_the_window_unpicked() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=True, bin_name="defect")
    assert accounts.step(0.849) == []
    assert [closed.fate for closed in accounts.step(0.851)] == [Fate.MISSED]


def test_part_is_missed_when_it_leaves_the_belt_undecided() -> None:
    accounts = _entered(1)
    assert accounts.step(1.0) == []
    assert [closed.fate for closed in accounts.step(1.11)] == [Fate.MISSED]


@pytest.mark.parametrize("place", [Place.PICKING, Place.HAND])
def test_part_stays_open_past_the_window_when_the_arm_has_it(place: Place) -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=True, bin_name="defect")
    assert accounts.picking(1)
    if place is Place.HAND:
        assert accounts.gripped(1)
    assert accounts.place(1) is place
    assert accounts.step(2.0) == []
    assert accounts.end_pick(1, "sorted", "defect") == Closed(1, Fate.SORTED, "defect", "")


def test_part_is_missed_by_the_window_when_a_retry_comes_too_late() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=True, bin_name="defect")
    accounts.picking(1)
    assert accounts.step(0.9) == []
    assert accounts.end_pick(1, "retry") is None
    assert accounts.place(1) is Place.BELT
    assert [closed.fate for closed in accounts.step(0.9)] == [Fate.MISSED]


def test_unsure_part_is_rejected_when_it_lies_in_the_reject_bin() -> None:
    accounts = _entered(1, 2)
    for part_id, bin_name in ((1, "reject"), (2, "defect")):
        accounts.decide(part_id, leaves=True, bin_name=bin_name)
        accounts.picking(part_id)
        accounts.gripped(part_id)
    assert accounts.end_pick(1, "sorted", "reject") == Closed(1, Fate.REJECTED, "reject", "")
    assert accounts.end_pick(2, "sorted", "defect") == Closed(2, Fate.SORTED, "defect", "")


def test_bin_is_empty_when_the_part_is_in_none() -> None:
    accounts = _entered(1)
    assert accounts.end_pick(1, "dropped", "defect", "lost") == Closed(1, Fate.DROPPED, "", "lost")


def test_nothing_changes_when_a_closed_part_is_spoken_of() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=False)
    accounts.step(1.2)
    assert not accounts.enter(1, 0.0)
    assert not accounts.decide(1, leaves=True, bin_name="defect")
    assert not accounts.picking(1)
    assert not accounts.gripped(1)
    assert accounts.end_pick(1, "missed") is None
    assert accounts.fate(1) is Fate.PASSED
    assert accounts.tally().as_dict() == {
        "entered": 1, "sorted": 0, "passed": 1, "missed": 0, "dropped": 0, "rejected": 0, "unknown": 0, "in_flight": 0,
    }  # fmt: skip


def test_decision_does_not_change_when_the_part_is_in_the_hand() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=True, bin_name="defect")
    accounts.gripped(1)
    assert not accounts.decide(1, leaves=False)


def test_part_moves_when_it_is_seen_again() -> None:
    accounts = _entered(1)
    accounts.decide(1, leaves=False)
    assert not accounts.enter(1, -0.5)
    assert accounts.step(1.2) == []
    assert len(accounts.step(1.7)) == 1


def test_only_the_hand_is_unknown_when_only_that_is_lost() -> None:
    accounts = _entered(1, 2, 3)
    accounts.gripped(2)
    assert [closed.part_id for closed in accounts.lose("emergency stop", places=frozenset({Place.HAND}))] == [2]
    assert [closed.fate for closed in accounts.lose("crash")] == [Fate.UNKNOWN] * 2
    assert accounts.in_flight == 0


def test_part_is_unknown_when_it_was_in_the_hand_and_is_offered_again() -> None:
    accounts = _entered(1)
    accounts.gripped(1)
    closed = accounts.end_pick(1, "retry")
    assert closed is not None and closed.fate is Fate.UNKNOWN


def test_word_is_refused_when_it_is_no_fate() -> None:
    with pytest.raises(ValueError, match="vanished"):
        _entered(1).end_pick(1, "vanished")


def test_limits_move_the_ends_when_configured() -> None:
    accounts = Accounts(AccountLimits(window_end_m=0.5, belt_end_m=0.6))
    accounts.enter(1, 0.0)
    accounts.decide(1, leaves=False)
    assert len(accounts.step(0.61)) == 1


IDS = st.integers(1, 12)


class AccountsAndLedger(RuleBasedStateMachine):
    """Any order of events: accounts and ledger agree and balance after each."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = Accounts()
        self.ledger, _ = Ledger.open(":memory:", started_s=0.0)
        self.travel_m = 0.0
        self.seen: set[int] = set()

    def teardown(self) -> None:
        self.ledger.close(99.0)

    def _write(self, closed: list[Closed]) -> None:
        for one in closed:
            self.ledger.close_part(one.part_id, 1.0, one.fate, bin_name=one.bin, reason=one.reason)

    @rule(part_id=IDS)
    def enter(self, part_id: int) -> None:
        new = self.accounts.enter(part_id, -self.travel_m)
        assert new == (part_id not in self.seen)
        if new:
            self.seen.add(part_id)
            self.ledger.enter(part_id, 1.0, verdict="good", score=0.1)

    @rule(part_id=IDS, leaves=st.booleans(), bin_name=st.sampled_from(["defect", "reject"]))
    def decide(self, part_id: int, leaves: bool, bin_name: str) -> None:
        if self.accounts.decide(part_id, leaves=leaves, bin_name=bin_name):
            action, where = ("divert", bin_name) if leaves else ("pass", "")
            self.ledger.decide(part_id, 1.0, action=action, bin_name=where)

    @rule(part_id=IDS)
    def picking(self, part_id: int) -> None:
        self.accounts.picking(part_id)

    @rule(part_id=IDS)
    def gripped(self, part_id: int) -> None:
        before = self.accounts.place(part_id)
        if self.accounts.gripped(part_id) and before is not Place.HAND:
            self.ledger.mark_picked(part_id, 1.0)

    @rule(part_id=IDS, word=st.sampled_from(["retry", "missed", "dropped", "rejected", "unknown", "sorted"]))
    def end_pick(self, part_id: int, word: str) -> None:
        held = self.accounts.place(part_id) is Place.HAND
        if word == "sorted" and not held:
            return
        closed = self.accounts.end_pick(part_id, word, "defect")
        if closed is not None:
            self._write([closed])

    @rule(by_m=st.floats(0.0, 0.6))
    def travel(self, by_m: float) -> None:
        self.travel_m += by_m
        self._write(self.accounts.step(self.travel_m))

    @rule()
    def lose(self) -> None:
        self._write(self.accounts.lose("crash", places=frozenset({Place.HAND})))

    @invariant()
    def balanced(self) -> None:
        ours, theirs = self.accounts.tally(), self.ledger.counts()
        assert ours.balanced and theirs.balanced
        assert ours == theirs
        assert ours.entered == len(self.seen)


TestAccountsAndLedger = AccountsAndLedger.TestCase
TestAccountsAndLedger.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
