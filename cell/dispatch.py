"""From verdicts to decisions: which part leaves the belt into which bin, and which one the arm takes next.

Pure: the policy is asked with a view built here, and is told of outcomes.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass

from perception.types import BeltPart, Verdict
from policies.fallback import Backed
from policies.types import ArmModel, Candidate, Policy, View

DEFECT_BIN = "defect"
REJECT_BIN = "reject"
# Without an answer to a pick for this long the picker is taken to be gone, and the next part is offered.
ANSWER_S = 10.0


class Action(enum.IntEnum):
    """The values are those of ``cell_msgs/PickDecision``."""

    DIVERT = 1
    PASS = 2
    PICK = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision: the part, what to do with it, into which bin ("" = stays on the belt), why, and by which policy.

    ``policy`` is "" where no policy was asked.
    """

    part_id: int
    action: Action
    bin: str
    reason: str
    policy: str = ""


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """Where the arm can pick (first and last x, m, cell frame) and where the bins are ((x, y), m)."""

    window_m: tuple[float, float]
    bins_m: dict[str, tuple[float, float]]


class Dispatcher:
    """Keeps the parts that are to leave the belt and lets the policy choose among them.

    Where the policy fails, a rule chooses (``policies.fallback``); ``clock`` is what a late one is measured by.
    """

    def __init__(
        self, policy: Policy, arm: ArmModel, limits: DispatchLimits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = Backed(policy, clock=clock)
        self._arm = arm
        self._limits = limits
        self._tool_m = limits.bins_m[DEFECT_BIN]
        self._diverted: dict[int, tuple[BeltPart, str]] = {}
        self._judged_to = 0
        self._asked: tuple[int, float] | None = None
        self._retry_after_s: dict[int, float] = {}
        self._now_s = 0.0

    @property
    def waiting(self) -> int:
        """Parts that are to leave the belt and have no fate yet."""
        return len(self._diverted)

    @property
    def fault(self) -> str:
        """What is wrong with the policy while a rule decides in its place, or ""."""
        return self._policy.last_fault if self._policy.resting(self._now_s) else ""

    @property
    def faults(self) -> int:
        """How often the policy failed."""
        return self._policy.faults

    def judge(self, part: BeltPart) -> Choice | None:
        """The decision for a part whose verdict is final; None where it was decided before (ids rise)."""
        if part.part_id <= self._judged_to:
            return None
        self._judged_to = part.part_id
        if part.verdict is Verdict.GOOD:
            return Choice(part.part_id, Action.PASS, "", f"good, score {part.score:.3f}")
        if part.verdict is Verdict.DEFECTIVE:
            name, reason = DEFECT_BIN, f"{', '.join(part.defects) or 'defective'}, score {part.score:.3f}"
        else:
            name, reason = REJECT_BIN, f"unsure after {part.views} views"
        self._diverted[part.part_id] = (part, name)
        return Choice(part.part_id, Action.DIVERT, name, reason)

    def outcome(self, part_id: int, fate: str) -> None:
        """The picker's or the accounts' word on a part; ``retry`` offers it again, every other fate ends it."""
        if self._asked is not None and self._asked[0] == part_id:
            self._asked = None
        if fate == "retry":
            self._retry_after_s[part_id] = self._now_s + 0.2
            return
        entry = self._diverted.pop(part_id, None)
        self._retry_after_s.pop(part_id, None)
        if entry is not None and fate in ("sorted", "rejected"):
            self._tool_m = self._limits.bins_m[entry[1]]

    def choose(self, now_s: float, travel_m: float, speed_mps: float) -> Choice | None:
        """The part to pick next, or None while the arm has one, the belt stands, or the policy wants to wait."""
        self._now_s = now_s
        if self._asked is not None:
            if now_s - self._asked[1] < ANSWER_S:
                return None
            self._asked = None
        first_m, last_m = self._limits.window_m
        candidates = tuple(
            Candidate(part_id=part.part_id, x_m=part.belt_x_m + travel_m, y_m=part.y_m, bin=name)
            for part, name in self._diverted.values()
            if part.belt_x_m + travel_m < last_m and self._retry_after_s.get(part.part_id, 0.0) <= now_s
        )
        if not candidates or speed_mps <= 0.0:
            return None
        answer = self._policy.decide(
            View(
                now_s=now_s,
                belt_speed_mps=speed_mps,
                tool_m=self._tool_m,
                free_in_s=0.0,
                window_m=(first_m, last_m),
                bins_m=self._limits.bins_m,
                arm=self._arm,
                candidates=candidates,
            )
        )
        chosen = answer.decision.part_id
        if chosen is None:
            return None
        self._asked = (chosen, now_s)
        return Choice(chosen, Action.PICK, self._diverted[chosen][1], answer.decision.reason, answer.policy)
