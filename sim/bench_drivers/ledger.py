"""``ledger_write``: how long the control loop waits for its books.

A loop of 10 ms, as the picker's, in which a part enters every 100 ms and gets its verdict, decisions, mark and
fate, one line a turn: ten times a real cell's rate. Timed are the turns that write. Beside ours, which queues the line
for its thread, the same lines committed in the loop itself, to a SQLite file of the same settings (WAL,
synchronous=FULL). The ledger lies on the disk of the state folder.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cell.accounts import Fate
from cell.cli.bench.figures import Figure, Sample, figure, percentile
from cell.ledger import Ledger
from cell.ledger_schema import INSERT, prepare
from cell.simfolder import default_state
from sim.bench_drivers.table import Setup

TURN_S: Final = 0.01
TURNS_A_PART: Final = 10
SECONDS: Final = 10.0

Line = Callable[[int, float], object]


def write(setup: Setup) -> list[Figure]:
    """p99 of a turn that writes, ms."""
    folder = default_state().parent
    folder.mkdir(parents=True, exist_ok=True)
    ours: list[float] = []
    direct: list[float] = []
    count = 0
    for number in range(setup.rounds):
        with tempfile.TemporaryDirectory(prefix="cell-bench-", dir=folder) as name:
            setup.tell(f"ledger_write: round {number + 1} of {setup.rounds}")
            took_ms = _queued(Path(name) / "ours.sqlite", setup.seconds(SECONDS))
            count += len(took_ms)
            ours.append(percentile(took_ms, 0.99))
            direct.append(percentile(_committed(Path(name) / "direct.sqlite", setup.seconds(SECONDS)), 0.99))
    return [
        figure(
            "ledger_write",
            "ms",
            ("the ledger's thread", Sample(tuple(ours), count)),
            ("a commit in the loop", Sample(tuple(direct), count)),
            more_is_better=False,
        )
    ]


def _queued(path: Path, duration_s: float) -> list[float]:
    ledger, _ = Ledger.open(path, started_s=0.0, threaded=True)
    lines: list[Line] = [
        lambda part, now_s: ledger.enter(part, now_s, verdict="pending", score=0.0, place=(0.1, 0.0, 0.04, 0.03)),
        lambda part, now_s: ledger.judge(part, verdict="defective", score=0.9, views=3, model_hash="ab12"),
        lambda part, now_s: ledger.decide(part, now_s, action="divert", bin_name="defect"),
        lambda part, now_s: ledger.decide(part, now_s, action="pick", bin_name="defect", policy="spt"),
        lambda part, now_s: ledger.mark_picked(part, now_s, grip_width_m=0.03),
        lambda part, now_s: ledger.close_part(part, now_s, Fate.SORTED, bin_name="defect"),
    ]
    took_ms = _turns(lines, duration_s)
    ledger.close(duration_s)
    if ledger.refused:
        raise RuntimeError(ledger.refused[0])
    return took_ms


def _committed(path: Path, duration_s: float) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    prepare(connection, str(path))
    connection.execute("INSERT INTO run (run_id, started_s, versions) VALUES (1, 0.0, '{}')")

    def put(table: str, *values: object) -> None:
        connection.execute(INSERT[table], (1, *values))

    lines: list[Line] = [
        lambda part, now_s: put("part", part, now_s, "pending", 0.0, "[]", 0, ""),
        lambda part, now_s: put("verdict", part, "defective", 0.9, "[]", 3, "ab12"),
        lambda part, now_s: put("decision", part, now_s, "divert", "defect", "", ""),
        lambda part, now_s: put("decision", part, now_s, "pick", "defect", "spt", ""),
        lambda part, now_s: put("picked", part, now_s, 0.03),
        lambda part, now_s: put("fate", part, now_s, "sorted", "defect", ""),
    ]
    took_ms = _turns(lines, duration_s)
    connection.close()
    return took_ms


def _turns(lines: list[Line], duration_s: float) -> list[float]:
    took_ms = []
    began_s = time.monotonic()
    for turn in range(int(duration_s / TURN_S)):
        part, step = divmod(turn, TURNS_A_PART)
        due_s = began_s + turn * TURN_S
        time.sleep(max(due_s - time.monotonic(), 0.0))
        if step < len(lines):
            before_s = time.perf_counter()
            lines[step](part + 1, due_s - began_s)
            took_ms.append((time.perf_counter() - before_s) * 1e3)
    return took_ms
