"""DP-h: the best set and order of the h most urgent parts, its first pick executed, planned again after every pick.

``E[S] = min over j in S of f_j(E[S without j])`` is the earliest time at which the arm is back with all of S; the set
with the greatest ``|S| - rho (E[S] - s)`` is taken. ``rho``, the picks that a second of the arm is worth, follows from
the view (``time_price``): a fixed one loses to FIFO in light load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from policies.arms import Arm
from policies.cycles import CycleTables, cycle_tables
from policies.rendezvous import feasible
from policies.types import Decision, View

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layer:
    """All sets of one size: transitions grouped by set, each by its last part."""

    sets: Indices
    before: Indices
    last: Indices
    rows: Indices


@lru_cache(maxsize=16)
def layers(parts: int) -> tuple[Layer, ...]:
    """The sets of so many parts by size, from 1."""
    every = np.arange(1 << parts)
    sizes = np.array([int(one).bit_count() for one in every])
    found = []
    for size in range(1, parts + 1):
        sets = every[sizes == size]
        last = np.array([[part for part in range(parts) if one >> part & 1] for one in sets.tolist()])
        found.append(Layer(sets, sets[:, None] & ~(1 << last), last, np.arange(len(sets))))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SubsetPlanner:
    """DP-h with adaptive rho.

    Attributes:
        name: as it is known in configs and reports.
        horizon: h, parts looked at.
        price_scale, price_wait, price_floor, price_knee: of ``time_price``.
    """

    name: str = "dp"
    horizon: int = 9
    price_scale: float = 1.05
    price_wait: float = 1.6
    price_floor: float = 0.05
    price_knee: float = 0.4

    def decide(self, view: View) -> Decision:
        """The first pick of the best plan."""
        if not view.candidates:
            return Decision(None, "no part is to leave the belt")
        view, tables, reachable = within_reach(view)
        if tables is None or not len(reachable):
            return Decision(None, f"none of {len(view.candidates)} parts can be reached in the window")
        price = time_price(tables, reachable, self)
        chosen = most_urgent(tables, reachable, price, self.horizon)
        first, size, end_s = best_plan(tables, chosen, price)
        if first < 0:
            # Only where the tables and the exact meeting differ by a rounding: the quickest that can be made.
            first, size, end_s = int(reachable[::-1][np.argmin(tables.shortest_s[reachable[::-1]])]), 1, math.inf
        part = view.candidates[first]
        return Decision(part.part_id, f"first of {size} picks in {end_s:.2f} s, {price:.2f} picks a second at stake")


def within_reach(view: View) -> tuple[View, CycleTables | None, Indices]:
    """The view with its candidates by falling number, their tables, and the indices of those that can be picked now.

    Falling, so that of parts that are alike the smallest number comes out first of every comparison below.
    """
    ordered = sorted(view.candidates, key=lambda one: -one.part_id)
    view = replace(view, candidates=tuple(ordered))
    if not isinstance(view.arm, Arm):
        # With the tool over the belt a part can be met, lost and met again: only the exact solution tells.
        can = {pick.candidate.part_id for pick in feasible(view)}
        view_of = tuple(one for one in ordered if one.part_id in can)
        if not view_of:
            return view, None, np.zeros(0, dtype=np.int64)
        view = replace(view, candidates=view_of)
        return view, cycle_tables(view), np.arange(len(view_of))
    tables = cycle_tables(view)
    return view, tables, np.flatnonzero(tables.last_s[0] >= 0.0)


def most_urgent(tables: CycleTables, reachable: Indices, price: float, horizon: int) -> Indices:
    """The h parts that leave first, of those worth the arm's time."""
    worth = reachable[tables.shortest_s[reachable] * price < 1.0]
    if not len(worth):
        worth = reachable
    # Of parts that are alike the one with the smaller number, which has the higher index.
    order = np.lexsort((-worth, tables.last_s[0, worth]))
    return np.sort(worth[order[:horizon]])


def time_price(tables: CycleTables, reachable: Indices, tuning: SubsetPlanner) -> float:
    """rho: the picks that one second of the arm is worth now.

    The parts in view, quickest first, fill the time until the last of them leaves: where they overflow it, the part at
    the edge sets the price (one pick for its cycle), as a fractional knapsack has it; where they leave time over, the
    price falls with the share of time that they fill. The fewer cycles the view holds, the less it says of what time
    will be worth: the price falls with that too (a batch that overflows a short window is soon over).
    """
    cycles = np.sort(tables.shortest_s[reachable])
    span_s = float(tables.last_s[0, reachable].max())
    filled = np.cumsum(cycles)
    span_s = max(span_s, float(filled[0]))
    edge = int(np.searchsorted(filled, span_s))
    if edge < len(cycles):
        share, cycle = 1.0, float(cycles[edge])
    else:
        share, cycle = float(filled[-1]) / span_s, float(cycles[-1])
    slack = (share - tuning.price_knee) / (1.0 - tuning.price_knee)
    scale = min(tuning.price_scale * span_s / (span_s + tuning.price_wait * cycle), 1.0)
    return scale * max(min(slack, 1.0), tuning.price_floor) / cycle


@dataclass(slots=True)
class _Search:
    """E[S] by place and set, and the first pick of the order that gave it."""

    tables: CycleTables
    chosen: Indices
    ends: Array
    first: Indices

    def extend(self, layer: Layer) -> None:
        """The sets of one size more."""
        if len(self.ends) == 1:
            self._bring_back(layer)
            return
        for place in range(1, len(self.ends)):
            here = self.tables.place[self.chosen[layer.last]] == place
            if here.any():
                self._bring_to(place, layer, here)

    def _bring_back(self, layer: Layer) -> None:
        """The same where the arm always starts from one place."""
        part = self.chosen[layer.last]
        done_s = self.tables.done_s(0, part, self.ends[0].take(layer.before))
        at = done_s.argmin(axis=1)
        rows = layer.rows
        self.ends[0, layer.sets] = done_s[rows, at]
        opener = self.first[0].take(layer.before[rows, at])
        self.first[0, layer.sets] = np.where(opener < 0, part[rows, at], opener)

    def _bring_to(self, place: int, layer: Layer, here: npt.NDArray[np.bool_]) -> None:
        """Sets whose last part ends at ``place``: the arm may have come to that part from any place."""
        rows = layer.rows
        part = self.chosen[layer.last]
        for source in range(self.ends.shape[0]):
            start_s = np.where(here, self.ends[source, layer.before], np.inf)
            done_s = self.tables.done_s(source, part, start_s)
            at = np.argmin(done_s, axis=1)
            end_s = done_s[rows, at]
            better = end_s < self.ends[place, layer.sets]
            if not better.any():
                continue
            sets, before = layer.sets[better], layer.before[rows, at][better]
            self.ends[place, sets] = end_s[better]
            opener = self.first[source, before]
            self.first[place, sets] = np.where(opener < 0, part[rows, at][better], opener)


def best_plan(tables: CycleTables, chosen: Indices, price: float) -> tuple[int, int, float]:
    """(part to pick first or -1, picks of the plan, seconds that it takes)."""
    shape = (len(tables.seconds), 1 << len(chosen))
    tables.fill(chosen)
    search = _Search(tables, chosen, np.full(shape, np.inf), np.full(shape, -1, dtype=np.int64))
    search.ends[0, 0] = 0.0
    best = (-math.inf, -1, 0, 0.0)
    for size, layer in enumerate(layers(len(chosen)), 1):
        search.extend(layer)
        end_s = search.ends[:, layer.sets].min(axis=0)
        value = size - price * end_s
        top = len(value) - 1 - int(np.argmax(value[::-1]))
        if not np.isfinite(end_s[top]):
            break
        if value[top] > best[0]:
            at = layer.sets[top]
            place = int(np.argmin(search.ends[:, at]))
            best = (float(value[top]), int(search.first[place, at]), size, float(end_s[top]))
    return best[1:]


DP = SubsetPlanner()
