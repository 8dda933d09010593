"""Greedy picking rules: look at every candidate that can still be picked and take the best by one measure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from policies.rendezvous import Rendezvous, feasible
from policies.types import Decision, View


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its measure: the smallest one wins, ties go to the smaller ``part_id``.

    Attributes:
        name: as it is known in configs and reports.
        words: the measure for the decision's reason, formatted with its ``value``.
        measure: of a feasible pick.
        sign: what turns the measure back into what ``words`` speak of.
    """

    name: str
    words: str
    measure: Callable[[View, Rendezvous], float]
    sign: float = 1.0

    def decide(self, view: View) -> Decision:
        """The part to pick next, or none, and why."""
        if not view.candidates:
            return Decision(None, "no part is to leave the belt")
        picks = feasible(view)
        if not picks:
            return Decision(None, f"none of {len(view.candidates)} parts can be reached in the window")
        value, part_id = min((self.measure(view, pick), pick.candidate.part_id) for pick in picks)
        return Decision(part_id, f"{self.words.format(value=self.sign * value)}, 1 of {len(picks)} within reach")


def _upstream(view: View, pick: Rendezvous) -> float:
    # A belt that runs backwards has its downstream end where x is small.
    return -pick.candidate.x_m if view.belt_speed_mps >= 0.0 else pick.candidate.x_m


def _distance(view: View, pick: Rendezvous) -> float:
    return math.hypot(pick.candidate.x_m - view.tool_m[0], pick.candidate.y_m - view.tool_m[1])


def _cycle(view: View, pick: Rendezvous) -> float:
    return pick.cycle_s


def _spt_upstream(view: View, pick: Rendezvous) -> float:
    # Part-dispatching rules of the literature: the last arm takes what would be lost, those before it the quick ones.
    return pick.cycle_s if view.arms_after else _upstream(view, pick)


_AFTER_ALL_M = 1000.0


def _latest(view: View, pick: Rendezvous) -> float:
    """The most upstream part that need not be waited for; of those that have to be, the first to come."""
    entry_m = view.window_m[0] if view.belt_speed_mps >= 0.0 else view.window_m[1]
    if abs(pick.meet_m[0] - entry_m) > 1e-9:
        return -_upstream(view, pick)
    return _AFTER_ALL_M + _upstream(view, pick)


def _lot(view: View, pick: Rendezvous) -> float:
    """A number in [0, 1) that looks drawn, and is the same for the same view and part."""
    words = f"{view.now_s:.6f} {pick.candidate.part_id}".encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=7).digest(), "big") / 2.0**56


FIFO = Rule("fifo", "most downstream at x = {value:.3f} m", _upstream, sign=-1.0)
EUCLID = Rule("euclid", "nearest to the tool by {value:.3f} m", _distance)
SPT = Rule("spt", "shortest cycle of {value:.3f} s", _cycle)
LIFO = Rule("lifo", "latest that need not be waited for", _latest)
RANDOM = Rule("random", "drawn with {value:.3f}", _lot)
SPT_UPSTREAM = Rule("spt_upstream", "SPT before other arms, FIFO on the last: {value:.3f}", _spt_upstream)
