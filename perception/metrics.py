"""Figures of merit, each with its interval: mean average precision for boxes, escape, overkill and AUROC for parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from perception.boxes import Detections, iou_matrix

# COCO's detection metric: ten overlaps, precision read off at 101 recalls (pycocotools, Params.setDetParams).
IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0.0, 1.0, 101)
Z95 = NormalDist().inv_cdf(0.975)

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]
Boxes = tuple[npt.NDArray[np.int64], Floats]


def average_precisions(found: Sequence[Detections], truth: Sequence[Boxes], classes: int) -> Floats:
    """Average precision (classes, len(IOUS)) over pictures as COCO computes it; NaN for a class that no truth shows.

    In each picture and class, boxes take by falling score the free true box that they overlap most, if by the IoU at
    least. Over all pictures precision is made falling in recall from the right, and averaged at 101 recalls.

    Args:
        found: boxes of each picture, best first.
        truth: of each picture, ``classes`` (N,) and ``corners`` (N, 4) in the same pixels.
    """
    result = np.full((classes, len(IOUS)), np.nan)
    for number in range(classes):
        total = sum(int(np.count_nonzero(kinds == number)) for kinds, _ in truth)
        if total == 0:
            continue
        scores: list[Floats] = [np.zeros(0)]
        hits: list[npt.NDArray[np.bool_]] = [np.zeros((len(IOUS), 0), np.bool_)]
        for detections, (kinds, corners) in zip(found, truth, strict=True):
            mine = detections.classes == number
            if mine.any():
                scores.append(detections.scores[mine])
                hits.append(_hits(detections.corners[mine], corners[kinds == number]))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        ranked = np.concatenate(hits, axis=1)[:, order]
        result[number] = [_average_precision(row, total) for row in ranked]
    return result


def _hits(found: Floats, truth: Floats) -> npt.NDArray[np.bool_]:
    """Which boxes (best first) are right, at each IoU: (len(IOUS), boxes)."""
    overlap = iou_matrix(found, truth)
    hits = np.zeros((len(IOUS), len(found)), np.bool_)
    for level, least in enumerate(IOUS):
        free = np.ones(len(truth), np.bool_)
        for index, row in enumerate(overlap):
            best = np.where(free, row, -1.0)
            choice = int(best.argmax()) if best.size else -1
            if choice >= 0 and best[choice] >= least:
                free[choice] = False
                hits[level, index] = True
    return hits


def _average_precision(hits: npt.NDArray[np.bool_], total: int) -> float:
    right = np.cumsum(hits)
    recall = right / total
    precision = right / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, RECALLS, side="left")
    return float(np.where(at < len(falling), np.append(falling, 0.0)[np.minimum(at, len(falling))], 0.0).mean())


def wilson(hits: int, trials: int) -> Interval | None:
    """95 % interval of a share (Wilson 1927); None without trials."""
    if trials == 0:
        return None
    share, z2 = hits / trials, Z95**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc(defective: Floats, good: Floats) -> tuple[float, Interval] | None:
    """Probability that a defective part scores above a good one (ties count half), and its 95 % interval.

    The interval is DeLong's (DeLong, DeLong, Clarke-Pearson 1988), on the logit so that it stays within 0..1. Without
    any overlap of the scores that variance is 0; then the lower (upper) end is Wilson's for the smaller group.
    """
    if not len(defective) or not len(good):
        return None
    above = _placements(defective, good)
    below = 1.0 - _placements(good, defective)
    area = float(above.mean())
    variance = sum(float(values.var(ddof=1)) / len(values) for values in (above, below) if len(values) > 1)
    if area in (0.0, 1.0) or variance == 0.0:
        fewer = min(len(defective), len(good))
        interval = wilson(round(area * fewer), fewer)
        return area, interval or (0.0, 1.0)
    logit = math.log(area / (1 - area))
    half = Z95 * math.sqrt(variance) / (area * (1 - area))
    return area, (1 / (1 + math.exp(half - logit)), 1 / (1 + math.exp(-half - logit)))


def _placements(first: Floats, second: Floats) -> Floats:
    """For each of ``first`` the share of ``second`` that lies below it, ties half."""
    ranked = np.sort(second)
    below = np.searchsorted(ranked, first, side="left")
    up_to = np.searchsorted(ranked, first, side="right")
    shares: Floats = (below + up_to) / 2.0 / len(second)
    return shares
