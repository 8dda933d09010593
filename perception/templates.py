"""A second opinion where a defect-free picture of the same part exists: what differs, and what that says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception.boxes import Detections, Floats, iou_matrix
from perception.errors import InputError
from perception.images import Image, image_files

# Both sides are thresholded in the middle of the range before they are compared: the two were compressed differently.
LEVEL = 127
# Differences smaller than this after opening are edges that moved by a pixel, square pixels.
MIN_AREA_PX = 12
# A difference of this area alone makes a part as likely bad as good, square pixels.
EVEN_AREA_PX = 50.0
# How far around a difference a box may reach, pixels: labels frame a defect with some of its surroundings.
REACH_PX = 12.0


class Templates:
    """The aligned defect-free pictures of a folder (or of its subfolder named after the split), by their stem.

    Raises:
        InputError: no such folder, or no pictures in it.
    """

    def __init__(self, folder: Path, split: str) -> None:
        if not folder.is_dir():
            raise InputError("no such folder", file=folder, key="--template")
        inner = folder / split
        files = [*image_files(folder), *(image_files(inner) if inner.is_dir() else ())]
        if not files:
            raise InputError("holds no pictures", file=folder, key="--template")
        self._files = {file.stem: file for file in files}

    def find(self, image: Path) -> Path | None:
        """The template of a picture, or None."""
        return self._files.get(image.stem)


def differences(image: Image, template: Image) -> tuple[Floats, Floats]:
    """Where a picture differs from its template of the same size: ``corners`` (N, 4) in pixels, ``areas`` (N,)."""
    sides = [cv2.cvtColor(side, cv2.COLOR_BGR2GRAY) > LEVEL for side in (image, template)]
    changed = np.logical_xor(*sides).astype(np.uint8)
    changed = np.asarray(cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
    kept = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= MIN_AREA_PX].astype(np.float64)
    corners = np.column_stack([kept[:, 0], kept[:, 1], kept[:, 0] + kept[:, 2], kept[:, 1] + kept[:, 3]])
    return corners, kept[:, cv2.CC_STAT_AREA]


def combine(score: float, found: Detections, corners: Floats, areas: Floats) -> tuple[float, Detections]:
    """The detector's word and the template's together.

    A box that meets a difference keeps its class and moves into the upper half of the scale; one that meets none falls
    to half its score. The part's score is at least what the largest difference alone says. A difference without any
    box has no class and becomes no box.
    """
    reach = corners + np.array([-REACH_PX, -REACH_PX, REACH_PX, REACH_PX])
    met = iou_matrix(found.corners, reach).max(axis=1, initial=0.0) > 0.0
    scores = np.where(met, 0.5 + 0.5 * found.scores, 0.5 * found.scores)
    order = np.argsort(-scores, kind="stable")
    largest = float(areas.max(initial=0.0))
    fused = max(score, largest / (largest + EVEN_AREA_PX))
    return fused, Detections(found.corners[order], scores[order], found.classes[order])
