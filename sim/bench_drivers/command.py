"""``cell bench drivers``. A new figure is a function of a ``Setup`` and a line in ``FIGURES``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from cell.cli.bench.figures import Figure, line, write
from cell.cli.command import output_file, positive_int
from perception.errors import InputError
from sim.bench_drivers import bus, ledger, reaction, replug, stale
from sim.bench_drivers.table import Measure, Setup

FIGURES: Final[Mapping[str, Measure]] = {
    "bus_share": bus.share,
    "bus_cpu_per_transaction": bus.cpu,
    "stale_accepted": stale.accepted,
    "estop_latency": reaction.estop,
    "replug_time": replug.back,
    "ledger_write": ledger.write,
}
"""What is measured, by the name of its figure, in the order in which it is."""


class DriversCommand:
    """The figures of the bus, of what runs on it, and of the ledger."""

    help = "measure bus, drivers and ledger beside their peers"
    example = "cell bench drivers --json drivers.json\ncell bench drivers --only bus_share --rounds 5"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", type=output_file, metavar="OUT.json", help="write the figures")
        parser.add_argument("--only", metavar="NAME[,NAME...]", help=f"some of {', '.join(FIGURES)}")
        parser.add_argument(
            "--rounds", type=positive_int, default=3, metavar="N", help="of each measurement (default 3)"
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
