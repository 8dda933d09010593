"""``bus_share`` and ``bus_cpu_per_transaction``: a Robotiq's status at 115200 baud, asked for as fast as can be.

The limit of the line: 19 bytes of 10 bits and two silences of 1.75 ms (before the request, and the one by which the
device knows that it has ended): 194.2 transactions a second.
"""

from __future__ import annotations

from typing import Any, Final

from cell.cli.bench.figures import Figure, Sample, figure
from sim.bench_drivers.clients import OURS, PEERS, measure
from sim.bench_drivers.lines import BAUD, Lines
from sim.bench_drivers.table import Setup

BYTES: Final = 8 + 11
SILENCE_S: Final = 0.00175
LIMIT_HZ: Final = 1.0 / (BYTES * 10 / BAUD + 2 * SILENCE_S)
SECONDS: Final = 4.0


def share(setup: Setup) -> list[Figure]:
    """Share of the limit, where the emulator leaves a frame unanswered that follows too soon."""
    found = _rounds(setup, "bus_share", strict=True)
    samples = {
        name: Sample(
            tuple(row["answered"] / row["wall_s"] / LIMIT_HZ for row in rows), sum(row["answered"] for row in rows)
        )
        for name, rows in found.items()
    }
    return beside("bus_share", "of the limit", samples, more_is_better=True)


def cpu(setup: Setup) -> list[Figure]:
    """Processor time of the client's process for one transaction, where nobody is hindered by the silence."""
    found = _rounds(setup, "bus_cpu_per_transaction", strict=False)
    samples = {
        name: Sample(
            tuple(row["cpu_s"] / max(row["answered"], 1) for row in rows), sum(row["answered"] for row in rows)
        )
        for name, rows in found.items()
    }
    return beside("bus_cpu_per_transaction", "s", samples, more_is_better=False)


def beside(name: str, unit: str, samples: dict[str, Sample], *, more_is_better: bool) -> list[Figure]:
    """Ours beside each peer; beside itself where no peer is installed, so that the figure is there all the same."""
    ours = samples.get(OURS)
    if ours is None:
        return []
    others = {peer: sample for peer, sample in samples.items() if peer != OURS} or {"no peer is installed": ours}
    return [
        figure(name, unit, (OURS, ours), (peer, sample), more_is_better=more_is_better)
        for peer, sample in others.items()
    ]


def _rounds(setup: Setup, what: str, *, strict: bool) -> dict[str, list[dict[str, Any]]]:
    """Every client by turns, so that all meet the same load of the machine."""
    rows: dict[str, list[dict[str, Any]]] = {}
    out: set[str] = set()
    with Lines(strict=strict, spin=True) as lines:
        for number in range(setup.rounds):
            for name in (OURS, *PEERS):
                if name in out:
                    continue
                setup.tell(f"{what}: {name}, round {number + 1} of {setup.rounds}")
                try:
                    rows.setdefault(name, []).append(measure(name, "status", lines.paths[0], setup.seconds(SECONDS)))
                except RuntimeError as error:
                    out.add(name)
                    rows.pop(name, None)
                    setup.leave_out(name, error)
    return rows
