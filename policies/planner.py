"""DP-h: the best set and order of the h most urgent parts, its first pick executed, planned again after every pick.

``E[S] = min over j in S of f_j(E[S without j])`` is the earliest time at which the arm is back with all of S; the set
with the greatest ``|S| - rho (E[S] - s)`` is taken. ``rho``, the picks that a second of the arm is worth, follows from
the view (``time_price``): a fixed one loses to FIFO in light load.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from policies.cycles import CycleTables, cycle_tables
from policies.types import Decision, View

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layer:
    """All sets of one size: transitions grouped by set, each by its last part."""

    sets: Indices
    before: Indices
    last: Indices


@lru_cache(maxsize=16)
def layers(parts: int) -> tuple[Layer, ...]:
    """The sets of so many parts by size, from 1."""
    every = np.arange(1 << parts)
    sizes = np.array([int(one).bit_count() for one in every])
    found = []
    for size in range(1, parts + 1):
        sets = every[sizes == size]
        last = np.array([[part for part in range(parts) if one >> part & 1] for one in sets.tolist()])
        found.append(Layer(sets, sets[:, None] & ~(1 << last), last))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class SubsetPlanner:
    """DP-h with adaptive rho.

    Attributes:
        name: as it is known in configs and reports.
        horizon: h, parts looked at.
        price_scale, price_floor, price_knee: of ``time_price``.
    """

    name: str = "dp"
    horizon: int = 9
    price_scale: float = 1.0
    price_floor: float = 0.05
    price_knee: float = 0.6

    def decide(self, view: View) -> Decision:
        """The first pick of the best plan."""
        if not view.candidates:
            return Decision(None, "no part is to leave the belt")
        tables = cycle_tables(view)
        reachable = np.flatnonzero((tables.last_s[0] >= 0.0))
        if not len(reachable):
            return Decision(None, f"none of {len(view.candidates)} parts can be reached in the window")
        price = time_price(view, tables, reachable, self)
        chosen = most_urgent(tables, reachable, price, self.horizon)
        first, size, end_s = best_plan(tables, chosen, price)
        if first < 0:
            return Decision(None, "no pick is worth the arm's time")
        part = view.candidates[int(first)]
        return Decision(part.part_id, f"first of {size} picks in {end_s:.2f} s, {price:.2f} picks a second at stake")


def most_urgent(tables: CycleTables, reachable: Indices, price: float, horizon: int) -> Indices:
    """The h parts that leave first, of those worth the arm's time."""
    worth = reachable[tables.shortest_s[reachable] * price < 1.0]
    if not len(worth):
        worth = reachable
    order = np.argsort(tables.last_s[0, worth], kind="stable")
    return worth[order[:horizon]]


def time_price(view: View, tables: CycleTables, reachable: Indices, tuning: SubsetPlanner) -> float:
    """rho: the picks that one second of the arm is worth now.

    The parts in view, quickest first, fill the time until the last of them leaves: where they overflow it, the part at
    the edge sets the price (one pick for its cycle), as a fractional knapsack has it; where they leave time over, the
    price falls with the share of time that they fill.
    """
    cycles = np.sort(tables.shortest_s[reachable])
    speed = view.belt_speed_mps
    span_s = float(tables.last_s[0, reachable].max()) if speed > 0.0 else 0.0
    filled = np.cumsum(cycles)
    span_s = max(span_s, float(filled[0]))
    edge = int(np.searchsorted(filled, span_s))
    if edge < len(cycles):
        share, cycle = 1.0, float(cycles[edge])
    else:
        share, cycle = float(filled[-1]) / span_s, float(cycles[-1])
    slack = (share - tuning.price_knee) / (1.0 - tuning.price_knee)
    return tuning.price_scale * max(min(slack, 1.0), tuning.price_floor) / cycle


def best_plan(tables: CycleTables, chosen: Indices, price: float) -> tuple[int, int, float]:
    """(part to pick first or -1, picks of the plan, seconds that it takes)."""
    count = len(chosen)
    places = tables.seconds.shape[0]
    ends = np.full((places, 1 << count), np.inf)
    first = np.full((places, 1 << count), -1, dtype=np.int64)
    ends[0, 0] = 0.0
    place_of = tables.place[chosen]
    best = (0.0, -1, 0, 0.0)
    for size, layer in enumerate(layers(count), 1):
        part = chosen[layer.last]
        if places == 1:
            done_s = tables.done_s(np.zeros_like(part), part, ends[0, layer.before])
            at = np.argmin(done_s, axis=1)
            rows = np.arange(len(at))
            end_s = done_s[rows, at]
            ends[0, layer.sets] = end_s
            first[0, layer.sets] = chosen[layer.last[rows, at]] if size == 1 else first[0, layer.before[rows, at]]
        else:
            for place in range(1, places):
                _by_place(tables, chosen, layer, place, ends, first, place_of)
            end_s = ends[:, layer.sets].min(axis=0)
        value = size - price * end_s
        top = int(np.argmax(value))
        if not np.isfinite(end_s[top]):
            if not np.isfinite(end_s).any():
                break
            continue
        if value[top] > best[0]:
            where = int(np.argmin(ends[:, layer.sets[top]]))
            best = (float(value[top]), int(first[where, layer.sets[top]]), size, float(end_s[top]))
    return best[1], best[2], best[3]


def _by_place(
    tables: CycleTables, chosen: Indices, layer: Layer, place: int, ends: Array, first: Indices, place_of: Indices
) -> None:
    """Sets whose last part is brought to one of several bins: the arm may have come from any place."""
    rows = np.arange(len(layer.sets))
    here = place_of[layer.last] == place
    for source in range(ends.shape[0]):
        start_s = np.where(here, ends[source, layer.before], np.inf)
        known = np.isfinite(start_s)
        if not known.any():
            continue
        done_s = np.full(start_s.shape, np.inf)
        part = chosen[layer.last[known]]
        done_s[known] = tables.done_s(np.full(len(part), source), part, start_s[known])
        at = np.argmin(done_s, axis=1)
        end_s = done_s[rows, at]
        better = end_s < ends[place, layer.sets]
        sets = layer.sets[better]
        ends[place, sets] = end_s[better]
        before = layer.before[rows, at][better]
        opener = first[source, before]
        first[place, sets] = np.where(opener < 0, chosen[layer.last[rows, at][better]], opener)


DP = SubsetPlanner()
