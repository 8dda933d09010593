"""``cell eval detector``: a detector's figures on a labelled dataset, as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from cell.cli.command import existing_dir, existing_file, output_file, overkill, positive_int

# Progress is told at most this often, seconds.
TELL_EVERY_S = 2.0


class DetectorCommand:
    """Measures a model on one split of a YOLO dataset."""

    help = "measure a detector on labelled images: mAP, escape, overkill, AUROC"
    example = "cell eval detector --model magnetic_tile --data magnetic_tile/dataset.yaml --split val --json out.json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--model", required=True, metavar="ID_OR_FILE", help="a model by its id or its file")
        parser.add_argument(
            "--data", required=True, type=existing_file, metavar="DATASET.yaml", help="dataset in YOLO's format"
        )
        parser.add_argument("--split", required=True, metavar="NAME", help="split of the dataset, such as val")
        parser.add_argument(
            "--overkill",
            type=overkill,
            default=0.05,
            metavar="SHARE",
            help="which threshold of the card (default 0.05)",
        )
        parser.add_argument(
            "--template", type=existing_dir, metavar="DIR", help="defect-free images of the same names, to compare with"
        )
        parser.add_argument(
            "--threads", type=positive_int, default=2, metavar="N", help="threads of the runtime (default 2)"
        )
        parser.add_argument(
            "--json", required=True, type=output_file, metavar="OUT.json", help="file to write the figures to"
        )

    def run(self, args: argparse.Namespace) -> int:
        # Imported here so that other commands do not load the runtime.
        from cell.report import write_json  # noqa: PLC0415
        from perception.evaluation import evaluate  # noqa: PLC0415
        from perception.registry import find_model  # noqa: PLC0415

        model = find_model(args.model)
        figures = evaluate(
            model,
            args.data,
            args.split,
            overkill=args.overkill,
            template=args.template,
            threads=args.threads,
            progress=Progress().tell,
        )
        out: Path = args.json
        write_json(out, figures)
        parts = figures["parts"]
        print(
            f"{out}: {figures['images']} images, "
            f"mAP50 {_share(figures['map50'])}, mAP50-95 {_share(figures['map50_95'])}, "
            f"AUROC {_share(parts['auroc'])}, escape {_share(parts['escape'])} at overkill {_share(parts['overkill'])}"
        )
        if figures["skipped"]:
            print(f"{figures['skipped']} images could not be read and were skipped", file=sys.stderr)
        return 0


class Progress:
    """A line on stderr every few seconds: done, rate, time left."""

    def __init__(self) -> None:
        self._start_s = self._told_s = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s < TELL_EVERY_S:
            return
        self._told_s = now_s
        rate = done / (now_s - self._start_s)
        print(f"{done}/{total} images, {rate:.0f} images/s, {(total - done) / rate:.0f} s left", file=sys.stderr)


def _share(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}"
