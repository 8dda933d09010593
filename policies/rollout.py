"""Roll-out: each of the most promising first picks is tried out to the end of the view with a base rule, best one wins.

Bertsekas and Tsitsiklis 1997: one step of policy improvement, so never much worse than the rule that it rolls out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.cycles import CycleTables
from policies.planner import Indices, SubsetPlanner, time_price, within_reach
from policies.types import Decision, View

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RollOut:
    """One-step look-ahead over a base rule that weighs quickness against urgency.

    All first picks are played out side by side: a row of arrays each. The base rule takes the pick with the smallest
    ``cycle - urgency / (time left + 1)``; SPT (urgency 0) and a more urgent one are tried, and the best counts.

    Attributes:
        depth: picks played out at most.
        urgencies: of the base rule.
        tuning: of the price of time (``policies.planner.time_price``).
    """

    name: str = "rollout"
    depth: int = 8
    urgencies: tuple[float, ...] = (0.0, 1.0)
    tuning: SubsetPlanner = SubsetPlanner()  # noqa: RUF009  # frozen

    def decide(self, view: View) -> Decision:
        """The first pick whose play-out is worth most."""
        if not view.candidates:
            return Decision(None, "no part is to leave the belt")
        view, tables, reachable = within_reach(view)
        if tables is None or not len(reachable):
            return Decision(None, f"none of {len(view.candidates)} parts can be reached in the window")
        price = time_price(tables, reachable, self.tuning)
        reachable = reachable[::-1]
        tables.fill(reachable)
        best = np.full(len(reachable), -np.inf)
        for urgency in self.urgencies:
            best = np.maximum(best, self._play_out(tables, reachable, price, urgency))
        top = int(np.argmax(best))
        part = view.candidates[int(reachable[top])]
        return Decision(part.part_id, f"best of {len(reachable)} played out, worth {best[top]:.2f} picks")

    def _play_out(self, tables: CycleTables, reachable: Indices, price: float, urgency: float) -> Array:
        """What each first pick is worth: the most that picks minus priced time came to on the way."""
        count = len(reachable)
        rows = np.arange(count)
        free_s = tables.done_s(0, reachable, np.zeros(count))
        place = tables.place[reachable]
        taken = np.eye(count, dtype=bool)
        worth = np.where(np.isfinite(free_s), 1.0 - price * free_s, -np.inf)
        part = np.broadcast_to(reachable, (count, count))
        for size in range(2, min(self.depth, count) + 1):
            start_s = np.broadcast_to(free_s[:, None], (count, count))
            done_s = np.empty((count, count))
            last_s = np.empty((count, count))
            for source in np.unique(place).tolist():
                here = place == source
                done_s[here] = tables.done_s(source, part[here], start_s[here])
                last_s[here] = tables.last_s[source][part[here]]
            done_s[taken] = np.inf
            with np.errstate(invalid="ignore"):
                rank = done_s - start_s - urgency / (1.0 + np.maximum(last_s - start_s, 0.0))
            rank[~np.isfinite(done_s)] = np.inf
            at = np.argmin(rank, axis=1)
            free_s = done_s[rows, at]
            if not np.isfinite(free_s).any():
                break
            taken[rows, at] = True
            place = np.where(np.isfinite(free_s), tables.place[reachable[at]], place)
            worth = np.maximum(worth, size - price * free_s)
        return worth


ROLLOUT = RollOut()
