"""What ``cell run`` is to run, checked."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cell.cli.domain import reaches_nobody
from cell.cli.simulator import Simulator, SimulatorChoice
from cell.config import NodeConfig
from cell.launching import LaunchDescription, ProcessLaunch, configure

CONTROL = frozenset({"supervisor", "picker"})
"""Nodes that the run itself asks whether it is over; they stay with it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The launch, every node's values, and the simulator if the ports lead to one.

    Attributes:
        launch: what is started.
        configs: of its nodes, in the same order.
        overrides: what the command line has set, by node or ``/**``.
        choice: the simulator that the ports lead to, if any.
        words: launch file and arguments, as another command of ours takes them.
        simulator: where it runs in this process.
    """

    launch: LaunchDescription
    configs: tuple[NodeConfig, ...]
    overrides: dict[str, dict[str, Any]]
    choice: SimulatorChoice | None
    words: tuple[str, ...]
    simulator: Simulator | None = None

    def in_one_process(self, args: argparse.Namespace) -> bool:
        """Simulated time is one thread's; in real time somebody asks for it, or for a graph that stays in one."""
        return bool(args.speed != 1.0 or args.single_process or reaches_nobody())

    def told(self, overrides: dict[str, dict[str, Any]], simulator: Simulator | None = None) -> Plan:
        """The plan with what the hardware says of itself; the command line has the last word."""
        mine = dict(self.overrides)
        shared = {**overrides.get("/**", {}), **mine.pop("/**", {})}
        whole = {**mine, "/**": shared}
        configs = configure(self.launch, whole)
        return dataclasses.replace(self, configs=configs, overrides=whole, simulator=simulator)

    def for_run(
        self, args: argparse.Namespace, ledger: Path, *, crashed: bool, seed: int | None, simulated: bool
    ) -> tuple[NodeConfig, ...]:
        """The nodes' values with what only the run knows."""
        policy = next((str(c.values.get("name", "spt")) for c in self.configs if c.name == "policy"), "spt")
        speed_mps = next((c.values["speed_mps"] for c in self.configs if "speed_mps" in c.values), 0.2)
        own: dict[str, dict[str, Any]] = {
            "picker": {"ledger": str(ledger), "seed": -1 if seed is None else seed},
            "supervisor": {
                "after_crash": crashed,
                "clear": args.clear,
                "speed_mps": speed_mps,
                "alarms": str(ledger.with_name("alarms.sqlite")),
            },
            "status": {"policy": policy, "simulated": simulated},
        }
        given = {config.name: dict(config.values) for config in self.configs}
        return configure(self.launch, {name: {**given.get(name, {}), **own.get(name, {})} for name in {**given, **own}})

    @property
    def hardware(self) -> tuple[ProcessLaunch, ...]:
        """The processes that the simulator stands in for."""
        choice = self.choice
        return tuple(p for p in self.launch.processes if choice is not None and choice.simulates(p))

    @property
    def apart(self) -> tuple[ProcessLaunch, ...]:
        """The processes that may die alone."""
        return tuple(
            process
            for process in self.launch.processes
            if process.respawn is not None
            and process not in self.hardware
            and not any(node.name in CONTROL for node in process.nodes)
        )

    @property
    def own(self) -> tuple[str, ...]:
        """The nodes that the run keeps in its own process when the others have one each."""
        return tuple(
            node.name
            for process in self.launch.processes
            if process not in self.hardware and process not in self.apart
            for node in process.nodes
        )


def page_of(configs: tuple[NodeConfig, ...]) -> tuple[str, int]:
    """Host and port of the page."""
    values = next(config for config in configs if config.name == "status").parameters
    return str(getattr(values, "host", "127.0.0.1")), int(getattr(values, "port", 8080))
