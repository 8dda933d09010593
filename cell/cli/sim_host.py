"""Simulated hardware as a process: emulators behind ptys, camera and arm as nodes, the world in real time.

It goes on when its controller is killed, so that the next one meets the same belt. While no controller is there, the
hardware of a run has no nodes: nobody looks, and nothing of it disturbs another cell.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cell.announcing import Announcer
from cell.cli.domain import Domain
from cell.cli.simulator import Simulator
from cell.config import NodeConfig
from cell.launching import NodeLaunch
from cell.sim_channel import SimServer
from cell.simfolder import STATE_VARIABLE, SimFolder, SimInfo
from cell.urgency import HARDWARE, go_before_others, settle

SWITCH_S = 0.0005
STEP_S = 0.1
UNATTENDED_S = 600.0
"""How long the hardware of a run that was killed waits for the next one."""


class SimHost:
    """Runs simulated hardware until it is told to end.

    Args:
        folder: where it is to be found; taken from here on.
        simulator: in real time.
        nodes: launches and configs of the nodes that belong to it.
        seed, parts, source: what it was made with.
        announcer: told when it is ready.
        domain: the ROS domain in which it has its nodes at once and stays, closed at its end; None: it belongs to a
            run, and comes to the domain of whoever controls it.

    Raises:
        InputError: the folder is in use.
    """

    def __init__(
        self,
        folder: SimFolder,
        simulator: Simulator,
        nodes: Sequence[tuple[NodeLaunch, NodeConfig]],
        *,
        seed: int,
        parts: int | None,
        source: Path | None,
        announcer: Announcer,
        domain: Domain | None,
    ) -> None:
        self._folder = folder
        self._simulator = simulator
        self._nodes = nodes
        self._announcer = announcer
        self._kept = domain is not None
        folder.take()
        # What opens a port of this hardware by its name looks here.
        os.environ[STATE_VARIABLE] = str(folder.state.resolve())
        self._domain = domain
        self._info = SimInfo(
            pid=os.getpid(),
            seed=seed,
            parts=parts,
            source=None if source is None else str(source.resolve()),
            lines=simulator.lines,
            overrides=simulator.overrides(),
            domain=None if domain is None else domain.number,
            kept=self._kept,
        )
        self._joined: _Joined | None = None

    @property
    def info(self) -> SimInfo:
        """What it says of itself."""
        return self._info

    def run(self) -> None:
        """Serve until SIGINT, SIGTERM (as KeyboardInterrupt), a controller's word, or nobody needs it any more."""
        # Every byte on a line wakes a thread; with the usual 5 ms each would wait behind a picture.
        sys.setswitchinterval(SWITCH_S)
        folder, simulator = self._folder, self._simulator
        home = folder.path.stat().st_ino
        server: SimServer | None = None
        try:
            # It stands in for devices, which nobody keeps waiting.
            go_before_others(HARDWARE)
            simulator.start(folder.ports)
            if self._domain is not None:
                self._joined = _Joined(self._nodes, self._domain.number)
            server = SimServer(folder, simulator, self._join, self._leave)
            settle()
            folder.tell(self._info)
            self._announcer.tell({"ready": True})
            while not server.stopped:
                server.step(STEP_S)
                if self._joined is not None:
                    self._joined.check()
                if not self._kept and not server.attended and time.monotonic() - server.left_s > UNATTENDED_S:
                    break
                try:
                    if folder.path.stat().st_ino != home:
                        break
                except FileNotFoundError:
                    break
        finally:
            if server is not None:
                server.close()
            self._leave(for_good=True)
            simulator.close()
            folder.release()
            if self._domain is not None:
                self._domain.close()

    def _join(self, domain: int) -> None:
        if self._joined is None:
            self._joined = _Joined(self._nodes, domain)

    def _leave(self, *, for_good: bool = False) -> None:
        if self._joined is not None and (for_good or not self._kept):
            self._joined.close()
            self._joined = None


class _Joined:
    """The nodes of the hardware in a ROS domain, each on a thread: a picture takes as long as an arm must not wait."""

    def __init__(self, nodes: Sequence[tuple[NodeLaunch, NodeConfig]], domain: int) -> None:
        import rclpy  # noqa: PLC0415 (only when there is a graph to join)
        from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

        from cell.cli.graph import Graph  # noqa: PLC0415
        from cell.cli.spinning import Spinning  # noqa: PLC0415

        self._rclpy = rclpy
        rclpy.init(args=[], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        launches, configs = zip(*nodes, strict=True) if nodes else ((), ())
        self._graph = Graph(launches, configs, extra={}, use_sim_time=False)
        self._threads = [Spinning(name, [node]) for name, node in self._graph.nodes.items()]

    def check(self) -> None:
        """Raise what ended a node, if something did."""
        for thread in self._threads:
            thread.check()

    def close(self) -> None:
        """Take the nodes out of the graph."""
        for thread in self._threads:
            thread.close()
        self._graph.close()
        if self._rclpy.ok():
            self._rclpy.shutdown()
