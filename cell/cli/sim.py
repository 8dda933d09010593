"""``cell sim``: only the simulated hardware, in a process of its own."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cell.announcing import Announcer, end_on_signals
from cell.cli.command import existing_path, natural_int, positive_int
from cell.cli.domain import Domain
from cell.cli.sim_host import SimHost
from cell.cli.simulator import simulator_of
from cell.cli.wire import add_wire_flag, switch_wire
from cell.launching import configure, default_launch, load_launch, parse_arguments
from cell.simfolder import STATE_VARIABLE, SimFolder, default_state
from perception.errors import InputError

BAD_INPUT = 2


class SimCommand:
    """The simulated hardware."""

    help = "run only the simulated hardware, in its own process; cell run on the same state folder uses it"
    example = "cell sim --parts 50 --seed 1 --state /tmp/cell &\ncell run --state /tmp/cell"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "launch", nargs="?", metavar="LAUNCH.yaml", help="launch file (default: the simulated cell)"
        )
        parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the launch file")
        parser.add_argument("--parts", type=positive_int, help="feed so many parts, then stop and empty the belt")
        parser.add_argument("--seed", type=natural_int, default=0, help="of the simulated world (default 0)")
        parser.add_argument(
            "--source", type=existing_path, metavar="DIR_OR_VIDEO", help="real images that ride as parts, each once"
        )
        parser.add_argument("--state", type=Path, metavar="DIR", help="the cell's state folder")
        add_wire_flag(parser)

    def run(self, args: argparse.Namespace) -> int:
        announcer = Announcer()
        end_on_signals()
        try:
            switch_wire(args)
            return _run(args, announcer)
        except InputError as error:
            if not announcer.heard:
                raise
            announcer.tell({"error": str(error)})
            return BAD_INPUT


def _run(args: argparse.Namespace, announcer: Announcer) -> int:
    words, file = list(args.arguments), args.launch
    if file is not None and ":=" in file:
        words.insert(0, file)
        file = None
    launch = load_launch(file or default_launch(), parse_arguments(words))
    configs = configure(launch)
    choice = simulator_of(configs)
    if choice is None:
        raise InputError("has real ports only, there is nothing to simulate", file=file or default_launch())
    state = (args.state or default_state()).expanduser()
    os.environ[STATE_VARIABLE] = str(state)
    folder = SimFolder(state)
    folder.create()
    if folder.alive:
        raise InputError("a cell sim runs on this state folder; name another one", file=state, key="--state")
    simulator = choice.factory(choice.parameters, seed=args.seed, parts=args.parts, source=args.source, lockstep=False)
    own = [(node, config) for node, config in zip(launch.nodes, configs, strict=True) if choice.serves(node.name)]
    host = SimHost(
        folder,
        simulator,
        own,
        seed=args.seed,
        parts=args.parts,
        source=args.source,
        announcer=announcer,
        domain=None if announcer.heard else Domain(),
    )
    if not announcer.heard:
        ports = ", ".join(f"{name} {folder.ports / name}" for name in host.info.lines)
        print(f"simulated hardware in ROS domain {host.info.domain}, its ports: {ports}", flush=True)
    try:
        host.run()
    except KeyboardInterrupt:
        return 0
    return 0
