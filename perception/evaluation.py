"""How good a detector is on labelled pictures: boxes by COCO's mean average precision, parts by escape and overkill.

Every picture is one part, defective when it has a label. The threshold is the card's; nothing is fitted to what is
measured.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import numpy as np

from perception.boxes import Detections
from perception.errors import InputError
from perception.images import Image, read_image
from perception.inspection import Inspector
from perception.labels import Split, load_split, read_truth
from perception.metrics import Boxes, Floats, auroc, average_precisions, wilson
from perception.registry import Model
from perception.templates import Templates, combine, differences

LOG = logging.getLogger(__name__)

# Boxes from this score on enter the precision-recall curve (Ultralytics' validation uses the same floor).
CURVE_FLOOR = 0.001


class ClassFigures(TypedDict):
    """``ap50`` and ``ap50_95`` are None for a class without a true box."""

    boxes: int
    ap50: float | None
    ap50_95: float | None


class Intervals(TypedDict):
    """95 % intervals: Wilson's for the shares, DeLong's for the AUROC."""

    escape: tuple[float, float] | None
    overkill: tuple[float, float] | None
    auroc: tuple[float, float] | None


class PartFigures(TypedDict):
    """Shares; None where no part could show it. An unsure part counts as rejected."""

    n_defective: int
    n_good: int
    escape: float | None
    overkill: float | None
    unsure: float | None
    auroc: float | None
    ci95: Intervals


class Figures(TypedDict):
    """What ``cell eval detector`` writes; ``skipped`` counts pictures that could not be read."""

    map50: float | None
    map50_95: float | None
    per_class: dict[str, ClassFigures]
    parts: PartFigures
    images: int
    skipped: int
    model_hash: str
    template_used: bool


def evaluate(
    model: Model,
    data: Path,
    split: str,
    *,
    overkill: float = 0.05,
    template: Path | None = None,
    threads: int = 2,
    backend: str = "onnxruntime",
    progress: Callable[[int, int], None] | None = None,
) -> Figures:
    """Measure a model on one split of a YOLO dataset.

    Args:
        overkill: which of the card's thresholds decides.
        template: a folder of defect-free pictures with the same stems, as a second opinion.
        progress: called with (done, all) after each picture.

    Raises:
        InputError: the dataset, its labels, the template folder or the model is not in order, no class of the dataset
            is known to the model, or no picture can be read.
    """
    threshold = model.card.threshold(overkill)
    chosen = load_split(data, split)
    class_map = _class_map(model, chosen)
    templates = Templates(template, split) if template is not None else None
    truths = [read_truth(path, len(chosen.classes)) for path in chosen.images]
    inspector = Inspector(model, threads=threads, backend=backend)
    scores: list[float] = []
    defective: list[bool] = []
    found: list[Detections] = []
    true_boxes: list[Boxes] = []
    skipped = compared = 0
    for done, (path, truth) in enumerate(zip(chosen.images, truths, strict=True), start=1):
        image = read_image(path)
        if image is None:
            skipped += 1
            LOG.warning("%s: cannot be read as a picture, skipped", path)
        else:
            score, detections = inspector.detect(image, floor=CURVE_FLOOR)
            reference = _reference(templates, path, image)
            if reference is not None:
                compared += 1
                score, detections = combine(score, detections, *differences(image, reference))
            scores.append(score)
            defective.append(len(truth.classes) > 0)
            found.append(_renumbered(detections, class_map))
            height, width = image.shape[:2]
            true_boxes.append((truth.classes, truth.corners(width, height)))
        if progress is not None:
            progress(done, len(chosen.images))
    if not scores:
        raise InputError("no picture of the split can be read", file=data, key=split)
    precisions = average_precisions(found, true_boxes, len(chosen.classes))
    shown = precisions[~np.isnan(precisions[:, 0])]
    return {
        "map50": float(shown[:, 0].mean()) if len(shown) else None,
        "map50_95": float(shown.mean()) if len(shown) else None,
        "per_class": _per_class(chosen, precisions, true_boxes),
        "parts": part_figures(np.array(scores), np.array(defective), threshold),
        "images": len(scores),
        "skipped": skipped,
        "model_hash": model.card.sha256,
        "template_used": compared > 0,
    }


def part_figures(scores: Floats, defective: np.typing.NDArray[np.bool_], threshold: float) -> PartFigures:
    """Escape, overkill and AUROC of parts by their scores; a part is rejected at or above the threshold."""
    bad, good = scores[defective], scores[~defective]
    escaped, rejected = int((bad < threshold).sum()), int((good >= threshold).sum())
    area = auroc(bad, good)
    return {
        "n_defective": len(bad),
        "n_good": len(good),
        "escape": escaped / len(bad) if len(bad) else None,
        "overkill": rejected / len(good) if len(good) else None,
        # Every picture shows its part entirely, and a single threshold leaves no band between good and defective.
        "unsure": 0.0 if len(scores) else None,
        "auroc": area[0] if area else None,
        "ci95": {
            "escape": wilson(escaped, len(bad)),
            "overkill": wilson(rejected, len(good)),
            "auroc": area[1] if area else None,
        },
    }


def _class_map(model: Model, split: Split) -> np.typing.NDArray[np.int64]:
    """The dataset's number of each of the model's classes, -1 where the dataset does not have it."""
    numbers = [split.classes.index(name) if name in split.classes else -1 for name in model.card.classes]
    if max(numbers) < 0:
        raise InputError(
            f"the model {model.card.id} knows none of these classes but {', '.join(model.card.classes)}",
            file=split.file,
            key="names",
        )
    for name in split.classes:
        if name not in model.card.classes:
            LOG.warning("the model %s does not know the class %s: its average precision is 0", model.card.id, name)
    return np.array(numbers, np.int64)


def _renumbered(found: Detections, class_map: np.typing.NDArray[np.int64]) -> Detections:
    numbers = class_map[found.classes]
    known = numbers >= 0
    return Detections(found.corners[known], found.scores[known], numbers[known])


def _reference(templates: Templates | None, path: Path, image: Image) -> Image | None:
    file = templates.find(path) if templates is not None else None
    if file is None:
        return None
    reference = read_image(file)
    if reference is None or reference.shape != image.shape:
        LOG.warning("%s: cannot be read, or is not of its picture's size; judged without template", file)
        return None
    return reference


def _per_class(split: Split, precisions: Floats, truth: list[Boxes]) -> dict[str, ClassFigures]:
    figures: dict[str, ClassFigures] = {}
    for number, name in enumerate(split.classes):
        row = precisions[number]
        seen = not np.isnan(row[0])
        figures[name] = {
            "boxes": sum(int(np.count_nonzero(kinds == number)) for kinds, _ in truth),
            "ap50": float(row[0]) if seen else None,
            "ap50_95": float(row.mean()) if seen else None,
        }
    return figures
