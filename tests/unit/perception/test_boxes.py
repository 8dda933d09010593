"""Letterbox and head: the way into the network and the way back."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.boxes import best_score, check_head, decode, iou_matrix, suppress
from perception.errors import InputError
from perception.letterbox import letterbox, to_batch


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([(64, 64), (320, 320), (320, 192)]))
def test_corners_come_back_when_letterboxed(w: int, h: int, size: tuple[int, int]) -> None:
    canvas, fit = letterbox(np.zeros((h, w, 3), np.uint8), *size)
    assert canvas.shape == (size[1], size[0], 3)
    ys, xs = np.nonzero(canvas[:, :, 0] == 0)
    seen = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], float)
    assert fit.to_picture(seen)[0] == pytest.approx([0, 0, w, h], abs=1e-6)
    assert abs((size[0] - seen[0, 2]) - seen[0, 0]) <= 1
    assert abs((size[1] - seen[0, 3]) - seen[0, 1]) <= 1


def test_aspect_is_kept_and_small_pictures_grow_when_letterboxed() -> None:
    canvas, fit = letterbox(np.full((50, 100, 3), 7, np.uint8), 320, 320)
    assert fit.scale_x == fit.scale_y == pytest.approx(3.2)
    assert (canvas[0] == 114).all()
    assert (canvas[160] == 7).all()


def test_batch_is_rgb_and_scaled_when_made() -> None:
    canvas = np.zeros((2, 2, 3), np.uint8)
    canvas[0, 1] = (51, 102, 255)
    batch = to_batch(canvas, 1 / 255)
    assert batch.shape == (1, 3, 2, 2)
    assert batch.dtype == np.float32
    assert batch[0, :, 0, 1] == pytest.approx([1.0, 0.4, 0.2])


def brute_force_nms(corners: np.ndarray, scores: np.ndarray, classes: np.ndarray, iou: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        clash = False
        for other in kept:
            if classes[other] != classes[index]:
                continue
            ax0, ay0, ax1, ay1 = corners[index]
            bx0, by0, bx1, by1 = corners[other]
            w, h = min(ax1, bx1) - max(ax0, bx0), min(ay1, by1) - max(ay0, by0)
            shared = w * h if w > 0 and h > 0 else 0.0
            clash |= shared / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared) > iou
        if not clash:
            kept.append(index)
    return kept


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("iou", [0.3, 0.6])
def test_suppression_equals_brute_force_when_boxes_are_random(seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    # More than one block of candidates; at 0.6 more survivors than may be kept.
    low = rng.uniform(0, 80, (400, 2))
    corners = np.hstack([low, low + rng.uniform(5, 40, (400, 2))])
    scores, classes = rng.permutation(400) / 400.0, rng.integers(0, 3, 400)
    expected = brute_force_nms(corners, scores, classes, iou)
    assert len(expected) > 300 or iou < 0.5
    assert suppress(corners, scores, classes, iou=iou).tolist() == expected[:300]


def test_boxes_are_decoded_when_anchor_is_confident_of_two_classes() -> None:
    raw = np.zeros((1, 6, 3), np.float32)
    raw[0, :, 1] = (50, 40, 20, 10, 0.9, 0.6)
    raw[0, :, 2] = (52, 40, 20, 10, 0.8, 0.1)
    found = decode(raw, floor=0.3, iou=0.5)
    assert found.classes.tolist() == [0, 1]
    assert found.scores == pytest.approx([0.9, 0.6])
    assert found.corners[0] == pytest.approx([40, 35, 60, 45])
    assert best_score(raw) == pytest.approx(0.9)


def test_nothing_is_decoded_when_no_confidence_reaches_the_floor() -> None:
    found = decode(np.zeros((1, 6, 30), np.float32), floor=0.3, iou=0.5)
    assert found.corners.shape == (0, 4)
    assert len(found.scores) == len(found.classes) == 0
    assert best_score(np.zeros((1, 6, 0), np.float32)) == 0.0


@pytest.mark.parametrize("shape", [(1, 300, 6), (1, 7, 64), (6, 64), (2, 6, 64), (1, 6, 8, 8)])
def test_head_is_refused_when_it_is_not_the_cards(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        check_head(shape, 2)
    check_head((1, 6, 64), 2)


def test_iou_matrix_holds_each_pair_when_computed() -> None:
    first = np.array([[0.0, 0.0, 10.0, 10.0], [5.0, 5.0, 5.0, 5.0]])
    second = np.array([[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    assert iou_matrix(first, second) == pytest.approx(np.array([[1.0, 1 / 3, 0.0], [0.0, 0.0, 0.0]]))
    assert iou_matrix(first[:0], second).shape == (0, 3)


def test_letterbox_and_suppression_are_quick_when_busy() -> None:
    rng = np.random.default_rng(1)
    part = rng.integers(0, 255, (90, 180, 3), np.uint8)
    raw = np.zeros((1, 9, 2100), np.float32)
    raw[0, :4] = rng.uniform(20, 300, (4, 2100))
    raw[0, 4:, :100] = rng.uniform(0.2, 1, (5, 100))

    def best_ms(action: object) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            action()  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times) * 1e3

    box_ms = best_ms(lambda: to_batch(letterbox(part, 320, 320)[0], 1 / 255))
    nms_ms = best_ms(lambda: decode(raw, floor=0.25, iou=0.6))
    print(f"letterbox {box_ms:.2f} ms, decode and suppression {nms_ms:.2f} ms for 500 boxes")
    assert box_ms < 6.0
    assert nms_ms < 30.0
