"""``estop_latency``: from the emergency stop's contact to Aborting, in real time, the detector loading both cores.

``sim.reaction`` says how. Nobody else's controller does the same, so each figure stands beside what it cannot fall
below: the period in which the contact is asked for, and the silence that a node is allowed. The same run tells how many
aborts nobody had caused.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from cell.cli.bench.figures import Figure, Sample, figure, percentile
from cell.liveness import MOVER_LIMIT_S
from sim.bench_drivers.table import Setup
from sim.reaction import RunFailed, measure

PRESSES: Final = 30
HANGS: Final = 10
WATCH_S: Final = 60.0
POLL_S: Final = 0.008
"""Of the I/O block in the simulated cell's params file."""


def estop(setup: Setup) -> list[Figure]:
    """p99 of both reactions, ms; aborts without a cause, an hour."""
    presses, hangs = max(setup.amount(PRESSES), 2), max(setup.amount(HANGS), 1)
    watch_s = setup.seconds(WATCH_S)
    setup.tell(f"estop_latency: watches a loaded cell for {watch_s:.0f} s, {presses} presses, {hangs} hangs")
    with tempfile.TemporaryDirectory(prefix="cell-bench-") as folder:
        try:
            found = measure(Path(folder), presses=presses, hangs=hangs, watch_s=watch_s, tell=setup.tell)
        except RunFailed as error:
            setup.tell(f"estop_latency: the cell did not come to where it had to be: {error}")
            return []
    rows = [
        ("estop_latency", found.estop_s, "the contact's poll", POLL_S),
        ("heartbeat_trip", found.silence_s, "the silence allowed", MOVER_LIMIT_S),
    ]
    figures = [
        figure(
            name,
            "ms",
            ("cellwright", Sample((percentile(values, 0.99) * 1e3,), len(values))),
            (floor, Sample((floor_s * 1e3,), 1)),
            more_is_better=False,
        )
        for name, values, floor, floor_s in rows
    ]
    trips = len(found.nuisance) / max(found.watched_s, 1e-9) * 3600.0
    figures.append(
        figure(
            "nuisance_trips",
            "an hour",
            ("cellwright", Sample((trips,), len(found.nuisance))),
            ("none", Sample((0.0,), 1)),
            more_is_better=False,
        )
    )
    for reason in found.nuisance:
        setup.tell(f"an abort that nobody had caused: {reason}")
    return figures
