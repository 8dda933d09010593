"""``cell run``: the whole cell, simulated or real."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from cell.cli.beside import Beside
from cell.cli.command import (
    existing_file,
    existing_path,
    natural_int,
    output_file,
    overkill,
    port_number,
    positive_float,
    positive_int,
    speed,
)
from cell.cli.interrupts import Interrupts
from cell.cli.plan import Plan
from cell.cli.simulator import simulator_of
from cell.cli.state import StateFolder, default_state
from cell.cli.wire import add_wire_flag, switch_wire
from cell.launching import LaunchDescription, configure, default_launch, load_launch, parse_arguments
from cell.passes import share_key
from cell.simfolder import STATE_VARIABLE, SimFolder
from perception.errors import InputError

ABORTED = 3
REQUIRED = ("supervisor", "picker", "status")


class RunCommand:
    """The whole cell."""

    help = "run the whole cell; without a file, the simulated one"
    example = "cell run --parts 200 --seed 1 --speed 0 --headless --report r.json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "launch", nargs="?", metavar="LAUNCH.yaml", help="launch file (default: the simulated cell)"
        )
        parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the launch file")
        add_wire_flag(parser)
        parser.add_argument("--parts", type=positive_int, help="end after so many parts")
        parser.add_argument("--duration", type=positive_float, metavar="S", help="end after so many seconds")
        parser.add_argument(
            "--speed", type=speed, default=1.0, help="simulated seconds a second; 0: lockstep, as fast as it can"
        )
        parser.add_argument("--seed", type=natural_int, help="of the simulated world (default 0)")
        parser.add_argument("--headless", action="store_true", help="no page")
        parser.add_argument("--port", type=port_number, help="of the page (default 8080; 0: any free one)")
        parser.add_argument("--model", metavar="ID_OR_FILE", help="the detector's model")
        parser.add_argument("--overkill", type=overkill, help="share of good parts that may be rejected")
        parser.add_argument(
            "--source", type=existing_path, metavar="DIR_OR_VIDEO", help="real images that ride as parts, each once"
        )
        parser.add_argument(
            "--faults", type=existing_file, metavar="FILE.yaml", help="what is to go wrong, and when (docs/faults.md)"
        )
        parser.add_argument("--state", type=Path, metavar="DIR", help="ledger and history")
        parser.add_argument("--clear", action="store_true", help="Clear, Reset and Start after a crash")
        parser.add_argument("--report", type=output_file, metavar="OUT.json", help="write what happened")
        parser.add_argument(
            "--single-process",
            action="store_true",
            help="everything in one process, also at speed 1, for a small machine: a crash of one part ends all",
        )

    def run(self, args: argparse.Namespace) -> int:
        switch_wire(args)
        plan = _plan(args)
        state = StateFolder((args.state or default_state()).expanduser())
        before = os.environ.get(STATE_VARIABLE)
        os.environ[STATE_VARIABLE] = str(state.path.resolve())
        try:
            return _run(args, plan, state)
        finally:
            state.close()
            if before is None:
                del os.environ[STATE_VARIABLE]
            else:
                os.environ[STATE_VARIABLE] = before


def _plan(args: argparse.Namespace) -> Plan:
    words = list(args.arguments)
    file = args.launch
    if file is not None and ":=" in file:
        words.insert(0, file)
        file = None
    launch = load_launch(file or default_launch(), parse_arguments(words))
    missing = [name for name in REQUIRED if name not in {node.name for node in launch.nodes}]
    if missing:
        raise InputError(f"a whole cell needs the node '{missing[0]}'", file=file or default_launch())
    overrides = _overrides(args)
    configs = configure(launch, overrides)
    choice = simulator_of(configs)
    if choice is None:
        for flag in ("source", "seed", "faults"):
            if getattr(args, flag):
                raise InputError("is only for a simulated cell, this one has real ports", key=f"--{flag}")
        if args.speed != 1.0:
            raise InputError("a cell with real ports runs at speed 1", key="--speed")
    elif args.faults is not None:
        choice.factory.check_faults(args.faults)
    words = [str(file or default_launch()), *(f"{name}:={value}" for name, value in _given(words, launch))]
    plan = Plan(launch, configs, overrides, choice, tuple(words))
    if choice is None or not plan.in_one_process(args):
        return plan
    simulator = choice.factory(
        choice.parameters,
        seed=args.seed or 0,
        parts=args.parts,
        source=args.source,
        lockstep=args.speed != 1.0,
    )
    return plan.told(simulator.overrides(), simulator)


def _given(words: list[str], launch: LaunchDescription) -> list[tuple[str, str]]:
    """The launch arguments of the command line, with their values."""
    return [(name, launch.arguments[name]) for name in parse_arguments(words)]


def _overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    shared: dict[str, Any] = {}
    if args.model is not None:
        shared["model"] = args.model
    if args.overkill is not None:
        shared["overkill"] = args.overkill
    return {"/**": shared, "status": {"port": args.port} if args.port is not None else {}}


def _run(args: argparse.Namespace, plan: Plan, state: StateFolder) -> int:
    # rclpy and every node behind it are loaded here, after the input is known to be good.
    from cell.ledger import ended_badly  # noqa: PLC0415

    crashed = ended_badly(state.ledger)
    if crashed and args.headless and not args.clear:
        print(
            f"cell: the last run on {state.path} had no clean end: the cell stands in Aborted (--clear goes on)",
            file=sys.stderr,
        )
        return ABORTED
    share_key()
    if not plan.in_one_process(args):
        with Interrupts() as interrupts, contextlib.closing(Beside(args, plan, state, crashed=crashed)) as beside:
            from cell.cli.apart import ProcessRun  # noqa: PLC0415 (while the others start)

            run = ProcessRun(args, plan, state, crashed=crashed)
            run.beside, run.interrupts = beside, interrupts
            with run as cell:
                return cell.go()
    from cell.cli.running import LiveRun, LockstepRun  # noqa: PLC0415

    if args.speed == 1.0 and plan.choice is not None and SimFolder(state.path).alive:
        raise InputError("a cell sim runs on this state folder, and a run in one process has its own", file=state.path)
    if args.speed != 1.0:
        with LockstepRun(args, plan, state, crashed=crashed) as cell:
            return cell.go()
    with Interrupts() as interrupts:
        live = LiveRun(args, plan, state, crashed=crashed)
        live.interrupts = interrupts
        with live as cell:
            return cell.go()
