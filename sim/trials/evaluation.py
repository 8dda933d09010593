"""Policies by arm and load over many seeds, against the clairvoyant bound: the table of ``cell eval policy``."""

from __future__ import annotations

import json
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cell.report import write_json
from perception.errors import InputError
from policies.arms import Arm, Belt
from policies.arrivals import arrivals
from policies.bound import GRID_S, lagrangian_bound, pick_grid
from policies.registry import find
from sim.trials.belt import run_trial

Array = npt.NDArray[np.float64]

BOUND: Final = "bound"
WARM_UP_S: Final = 60.0
# Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom; the normal's beyond.
_T95: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145)
_T95_FROM_15: Final = (2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048)


@dataclass(frozen=True, slots=True)
class Case:
    """One trace, and the policies to try on it."""

    policies: tuple[str, ...]
    arm: Arm
    belt: Belt
    load: float
    kind: str
    seed: int
    duration_s: float
    traces: Path | None = None

    @property
    def rate_per_s(self) -> float:
        """Arrivals; load = rate x mean cycle over uniform part positions."""
        return self.load / self.arm.mean_cycle_s(self.belt)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: for each policy its picks and misses, and the bound on the picks."""

    case: Case
    picks: tuple[float, ...]
    missed: tuple[int, ...]
    impossible: tuple[int, ...]
    decision_s: tuple[Array, ...]
    decision_cpu_s: tuple[Array, ...]
    bound: float


def attempt(case: Case) -> Outcome:
    """Try the policies of a case on the same trace."""
    end_s = WARM_UP_S + case.duration_s
    rng = np.random.default_rng(case.seed)
    seen_s, y_m = arrivals(case.kind, case.rate_per_s, end_s, case.belt.width_m, rng)
    grid = pick_grid(case.arm, case.belt, seen_s, y_m, from_s=WARM_UP_S, to_s=end_s)
    bound = min(lagrangian_bound(grid).picks, float(grid.parts))
    leave_s = seen_s + case.belt.lead_s + case.belt.window_s
    in_time = int(np.count_nonzero((leave_s >= WARM_UP_S) & (leave_s <= end_s)))
    picks: list[float] = []
    missed, impossible, took, worked, made = [], [], [], [], {}
    for name in case.policies:
        if name == BOUND:
            picks.append(bound)
            missed.append(max(in_time - math.floor(bound), 0))
            impossible.append(0)
            took.append(np.zeros(0))
            worked.append(np.zeros(0))
            continue
        trial = run_trial(find(name), case.arm, case.belt, seen_s, y_m, duration_s=case.duration_s, warm_up_s=WARM_UP_S)
        picks.append(float(trial.picked(WARM_UP_S, end_s)))
        missed.append(trial.missed)
        impossible.append(trial.impossible)
        took.append(trial.decision_s)
        worked.append(trial.decision_cpu_s)
        made[name] = [[one.part, one.start_s, one.done_s] for one in trial.picks]
    if case.traces is not None:
        _write_trace(case, seen_s, y_m, made, bound)
    return Outcome(case, tuple(picks), tuple(missed), tuple(impossible), tuple(took), tuple(worked), bound)


def _write_trace(case: Case, seen_s: Array, y_m: Array, made: dict[str, Any], bound: float) -> None:
    assert case.traces is not None
    belt = case.belt
    write_json(
        case.traces / f"{case.arm.name}_{case.kind}_{case.load:g}_{case.seed}.json",
        {
            "arm": {"name": case.arm.name, **case.arm.describe()},
            "belt": {
                "speed_mps": belt.speed_mps,
                "first_m": belt.first_m,
                "last_m": belt.last_m,
                "seen_m": belt.seen_m,
                "width_m": belt.width_m,
            },
            "load": case.load,
            "arrivals": case.kind,
            "rate_per_s": case.rate_per_s,
            "seed": case.seed,
            "measured_s": [WARM_UP_S, WARM_UP_S + case.duration_s],
            "parts": {"seen_s": seen_s.tolist(), "y_m": y_m.tolist()},
            "picks": made,
            "bound": {"picks": bound, "grid_s": GRID_S, "counts": "picks that start and end within measured_s"},
        },
    )


@dataclass(slots=True)
class Entry:
    """One policy with one arm at one load, over all seeds."""

    policy: str
    arm: str
    load: float
    kind: str
    belt_mps: float
    duration_s: float
    seeds: list[int] = field(default_factory=list)
    picks: list[float] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    missed: int = 0
    impossible: int = 0
    decision_s: list[Array] = field(default_factory=list)
    decision_cpu_s: list[Array] = field(default_factory=list)

    def add(self, outcome: Outcome, index: int) -> None:
        self.seeds.append(outcome.case.seed)
        self.picks.append(outcome.picks[index])
        self.bounds.append(outcome.bound)
        self.missed += outcome.missed[index]
        self.impossible += outcome.impossible[index]
        self.decision_s.append(outcome.decision_s[index])
        self.decision_cpu_s.append(outcome.decision_cpu_s[index])

    def as_dict(self) -> dict[str, Any]:
        """The entry of the JSON file; ``ci95`` holds [low, high] of the two means over the seeds, None for one seed."""
        per_min = np.array(self.picks) * 60.0 / self.duration_s
        percent = 100.0 * np.array(self.picks) / np.maximum(np.array(self.bounds), 1e-9)
        return {
            "policy": self.policy,
            "arm": self.arm,
            "load": self.load,
            "seeds": len(self.seeds),
            "picks_per_min": round(float(per_min.mean()), 3),
            "percent_of_bound": round(float(percent.mean()), 3),
            "missed": self.missed,
            "decision_ms_p99": _p99_ms(self.decision_s),
            "ci95": {"picks_per_min": interval95(per_min), "percent_of_bound": interval95(percent)},
            "arrivals": self.kind,
            "belt_mps": self.belt_mps,
            "duration_s": self.duration_s,
            "decision_cpu_ms_p99": _p99_ms(self.decision_cpu_s),
            "impossible": self.impossible,
        }


def _p99_ms(times_s: list[Array]) -> float | None:
    together = np.concatenate(times_s)
    return round(1e3 * float(np.percentile(together, 99.0)), 4) if len(together) else None


def interval95(values: Array) -> list[float] | None:
    """[low, high] of the mean by Student's t; None for fewer than two values."""
    if len(values) < 2:
        return None
    table = _T95 + _T95_FROM_15
    degrees = len(values) - 1
    t = table[degrees - 1] if degrees <= len(table) else 1.96 + 2.5 / degrees
    half = t * float(values.std(ddof=1)) / math.sqrt(len(values))
    return [round(float(values.mean()) - half, 3), round(float(values.mean()) + half, 3)]


def evaluate(
    cases: Sequence[Case], *, processes: int, progress: Callable[[int, float], None] = lambda *_: None
) -> list[Entry]:
    """Try all cases; the table has one entry for each policy, arm and load, in the order of the cases.

    Args:
        cases: what to try.
        processes: how many at once; 0: in this one.
        progress: told how many cases are done and how many simulated seconds that were.
    """
    table: dict[tuple[str, str, float], Entry] = {}
    for case in cases:
        for name in case.policies:
            entry = Entry(name, case.arm.name, case.load, case.kind, case.belt.speed_mps, case.duration_s)
            table.setdefault((name, case.arm.name, case.load), entry)
    simulated_s = 0.0
    for done, outcome in enumerate(_outcomes(cases, processes), 1):
        for index, name in enumerate(outcome.case.policies):
            table[name, outcome.case.arm.name, outcome.case.load].add(outcome, index)
        simulated_s += (WARM_UP_S + outcome.case.duration_s) * len(outcome.case.policies)
        progress(done, simulated_s)
    return list(table.values())


def _outcomes(cases: Sequence[Case], processes: int) -> Iterator[Outcome]:
    if processes == 0:
        yield from map(attempt, cases)
        return
    with multiprocessing.get_context("spawn").Pool(processes, initializer=_begin) as pool:
        yield from pool.imap(attempt, cases)


def _begin() -> None:
    # The pool's parent ends on Ctrl-C and takes its processes with it.
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def read_trace(file: Path) -> dict[str, Any]:
    """A trace as ``--traces`` writes it.

    Raises:
        InputError: it is none.
    """
    try:
        trace = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"is no trace ({error})", file=file) from None
    if not isinstance(trace, dict) or "parts" not in trace:
        raise InputError("is no trace: it has no parts", file=file)
    return trace
