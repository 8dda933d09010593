"""Figures of merit against cases that can be done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from perception.boxes import Detections
from perception.metrics import IOUS, auroc, average_precisions, wilson

SQUARE = [0.0, 0.0, 10.0, 10.0]
FAR = [100.0, 100.0, 110.0, 110.0]


def found(*boxes: tuple[list[float], float, int]) -> Detections:
    ranked = sorted(boxes, key=lambda box: -box[1])
    return Detections(
        np.array([box[0] for box in ranked]).reshape(-1, 4),
        np.array([box[1] for box in ranked]),
        np.array([box[2] for box in ranked], np.int64),
    )


def truth(*boxes: tuple[list[float], int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([box[1] for box in boxes], np.int64), np.array([box[0] for box in boxes]).reshape(-1, 4)


def test_precision_is_one_when_every_box_is_right() -> None:
    result = average_precisions([found((SQUARE, 0.9, 0))], [truth((SQUARE, 0))], 1)
    assert result == pytest.approx(np.ones((1, len(IOUS))))


def test_precision_counts_levels_when_box_overlaps_in_part() -> None:
    # 10 x 10 against 10 x 8 in the same corner: IoU 0.8 exactly, right at 0.50..0.80, seven of ten levels.
    result = average_precisions([found(([0.0, 0.0, 10.0, 8.0], 0.9, 0))], [truth((SQUARE, 0))], 1)
    assert result[0].tolist() == [1.0] * 7 + [0.0] * 3


def test_precision_is_interpolated_when_a_false_box_stands_between_right_ones() -> None:
    # Ranked right, false, right with two true boxes: precision 1 up to recall 0.5 (51 points), 2/3 beyond (50 points).
    boxes = found((SQUARE, 0.9, 0), ([50.0, 50.0, 60.0, 60.0], 0.8, 0), (FAR, 0.7, 0))
    result = average_precisions([boxes], [truth((SQUARE, 0), (FAR, 0))], 1)
    assert result[0, 0] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_second_box_on_the_same_defect_is_false_when_matched() -> None:
    boxes = found((SQUARE, 0.9, 0), (SQUARE, 0.8, 0), (FAR, 0.7, 0))
    result = average_precisions([boxes], [truth((SQUARE, 0), (FAR, 0))], 1)
    assert result[0, 0] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_ranking_runs_over_all_pictures_when_there_are_several() -> None:
    # The false box of the second picture outranks the right one of the first: precision 1/2 at all recalls.
    pictures = [found((SQUARE, 0.6, 0)), found((SQUARE, 0.9, 0))]
    result = average_precisions(pictures, [truth((SQUARE, 0)), truth()], 1)
    assert result[0, 0] == pytest.approx(0.5)


def test_classes_are_apart_when_boxes_coincide() -> None:
    boxes = found((SQUARE, 0.9, 1), (FAR, 0.8, 0))
    result = average_precisions([boxes], [truth((SQUARE, 0), (FAR, 0))], 3)
    assert result[0, 0] == pytest.approx(51 / 101)
    assert np.isnan(result[1]).all()
    assert np.isnan(result[2]).all()


def test_precision_is_zero_when_nothing_is_found() -> None:
    assert average_precisions([found()], [truth((SQUARE, 0))], 1).tolist() == [[0.0] * len(IOUS)]


def test_wilson_interval_is_the_published_one_when_computed() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) is None


def test_auroc_counts_pairs_when_scores_tie() -> None:
    area, (low, high) = auroc(np.array([0.9, 0.5, 0.4]), np.array([0.5, 0.1])) or (0.0, (0.0, 0.0))
    assert area == pytest.approx((2 + 1.5 + 1) / 6)
    assert low < area < high


def test_interval_holds_the_truth_in_nineteen_of_twenty_when_repeated() -> None:
    # Normal scores one deviation apart: the true area is Phi(1 / sqrt 2).
    rng = np.random.default_rng(3)
    true = 0.5 * (1 + math.erf(0.5))
    hits = 0
    for _ in range(400):
        result = auroc(rng.normal(1, 1, 40), rng.normal(0, 1, 90))
        assert result is not None
        hits += result[1][0] <= true <= result[1][1]
    assert 0.92 <= hits / 400 <= 0.98


def test_interval_is_not_a_point_when_groups_are_apart() -> None:
    area, (low, high) = auroc(np.array([0.8, 0.9, 0.7]), np.array([0.1, 0.2])) or (0.0, (0.0, 0.0))
    assert (area, high) == (1.0, 1.0)
    assert low < 0.5
    assert auroc(np.zeros(0), np.ones(3)) is None
