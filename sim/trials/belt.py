"""One policy on one trace: an arm, a belt, arrivals, and what came of them.

The arm's times are exact (``policies.travel.meeting``); the policy is asked whenever the arm is back at the drop point.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.errors import InputError
from policies.arms import Arm, Belt
from policies.fallback import fault_of
from policies.travel import meeting, travel_time
from policies.types import Candidate, Decision, Policy, View

Array = npt.NDArray[np.float64]

#: A policy that waits, or whose choice cannot be made, is asked again after this long, or when a part comes into view.
ASK_AGAIN_S = 0.1
BIN = "drop"


@dataclass(frozen=True, slots=True)
class Pick:
    """A pick that was made: the part's index, when the arm left the drop point, and when it was back."""

    part: int
    start_s: float
    done_s: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a trace.

    Attributes:
        picks: all that were made, in order.
        missed: parts that left the window unpicked while it was measured.
        decision_s: how long each decision took.
        decision_cpu_s: of that, how long the processor worked on it; the rest went to others on the machine.
        impossible: choices of parts that could not be picked; the time until the next question is lost.
    """

    picks: tuple[Pick, ...]
    missed: int
    decision_s: Array
    decision_cpu_s: Array
    impossible: int

    def picked(self, from_s: float, to_s: float) -> int:
        """Picks that started at ``from_s`` or later and ended by ``to_s``, as the bound counts them."""
        return sum(from_s <= pick.start_s and pick.done_s <= to_s for pick in self.picks)


def run_trial(
    policy: Policy, arm: Arm, belt: Belt, seen_s: Array, y_m: Array, *, duration_s: float, warm_up_s: float = 60.0
) -> Trial:
    """Let a policy work through a trace; the measurement follows the warm-up.

    Raises:
        InputError: the policy raises, or gives what is no decision on the parts that it is shown.
    """
    end_s = warm_up_s + duration_s
    seen, across, row = seen_s.tolist(), y_m.tolist(), arm.row
    enter = (seen_s + belt.lead_s).tolist()
    window_s = belt.window_s
    waiting: list[int] = []
    picks: list[Pick] = []
    took: list[float] = []
    worked: list[float] = []
    now_s, coming, missed, impossible = 0.0, 0, 0, 0
    while now_s < end_s:
        while coming < len(seen) and seen[coming] <= now_s:
            waiting.append(coming)
            coming += 1
        kept = [part for part in waiting if enter[part] + window_s >= now_s]
        missed += sum(enter[part] + window_s >= warm_up_s for part in waiting) - sum(
            enter[part] + window_s >= warm_up_s for part in kept
        )
        waiting = kept
        next_s = seen[coming] if coming < len(seen) else math.inf
        if not waiting:
            now_s = next_s
            continue
        view = View(
            now_s=now_s,
            belt_speed_mps=belt.speed_mps,
            tool_m=arm.drop_m,
            free_in_s=0.0,
            window_m=(belt.first_m, belt.last_m),
            bins_m={BIN: arm.drop_m},
            arm=arm,
            candidates=tuple(
                Candidate(part, belt.first_m + belt.speed_mps * (now_s - enter[part]), across[part], BIN)
                for part in waiting
            ),
        )
        began_s, began_cpu_s = time.perf_counter(), time.thread_time()
        try:
            decision: Decision = policy.decide(view)
        except Exception as error:  # a policy may be anybody's code
            raise InputError(f"raised {type(error).__name__}: {error}", key=f"policy {policy.name}") from error
        worked.append(time.thread_time() - began_cpu_s)
        took.append(time.perf_counter() - began_s)
        if fault := fault_of(policy.name, view, decision):
            raise InputError(fault, key=f"policy {policy.name}")
        chosen = decision.part_id
        done_s = math.inf
        if chosen is not None:
            x_m = belt.first_m + belt.speed_mps * (now_s - enter[chosen])
            _, done_s = meeting(travel_time, row, belt.speed_mps, belt.first_m, belt.last_m, x_m, across[chosen])
        if chosen is None or math.isinf(done_s):
            impossible += chosen is not None
            now_s = min(now_s + ASK_AGAIN_S, next_s) if next_s > now_s else now_s + ASK_AGAIN_S
            continue
        waiting.remove(chosen)
        picks.append(Pick(chosen, now_s, now_s + done_s))
        now_s += done_s
    missed += sum(warm_up_s <= enter[part] + window_s <= end_s for part in waiting)
    missed += sum(warm_up_s <= enter[part] + window_s <= end_s for part in range(coming, len(seen)))
    return Trial(tuple(picks), missed, np.array(took), np.array(worked), impossible)
