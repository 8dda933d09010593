"""The second opinion of a defect-free template."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.boxes import Detections
from perception.errors import InputError
from perception.templates import Templates, combine, differences


def test_differences_are_found_when_both_sides_are_compressed_differently() -> None:
    rng = np.random.default_rng(1)
    board = np.where(rng.random((20, 20)) > 0.5, 230, 20).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    changed = board.copy()
    changed[100:108, 200:212] = 255 - changed[100:108, 200:212]
    # A line one pixel wide is an edge that moved, not a defect.
    changed[300, :] = 255 - changed[300, :]
    template = np.clip(board.astype(int) + rng.integers(-15, 15, board.shape), 0, 255).astype(np.uint8)
    corners, areas = differences(*(cv2.cvtColor(side, cv2.COLOR_GRAY2BGR) for side in (changed, template)))
    assert corners.tolist() == [[200, 100, 212, 108]]
    assert areas.tolist() == [96]


def test_boxes_change_places_when_only_the_weaker_meets_a_difference() -> None:
    found = Detections(
        np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]]), np.array([0.6, 0.3]), np.array([0, 1], np.int64)
    )
    score, fused = combine(0.6, found, np.array([[52.0, 52.0, 55.0, 55.0]]), np.array([200.0]))
    assert fused.classes.tolist() == [1, 0]
    assert fused.scores == pytest.approx([0.65, 0.3])
    assert score == pytest.approx(0.8)


def test_score_stays_when_nothing_differs() -> None:
    found = Detections(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([0.6]), np.array([0], np.int64))
    score, fused = combine(0.6, found, np.zeros((0, 4)), np.zeros(0))
    assert score == 0.6
    assert fused.scores == pytest.approx([0.3])


def test_template_is_found_by_stem_when_in_the_splits_folder(tmp_path: Path) -> None:
    (tmp_path / "val").mkdir()
    cv2.imwrite(str(tmp_path / "val" / "board.png"), np.zeros((4, 4), np.uint8))
    templates = Templates(tmp_path, "val")
    assert templates.find(Path("elsewhere/board.jpg")) == tmp_path / "val" / "board.png"
    assert templates.find(Path("other.jpg")) is None
    with pytest.raises(InputError, match="no such folder"):
        Templates(tmp_path / "none", "val")
