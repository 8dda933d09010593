"""``lockstep_realtime_factor``: simulated seconds in a second of the whole cell, every node, driver and frame of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from cell.cli.bench.figures import Figure, Sample, figure
from sim.bench_drivers.table import Setup

DURATION_S: Final = 20.0
SHORT_S: Final = 3.0
LIMIT_S: Final = 600.0


def realtime_factor(setup: Setup) -> list[Figure]:
    """From the reports of runs in simulated time; real time, by which a cell at speed 1 goes, is the peer."""
    duration_s = SHORT_S if setup.short else DURATION_S
    factors = []
    rounds = 1 if setup.short else min(setup.rounds, 3)
    for number in range(rounds):
        setup.tell(f"lockstep_realtime_factor: {duration_s:g} s of the cell, round {number + 1} of {rounds}")
        factors.append(_run(duration_s, seed=number))
    real = Sample((1.0,) * len(factors), len(factors))
    ours = Sample(tuple(factors), len(factors))
    return [figure("lockstep_realtime_factor", "x", ("cell run", ours), ("real time", real), more_is_better=True)]


def _run(duration_s: float, seed: int) -> float:
    """One cell in a process of its own.

    Raises:
        RuntimeError: it did not come to its end.
    """
    with tempfile.TemporaryDirectory(prefix="cell-bench-") as folder:
        report = Path(folder) / "report.json"
        words = [sys.executable, "-m", "cell.cli.main", "run", "--headless", "--speed", "0", "--seed", str(seed)]
        words += ["--duration", str(duration_s), "--state", folder, "--report", str(report)]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode or not report.is_file():
            raise RuntimeError(
                f"cell run ended with {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1]}"
            )
        found = json.loads(report.read_text())
    return float(found["realtime_factor"])
