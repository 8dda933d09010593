"""A detection dataset of rendered parts, cut out of the camera's picture exactly as the inspector cuts them out.

Each part lies alone at a random place and yaw in the picture, is found by ``perception.locator`` and cropped by it, and
its true defects are carried into the crop. What is trained on is therefore what is judged later.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from perception.errors import InputError
from perception.inspection import CROP_MARGIN
from perception.locator import BeltColour, Locator, crop
from sim.camera import SimCamera
from sim.faces.procedural import ProceduralFaces
from sim.faces.types import DEFECT_CLASSES, Face, Pixels
from sim.scenario import Scenario
from sim.world.parts import PlacedPart

#: A part stays this far inside the picture, m.
_BORDER_M = 0.003
#: Boxes are at least this wide, px, as a crack that runs along an axis is thinner than a label is worth.
_MIN_BOX_PX = 3.0
#: Above every seed that a cell runs with, so that no part of a dataset ever rides the belt of a run.
_SEEDS_FROM = 0xDA7A << 64

Label = tuple[int, float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop, BGR, and its labels: (class number, x, y, w, h), the last four as shares of the crop's sides."""

    image: Pixels
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What was written."""

    images: int
    defective: int
    boxes: dict[str, int]


def render_samples(
    parts: int, seed: int, *, defective_share: float = 0.5, scenario: Scenario | None = None
) -> Iterator[Sample]:
    """``parts`` crops; the same for the same seed."""
    scenario = scenario or Scenario()
    camera = SimCamera(scenario.camera, seed)
    locator = Locator(BeltColour(scenario.camera.belt_bgr))
    faces = ProceduralFaces(defective_share=defective_share, mix=scenario.feed.mix).stream(_SEEDS_FROM + seed)
    for number in range(parts):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_SEEDS_FROM + seed, number])))
        yield _sample(rng, next(faces), number, scenario, camera=camera, locator=locator)


def _sample(
    rng: np.random.Generator, face: Face, number: int, scenario: Scenario, *, camera: SimCamera, locator: Locator
) -> Sample:
    travel = float(rng.uniform(0.0, 1.0))
    while True:
        part = PlacedPart(number, face, 0.0, 0.0, float(rng.uniform(-math.pi, math.pi)))
        half_x, half_y = part.half_extent_m()
        room_x = scenario.camera.height_px / scenario.camera.px_per_m / 2.0 - half_x - _BORDER_M
        room_y = scenario.camera.width_px / scenario.camera.px_per_m / 2.0 - half_y - _BORDER_M
        if room_x < 0.0 or room_y < 0.0:
            raise InputError("the camera's picture is smaller than a part", key="camera.px_per_m")
        x_m, y_m = float(rng.uniform(-room_x, room_x)), float(rng.uniform(-room_y, room_y))
        part = PlacedPart(number, face, x_m - travel, y_m, part.yaw_rad)
        picture = camera.render([part], travel, number, speed_mps=scenario.feed.nominal_speed_mps)
        found = [outline for outline in locator.find(picture) if outline.whole]
        if len(found) == 1:
            break
    image, crop_from_picture = crop(picture, found[0], CROP_MARGIN)
    picture_from_face = camera.picture_from_face(face, x_m, y_m, part.yaw_rad)
    square = np.vstack([picture_from_face, [0.0, 0.0, 1.0]])
    crop_from_face = crop_from_picture @ square
    height, width = image.shape[:2]
    labels = []
    for defect in face.defects:
        points = crop_from_face @ np.vstack([defect.outline_px.T, np.ones(len(defect.outline_px))])
        low = np.maximum(points.min(axis=1) - 0.5, 0.0)
        high = np.minimum(points.max(axis=1) + 0.5, [width, height])
        middle, size = (low + high) / 2.0, np.maximum(high - low, _MIN_BOX_PX)
        labels.append(
            (
                DEFECT_CLASSES.index(defect.class_name),
                float(middle[0]) / width,
                float(middle[1]) / height,
                float(size[0]) / width,
                float(size[1]) / height,
            )
        )
    return Sample(image, tuple(labels))


def render_dataset(
    out: Path,
    parts: int,
    seed: int,
    *,
    defective_share: float = 0.5,
    val_share: float = 0.2,
    scenario: Scenario | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetSummary:
    """Write a YOLO dataset: ``dataset.yaml``, ``images/train|val``, ``labels/train|val``. A part without rows is good.

    Args:
        out: a folder that does not exist or is empty; it appears only when everything is in it.
        val_share: of the parts, the last ones.
        progress: called with (done, all) after each part.

    Raises:
        InputError: the folder holds something, cannot be written, or a number is out of range.
    """
    for key, value in (("--defective", defective_share), ("--val", val_share)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"must lie between 0 and 1, not {value}", key=key)
    if parts < 1:
        raise InputError(f"must be at least 1, not {parts}", key="--parts")
    if seed < 0:
        raise InputError(f"must not be negative, not {seed}", key="--seed")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("exists and is not an empty folder", file=out)
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        for split in ("train", "val"):
            (partial / "images" / split).mkdir(parents=True)
            (partial / "labels" / split).mkdir(parents=True)
    except OSError as error:
        raise InputError(error.strerror or str(error), file=out) from None
    boxes = dict.fromkeys(DEFECT_CLASSES, 0)
    defective = 0
    first_val = parts - round(parts * val_share)
    try:
        samples = render_samples(parts, seed, defective_share=defective_share, scenario=scenario)
        for number, sample in enumerate(samples):
            split = "train" if number < first_val else "val"
            _write(partial, split, f"part{number:06d}", sample)
            defective += bool(sample.labels)
            for label in sample.labels:
                boxes[DEFECT_CLASSES[label[0]]] += 1
            if progress is not None:
                progress(number + 1, parts)
        content = {"train": "images/train", "val": "images/val", "names": dict(enumerate(DEFECT_CLASSES))}
        (partial / "dataset.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise InputError(error.strerror or str(error), file=out) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return DatasetSummary(parts, defective, boxes)


def _write(root: Path, split: str, stem: str, sample: Sample) -> None:
    _, data = cv2.imencode(".png", sample.image)
    (root / "images" / split / f"{stem}.png").write_bytes(data.tobytes())
    rows = "".join(f"{label[0]} {' '.join(f'{value:.6f}' for value in label[1:])}\n" for label in sample.labels)
    (root / "labels" / split / f"{stem}.txt").write_text(rows, encoding="ascii")
