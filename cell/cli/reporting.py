"""The report of a run, put together from the books, the status node and the simulator's referee."""

from __future__ import annotations

from typing import Any, cast

from cell.cli.simulator import Simulator
from cell.packml import State
from cell.report import QualityReport, RunReport, SourceReport

PICKED = ("sorted", "rejected")


def assemble(
    graph: Any, simulator: Simulator | None, *, seed: int | None, began_s: float, ended_s: float, wall_s: float
) -> RunReport:
    """Everything ``--report`` writes; times of the cell's clock (s), ``wall_s`` of the real one."""
    books = graph["picker"].books
    parts = books.accounts.tally().as_dict()
    status = graph["status"]
    machine = graph["supervisor"].machine
    history = machine.history
    produced_s = _in_execute(history, ended_s)
    minutes = produced_s / 60.0
    latency = status.board.latency_ms.summary()
    sim_s = ended_s - began_s
    return {
        "parts": parts,
        "quality": cast("QualityReport | None", simulator.quality() if simulator is not None else None),
        "rates": {
            "picks_per_min": round(sum(parts[fate] for fate in PICKED) / minutes, 3) if minutes > 0 else 0.0,
            "parts_per_min": round(parts["entered"] / minutes, 3) if minutes > 0 else 0.0,
        },
        "latency_ms": {
            "frame_to_decision": {"p50": round(latency.get("p50", 0.0), 3), "p99": round(latency.get("p99", 0.0), 3)}
        },
        "frames": {"captured": status.captured, "judged": status.judged},
        "faults": [*graph["picker"].faults, *({"what": line} for line in books.ledger.refused)]
        + [
            {"at_s": round(change.at_s - began_s, 3), "what": change.reason, "state": change.target.title}
            for change in history
            if change.target is State.ABORTING
        ],
        "packml": {
            "state": machine.state.title,
            "history": [
                {
                    "at_s": round(change.at_s - began_s, 3),
                    "from": change.source.title,
                    "to": change.target.title,
                    "event": change.event.title,
                    "reason": change.reason,
                }
                for change in history
            ],
        },
        "versions": dict(status.board.versions),
        "seed": seed,
        "wall_s": round(wall_s, 3),
        "sim_s": round(sim_s, 3),
        "realtime_factor": round(sim_s / wall_s, 3) if wall_s > 0 else 0.0,
        "source": cast("SourceReport", simulator.source()) if simulator is not None else {"images": 0, "skipped": 0},
    }


def _in_execute(history: Any, ended_s: float) -> float:
    """Seconds that the cell spent in Execute."""
    total_s, since_s = 0.0, None
    for change in history:
        if change.target is State.EXECUTE:
            since_s = change.at_s
        elif change.source is State.EXECUTE and since_s is not None:
            total_s += change.at_s - since_s
            since_s = None
    return total_s + (ended_s - since_s if since_s is not None else 0.0)
