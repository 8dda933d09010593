"""Policies on a trace, the bound on what any can do, and the table of ``cell eval policy``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cell.cli.main import main
from policies import bound as bounds
from policies.arms import Belt, load_arms
from policies.arrivals import arrivals
from policies.bound import PickGrid, lagrangian_bound, pick_grid
from policies.registry import make
from policies.travel import meeting, travel_time
from policies.types import Decision, View
from sim.trials.belt import run_trial
from sim.trials.evaluation import interval95
from sim.trials.exact import linear_bound

ARMS = load_arms()
BELT = Belt()
CONTRACT = {"policy", "arm", "load", "seeds", "picks_per_min", "percent_of_bound", "missed", "decision_ms_p99", "ci95"}


def _trace(arm: str, load: float, duration_s: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rate = load / ARMS[arm].mean_cycle_s(BELT)
    return arrivals("poisson", rate, duration_s, BELT.width_m, np.random.default_rng(seed))


def _grid(arm: str, load: float, duration_s: float, seed: int, grid_s: float = 0.01) -> PickGrid:
    seen_s, y_m = _trace(arm, load, duration_s, seed)
    return pick_grid(ARMS[arm], BELT, seen_s, y_m, from_s=0.0, to_s=duration_s, grid_s=grid_s)


@pytest.mark.parametrize(("arm", "load", "duration_s"), [("telescope", 1.3, 30.0), ("delta", 1.0, 60.0)])
def test_lagrangian_bound_is_within_a_fifth_of_a_per_cent_of_highs(arm: str, load: float, duration_s: float) -> None:
    grid = _grid(arm, load, duration_s, 1)
    exact = linear_bound(grid)
    assert exact - 1e-6 <= lagrangian_bound(grid).picks <= 1.002 * exact


@pytest.mark.sweep
@pytest.mark.parametrize("arm", sorted(ARMS))
@pytest.mark.parametrize("load", [0.6, 1.0, 1.3, 2.0])
def test_lagrangian_bound_is_within_a_fifth_of_a_per_cent_of_highs_on_60_s(arm: str, load: float) -> None:
    grid = _grid(arm, load, 60.0, 2)
    exact = linear_bound(grid)
    assert exact - 1e-6 <= lagrangian_bound(grid).picks <= 1.002 * exact


def test_compiled_and_numpy_paths_are_equally_long() -> None:
    grid = _grid("scara", 1.3, 40.0, 3)
    gain = np.random.default_rng(3).random(grid.parts)
    found = []
    for longest in (bounds._longest(), bounds.longest_in_blocks, bounds.longest_in_loops):
        counts = np.zeros(grid.parts, dtype=np.int64)
        value = longest(grid.offsets, grid.part, grid.end, gain, counts)
        assert float(gain @ counts) == pytest.approx(value)
        found.append(value)
    assert found[0] > 10.0
    assert found == pytest.approx([found[0]] * 3)


def test_bound_is_the_number_of_parts_when_all_can_be_picked() -> None:
    seen_s, y_m = np.arange(1.0, 20.0, 3.0), np.zeros(7)
    grid = pick_grid(ARMS["delta"], BELT, seen_s, y_m, from_s=0.0, to_s=40.0)
    assert lagrangian_bound(grid).picks == pytest.approx(7.0, abs=0.02)


@pytest.mark.parametrize("arm", sorted(ARMS))
def test_planner_beats_every_rule_and_no_policy_the_bound_when_overloaded(arm: str) -> None:
    seen_s, y_m = _trace(arm, 1.6, 160.0, 4)
    grid = pick_grid(ARMS[arm], BELT, seen_s, y_m, from_s=40.0, to_s=160.0)
    bound = lagrangian_bound(grid).picks
    picked = {}
    for name in ("random", "fifo", "lifo", "euclid", "spt", "rollout", "dp"):
        trial = run_trial(make(name), ARMS[arm], BELT, seen_s, y_m, duration_s=120.0, warm_up_s=40.0)
        picked[name] = trial.picked(40.0, 160.0)
        assert trial.impossible == 0
    assert max(picked.values()) <= bound
    assert picked["dp"] >= 0.94 * bound
    assert picked["dp"] > max(picked[name] for name in ("random", "fifo", "lifo", "euclid", "spt"))
    assert picked["rollout"] > max(picked["fifo"], picked["random"])


def test_planner_misses_nothing_that_fifo_gets_when_there_is_hardly_any_load() -> None:
    seen_s, y_m = _trace("telescope", 0.3, 200.0, 5)
    found = {
        name: run_trial(make(name), ARMS["telescope"], BELT, seen_s, y_m, duration_s=140.0) for name in ("fifo", "dp")
    }
    assert found["dp"].missed <= found["fifo"].missed
    assert len(found["dp"].picks) >= len(found["fifo"].picks)


def test_picks_follow_the_exact_times_and_take_each_part_once() -> None:
    seen_s, y_m = _trace("scara", 1.3, 60.0, 6)
    trial = run_trial(make("dp"), ARMS["scara"], BELT, seen_s, y_m, duration_s=60.0, warm_up_s=0.0)
    free_s = 0.0
    for pick in trial.picks:
        assert pick.start_s >= free_s
        assert pick.start_s >= seen_s[pick.part]
        x_m = BELT.seen_m + BELT.speed_mps * (pick.start_s - seen_s[pick.part])
        row = ARMS["scara"].row
        _, done_s = meeting(travel_time, row, BELT.speed_mps, BELT.first_m, BELT.last_m, x_m, float(y_m[pick.part]))
        assert pick.done_s == pytest.approx(pick.start_s + done_s, abs=1e-9)
        free_s = pick.done_s
    assert len({pick.part for pick in trial.picks}) == len(trial.picks) > 50


@dataclass(frozen=True)
class _Greedy:
    """Always wants the part that is furthest down, whether the arm can still meet it or not."""

    name: str = "greedy"

    def decide(self, view: View) -> Decision:
        return Decision(max(view.candidates, key=lambda one: one.x_m).part_id, "the furthest")


def test_choice_that_cannot_be_made_costs_time_and_is_counted() -> None:
    seen_s, y_m = _trace("telescope", 2.0, 60.0, 7)
    trial = run_trial(_Greedy(), ARMS["telescope"], BELT, seen_s, y_m, duration_s=60.0, warm_up_s=0.0)
    fifo = run_trial(make("fifo"), ARMS["telescope"], BELT, seen_s, y_m, duration_s=60.0, warm_up_s=0.0)
    assert trial.impossible > 10
    assert fifo.impossible == 0
    assert len(trial.picks) < len(fifo.picks)
    gone = np.count_nonzero(seen_s + BELT.lead_s + BELT.window_s <= 60.0)
    assert trial.missed >= gone - len(trial.picks) > 0


POLICY_FILE = """
from policies.types import Decision

class Mine:
    name = "mine"

    def decide(self, view):
        return {answer}

POLICY = Mine()
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Decision(float('nan'), 'nan')", "mine chose part nan, which is no number of a part"),
        ("Decision(1 / 0, 'no')", "raised ZeroDivisionError: division by zero"),
        ("Decision(99999, 'no')", "not among the"),
        ("]", "cannot be run (SyntaxError"),
    ],
)
def test_policy_file_that_fails_is_named_when_it_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str, said: str
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(POLICY_FILE.replace("{answer}", answer), encoding="utf-8")
    words = ["--policies", str(file), "--arms", "delta", "--loads", "1", "--seeds", "0:1", "--duration", "5"]
    assert _eval(tmp_path, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_policy_file_is_tried_like_the_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(POLICY_FILE.replace("{answer}", "Decision(view.candidates[0].part_id, 'first')"), encoding="utf-8")
    words = ["--policies", str(file), "--arms", "delta", "--loads", "0.5", "--seeds", "0:1", "--duration", "20"]
    assert _eval(tmp_path, *words) == 0
    row = json.loads((tmp_path / "out.json").read_text())[0]
    assert row["policy"] == str(file)
    assert row["picks_per_min"] > 20.0


def _eval(tmp_path: Path, *words: str) -> int:
    return main(["eval", "policy", "--json", str(tmp_path / "out.json"), *words])


def test_table_and_traces_agree_when_the_command_is_run(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    words = ["--policies", "fifo,dp,bound", "--arms", "telescope", "--loads", "1.7", "--seeds", "3:5"]
    words += ["--duration", "60", "--processes", "1"]
    assert _eval(tmp_path, *words, "--traces", str(traces)) == 0
    table = json.loads((tmp_path / "out.json").read_text())
    assert [row["policy"] for row in table] == ["fifo", "dp", "bound"]
    for row in table:
        assert {
            "arm",
            "load",
            "seeds",
            "picks_per_min",
            "percent_of_bound",
            "missed",
            "decision_ms_p99",
            "ci95",
        } <= set(row)
    files = sorted(traces.iterdir())
    assert len(files) == 2
    picked, bound = [], []
    for file in files:
        trace = json.loads(file.read_text())
        from_s, to_s = trace["measured_s"]
        picked.append(sum(start_s >= from_s and done_s <= to_s for _, start_s, done_s in trace["picks"]["dp"]))
        bound.append(trace["bound"]["picks"])
        assert trace["arm"]["max_speed_mps"] == 1.0
        assert trace["rate_per_s"] * ARMS["telescope"].mean_cycle_s(BELT) == pytest.approx(1.7)
    assert table[1]["picks_per_min"] == pytest.approx(np.mean(picked), abs=1e-3)
    assert table[1]["percent_of_bound"] == pytest.approx(100.0 * np.mean(np.divide(picked, bound)), abs=1e-2)
    assert table[2]["percent_of_bound"] == 100.0
    assert table[1]["picks_per_min"] > table[0]["picks_per_min"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policies", "fifo,spd"), "no policy 'spd'"),
        (("--arms", "crane"), "no arm 'crane'"),
        (("--belt", "3"), "faster than the belt"),
        (("--loads", "1.0,-2"), "--loads"),
        (("--seeds", "5:5"), "--seeds"),
        (("--duration", "-1"), "--duration"),
    ],
)
def test_bad_input_ends_with_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    try:
        code = _eval(tmp_path, *words)
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_interval_is_students_when_few_seeds_are_given() -> None:
    assert interval95(np.array([1.0])) is None
    assert interval95(np.array([1.0, 3.0])) == pytest.approx([2.0 - 12.706, 2.0 + 12.706], abs=1e-3)
    many = np.random.default_rng(0).normal(size=200)
    low, high = interval95(many) or (0.0, 0.0)
    assert high - low == pytest.approx(2 * 1.972 * many.std(ddof=1) / np.sqrt(200), abs=2e-3)
