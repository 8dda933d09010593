"""A run of the cell in processes: the simulated hardware, what may die alone, and control in this one.

The hardware outlives this process, so that the next run meets the same belt; the others end with it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import yaml

from cell.announcing import PAGE_VARIABLE
from cell.cli.domain import Domain
from cell.cli.hardware import SIM, HardwareProcess
from cell.cli.processes import Processes, Program, cell_words
from cell.cli.reporting import CountedFigures
from cell.cli.running import LiveRun, tell_page
from cell.cli.simulator import Hardware
from cell.config import NodeConfig
from cell.launching import ProcessLaunch
from cell.nodes.figures import FiguresNode
from cell.nodes.processes import ProcessesNode
from cell.plugins import NODES, registered
from cell.sim_channel import RunningSim
from cell.simfolder import SimFolder

LOOK_S = 0.05
SIM_GONE = "the simulated hardware is gone"


class ProcessRun(LiveRun):
    """Real time, one process for each thing that may die alone."""

    sim: RunningSim | None = None

    @property
    def hardware(self) -> Hardware | None:
        return self.sim

    @property
    def seed(self) -> int | None:
        return None if self.sim is None else self.sim.info.seed

    def open(self) -> None:
        args, undo = self.args, self.undo
        self.processes = Processes()
        undo.callback(self.processes.close)
        self._looked_s = 0.0
        # A port in use is to be known before anything moves. The socket stays here when the page's process goes.
        self._page: socket.socket | None = None
        if not args.headless and any(_shows(process) for process in self.plan.apart):
            from cell.hmi.listening import listen  # noqa: PLC0415 (only with a page)

            self._page = undo.enter_context(contextlib.closing(listen(*self.page_values())))
        found: HardwareProcess | None = None
        if self.plan.choice is not None:
            found = HardwareProcess(args, self.plan, SimFolder(self.state.path), self.processes)
            undo.callback(found.close)
        domain = undo.enter_context(contextlib.closing(Domain(None if found is None else found.domain)))
        # What the nodes need is loaded while the hardware comes up.
        for name in self.plan.own:
            registered(NODES)[name].load()
        if found is not None:
            self.sim = sim = found.join(domain.number)
            self.plan = self.plan.told(sim.overrides())
        values = dict(zip((node.name for node in self.plan.launch.nodes), self.with_run_values(), strict=True))
        apart = [process for process in self.plan.apart if not (args.headless and _shows(process))]
        children = [self.processes.start(self._program(process, values)) for process in apart]
        self.bring_up([name for name in self.plan.own if name != "status" or not args.headless], time.monotonic)
        figures, self._watch = FiguresNode(), ProcessesNode(self._away)
        self.graph.nodes["figures"], self.graph.nodes["processes"] = figures, self._watch
        self.figures = CountedFigures(figures, self.sim)
        if "status" in self.graph:
            self.serve_page()
        self.end_by()
        # The first to end: what is judged and shown of a cell that is taken down is of no use.
        undo.callback(self.processes.stop, children)

    def _program(self, process: ProcessLaunch, values: dict[str, NodeConfig]) -> Program:
        """``cell node`` for a process, with everything that is set on its nodes in one file."""
        names = tuple(node.name for node in process.nodes)
        folder = self.state.path / "run"
        folder.mkdir(exist_ok=True)
        params = folder / f"{process.name.replace('/', '_')}.params.yaml"
        content = {name: {"ros__parameters": _plain(values[name])} for name in names}
        params.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        launch = process.nodes[0]
        words = ["--ros-args", "--params-file", str(params)]
        for source, target in launch.remaps.items():
            words += ["-r", f"{source}:={target}"]
        for flag, level in zip(launch.args, launch.args[1:], strict=False):
            if flag == "--log-level":
                words += [flag, level]
        environment: dict[str, str] = {}
        fds: tuple[int, ...] = ()
        if self._page is not None and _shows(process):
            fds = (self._page.fileno(),)
            environment[PAGE_VARIABLE] = str(self._page.fileno())
        return Program(
            process.name, names, cell_words("node", *names, *words), environment, fds, respawn=process.respawn
        )

    def look_after(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        changed = self.processes.poll()
        for child in self.processes.children.values():
            while child.told:
                told = child.told.popleft()
                if "page" in told:
                    tell_page(told["page"], told["login"])
        if changed:
            # At once, and not with the next heartbeat: what judges or moves parts is gone.
            self._watch.report_health()

    def _away(self) -> list[tuple[str, str]]:
        away = {node: trouble.words for trouble in self.processes.troubles() for node in trouble.nodes}
        if self.sim is not None and self.sim.gone:
            away.setdefault(SIM, SIM_GONE)
        return list(away.items())


def _shows(process: ProcessLaunch) -> bool:
    """It is there for the page alone."""
    return all(node.name == "status" for node in process.nodes)


def _plain(config: NodeConfig) -> dict[str, Any]:
    """As YAML and ROS parameters know it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.values.items()}
