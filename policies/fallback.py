"""A policy in a running cell: where it raises, is late, or says what cannot be done, a rule decides and it is said.

The policy is called as any function: one that never comes back is the supervisor's to see (no sign of life of the node
that asked). What is late is measured on the caller's clock, which in lockstep stands still during a call, so that the
same seed gives the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from policies.rules import SPT
from policies.types import Decision, Policy, View

DEADLINE_S: Final = 0.05
"""A decision that takes longer is not used: the view that it was made for is old by then."""

REST_S: Final = 10.0
"""After a fault the policy is not asked for so long: one late answer after another would hold up the node."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, who made it, and what was wrong with the policy if it was not the policy."""

    decision: Decision
    policy: str
    fault: str = ""


class Backed:
    """A policy with a rule behind it.

    Args:
        policy: asked first.
        rule: decides where the policy fails or rests.
        clock: seconds, monotonic; measures how long a decision takes.
        deadline_s: the longest that one may take.
    """

    def __init__(
        self,
        policy: Policy,
        rule: Policy = SPT,
        *,
        clock: Callable[[], float] = time.monotonic,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.policy = policy
        self.rule = rule
        self.faults = 0
        self.last_fault = ""
        self._clock = clock
        self._deadline_s = deadline_s
        self._rests_until_s = -1.0

    def resting(self, now_s: float) -> bool:
        """The rule decides without the policy being asked."""
        return now_s < self._rests_until_s

    def decide(self, view: View) -> Answer:
        """The policy's decision, or the rule's with what was wrong."""
        if self.resting(view.now_s):
            return self._by_rule(view, self.last_fault)
        began_s = self._clock()
        fault = ""
        decision: object = None
        try:
            decision = self.policy.decide(view)
        except Exception as error:  # a policy may be anybody's code: whatever it raises, the line goes on
            fault = f"{self.policy.name} raised {type(error).__name__}: {' '.join(str(error).split())[:120]}"
        took_s = self._clock() - began_s
        if not fault and took_s > self._deadline_s:
            fault = f"{self.policy.name} took {1e3 * took_s:.0f} ms of {1e3 * self._deadline_s:.0f}"
        if not fault:
            fault = fault_of(self.policy.name, view, decision)
        if not fault:
            assert isinstance(decision, Decision)
            return Answer(decision, self.policy.name)
        self.faults += 1
        self.last_fault = fault
        self._rests_until_s = view.now_s + REST_S
        return self._by_rule(view, fault)

    def _by_rule(self, view: View, fault: str) -> Answer:
        decision = self.rule.decide(view)
        return Answer(Decision(decision.part_id, f"{decision.reason}; {fault}"), self.rule.name, fault)


def fault_of(name: str, view: View, decision: object) -> str:
    """What the decision of a policy of that name says that cannot be, or ""."""
    if not isinstance(decision, Decision):
        return f"{name} gave {decision!r:.60} and no decision"
    part_id: object = decision.part_id
    if part_id is None:
        return ""
    # NaN and 3.0 are no part numbers, though 3.0 == 3.
    if isinstance(part_id, bool) or not isinstance(part_id, int):
        return f"{name} chose part {part_id!r:.60}, which is no number of a part"
    if all(part_id != one.part_id for one in view.candidates):
        return f"{name} chose part {part_id}, which is not among the {len(view.candidates)} that can be chosen"
    return ""
