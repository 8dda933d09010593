"""A run of the cell in processes: the simulated hardware, what may die alone, and control in this one.

The hardware outlives this process, so that the next run meets the same belt; the others end with it.
"""

from __future__ import annotations

import os
import signal
import time

from cell.cli.beside import Beside
from cell.cli.hardware import SIM
from cell.cli.reporting import CountedFigures
from cell.cli.running import LiveRun, tell_page
from cell.cli.simulator import Hardware
from cell.nodes.figures import FiguresNode
from cell.nodes.processes import ProcessesNode
from cell.plugins import NODES, registered
from cell.urgency import go_before_others

LOOK_S = 0.05
SIM_GONE = "the simulated hardware is gone"


class ProcessRun(LiveRun):
    """Real time, one process for each thing that may die alone.

    Attributes:
        beside: the other processes, some of them starting.
    """

    beside: Beside

    @property
    def hardware(self) -> Hardware | None:
        return self.beside.sim

    @property
    def seed(self) -> int | None:
        return None if self.beside.sim is None else self.beside.sim.info.seed

    def open(self) -> None:
        beside = self.beside
        self._looked_s = 0.0
        # Before there are threads, which inherit it.
        go_before_others()
        # What the nodes need is loaded while the hardware comes up.
        for name in self.plan.own:
            registered(NODES)[name].load()
        beside.join()
        self.plan = beside.plan
        headless = self.args.headless
        self.bring_up([name for name in self.plan.own if name != "status" or not headless], time.monotonic)
        figures, self._watch = FiguresNode(), ProcessesNode(self._away)
        self.graph.nodes["figures"], self.graph.nodes["processes"] = figures, self._watch
        self.figures = CountedFigures(figures, beside.sim)
        beside.show()
        if "status" in self.graph:
            self.serve_page()
        self.end_by()
        # The first to end: what is judged and shown of a cell that is taken down is of no use.
        self.undo.callback(beside.stop)

    def kill(self, node: str) -> bool:
        for child in self.beside.processes.children.values():
            if node in child.program.nodes and child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)
                return True
        return False

    def look_after(self) -> None:
        if self.args.faults is not None and self.beside.sim is not None:
            self.beside.sim.hear()
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        processes = self.beside.processes
        changed = processes.poll()
        for child in processes.children.values():
            while child.told:
                told = child.told.popleft()
                if "page" in told:
                    tell_page(told["page"], told["login"])
        if changed:
            # At once, and not with the next heartbeat: what judges or moves parts is gone.
            self._watch.report_health()

    def _away(self) -> list[tuple[str, str]]:
        away = {node: trouble.words for trouble in self.beside.processes.troubles() for node in trouble.nodes}
        if self.beside.sim is not None and self.beside.sim.gone:
            away.setdefault(SIM, SIM_GONE)
        return list(away.items())
