"""The vectorised belt: NumPy against numba, one belt against many, tables against the arm itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception.errors import InputError
from policies.arms import Belt as PickBelt
from sim.belt import layout as at
from sim.belt import reference
from sim.belt.engine import Belts
from sim.belt.world import BeltSetup, build_world

SETUPS: dict[str, dict[str, Any]] = {
    "poisson": {"cycle_column": True},
    "bursty": {"arrivals": "bursty", "arm": "scara"},
    "batch": {"arrivals": "batch", "arm": "telescope", "load": 2.0},
    "speeds": {"slip_share": 0.2, "speeds_mps": (0.1, 0.2, 0.4), "pay": ((-1.0, -1.0, 1.0),) * 2},
    "bins": {
        "bins_m": ((0.2, 0.45),),
        "scores": ((0.1, 0.2, 0.3), (0.5, 0.8)),
        "defective_share": 0.3,
        "pay": ((0.0, 0.0, -1.0, -0.3), (-5.0, 0.0, 1.0, 0.7)),
        "cycle_column": True,
    },
    "overfull": {"load": 8.0, "arm": "telescope", "slots": 64},
}
RESULTS = ("observation", "mask", "reward", "dt", "truncated", "illegal", "final_observation", "final_dt")


def actions_for(belts: Belts, rng: np.random.Generator) -> np.ndarray:
    """Mostly legal parts, some illegal, any bin and speed."""
    slots = belts.setup.slots
    legal = [rng.choice(np.flatnonzero(mask[: slots + 1])) for mask in belts.out.mask]
    part = np.where(rng.random(belts.n) < 0.9, legal, rng.integers(-2, slots + 3, belts.n))
    sizes = belts.world.sizes
    return np.stack([part, *(rng.integers(0, sizes[k], belts.n) for k in (at.BINS, at.SPEEDS))], axis=1)


@pytest.mark.parametrize("name", SETUPS)
def test_every_part_has_the_same_fate_when_numpy_and_numba_step_it(name: str) -> None:
    setup = BeltSetup(**{"duration_s": 25.0, "load": 1.6, "slots": 12, **SETUPS[name]})
    ours, theirs = (Belts(setup, 12, backend=backend, fates=300) for backend in ("numba", "numpy"))
    rng = np.random.default_rng(7)
    for belts in (ours, theirs):
        belts.seed(range(12))
        belts.reset()
    seen = set()
    for number in range(90):
        ours.actions[:] = theirs.actions[:] = actions_for(ours, rng)
        ours.step(number // 30)
        theirs.step(number // 30)
        for result in RESULTS:
            if number > 0 or not result.startswith("final"):
                assert np.array_equal(getattr(ours.out, result), getattr(theirs.out, result)), (number, result)
        assert np.array_equal(ours.rows.fates, theirs.rows.fates)
        assert np.array_equal(ours.rows.keys, theirs.rows.keys)
        assert np.array_equal(ours.rows.whole[:, : at.TAG], theirs.rows.whole[:, : at.TAG])
        seen |= set(np.unique(ours.rows.fates).tolist())
        if number // 30 == at.DISABLED:
            for belts in (ours, theirs):
                belts.reset(belts.out.truncated)
    assert {0, at.FATE_LEFT, at.FATE_BIN} <= seen


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_trajectory_is_the_same_when_the_belt_is_alone(backend: str) -> None:
    setup = BeltSetup(duration_s=20.0, arrivals="bursty", slip_share=0.1)
    many = Belts(setup, 70, backend=backend, threads=2)
    alone = Belts(setup, 1, backend=backend)
    many.seed(range(100, 170))
    alone.seed([169])
    many.reset()
    alone.reset()
    rng = np.random.default_rng(3)
    for _ in range(60):
        many.actions[:] = actions_for(many, rng)
        alone.actions[0] = many.actions[69]
        many.step(at.SAME_STEP)
        alone.step(at.SAME_STEP)
        for result in ("observation", "mask", "reward", "dt", "truncated"):
            assert np.array_equal(getattr(many.out, result)[69], getattr(alone.out, result)[0])
    many.close()


def test_trajectory_is_the_same_when_threads_share_the_belts() -> None:
    ends = []
    for threads in (1, 2):
        belts = Belts(BeltSetup(duration_s=30.0), 256, threads=threads)
        belts.seed(range(256))
        belts.reset()
        for _ in range(40):
            belts.actions[:, 0] = np.argmax(belts.out.mask, axis=1)
            belts.step(at.NEXT_STEP)
        ends.append(belts.save())
        belts.close()
    assert np.array_equal(ends[0].real, ends[1].real)
    assert np.array_equal(ends[0].whole, ends[1].whole)


def test_every_part_is_accounted_for_when_episodes_run() -> None:
    belts = Belts(BeltSetup(duration_s=1000.0, slip_share=0.1, load=2.0), 64, fates=4000)
    belts.seed(range(64))
    belts.reset()
    belts.run("spt", 800)
    count = belts.counters()
    assert (count["entered"] == count["picked"] + count["dropped"] + count["left"] + count["on_belt"]).all()
    for fate, name in ((at.FATE_LEFT, "left"), (at.FATE_DROPPED, "dropped"), (at.FATE_BIN, "picked")):
        assert ((belts.rows.fates == fate).sum(axis=1) == count[name]).all()
    share = count["dropped"].sum() / (count["dropped"] + count["picked"]).sum()
    assert abs(share - 0.1) < 0.01


@pytest.mark.parametrize("kind", ["poisson", "bursty", "batch"])
def test_mean_rate_is_the_load_s_when_parts_arrive(kind: str) -> None:
    setup = BeltSetup(duration_s=1e9, arrivals=kind, load=1.0)
    belts = Belts(setup, 128)
    belts.seed(range(128))
    belts.reset()
    belts.run("fifo", 1500)
    expected = setup.rate_per_s * belts.time_s
    entered = belts.counters()["entered"]
    assert abs(entered.sum() / expected.sum() - 1.0) < 0.03
    dispersion = (entered - expected).var() / expected.mean()
    low, high = {"poisson": (0.6, 1.5), "bursty": (2.0, 12.0), "batch": (3.5, 14.0)}[kind]
    assert low < dispersion < high


@pytest.mark.parametrize(
    ("arm", "load", "ratio"),
    [("scara", 0.8, 0.960), ("scara", 1.3, 1.130), ("scara", 2.0, 1.336), ("delta", 1.3, 1.006), ("delta", 2.0, 1.131)],
)
def test_shortest_cycle_over_fifo_is_the_calibration_s_when_the_rules_run(arm: str, load: float, ratio: float) -> None:
    picks = {}
    for rule in ("fifo", "spt"):
        belts = Belts(BeltSetup(arm=arm, load=load, slots=64, duration_s=1e9), 64)
        belts.seed(range(64))
        belts.reset()
        belts.run(rule, 200)
        before_s, before = belts.time_s, belts.counters()["picked"]
        while (belts.time_s - before_s).min() < 300.0:
            belts.run(rule, 100)
        picks[rule] = ((belts.counters()["picked"] - before) / (belts.time_s - before_s)).mean()
    # The table was one run of 180 s of another simulator.
    assert abs(picks["spt"] / picks["fifo"] - ratio) < 0.03


@pytest.mark.parametrize("arm", ["delta", "scara", "telescope"])
@pytest.mark.parametrize("speed", [0.1, 0.5])
def test_table_gives_the_earliest_meeting_when_it_is_solved_from_the_arm(arm: str, speed: float) -> None:
    setup = BeltSetup(arm=arm, belt=PickBelt(speed_mps=speed))
    belt, own = setup.belt, setup.chosen_arm
    rng = np.random.default_rng(5)
    x_m, y_m = rng.uniform(belt.seen_m, belt.last_m, 3000), rng.uniform(-0.25, 0.25, 3000)
    zero = np.zeros(3000, dtype=np.int64)
    across = (y_m / belt.width_m + 0.5) * (at.ACROSS_CELLS - 1)
    busy = reference.pick_times(build_world(setup), zero, zero, zero, x_m, across)[1]
    early, late = np.maximum(0.0, (belt.first_m - x_m) / speed), (belt.last_m - x_m) / speed
    feasible = own.travel_s(x_m + speed * late, y_m) <= late
    at_once = own.travel_s(x_m + speed * early, y_m) <= early
    low, high = early.copy(), late.copy()
    for _ in range(60):
        middle = 0.5 * (low + high)
        behind = own.travel_s(x_m + speed * middle, y_m) > middle
        low, high = np.where(behind, middle, low), np.where(behind, high, middle)
    met = np.where(at_once, early, high)
    back = met + own.dwell_s + own.travel_s(x_m + speed * met, y_m)
    same = feasible == (busy >= 0.0)
    assert same.mean() > 0.998
    both = feasible & (busy >= 0.0)
    assert both.sum() > 1000
    assert np.abs(busy - back)[both].max() < 0.003
    assert np.abs(busy - back)[both].mean() < 0.0001


def test_run_goes_on_alike_when_its_state_is_restored() -> None:
    belts = Belts(BeltSetup(duration_s=15.0), 8)
    belts.seed(range(8))
    belts.reset()
    belts.run("lifo", 20)
    kept = belts.save()
    ends = []
    for _ in range(2):
        belts.restore(kept)
        belts.run("fifo", 100)
        ends.append(belts.save())
    assert np.array_equal(ends[0].real, ends[1].real)
    assert not np.array_equal(ends[0].real, kept.real)
    with pytest.raises(InputError, match="other belts"):
        Belts(BeltSetup(), 9).restore(kept)


@pytest.mark.parametrize(
    ("keywords", "key"),
    [
        ({"load": -1.0}, "load"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"slots": 65}, "slots"),
        ({"arrivals": "floods"}, "arrivals"),
        ({"arm": "tentacle"}, "arm"),
        ({"slip_share": 1.5}, "slip_share"),
        ({"speeds_mps": (0.1, -0.2)}, "speeds_mps"),
        ({"speeds_mps": (0.1, 0.3)}, "speeds_mps"),
        ({"pay": ((1.0,), (1.0,))}, "pay"),
        ({"scores": ((0.5,), (2.0,))}, "scores"),
        ({"belt": PickBelt(last_m=3.0), "arm": "scara"}, "scara"),
    ],
)
def test_setup_is_refused_when_it_is_impossible(keywords: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError) as caught:
        Belts(BeltSetup(**keywords), 1)
    assert key in str(caught.value)
