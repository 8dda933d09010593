"""From a data set to a model's folder: learn, export, find the thresholds, write the card. All of it or nothing.

Imports torch only when it begins to learn, so that wrong input is answered at once and without the extra ``train``.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.backends import OnnxRuntimeBackend
from perception.cards import Calibration, Card, InputShape, Latency, Training
from perception.errors import InputError
from perception.inspection import Inspector
from perception.metrics import auroc
from perception.registry import CARD_FILE, Model, file_sha256
from perception.training import environment
from perception.training.datasets import DataSet, Sample, fingerprint, hold_out, load_picture, read_data_set
from perception.training.lessons import Lessons
from perception.training.thresholds import METHOD, thresholds

MODEL_FILE = "model.onnx"
# Boxes below are not reported; a part's score is taken before this floor.
CONF_FLOOR = 0.01
# Ultralytics' default for suppression is 0.7; flaws of one class that overlap by half are one flaw.
NMS_IOU = 0.5
BATCH = 8
LATENCY_RUNS = 40


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train, on what, for how long.

    Attributes:
        data: the data set's YAML.
        out: the folder in which the model's folder is made.
        name: the model's id.
        architecture: an Ultralytics yaml without its suffix, with a dense head.
        size_px: side of the square input, a multiple of 32.
        minutes, epochs: the budget, whichever ends first; one may be None.
        device: "cpu" or a CUDA device's number.
        group_regex: see ``read_data_set``.
        crop_margin: belt that the training's pictures show around a part, as a share of its sides; None: the
            inspector's default.
        pasting: lay defects onto good pictures; not where pictures show more than the part's own face.
        mirrored: the exported network also looks at the mirror image.
        command: the command line that makes the model again.
        weights: a file to also keep the plain weights in.
        start: plain weights of an earlier run to go on from; None: from scratch.
    """

    data: Path
    out: Path
    name: str
    architecture: str
    size_px: int
    minutes: float | None
    epochs: int | None
    seed: int
    device: str
    group_regex: str | None
    crop_margin: float | None
    mirrored: bool
    pasting: bool
    command: str
    weights: Path | None = None
    start: Path | None = None


def make_detector(recipe: Recipe, say: Callable[[str], None]) -> Path:
    """Train a detector; returns its folder, ``out/name`` with ``model.onnx`` and ``card.json``.

    Raises:
        InputError: a fault in the data set, the recipe, or a missing extra; nothing is left behind.
    """
    home = recipe.out / recipe.name
    if home.exists():
        raise InputError("exists already; choose another --name or --out", file=home)
    data = read_data_set(recipe.data, "train", recipe.group_regex)
    kept, aside = hold_out(data, recipe.seed)
    say(
        f"{len(kept)} images to learn from ({sum(s.defective for s in kept)} defective), "
        f"{len(aside)} kept aside for thresholds ({sum(s.defective for s in aside)} defective)"
    )
    environment.prepare()
    try:
        recipe.out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{recipe.name}-", dir=recipe.out))
    except OSError as error:
        raise InputError(error.strerror or str(error), file=recipe.out, key="--out") from None
    try:
        _make(recipe, data, (kept, aside), work, say)
        work.chmod(0o755)
        work.rename(home)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return home


def _make(
    recipe: Recipe,
    data: DataSet,
    folds: tuple[tuple[Sample, ...], tuple[Sample, ...]],
    work: Path,
    say: Callable[[str], None],
) -> None:
    import torch  # noqa: PLC0415 (the extra)

    from perception import export  # noqa: PLC0415
    from perception.training import learning  # noqa: PLC0415

    def report(progress: learning.Progress) -> None:
        say(
            f"training: {progress.share:.0%}, epoch {progress.epoch}, {progress.images_per_s:.1f} images/s, "
            f"loss {progress.loss:.2f}, {progress.left_s / 60.0:.1f} min left"
        )

    kept, aside = folds
    network = learning.build(recipe.architecture, data.names, recipe.seed)
    if recipe.start is not None:
        learning.go_on(network, recipe.start)
    learned = learning.learn(
        network,
        Lessons(kept, recipe.size_px, BATCH, recipe.seed, pasting=recipe.pasting),
        epoch_images=len(kept),
        batch=BATCH,
        budget=learning.Budget(recipe.minutes, recipe.epochs),
        device=recipe.device,
        report=report,
    )
    if recipe.weights is not None:
        torch.save(learned.network.state_dict(), recipe.weights)
    say("exporting")
    file = work / MODEL_FILE
    export.export_onnx(
        export.for_export(learned.network, recipe.size_px, mirrored=recipe.mirrored), file, recipe.size_px, data.names
    )
    training = Training(
        dataset=recipe.data.resolve().parent.name,
        dataset_sha256=fingerprint(data),
        images=len(kept),
        command=recipe.command,
        seed=recipe.seed,
        minutes=round(learned.minutes, 1),
        epochs=learned.epochs,
        ultralytics=_version("ultralytics", "ultralytics-opencv-headless"),
        torch=str(torch.__version__),
    )
    say(f"finding thresholds on {len(aside)} images")
    card = calibrate(recipe, data.names, file, aside, training)
    text = json.dumps(card.model_dump(mode="json", exclude_none=True), indent=2) + "\n"
    (work / CARD_FILE).write_text(text, encoding="utf-8")


def calibrate(
    recipe: Recipe, names: tuple[str, ...], file: Path, aside: tuple[Sample, ...], training: Training
) -> Card:
    """The card of an exported network: its thresholds from pictures kept aside, judged as at run time."""
    blank = Card(
        id=recipe.name,
        version=1,
        file=MODEL_FILE,
        sha256=file_sha256(file),
        architecture=recipe.architecture + ("+mirror" if recipe.mirrored else ""),
        classes=names,
        input=InputShape(width=recipe.size_px, height=recipe.size_px, channels=3, colour="rgb", scale=1.0 / 255.0),
        head="dense",
        conf_floor=CONF_FLOOR,
        iou=NMS_IOU,
        thresholds=thresholds(np.ones(1), np.zeros(1)),
        calibration=Calibration(images=0, good=0, defective=0, auroc=0.0, method=METHOD),
        latency_ms=Latency(cpu_2_threads=1.0, modelled=1.0),
        training=training,
        licence="AGPL-3.0-only",
        crop_margin=recipe.crop_margin,
    )
    model = Model(blank, file)
    inspector = Inspector(model)
    scores = np.array([inspector.detect(load_picture(sample.path), floor=1.0)[0] for sample in aside])
    defective = np.array([sample.defective for sample in aside])
    bad, good = scores[defective], scores[~defective]
    area = auroc(bad, good)
    latency = _latency_ms(model)
    return blank.model_copy(
        update={
            "thresholds": thresholds(bad, good),
            "calibration": Calibration(
                images=len(aside),
                good=len(good),
                defective=len(bad),
                auroc=round(area[0], 4) if area else 0.0,
                method=METHOD,
            ),
            # Simulated time counts whole milliseconds, never fewer than were measured.
            "latency_ms": Latency(cpu_2_threads=round(latency, 2), modelled=float(math.ceil(latency))),
        }
    )


def _latency_ms(model: Model) -> float:
    """Median milliseconds of a run of the network with two threads."""
    backend = OnnxRuntimeBackend(model, threads=2)
    picture = np.full((1, 3, model.card.input.height, model.card.input.width), 0.5, np.float32)
    times = []
    for _ in range(LATENCY_RUNS):
        start = time.perf_counter()
        backend.infer(picture)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _version(*names: str) -> str:
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"
