"""From verdicts to decisions, and one part at a time for the arm."""

from __future__ import annotations

import pytest
from cell_parts import belt_part

from cell.dispatch import ANSWER_S, Action, Dispatcher, DispatchLimits
from perception.types import Verdict
from policies.registry import make
from policies.types import ArmModel, Decision, View

ARM = ArmModel(max_accel_mps2=15.0, max_speed_mps=1.5, grip_s=0.6, release_s=0.3, overhead_s=0.05)
LIMITS = DispatchLimits(window_m=(0.35, 0.85), bins_m={"defect": (0.60, 0.34), "reject": (0.60, -0.34)})


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(make("fifo"), ARM, LIMITS)


def test_each_verdict_has_its_decision(dispatcher: Dispatcher) -> None:
    good = dispatcher.judge(belt_part(1, Verdict.GOOD))
    bad = dispatcher.judge(belt_part(2, Verdict.DEFECTIVE))
    unsure = dispatcher.judge(belt_part(3, Verdict.UNSURE))
    assert good is not None and bad is not None and unsure is not None
    assert (good.action, good.bin) == (Action.PASS, "")
    assert (bad.action, bad.bin) == (Action.DIVERT, "defect")
    assert "scratch" in bad.reason
    assert (unsure.action, unsure.bin) == (Action.DIVERT, "reject")
    assert dispatcher.waiting == 2


def test_part_is_decided_once_when_it_comes_again(dispatcher: Dispatcher) -> None:
    assert dispatcher.judge(belt_part(1)) is not None
    assert dispatcher.judge(belt_part(1, Verdict.GOOD)) is None


def test_next_pick_waits_until_the_one_before_is_answered(dispatcher: Dispatcher) -> None:
    for part_id, x_m in ((1, 0.5), (2, 0.4)):
        dispatcher.judge(belt_part(part_id, belt_x_m=x_m))
    first = dispatcher.choose(10.0, 0.0, 0.2)
    assert first is not None
    assert (first.part_id, first.action, first.bin) == (1, Action.PICK, "defect")
    assert dispatcher.choose(10.5, 0.1, 0.2) is None
    dispatcher.outcome(1, "sorted")
    second = dispatcher.choose(10.6, 0.12, 0.2)
    assert second is not None
    assert second.part_id == 2
    assert dispatcher.waiting == 1


def test_part_is_offered_again_after_a_pause_when_the_pick_was_given_up(dispatcher: Dispatcher) -> None:
    dispatcher.judge(belt_part(1, belt_x_m=0.4))
    assert dispatcher.choose(10.0, 0.0, 0.2) is not None
    dispatcher.outcome(1, "retry")
    assert dispatcher.choose(10.1, 0.02, 0.2) is None
    again = dispatcher.choose(10.3, 0.06, 0.2)
    assert again is not None
    assert again.part_id == 1


def test_next_part_is_offered_when_the_picker_never_answers(dispatcher: Dispatcher) -> None:
    dispatcher.judge(belt_part(1, belt_x_m=0.4))
    assert dispatcher.choose(10.0, 0.0, 0.2) is not None
    assert dispatcher.choose(10.0 + 0.9 * ANSWER_S, 0.0, 0.2) is None
    assert dispatcher.choose(10.0 + ANSWER_S, 0.0, 0.2) is not None


@pytest.mark.parametrize(("travel_m", "speed_mps"), [(0.0, 0.0), (0.0, -0.1), (2.0, 0.2)])
def test_nothing_is_picked_when_the_belt_stands_or_the_part_is_past(
    dispatcher: Dispatcher, travel_m: float, speed_mps: float
) -> None:
    dispatcher.judge(belt_part(1, belt_x_m=0.4))
    assert dispatcher.choose(10.0, travel_m, speed_mps) is None


def test_good_part_is_never_picked(dispatcher: Dispatcher) -> None:
    dispatcher.judge(belt_part(1, Verdict.GOOD, belt_x_m=0.5))
    assert dispatcher.choose(10.0, 0.0, 0.2) is None


@pytest.mark.parametrize("fate", ["missed", "dropped", "unknown", "rejected", "sorted"])
def test_part_is_not_offered_again_when_it_has_a_fate(dispatcher: Dispatcher, fate: str) -> None:
    dispatcher.judge(belt_part(1, belt_x_m=0.4))
    dispatcher.choose(10.0, 0.0, 0.2)
    dispatcher.outcome(1, fate)
    assert dispatcher.waiting == 0
    assert dispatcher.choose(11.0, 0.0, 0.2) is None


class _Broken:
    """A policy that raises."""

    name = "broken"

    def decide(self, view: View) -> Decision:
        raise RuntimeError("no weights")


def test_rule_chooses_and_is_named_when_the_policy_raises() -> None:
    dispatcher = Dispatcher(_Broken(), ARM, LIMITS)
    dispatcher.judge(belt_part(1, belt_x_m=0.5))
    choice = dispatcher.choose(10.0, 0.0, 0.2)
    assert choice is not None
    assert (choice.part_id, choice.policy) == (1, "spt")
    assert "broken raised RuntimeError: no weights" in choice.reason
    assert dispatcher.fault in choice.reason
    assert dispatcher.faults == 1


def test_policy_is_named_when_it_chose(dispatcher: Dispatcher) -> None:
    dispatcher.judge(belt_part(1, belt_x_m=0.5))
    choice = dispatcher.choose(10.0, 0.0, 0.2)
    assert choice is not None
    assert (choice.policy, dispatcher.fault) == ("fifo", "")
