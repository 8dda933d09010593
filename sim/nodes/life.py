"""One life of a controller on simulated hardware in lockstep: from its start until it ends, or is killed.

The hardware outlives it; the next life meets the same belt. A kill is an exception out of the node graph; what the dead
process would have left is the ledger's files as they lie at that instant.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import LoggingSeverity, set_logger_level
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from cell.casualties import Casualties
from cell.cli.domain import Alone
from cell.cli.graph import Graph, begin
from cell.drivers.registry import Devices, use_devices
from cell.launching import LaunchDescription, configure
from cell.ledger import ended_badly
from sim.bench import SimBench
from sim.nodes.operator import OperatorNode

LEDGER = "ledger.sqlite"


class Killed(BaseException):
    """The controller is gone; no handler of an exception on the way may keep it alive."""


class Life:
    """A controller with its nodes and an operator beside it. A context manager.

    Args:
        bench: the hardware, started.
        launch: what is run.
        folder: of its ledger; exists.
        overrides: by node, dotted values.
        aliases: a fault file's name of a node: its name in the launch file.
    """

    def __init__(
        self,
        bench: SimBench,
        launch: LaunchDescription,
        folder: Path,
        *,
        overrides: Mapping[str, Mapping[str, Any]],
        aliases: Mapping[str, str],
    ) -> None:
        self._bench = bench
        self._launch = launch
        self._overrides = overrides
        self._aliases = aliases
        self.ledger = folder / LEDGER
        self.crashed = ended_badly(self.ledger)
        self._undo = contextlib.ExitStack()
        self.operator: OperatorNode
        self.casualties: Casualties
        self.graph: Graph

    def __enter__(self) -> Life:
        try:
            self._open()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _open(self) -> None:
        undo = self._undo
        undo.enter_context(Alone())
        self._devices = Devices(self._bench.clock, threaded=False)
        undo.callback(use_devices, None)
        undo.callback(self._devices.close)
        use_devices(self._devices)
        begin(use_signals=False)
        undo.callback(_shut_down)
        overrides = {name: dict(values) for name, values in self._overrides.items()}
        overrides.setdefault("supervisor", {})["after_crash"] = self.crashed
        overrides.setdefault("picker", {})["ledger"] = str(self.ledger)
        configs = configure(self._launch, overrides)
        self.graph = Graph(self._launch.nodes, configs, extra={}, use_sim_time=True)
        undo.callback(self.graph.close)
        self.operator = OperatorNode(parameter_overrides=[Parameter("use_sim_time", value=True)])
        undo.callback(self.operator.destroy_node)
        # The lockstep's surface is the embedded runtime's alone.
        self._executor: Any = SingleThreadedExecutor()
        undo.callback(self._executor.shutdown)
        for node in (*self.graph.nodes.values(), self.operator):
            self._executor.add_node(node)
        nodes = {**self.graph.nodes, **{name: self.graph[other] for name, other in self._aliases.items()}}
        self.casualties = Casualties(nodes, self._executor, die=_die)
        undo.callback(self.casualties.close)
        self._teller = self.operator.create_publisher(Clock, "/clock", QoSProfile(depth=1))

    def run(self, finished: Callable[[], bool]) -> None:
        """Go on until ``finished()``.

        Raises:
            Killed: the power was lost.
            LockstepStalled: simulated time cannot go on.
        """
        self._bench.run_lockstep(self._executor, self._devices, self._tell_time, finished)

    def leave(self, folder: Path) -> None:
        """Copy what a killed process leaves on the disk, for the next life."""
        folder.mkdir()
        for path in self.ledger.parent.glob(f"{LEDGER}*"):
            shutil.copyfile(path, folder / path.name)

    def _tell_time(self, now_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
        self._teller.publish(message)


def quieten() -> None:
    """A thousand runs say what they have to say in their table."""
    logging.getLogger("cell").setLevel(logging.CRITICAL)
    for name in ("supervisor", "picker", "tracker", "sim_arm", "conveyor", "gripper", "policy", "detector"):
        set_logger_level(name, LoggingSeverity.FATAL)


def _die() -> None:
    raise Killed("the power is gone")


def _shut_down() -> None:
    if rclpy.ok():
        rclpy.shutdown()
