"""The simulator's own commands; they join the command line through the entry points ``cellwright.commands``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sim.dataset import render_dataset
from sim.scenario import load_scenario

#: Progress is told at most this often, s.
_TELL_EVERY_S = 2.0


class RenderDatasetCommand:
    """``cell dataset render``: rendered parts as a detection dataset to train on."""

    help = "render a detection dataset of parts with known defects"
    example = "cell dataset render runs/parts --parts 2000 --seed 1"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("out", type=Path, metavar="OUT", help="folder to create")
        parser.add_argument("--parts", type=int, default=1000, metavar="N", help="how many parts (default 1000)")
        parser.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same dataset (default 1)")
        parser.add_argument(
            "--defective", type=float, default=0.5, metavar="SHARE", help="share of defective parts (default 0.5)"
        )
        parser.add_argument(
            "--val", type=float, default=0.2, metavar="SHARE", help="share kept for validation (default 0.2)"
        )
        parser.add_argument("--scenario", type=Path, metavar="FILE.yaml", help="camera and part types of another cell")

    def run(self, args: argparse.Namespace) -> int:
        scenario = load_scenario(args.scenario) if args.scenario is not None else None
        progress = _Progress()
        summary = render_dataset(
            args.out,
            args.parts,
            args.seed,
            defective_share=args.defective,
            val_share=args.val,
            scenario=scenario,
            progress=progress.tell,
        )
        counts = ", ".join(f"{count} {name}" for name, count in summary.boxes.items())
        print(f"{args.out / 'dataset.yaml'}: {summary.images} parts, {summary.defective} defective ({counts})")
        return 0


class _Progress:
    """One line on stderr every few seconds: done, rate, time left."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._told_s = self._start_s

    def tell(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < _TELL_EVERY_S:
            return
        self._told_s = now_s
        rate = done / (now_s - self._start_s)
        print(
            f"rendering: {done}/{total} parts, {rate:.0f} parts/s, {(total - done) / rate:.0f} s left", file=sys.stderr
        )
