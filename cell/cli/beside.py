"""What a run in processes starts beside itself, as early as it can: nothing of the node graph is loaded here."""

from __future__ import annotations

import argparse
import socket
from typing import Any

import yaml

from cell.announcing import PAGE_VARIABLE
from cell.cli.domain import Domain
from cell.cli.hardware import HardwareProcess
from cell.cli.plan import Plan, page_of
from cell.cli.processes import Child, Processes, Program, cell_words
from cell.cli.state import StateFolder
from cell.config import NodeConfig
from cell.launching import ProcessLaunch
from cell.liveness import MOVERS
from cell.sim_channel import RunningSim
from cell.simfolder import SimFolder


class Beside:
    """The simulated hardware, what may die alone, the page's socket, and the ROS domain that all share.

    Args:
        args: of ``cell run``.
        plan: of the run.
        state: its state folder.
        crashed: the run before had no clean end.

    Raises:
        InputError: the page's port is in use, there is no ROS domain, or the hardware is not what is asked for.
    """

    def __init__(self, args: argparse.Namespace, plan: Plan, state: StateFolder, *, crashed: bool) -> None:
        self.plan = plan
        self.processes = Processes()
        self.sim: RunningSim | None = None
        self._args = args
        self._state = state
        self._crashed = crashed
        self._started: dict[str, tuple[Child, dict[str, dict[str, Any]]]] = {}
        self._page: socket.socket | None = None
        self._hardware: HardwareProcess | None = None
        self._domain: Domain | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        args, plan = self._args, self.plan
        # A port in use is to be known before anything moves. The socket stays here when the page's process goes.
        if not args.headless and any(_shows(process) for process in plan.apart):
            from cell.hmi.listening import listen  # noqa: PLC0415 (only with a page)

            self._page = listen(*page_of(plan.configs))
        if plan.choice is not None:
            self._hardware = HardwareProcess(args, plan, SimFolder(self._state.path), self.processes)
        self._domain = Domain(None if self._hardware is None else self._hardware.domain)
        if self._domain.hint is not None:
            print(self._domain.hint, flush=True)
        # What the hardware has to say of itself changes next to nothing for what judges its pictures.
        self._start([process for process in plan.apart if not _shows(process)], simulated=plan.choice is not None)

    def join(self) -> None:
        """Take the hardware over; what runs already with other values than it says is started anew.

        Raises:
            InputError: it cannot be started, or does not answer.
        """
        if self._hardware is None or self._domain is None:
            return
        self.sim = self._hardware.join(self._domain.number)
        self.plan = self.plan.told(self.sim.overrides())
        processes = [process for process in self.plan.apart if process.name in self._started]
        self._start(processes, simulated=True)

    def show(self) -> None:
        """Start the page, which may well come after all else."""
        if not self._args.headless:
            self._start([process for process in self.plan.apart if _shows(process)], simulated=self.sim is not None)

    def stop(self) -> None:
        """End what does not outlive the run."""
        self.processes.stop()

    def close(self) -> None:
        """End everything, the hardware too where it belongs to a run. Callable twice."""
        self.processes.stop()
        if self._hardware is not None:
            self._hardware.close()
            self._hardware = None
        if self._domain is not None:
            self._domain.close()
        if self._page is not None:
            self._page.close()
        self.processes.close()

    def _start(self, processes: list[ProcessLaunch], *, simulated: bool) -> None:
        """Start processes, or start them again where what is set on their nodes has changed."""
        seed = self.sim.info.seed if self.sim is not None else (self._args.seed or 0) if simulated else None
        values = self.plan.for_run(
            self._args, self._state.ledger, crashed=self._crashed, seed=seed, simulated=simulated
        )
        by_name = {config.name: _plain(config) for config in values}
        for process in processes:
            content = {node.name: {"ros__parameters": by_name[node.name]} for node in process.nodes}
            before = self._started.get(process.name)
            if before is not None:
                if before[1] == content:
                    continue
                self.processes.stop([before[0]])
            self._started[process.name] = (self.processes.start(self._program(process, content)), content)

    def _program(self, process: ProcessLaunch, content: dict[str, dict[str, Any]]) -> Program:
        """``cell node`` for a process, with everything that is set on its nodes in one file."""
        folder = self._state.path / "run"
        folder.mkdir(exist_ok=True)
        params = folder / f"{process.name.replace('/', '_')}.params.yaml"
        params.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        launch = process.nodes[0]
        words = ["--ros-args", "--params-file", str(params)]
        for source, target in launch.remaps.items():
            words += ["-r", f"{source}:={target}"]
        for flag, level in zip(launch.args, launch.args[1:], strict=False):
            if flag == "--log-level":
                words += [flag, level]
        page = self._page if any(node.name == "status" for node in process.nodes) else None
        return Program(
            process.name,
            tuple(content),
            cell_words("node", *content, *words),
            {} if page is None else {PAGE_VARIABLE: str(page.fileno())},
            () if page is None else (page.fileno(),),
            respawn=process.respawn,
            # Control and hardware go before what judges or shows.
            gives_way=not any(node.name in MOVERS for node in process.nodes),
        )


def _shows(process: ProcessLaunch) -> bool:
    """It is there for the page alone."""
    return all(node.name == "status" for node in process.nodes)


def _plain(config: NodeConfig) -> dict[str, Any]:
    """As YAML and ROS parameters know it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in config.values.items()}
