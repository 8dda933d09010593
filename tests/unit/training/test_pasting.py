"""Defects cut out and laid onto other parts: what changes, what stays, and where the label goes."""

from __future__ import annotations

import numpy as np
import pytest

from perception.training.pasting import Variation, bend, cut, fits, lift, paste, place, vary


def _part(level: float, slope: float = 0.0, height: int = 60, width: int = 90) -> np.ndarray:
    rows = np.full((height, 1), level) + slope * np.linspace(-1, 1, width)[None, :]
    return np.repeat(rows[:, :, None], 3, axis=2).astype(np.uint8)


def _with_spot(level: float, box: tuple[int, int, int, int], dark: float = 0.4) -> np.ndarray:
    picture = _part(level)
    x0, y0, x1, y1 = box
    picture[y0:y1, x0:x1] = int(level * dark)
    return picture


def test_a_defect_keeps_its_contrast_when_laid_on_a_darker_part():
    patch = cut(_with_spot(200, (40, 25, 52, 35)), (40, 25, 52, 35), 1, "a")
    target = _part(80)
    x0, y0, x1, y1 = (round(value) for value in paste(target, patch, (10, 8)))
    inside, around = target[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].mean(), target[y0 - 4, x0:x1].mean()
    assert inside / around == pytest.approx(0.4, abs=0.06)
    assert around == pytest.approx(80, abs=4)


def test_nothing_changes_outside_the_patch_when_a_defect_is_laid():
    patch = cut(_with_spot(150, (40, 25, 52, 35)), (40, 25, 52, 35), 0, "a")
    target = _part(120, slope=30)
    before = target.copy()
    paste(target, patch, (20, 12))
    height, width = patch.relief.shape[:2]
    changed = np.argwhere((target != before).any(axis=2))
    assert len(changed) > 0
    assert changed[:, 0].min() >= 12 and changed[:, 0].max() < 12 + height
    assert changed[:, 1].min() >= 20 and changed[:, 1].max() < 20 + width


def test_the_rim_hardly_changes_when_a_piece_without_defect_is_laid():
    patch = cut(_part(180), (40, 25, 52, 35), -1, "")
    target = _part(120, slope=25)
    before = target.astype(int)
    paste(target, patch, (20, 12))
    assert np.abs(target.astype(int) - before).max() <= 3


def test_the_label_covers_the_dark_pixels_when_mirrored_and_scaled():
    # A spot off the patch's middle, so that a mirrored label in the wrong place shows.
    picture = _with_spot(200, (30, 20, 50, 28))
    patch = cut(picture, (30, 20, 50, 28), 2, "a")
    varied = vary(patch, Variation(mirror_x=True, mirror_y=True, scale_x=1.5, scale_y=0.75, contrast=1.0))
    target = _part(200, height=100, width=140)
    x0, y0, x1, y1 = paste(target, varied, (5, 7))
    dark = np.argwhere(target[:, :, 0] < 140)
    assert dark[:, 1].min() == pytest.approx(x0, abs=1.5) and dark[:, 1].max() + 1 == pytest.approx(x1, abs=1.5)
    assert dark[:, 0].min() == pytest.approx(y0, abs=1.5) and dark[:, 0].max() + 1 == pytest.approx(y1, abs=1.5)
    assert (x1 - x0, y1 - y0) == (pytest.approx(30, abs=0.6), pytest.approx(6, abs=0.6))


def test_a_defect_of_a_side_stays_at_that_side_when_placed_and_mirrored():
    patch = cut(_with_spot(200, (0, 20, 12, 32)), (0, 20, 12, 32), 1, "a")
    assert patch.sides == (True, False, False, False)
    rng = np.random.default_rng(0)
    assert {place(patch, (60, 90), rng)[0] for _ in range(10)} == {0}
    mirrored = vary(patch, Variation(mirror_x=True))
    assert mirrored.sides == (False, False, True, False)
    right = 90 - mirrored.relief.shape[1]
    corners = {place(mirrored, (60, 90), rng) for _ in range(20)}
    assert {x for x, _ in corners} == {right} and len({y for _, y in corners}) > 3
    target = _part(120)
    box = paste(target, mirrored, (right, 5))
    assert box[2] == pytest.approx(90)
    # No fading towards the side at which the defect lies.
    assert target[round(box[1]) + 3 : round(box[3]) - 3, 89].max() < 70


def test_contrast_is_weaker_when_asked_for():
    patch = cut(_with_spot(200, (40, 25, 52, 35)), (40, 25, 52, 35), 1, "a")
    levels = []
    for contrast in (0.5, 1.0):
        target = _part(200)
        x0, y0, x1, y1 = (round(v) for v in paste(target, vary(patch, Variation(contrast=contrast)), (10, 8)))
        levels.append(target[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].mean())
    assert levels[0] > levels[1] + 25


def test_a_patch_does_not_fit_when_larger_than_the_part():
    patch = cut(_part(100), (5, 5, 80, 50), 0, "a")
    assert fits(patch, (60, 90))
    assert not fits(patch, (40, 90))
    assert not fits(patch, (60, 70))


def test_the_targets_texture_stays_under_a_defect_when_it_is_lifted():
    lifted = lift(cut(_with_spot(200, (40, 25, 52, 35)), (40, 25, 52, 35), 1, "a"))
    assert lifted is not None
    target = _part(150)
    target[:, ::2] -= 30
    x0, y0, x1, y1 = (round(value) for value in paste(target, lifted, (10, 8)))
    inside = target[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2, 0].astype(float)
    assert inside[:, ::2].mean() != pytest.approx(inside[:, 1::2].mean(), abs=5)
    assert inside.mean() / 135 == pytest.approx(0.4, abs=0.08)
    assert (x1 - x0, y1 - y0) == (pytest.approx(12, abs=2), pytest.approx(10, abs=2))


def test_nothing_is_lifted_when_there_is_no_defect():
    rng = np.random.default_rng(0)
    noisy = np.clip(_part(150) + rng.normal(0, 3, (60, 90, 1)), 0, 255).astype(np.uint8)
    assert lift(cut(noisy, (40, 25, 52, 35), -1, "")) is None


def test_the_label_follows_when_a_lifted_defect_is_turned():
    lifted = lift(cut(_with_spot(200, (20, 26, 60, 32)), (20, 26, 60, 32), 1, "a"))
    assert lifted is not None
    turned = bend(lifted, np.pi / 2, np.random.default_rng(1))
    height, width = turned.relief.shape[:2]
    assert height > 30 and width < 20
    target = _part(180, height=80, width=80)
    x0, y0, x1, y1 = paste(target, turned, (30, 12))
    dark = np.argwhere(target[:, :, 0] < 140)
    assert x0 <= dark[:, 1].min() and dark[:, 1].max() < x1
    assert y0 <= dark[:, 0].min() and dark[:, 0].max() < y1
