"""``cell eval policy``: picking policies compared with each other and with the clairvoyant bound."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from cell.cli.command import existing_file, one_of, output_file, positive_float, positive_int
from perception.errors import InputError
from sim.faults.commands import seed_range

MAX_LOAD = 20.0


class EvalPolicyCommand:
    """Policies x arms x loads x seeds."""

    help = "compare picking policies: picks a minute, per cent of the clairvoyant bound, decision time"
    example = (
        "cell eval policy --policies fifo,spt,dp --arms delta,scara --loads 1.0,1.7 --seeds 1000:1020 "
        "--duration 600 --json out.json\n"
        "  cell eval policy --policies dp,bound --arms mine --arms-file arms.yaml --loads 1.3 --json out.json"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--policies",
            type=words,
            default=("fifo", "spt", "dp"),
            metavar="NAMES",
            help="by name, or FILE.py with a POLICY; bound is what none can pass (default fifo,spt,dp)",
        )
        parser.add_argument("--arms", type=words, default=("delta", "scara"), metavar="NAMES", help="by name")
        parser.add_argument(
            "--arms-file", type=existing_file, metavar="FILE.yaml", help="parameters of the arms (default: our own)"
        )
        parser.add_argument(
            "--loads", type=loads, default=(1.0, 1.7), metavar="LOADS", help="arrival rate x mean cycle, such as 0.6,1"
        )
        parser.add_argument(
            "--seeds",
            type=seed_range,
            default=range(1000, 1020),
            metavar="FROM:TO",
            help="TO not included (default 1000:1020); below 1000 is for tuning",
        )
        parser.add_argument(
            "--duration", type=positive_float, default=600.0, metavar="S", help="measured, after 60 s (default 600)"
        )
        parser.add_argument("--belt", type=positive_float, default=0.2, metavar="MPS", help="belt speed (default 0.2)")
        parser.add_argument(
            "--arrivals",
            type=one_of("poisson", "bursty", "batch"),
            default="poisson",
            metavar="KIND",
            help="poisson (default), bursty or batch",
        )
        parser.add_argument(
            "--traces", type=Path, metavar="DIR", help="write arrivals, picks and arm parameters of every run"
        )
        parser.add_argument(
            "--processes", type=positive_int, metavar="N", help="how many at once (default: one for each processor)"
        )
        parser.add_argument("--json", required=True, type=output_file, metavar="OUT.json", help="file for the table")

    def run(self, args: argparse.Namespace) -> int:
        # Imported here so that other commands do not load the simulator.
        from cell.report import write_json  # noqa: PLC0415
        from policies.arms import ARMS_FILE, Belt, load_arms  # noqa: PLC0415
        from policies.registry import find  # noqa: PLC0415
        from sim.faults.evaluation import Progress  # noqa: PLC0415
        from sim.trials.evaluation import BOUND, Case, evaluate  # noqa: PLC0415

        for name in args.policies:
            if name != BOUND:
                find(name)
        file = args.arms_file or ARMS_FILE
        known = load_arms(file)
        belt = Belt(speed_mps=args.belt)
        for name in args.arms:
            if name not in known:
                raise InputError(f"there is no arm {name!r}; known are {', '.join(known)}", file=file, key="--arms")
            known[name].check_belt(belt)
        if args.traces is not None:
            try:
                args.traces.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot be made ({error.strerror})", file=args.traces, key="--traces") from None
        cases = [
            Case(args.policies, known[arm], belt, load, args.arrivals, seed, args.duration, args.traces)
            for arm in args.arms
            for load in args.loads
            for seed in args.seeds
        ]

        def say(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        processes = min(args.processes or os.cpu_count() or 1, len(cases))
        many = f"{len(args.policies)} policies each, {processes} at once"
        say(f"{len(cases)} traces of {args.duration:g} s + 60 s, {many}")
        table = [entry.as_dict() for entry in evaluate(cases, processes=processes, progress=Progress(len(cases), say))]
        write_json(args.json, table)
        print(f"{'arm':<12}{'load':>6}  {'policy':<14}{'picks/min':>18}{'% of bound':>18}{'missed':>8}{'p99 ms':>9}")
        for row in table:
            low_high = row["ci95"]
            p99 = row["decision_ms_p99"]
            print(
                f"{row['arm']:<12}{row['load']:>6g}  {row['policy']:<14}"
                f"{_spread(row['picks_per_min'], low_high['picks_per_min']):>18}"
                f"{_spread(row['percent_of_bound'], low_high['percent_of_bound']):>18}"
                f"{row['missed']:>8}{'-' if p99 is None else f'{p99:.2f}':>9}"
            )
        print(f"{args.json}: {len(table)} entries, {len(args.seeds)} seeds each")
        return 0


def _spread(mean: float, interval: list[float] | None) -> str:
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} +-{0.5 * (interval[1] - interval[0]):.2f}"


def words(text: str) -> tuple[str, ...]:
    """Names with commas between them, each once."""
    found = tuple(word.strip() for word in text.split(","))
    if not all(found):
        raise argparse.ArgumentTypeError(f"must be names with commas between them, not {text!r}")
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"names one twice: {text!r}")
    return found


def loads(text: str) -> tuple[float, ...]:
    """Loads with commas between them, each above 0."""
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be numbers with commas between them, not {text!r}") from None
    if not all(0.0 < one <= MAX_LOAD for one in found) or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"must be different numbers above 0, up to {MAX_LOAD:g}, not {text!r}")
    return found
