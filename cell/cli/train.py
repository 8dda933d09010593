"""``cell train detector``: a data set becomes a model with its card."""

from __future__ import annotations

import argparse
import shlex
import signal
from pathlib import Path

from cell.cli.command import existing_file, natural_int, positive_float, positive_int
from perception.errors import InputError
from perception.evaluation import evaluate
from perception.labels import load_split
from perception.registry import find_model
from perception.training.detector import Recipe, make_detector

DEFAULT_MINUTES = 30.0


class DetectorCommand:
    """Train, export, find thresholds; then measure on the split ``val``, which nothing was fitted to."""

    help = "train a detector on a YOLO data set, from scratch, and export it with its card"
    example = (
        "cell train detector parts/dataset.yaml --name parts --minutes 30\n"
        "cell train detector tiles/dataset.yaml --name tiles --group-regex '^g[0-9]+' --imgsz 320 --minutes 40"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("data", type=Path, metavar="DATASET.yaml", help="YOLO data set; an image without boxes is a good part")
        add("--out", type=Path, default=Path("runs/models"), metavar="DIR", help="where NAME/ is made (runs/models)")
        add("--name", metavar="NAME", help="the model's id (the data set's folder)")
        add("--model", default="yolo11n", metavar="NAME", help="Ultralytics architecture with a dense head (yolo11n)")
        add("--imgsz", type=_input_side, default=320, metavar="N", help="input side in px, a multiple of 32 (320)")
        add("--minutes", type=positive_float, metavar="M", help=f"time to learn ({DEFAULT_MINUTES:g})")
        add("--epochs", type=positive_int, metavar="N", help="learn so many epochs, at most --minutes if given too")
        add("--seed", type=natural_int, default=0, metavar="N", help="of weights, lessons and folds (0)")
        add("--device", type=_device, default="cpu", metavar="cpu|0", help="processor or number of a CUDA device (cpu)")
        add("--group-regex", metavar="REGEX", help="what in a file name tells one photographed part (the whole stem)")
        add("--crop-margin", type=_share, metavar="SHARE", help="belt shown around a part in the images")
        add("--mirror", action="store_true", help="export a network that also looks at the mirror image, twice as slow")
        add("--no-paste", action="store_true", help="lay no defects onto good images, as where belt shows in them")
        add("--start", type=existing_file, metavar="FILE.pt", help="go on from an earlier run's --weights")
        add("--weights", type=Path, metavar="FILE.pt", help="also keep the plain weights")

    def run(self, args: argparse.Namespace) -> int:
        name = args.name or args.data.resolve().parent.name
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or not name[0].isalnum():
            raise InputError(f"must be a word of letters, digits, '-', '_' and '.', not {name!r}", key="--name")
        if args.weights is not None and not args.weights.absolute().parent.is_dir():
            raise InputError(f"no such folder: {args.weights.absolute().parent}", key="--weights")
        recipe = Recipe(
            data=args.data,
            out=args.out,
            name=name,
            architecture=args.model,
            size_px=args.imgsz,
            minutes=args.minutes if args.minutes or args.epochs else DEFAULT_MINUTES,
            epochs=args.epochs,
            seed=args.seed,
            device=args.device,
            group_regex=args.group_regex,
            crop_margin=args.crop_margin,
            mirrored=args.mirror,
            pasting=not args.no_paste,
            command=_command(args, name),
            weights=args.weights,
            start=args.start,
        )
        # A polite kill cleans up as Ctrl-C does: nothing half-written stays.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        home = make_detector(recipe, lambda line: print(line, flush=True))
        print(f"made {home}", flush=True)
        _measure(args.data, home)
        return 0


def _measure(data: Path, home: Path) -> None:
    try:
        load_split(data, "val")
    except InputError:
        print("the data set has no split val to measure on")
        return
    for overkill in (0.05, 0.10):
        figures = evaluate(find_model(str(home / "card.json")), data, "val", overkill=overkill)
        parts = figures["parts"]
        print(
            f"val at {overkill:.0%} overkill asked: escape {_percent(parts['escape'])} of {parts['n_defective']}, "
            f"overkill {_percent(parts['overkill'])} of {parts['n_good']}, AUROC {_percent(parts['auroc'])}, "
            f"mAP50 {_percent(figures['map50'])}",
            flush=True,
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _command(args: argparse.Namespace, name: str) -> str:
    words = ["cell", "train", "detector", str(args.data), "--name", name, "--model", args.model]
    words += ["--imgsz", str(args.imgsz), "--seed", str(args.seed)]
    minutes = args.minutes if args.minutes or args.epochs else DEFAULT_MINUTES
    for flag, value in (
        ("--minutes", None if minutes is None else f"{minutes:g}"),
        ("--epochs", args.epochs),
        ("--group-regex", args.group_regex),
        ("--crop-margin", args.crop_margin),
        ("--start", args.start),
    ):
        if value is not None:
            words += [flag, str(value)]
    words += [flag for flag, given in (("--mirror", args.mirror), ("--no-paste", args.no_paste)) if given]
    return shlex.join(words)


def _input_side(text: str) -> int:
    side = positive_int(text)
    if side % 32 or not 64 <= side <= 4096:
        raise argparse.ArgumentTypeError(f"must be a multiple of 32 from 64 to 4096, not {text!r}")
    return side


def _device(text: str) -> str:
    if text != "cpu" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be cpu or the number of a CUDA device, not {text!r}")
    return text


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 0.5:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 0.5, not {text!r}")
    return value
