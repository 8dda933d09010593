"""A running cell goes on by a rule where its policy fails, and says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from policies.fallback import DEADLINE_S, REST_S, Backed
from policies.registry import make
from policies.types import ArmModel, Candidate, Decision, View


def _view(now_s: float = 50.0) -> View:
    return View(
        now_s=now_s,
        belt_speed_mps=0.2,
        tool_m=(0.60, 0.34),
        free_in_s=0.0,
        window_m=(0.35, 0.85),
        bins_m={"defect": (0.60, 0.34)},
        arm=ArmModel(max_accel_mps2=15.0, max_speed_mps=1.5, grip_s=0.3, release_s=0.2),
        candidates=(Candidate(1, 0.74, -0.10, "defect"), Candidate(3, 0.52, 0.10, "defect")),
    )


@dataclass
class Odd:
    """Answers with whatever it is given, and counts how often it was asked."""

    answer: Callable[[], Any]
    name: str = "odd"
    asked: int = 0

    def decide(self, view: View) -> Decision:
        self.asked += 1
        answer: Decision = self.answer()
        return answer


def _raise() -> Any:
    raise ZeroDivisionError("of mine")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_raise, "ZeroDivisionError: of mine"),
        (lambda: Decision(math.nan, "nan"), "nan"),  # type: ignore[arg-type]
        (lambda: Decision(3.0, "float"), "3.0"),  # type: ignore[arg-type]
        (lambda: Decision(True, "bool"), "True"),
        (lambda: Decision(7, "unknown"), "part 7"),
        (lambda: 3, "no decision"),
        (lambda: None, "no decision"),
    ],
)
def test_rule_decides_and_says_so_when_the_policy_fails(answer: Callable[[], Any], words: str) -> None:
    backed = Backed(Odd(answer), clock=lambda: 0.0)
    found = backed.decide(_view())
    assert found.decision.part_id == make("spt").decide(_view()).part_id == 3
    assert found.policy == "spt"
    assert words in found.fault
    assert found.fault in found.decision.reason
    assert backed.faults == 1


def test_rule_decides_when_the_policy_is_late() -> None:
    now = [0.0]

    def slow() -> Decision:
        now[0] += 2.0 * DEADLINE_S
        return Decision(1, "thought long")

    found = Backed(Odd(slow), clock=lambda: now[0]).decide(_view())
    assert (found.decision.part_id, found.policy) == (3, "spt")
    assert "took 100 ms of 50" in found.fault


def test_policy_is_asked_again_when_it_has_rested() -> None:
    odd = Odd(_raise)
    backed = Backed(odd, clock=lambda: 0.0)
    backed.decide(_view(50.0))
    assert backed.decide(_view(50.0 + 0.5 * REST_S)).policy == "spt"
    assert (odd.asked, backed.faults) == (1, 1)
    odd.answer = lambda: Decision(1, "well again")
    found = backed.decide(_view(50.0 + REST_S))
    assert (found.decision.part_id, found.policy, found.fault) == (1, "odd", "")


def test_policy_decides_when_it_chooses_to_wait() -> None:
    found = Backed(Odd(lambda: Decision(None, "wait")), clock=lambda: 0.0).decide(_view())
    assert (found.decision.part_id, found.policy) == (None, "odd")
