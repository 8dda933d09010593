"""From a detector's raw output to boxes: the dense head (1, 4 + classes, anchors) and non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from perception.errors import InputError

# More candidates than this are never useful for one part; suppression's cost grows with their square.
MAX_CANDIDATES = 3000
# As many boxes as Ultralytics' validation keeps for a picture (``max_det``), so that figures compare.
MAX_BOXES = 300
# Candidates compared with one another at a time.
BLOCK = 128

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of a picture, best first: ``corners`` (N, 4) as x0, y0, x1, y1 in pixels, ``scores``, ``classes`` (N,)."""

    corners: Floats
    scores: Floats
    classes: npt.NDArray[np.int64]


def check_head(shape: tuple[int, ...], classes: int) -> None:
    """That an output is the dense head for so many classes.

    Raises:
        InputError: another number of axes, another batch, or another number of classes.
    """
    if len(shape) != 3 or shape[0] != 1:
        raise InputError(f"the model's output of shape {shape} is not a dense head (1, 4 + classes, anchors)")
    if shape[1] != 4 + classes:
        raise InputError(f"the model's output knows {shape[1] - 4} classes, its card {classes}")


def best_score(raw: npt.NDArray[np.float32]) -> float:
    """The highest confidence of any class anywhere in a dense head, 0..1: the part's defect score."""
    return float(raw[0, 4:].max(initial=0.0))


def decode(raw: npt.NDArray[np.float32], *, floor: float, iou: float) -> Detections:
    """The boxes at or above ``floor`` after suppression within each class, in input pixels.

    An anchor that is confident of several classes yields a box for each.
    """
    scores = raw[0, 4:]
    classes, anchors = np.nonzero(scores >= floor)
    chosen = scores[classes, anchors].astype(np.float64)
    if chosen.size > MAX_CANDIDATES:
        top = np.argpartition(-chosen, MAX_CANDIDATES)[:MAX_CANDIDATES]
        classes, anchors, chosen = classes[top], anchors[top], chosen[top]
    centre_x, centre_y, w, h = raw[0, :4, anchors].astype(np.float64).T
    corners = np.stack([centre_x - w / 2, centre_y - h / 2, centre_x + w / 2, centre_y + h / 2], axis=1)
    keep = suppress(corners, chosen, classes, iou=iou)
    return Detections(corners[keep], chosen[keep], classes[keep].astype(np.int64))


def suppress(corners: Floats, scores: Floats, classes: npt.NDArray[np.integer], *, iou: float) -> npt.NDArray[np.int64]:
    """Indices of the boxes that stay, best first: greedy, within each class, dropping overlaps above ``iou``.

    Works through the candidates in blocks, so that overlaps are computed for many pairs at once without ever holding
    those of all pairs.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        if kept:
            block = block[~_clashes(corners, classes, block, np.array(kept), iou).any(axis=1)]
        clash = _clashes(corners, classes, block, block, iou)
        alive = np.ones(len(block), np.bool_)
        for place, index in enumerate(block):
            if alive[place]:
                kept.append(int(index))
                alive &= ~clash[place]
        if len(kept) >= MAX_BOXES:
            break
    return np.asarray(kept[:MAX_BOXES], np.int64)


def iou_matrix(first: Floats, second: Floats) -> Floats:
    """Intersection over union of each box of ``first`` (N, 4) with each of ``second`` (M, 4), 0 for empty ones."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    shared = sides[..., 0] * sides[..., 1]
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    ratio: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0.0)
    return ratio


def _areas(corners: Floats) -> Floats:
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0.0)
    areas: Floats = sides[:, 0] * sides[:, 1]
    return areas


def _clashes(
    corners: Floats,
    classes: npt.NDArray[np.integer],
    first: npt.NDArray[np.integer],
    second: npt.NDArray[np.integer],
    iou: float,
) -> npt.NDArray[np.bool_]:
    """Which boxes of ``first`` overlap which of ``second`` (both indices) too much, in the same class."""
    same: npt.NDArray[np.bool_] = classes[first][:, None] == classes[second][None, :]
    return same & (iou_matrix(corners[first], corners[second]) > iou)
