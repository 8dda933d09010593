"""``cell eval faults``: the fault matrix, tried."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cell.cli.command import natural_int, output_file, positive_float, positive_int
from perception.errors import InputError
from sim.faults.kinds import KINDS

#: Exit status where something is not as the matrix asks.
RED = 1


class EvalFaultsCommand:
    """15 faults in 5 phases of a pick over many seeds, judged by a referee."""

    help = "inject every fault in every phase of a pick, and judge what the cell does"
    example = (
        "cell eval faults --seeds 0:20 --json faults.json\n  cell eval faults --only emergency_stop --json faults.json"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--seeds", type=seed_range, default=range(100), metavar="FROM:TO", help="TO not included (default 0:100)"
        )
        parser.add_argument("--only", choices=tuple(KINDS), metavar="NAME", help=f"one of {', '.join(KINDS)}")
        parser.add_argument(
            "--processes", type=positive_int, metavar="N", help="how many at once (default: one for each processor)"
        )
        parser.add_argument(
            "--hours",
            type=positive_float,
            metavar="H",
            help="instead: random faults for so many simulated hours",
        )
        parser.add_argument(
            "--journal",
            type=Path,
            metavar="FILE.jsonl",
            help="of --hours: a line a run; gone on with where it exists",
        )
        parser.add_argument("--json", required=True, type=output_file, metavar="OUT.json", help="file for the table")

    def run(self, args: argparse.Namespace) -> int:
        # Imported here so that other commands do not load the simulator.
        from cell.report import write_json  # noqa: PLC0415
        from sim.faults.evaluation import Progress, cases, evaluate  # noqa: PLC0415

        faults = tuple(KINDS) if args.only is None else (args.only,)
        processes = args.processes or os.cpu_count() or 1

        def say(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        if (args.hours is None) != (args.journal is None):
            raise InputError("--hours and --journal belong together", key="--hours")
        if args.hours is not None:
            from sim.faults.endurance import endure, read_journal  # noqa: PLC0415

            before_s = sum(verdict.sim_s for _, verdict in read_journal(args.journal))
            say(f"random faults for {args.hours:g} h of simulated time, {before_s / 3600.0:.2f} h of them are done")
            progress = Progress(args.hours * 3600.0 - before_s, say, by_time=True)
            table = endure(args.journal, hours=args.hours, faults=faults, processes=processes, progress=progress)
        else:
            wanted = cases(faults, args.seeds)
            progress = Progress(len(wanted), say)
            say(f"{len(wanted)} runs of at most 8 s in {processes} processes")
            table = evaluate(wanted, processes=processes, progress=progress)
        out: Path = args.json
        write_json(out, [entry.as_dict() for entry in table.values()])
        red = 0
        for entry in table.values():
            wrong = entry.red
            if wrong:
                red += 1
                print(f"{entry.fault} in {entry.phase.value}: {'; '.join(wrong)}")
                for verdict in entry.verdicts:
                    words = (*verdict.ledger_errors, *verdict.forbidden_motions, *verdict.unasked_restarts)
                    if words:
                        print(f"  seed {verdict.case.seed}: {words[0]}")
                        break
        factor = progress.simulated_s / progress.wall_s
        runs = sum(len(entry.verdicts) for entry in table.values())
        print(
            f"{out}: {len(table)} entries, {runs} runs, {red} not as the matrix asks; "
            f"{progress.simulated_s:.0f} s in {progress.wall_s:.0f} s, {factor:.1f} times real time"
        )
        return RED if red else 0


def seed_range(text: str) -> range:
    """``FROM:TO``, TO not included."""
    first, colon, last = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"must be FROM:TO, such as 0:100, not {text!r}")
    seeds = range(natural_int(first), natural_int(last))
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text} holds no seed: TO is not included")
    return seeds
