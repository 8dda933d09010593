"""The report of a run, put together from the books, what was counted, and the simulator's referee."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from cell.cli.simulator import Hardware
from cell.packml import State
from cell.report import FramesReport, QualityReport, RunReport, SourceReport
from cell.versions import versions

if TYPE_CHECKING:
    from cell.nodes.figures import FiguresNode
    from cell.nodes.status import StatusNode

PICKED = ("sorted", "rejected")


class Figures(Protocol):
    """What was counted in a run.

    Attributes:
        captured, judged: pictures that were taken, and those that the detector answered.
        settled: none is on its way.
    """

    @property
    def captured(self) -> int: ...

    @property
    def judged(self) -> int: ...

    @property
    def settled(self) -> bool: ...

    def latency_ms(self) -> dict[str, float]: ...


class StatusFigures:
    """By the status node in this process, which sees every picture."""

    def __init__(self, node: StatusNode) -> None:
        self._node = node

    @property
    def captured(self) -> int:
        return self._node.captured

    @property
    def judged(self) -> int:
        return self._node.judged

    @property
    def settled(self) -> bool:
        return self.judged >= self.captured

    def latency_ms(self) -> dict[str, float]:
        return self._node.board.latency_ms.summary()


class CountedFigures:
    """By a node that counts messages; the pictures by the simulated camera itself, where it is one.

    The camera goes on while the run ends, and has begun before the detector had: what counts is what it took from the
    first to the last picture that was judged.
    """

    def __init__(self, node: FiguresNode, hardware: Hardware | None) -> None:
        self._node = node
        self._hardware = hardware

    @property
    def captured(self) -> int:
        node = self._node
        if self._hardware is None:
            return node.captured
        # Also where nothing was judged: the answer brings all that the hardware knows up to date.
        return self._hardware.captured(node.first_ns, node.last_ns if node.judged else -1)

    @property
    def judged(self) -> int:
        return self._node.judged

    @property
    def settled(self) -> bool:
        return True

    def latency_ms(self) -> dict[str, float]:
        return self._node.latency_ms.summary()


def assemble(
    graph: Any,
    simulator: Hardware | None,
    figures: Figures,
    *,
    seed: int | None,
    began_s: float,
    ended_s: float,
    wall_s: float,
) -> RunReport:
    """Everything ``--report`` writes; times of the cell's clock (s), ``wall_s`` of the real one."""
    # Asked first: simulated hardware answers with all its figures.
    frames = {"captured": figures.captured, "judged": figures.judged}
    books = graph["picker"].books
    parts = books.accounts.tally().as_dict()
    machine = graph["supervisor"].machine
    history = machine.history
    produced_s = _in_execute(history, ended_s)
    minutes = produced_s / 60.0
    latency = figures.latency_ms()
    sim_s = ended_s - began_s
    reconciled = books.reconciliation()
    report: RunReport = {
        "parts": parts,
        "quality": cast("QualityReport | None", simulator.quality() if simulator is not None else None),
        "rates": {
            "picks_per_min": round(sum(parts[fate] for fate in PICKED) / minutes, 3) if minutes > 0 else 0.0,
            "parts_per_min": round(parts["entered"] / minutes, 3) if minutes > 0 else 0.0,
        },
        "latency_ms": {
            "frame_to_decision": {"p50": round(latency.get("p50", 0.0), 3), "p99": round(latency.get("p99", 0.0), 3)}
        },
        "frames": cast("FramesReport", frames),
        "faults": [
            *(simulator.injected() if simulator is not None else ()),
            *graph["picker"].faults,
            *({"what": line} for line in books.ledger.refused),
        ]
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
        "versions": versions(),
        "seed": seed,
        "wall_s": round(wall_s, 3),
        "sim_s": round(sim_s, 3),
        "realtime_factor": round(sim_s / wall_s, 3) if wall_s > 0 else 0.0,
        "source": cast("SourceReport", simulator.source()) if simulator is not None else {"images": 0, "skipped": 0},
    }
    if reconciled is not None:
        report["reconciled"] = reconciled
    return report


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
