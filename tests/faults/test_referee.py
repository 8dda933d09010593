"""The referee's own judgement: what moved, and which account is whose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from sim.bench import SimBench
from sim.faces.plain import PlainFaces
from sim.faults.accounts import Account, Books
from sim.faults.kinds import Phase
from sim.faults.lines import EvenlyDisturbed
from sim.faults.motion import MotionReferee, Rules
from sim.faults.phases import PhaseWatch
from sim.faults.taps import Wire
from sim.referee import BIN, FLOOR, ON_BELT, Fate


@pytest.fixture
def bench() -> Iterator[SimBench]:
    """A cell whose belt runs."""
    made = SimBench({}, seed=1, parts=None, source=None, lockstep=True, faces=PlainFaces())
    made.world.belt.drive(0.2)
    yield made
    made.close()


Judge = Callable[[Rules], MotionReferee]


@pytest.fixture
def judge(bench: SimBench) -> Judge:
    """A referee that is told of a fault at the present."""

    def begin(rules: Rules) -> MotionReferee:
        referee = MotionReferee(bench.world, Wire(bench))
        referee.begin(rules, bench.clock())
        return referee

    return begin


def _pass(bench: SimBench, referee: MotionReferee, seconds: float) -> None:
    for _ in range(round(seconds / 0.01)):
        bench.clock.seconds += 0.01  # type: ignore[attr-defined]
        bench.world.advance(bench.clock())
        referee.poll(bench.clock())


def test_motion_is_forbidden_when_the_belt_still_runs_after_its_time(bench: SimBench, judge: Judge) -> None:
    referee = judge(Rules("stop", 0.1, 0.4))
    _pass(bench, referee, 0.35)
    assert referee.forbidden == []
    _pass(bench, referee, 0.2)
    assert len(referee.forbidden) == 1
    assert "the belt moves" in referee.forbidden[0]
    assert referee.restarts == []


def test_restart_is_noted_when_a_belt_that_stood_moves_unasked(bench: SimBench, judge: Judge) -> None:
    referee = judge(Rules("end", 0.1, 0.4))
    bench.world.belt.drive(0.0)
    _pass(bench, referee, 0.5)
    bench.world.belt.drive(0.2)
    _pass(bench, referee, 0.1)
    assert referee.forbidden == []
    assert len(referee.restarts) == 1


def test_nothing_is_noted_when_an_operator_has_asked_for_the_motion(bench: SimBench, judge: Judge) -> None:
    referee = judge(Rules("stop", 0.1, 0.4))
    bench.world.belt.drive(0.0)
    _pass(bench, referee, 0.5)
    referee.permit(bench.clock())
    bench.world.belt.drive(0.2)
    _pass(bench, referee, 0.5)
    assert referee.forbidden == referee.restarts == []


def test_command_is_noted_when_the_wire_tells_the_belt_to_run_and_the_arm_to_move(
    bench: SimBench, judge: Judge
) -> None:
    referee = judge(Rules("stop", 0.1, 5.0))
    _pass(bench, referee, 0.2)
    bench.slaves["drive"].device.write(16, 0x0004, (2000, 0x02), bench.clock())
    joints = [[0.0] * 4] * 2
    assert bench.follow(times_s=[0.0, 1.0], positions=joints, velocities=joints, ahead_s=0.0) is None
    _pass(bench, referee, 0.02)
    assert [words.split(",")[0] for words in referee.forbidden] == [
        "the belt was told to run at 20.0 Hz",
        "the arm was given a motion",
    ]


def test_phase_is_idle_when_the_belt_runs_and_none_when_it_stands(bench: SimBench) -> None:
    watch = PhaseWatch(bench.world)
    assert watch.look() is Phase.IDLE
    bench.world.belt.drive(0.0)
    assert watch.look() is None


def _fate(number: int, place: str, bin_name: str = "", at_s: float = 0.0) -> Fate:
    return Fate(number, place, bin_name, at_s, True, "cap", "", (), -0.2 - 0.1 * number, 0.05)


def _account(part_id: int, x_m: float, fate: str | None, bin_name: str = "") -> Account:
    return Account(1, part_id, x_m, 0.051, fate, bin_name, 1.0)


@pytest.mark.parametrize(
    ("fate", "bin_name", "place", "wrong"),
    [
        ("sorted", "defect", (BIN, "defect"), False),
        ("sorted", "defect", (FLOOR, ""), True),
        ("sorted", "defect", (BIN, "reject"), True),
        ("dropped", "", (FLOOR, ""), False),
        ("missed", "", (ON_BELT, ""), False),
        ("passed", "", (BIN, "defect"), True),
        ("unknown", "", (FLOOR, ""), True),
        (None, "", (ON_BELT, ""), False),
        (None, "", (FLOOR, ""), True),
    ],
)
def test_fate_is_judged_by_where_the_part_lies(
    fate: str | None, bin_name: str, place: tuple[str, str], wrong: bool
) -> None:
    fates = {0: _fate(0, *place)}
    found = Books().findings([_account(1, -0.201, fate, bin_name)], fates, frozenset({0}), 10.0)
    assert bool(found) is wrong


def test_ledger_is_wrong_when_a_part_is_there_twice_or_not_at_all_or_never_was() -> None:
    fates = {number: _fate(number, ON_BELT) for number in range(3)}
    accounts = [_account(1, -0.2, None), _account(2, -0.21, None), _account(3, -0.9, None)]
    found = Books().findings(accounts, fates, frozenset({0, 1}), 10.0)
    assert len(found) == 3
    assert "counted 2 times" in " ".join(found)
    assert "never was" in " ".join(found)
    assert "part 1 was seen and has no account" in " ".join(found)


def test_unknown_is_right_when_the_fault_excuses_it() -> None:
    books = Books(may_be_unknown=True)
    assert books.findings([_account(1, -0.2, "unknown")], {0: _fate(0, FLOOR)}, frozenset(), 10.0) == []


def test_every_fifth_reply_is_disturbed_when_a_fifth_is_asked_for() -> None:
    line = EvenlyDisturbed(corrupt=0.2, late=0.5, late_s=0.06, seed=3)
    replies = [line(b"\x01\x02\x03", 0.0)[0] for _ in range(100)]
    corrupt = [index for index, reply in enumerate(replies) if reply.data != b"\x01\x02\x03"]
    assert len(corrupt) == 20
    assert {second - first for first, second in itertools.pairwise(corrupt)} == {5}
    assert sum(reply.delay_s == 0.06 for reply in replies) == 50
