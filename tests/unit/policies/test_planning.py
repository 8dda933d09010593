"""DP-h and roll-out: against every order of the parts, and in load and in none."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from policies.arms import Belt, load_arms
from policies.cycles import cycle_tables
from policies.planner import best_plan, time_price, within_reach
from policies.registry import make
from policies.rendezvous import rendezvous
from policies.types import ArmModel, Candidate, View

ARMS = load_arms()
BELT = Belt()


def _view(arm_name: str, seed: int, count: int) -> View:
    rng = np.random.default_rng(seed)
    arm = ARMS[arm_name]
    x_m, y_m = rng.uniform(-1.0, 0.3, count), rng.uniform(-0.25, 0.25, count)
    parts = tuple(Candidate(index + 1, x, y, "drop") for index, (x, y) in enumerate(zip(x_m, y_m, strict=True)))
    return View(100.0, 0.2, arm.drop_m, 0.0, (-0.4, 0.4), {"drop": arm.drop_m}, arm, parts)


def _cell_view(seed: int, count: int) -> View:
    """Two bins on either side of the belt, as in the running cell."""
    rng = np.random.default_rng(seed)
    x_m, y_m = rng.uniform(0.1, 0.7, count), rng.uniform(-0.11, 0.11, count)
    parts = tuple(
        Candidate(index + 1, x, y, ("defect", "reject")[index % 2])
        for index, (x, y) in enumerate(zip(x_m, y_m, strict=True))
    )
    arm = ArmModel(max_accel_mps2=15.0, max_speed_mps=1.5, grip_s=0.1, release_s=0.05, overhead_s=0.05)
    bins_m = {"defect": (0.60, 0.34), "reject": (0.60, -0.34)}
    return View(50.0, 0.2, (0.60, 0.34), 0.0, (0.35, 0.85), bins_m, arm, parts)


def _shortest_by_hand(view: View, size: int) -> float:
    """The least time for so many picks, by every order, each pick solved exactly."""
    best_s = math.inf
    for order in itertools.permutations(view.candidates, size):
        now = replace(view, candidates=view.candidates)
        begin_s = view.now_s
        for candidate in order:
            passed_s = now.now_s - view.now_s
            moved = replace(candidate, x_m=candidate.x_m + view.belt_speed_mps * passed_s)
            pick = rendezvous(now, moved)
            if pick is None:
                break
            now = replace(now, now_s=pick.done_s, tool_m=view.bins_m[candidate.bin])
        else:
            best_s = min(best_s, now.now_s - begin_s)
    return best_s


@pytest.mark.parametrize(
    "view", [_view("delta", 1, 5), _view("scara", 2, 5), _view("telescope", 3, 5), _cell_view(4, 5)]
)
def test_plan_is_the_best_of_all_orders_when_every_order_is_tried(view: View) -> None:
    found, tables, reachable = within_reach(view)
    assert tables is not None
    for price in (0.05, 0.8):
        first, size, end_s = best_plan(tables, reachable, price)
        by_hand = {count: _shortest_by_hand(found, count) for count in range(1, len(reachable) + 1)}
        assert end_s == pytest.approx(by_hand[size], abs=1e-2)
        assert size - price * end_s == pytest.approx(
            max(count - price * time_s for count, time_s in by_hand.items()), abs=1e-2
        )
        assert first in reachable


def test_tables_equal_the_exact_meetings_when_started_at_any_time() -> None:
    for name in ARMS:
        view = _view(name, 5, 12)
        tables = cycle_tables(view)
        tables.fill(np.arange(12))
        x_m = np.array([one.x_m for one in view.candidates])
        y_m = np.array([one.y_m for one in view.candidates])
        for start_s in (0.0, 0.37, 1.9, 4.2):
            exact = start_s + ARMS[name].meetings(BELT, x_m + 0.2 * start_s, y_m)[1]
            table = tables.done_s(0, np.arange(12), np.full(12, start_s))
            assert (np.isfinite(exact) == np.isfinite(table)).all()
            assert table[np.isfinite(exact)] == pytest.approx(exact[np.isfinite(exact)], abs=5e-3)


def test_price_of_time_rises_when_more_parts_are_in_view() -> None:
    prices = []
    for count in (2, 10, 40):
        found, tables, reachable = within_reach(_view("delta", 6, count))
        assert tables is not None and len(found.candidates) == count
        prices.append(time_price(tables, reachable, make("dp")))  # type: ignore[arg-type]
    assert prices[0] < 0.3 * prices[1] < prices[2]


@pytest.mark.parametrize("name", ["dp", "rollout"])
def test_part_that_would_be_lost_goes_first_when_there_is_time_for_both(name: str) -> None:
    arm = ARMS["delta"]
    parts = (Candidate(1, 0.30, 0.0, "drop"), Candidate(2, -0.05, 0.2, "drop"))
    view = View(0.0, 0.2, arm.drop_m, 0.0, (-0.4, 0.4), {"drop": arm.drop_m}, arm, parts)
    assert make("spt").decide(view).part_id == 2
    assert make(name).decide(view).part_id == 1


@pytest.mark.parametrize("name", ["random", "dp", "rollout"])
def test_same_view_gives_the_same_decision_when_asked_twice(name: str) -> None:
    view = _view("scara", 8, 15)
    assert make(name).decide(view) == make(name).decide(view)


def test_spt_upstream_takes_the_quick_one_only_when_other_arms_follow() -> None:
    view = _view("delta", 9, 15)
    assert make("spt_upstream").decide(view).part_id == make("fifo").decide(view).part_id
    before = replace(view, arms_after=1)
    assert make("spt_upstream").decide(before).part_id == make("spt").decide(view).part_id
    assert make("spt").decide(view).part_id != make("fifo").decide(view).part_id
