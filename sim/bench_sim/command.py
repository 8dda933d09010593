"""``cell bench sim``. A new figure is a function of a ``Setup`` and a line in ``FIGURES``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from cell.cli.bench.figures import Figure, line, write
from cell.cli.command import output_file, positive_int
from perception.errors import InputError
from sim.bench_drivers.table import Measure, Setup
from sim.bench_sim import belts, lockstep

FIGURES: Final[Mapping[str, Measure]] = {
    "vector_random": belts.vector_random,
    "vector_fifo": belts.vector_fifo,
    "single": belts.single,
    "lockstep_realtime_factor": lockstep.realtime_factor,
}
"""What is measured, by the name of its figure, in the order in which it is."""


class SimCommand:
    """The figures of the environments, and of the whole cell in simulated time."""

    help = "measure the simulator's environments beside Gymnasium's"
    example = "cell bench sim --json sim.json\ncell bench sim --only vector_random,single --rounds 5"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", type=output_file, metavar="OUT.json", help="write the figures")
        parser.add_argument("--only", metavar="NAME[,NAME...]", help=f"some of {', '.join(FIGURES)}")
        parser.add_argument(
            "--rounds", type=positive_int, default=5, metavar="N", help="of each measurement (default 5)"
        )
        parser.add_argument(
            "--short", action="store_true", help="a hundredth of the work: to see that it runs, not for its figures"
        )

    def run(self, args: argparse.Namespace) -> int:
        wanted = args.only.split(",") if args.only else list(FIGURES)
        for name in wanted:
            if name not in FIGURES:
                raise InputError(f"no such figure; there is {', '.join(FIGURES)}", key="--only")
        setup = Setup(args.rounds, args.short)
        figures: list[Figure] = []
        for name, measure in FIGURES.items():
            if name in wanted:
                found = measure(setup)
                for entry in found:
                    print(line(entry), flush=True)  # noqa: T201
                figures += found
        if args.json is not None:
            write(args.json, figures)
        return 0 if figures else 1
