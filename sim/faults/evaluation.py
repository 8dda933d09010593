"""Every fault in every phase over many seeds, on all cores, gathered into the table of ``cell eval faults``."""

from __future__ import annotations

import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from perception.errors import InputError
from sim.faults.expected import expected
from sim.faults.kinds import KINDS, Phase
from sim.faults.trial import Case, Trial, Verdict

#: A process works this many cases off before it is asked for the next ones.
_AT_ONCE: Final = 4


@dataclass(slots=True)
class Entry:
    """One fault in one phase, over all seeds."""

    fault: str
    phase: Phase
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def red(self) -> list[str]:
        """What is wrong with it, in words; empty where all is as the matrix asks."""
        plain = self.as_dict()
        wanted = expected(self.fault, self.phase)
        wrong = []
        if plain["injected"] < plain["seeds"]:
            wrong.append(f"injected in {plain['injected']} of {plain['seeds']}")
        if wanted.alarms and plain["detected"] < plain["injected"]:
            wrong.append(f"detected in {plain['detected']} of {plain['injected']}")
        if plain["reaction"] != plain["expected_reaction"]:
            wrong.append(f"{plain['reaction']}, not {plain['expected_reaction']}")
        wrong += [
            f"{plain[name]} {name.replace('_', ' ')}"
            for name in ("ledger_errors", "forbidden_motions", "unasked_restarts")
            if plain[name]
        ]
        if any(one.recovered_s is not None and math.isinf(one.recovered_s) for one in self.verdicts):
            wrong.append("did not come back")
        return wrong

    def as_dict(self) -> dict[str, Any]:
        """The entry of the JSON file."""
        wanted = expected(self.fault, self.phase).words
        happened = [one for one in self.verdicts if one.injected]
        deviating = sorted({one.reaction for one in self.verdicts if one.reaction != wanted})
        recovered = sorted(one.recovered_s for one in happened if one.recovered_s is not None)
        p99 = recovered[min(math.ceil(0.99 * len(recovered)), len(recovered)) - 1] if recovered else None
        return {
            "fault": self.fault,
            "phase": self.phase.value,
            "seeds": len(self.verdicts),
            "injected": len(happened),
            "detected": sum(one.detected for one in happened),
            "reaction": " / ".join(deviating) or wanted,
            "expected_reaction": wanted,
            "ledger_errors": sum(len(one.ledger_errors) for one in self.verdicts),
            "forbidden_motions": sum(len(one.forbidden_motions) for one in self.verdicts),
            "unasked_restarts": sum(len(one.unasked_restarts) for one in self.verdicts),
            "recovered_s_p99": None if p99 is None or math.isinf(p99) else round(p99, 3),
        }


def cases(faults: Sequence[str], seeds: Sequence[int]) -> list[Case]:
    """Seed by seed, so that an interrupted run has every fault for the seeds that it did."""
    return [Case(fault, phase, seed) for seed in seeds for fault in faults for phase in Phase]


def evaluate(
    wanted: Sequence[Case], *, processes: int, progress: Callable[[int, float], None] = lambda *_: None
) -> dict[tuple[str, Phase], Entry]:
    """Try all cases.

    Args:
        wanted: what; the table has them in the order of the matrix.
        processes: how many at once; 0: in this one.
        progress: told how many are done and how many simulated seconds that were.
    """
    table = {
        (fault, phase): Entry(fault, phase)
        for fault in KINDS
        for phase in Phase
        if any(case.fault == fault and case.phase is phase for case in wanted)
    }
    simulated_s = 0.0
    for done, verdict in enumerate(verdicts_of(wanted, processes), 1):
        table[verdict.case.fault, verdict.case.phase].verdicts.append(verdict)
        simulated_s += verdict.sim_s
        progress(done, simulated_s)
    for entry in table.values():
        entry.verdicts.sort(key=lambda one: one.case.seed)
    return table


def attempt(case: Case) -> Verdict:
    """One case in a folder of its own, in this process; what cannot be run says so in its reaction."""
    with tempfile.TemporaryDirectory(prefix="cell-faults-", dir=_memory()) as folder:
        try:
            return Trial(case, Path(folder), turn_over_m=_turn_over_m(case)).run()
        except InputError as error:
            return Verdict(case, False, False, f"not runnable: {error.message}")


def verdicts_of(wanted: Sequence[Case], processes: int) -> Iterator[Verdict]:
    """Try cases, in any order; ``processes`` 0: in this one."""
    if processes == 0:
        _quieten()
        yield from map(attempt, wanted)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_begin_process) as pool:
        yield from pool.imap_unordered(attempt, wanted, chunksize=_AT_ONCE)


def _begin_process() -> None:
    # The pool's parent ends on Ctrl-C and takes its processes with it.
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cell.runtime.finder  # noqa: PLC0415

    cell.runtime.finder.install()
    _quieten()


def _quieten() -> None:
    from sim.nodes.life import quieten  # noqa: PLC0415

    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "OFF"
    quieten()


def _memory() -> str | None:
    """Where ledgers of a second's life need no disk, if there is such a place."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None


_PILOTS: dict[int, dict[Phase, float]] = {}


def _turn_over_m(case: Case) -> float | None:
    """Where the counter has to turn over to do so in that phase: by a run of the same seed in which nothing happens."""
    if case.fault != "encoder_rollover":
        return None
    if case.seed not in _PILOTS:
        with tempfile.TemporaryDirectory(prefix="cell-faults-", dir=_memory()) as folder:
            _PILOTS[case.seed] = pilot(case.seed, Path(folder))
    travel_m = _PILOTS[case.seed].get(case.phase)
    if travel_m is None:
        raise InputError(f"seed {case.seed} has no phase {case.phase.value}")
    return travel_m


def pilot(seed: int, folder: Path) -> dict[Phase, float]:
    """Belt travel in the middle of each phase of the first pick, m, where nothing is injected."""
    from sim.faults.trial import INTO_S, Pilot  # noqa: PLC0415

    found = Pilot(seed, folder).run()
    speed_mps = 0.2
    return {phase: travel_m + speed_mps * sum(INTO_S[phase]) / 2.0 for phase, travel_m in found.items()}


class Progress:
    """A line every few seconds: done, rate, time left.

    Args:
        total: how many cases, or simulated seconds.
        say: prints a line.
        by_time: what is left is counted in simulated seconds.
    """

    EVERY_S = 5.0

    def __init__(self, total: float, say: Callable[[str], None], *, by_time: bool = False) -> None:
        self._total = total
        self._by_time = by_time
        self._say = say
        self._began_s = self._told_s = time.monotonic()
        self.simulated_s = 0.0

    @property
    def wall_s(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_s

    def __call__(self, done: int, simulated_s: float) -> None:
        self.simulated_s = simulated_s
        now_s = time.monotonic()
        if now_s - self._told_s < self.EVERY_S:
            return
        self._told_s = now_s
        rate, factor = done / self.wall_s, simulated_s / self.wall_s
        left_s = (self._total - simulated_s) / factor if self._by_time else (self._total - done) / rate
        of = "" if self._by_time else f"/{self._total:.0f}"
        self._say(f"{done}{of} runs, {rate:.1f} runs/s, {factor:.0f} times real time, {max(left_s, 0.0):.0f} s left")
