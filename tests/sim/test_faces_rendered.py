"""Rendered parts: their truth is visible, bounded, repeatable."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sim.faces.procedural import ProceduralFaces, draw_face
from sim.faces.shapes import PART_KINDS
from sim.faces.types import DEFECT_CLASSES


@pytest.mark.parametrize("kind", PART_KINDS)
def test_part_has_its_size_and_no_green_when_drawn(kind: str) -> None:
    for seed in range(4):
        face = draw_face(np.random.default_rng(seed), kind, defective=False)
        assert face.defective is False and face.defects == ()
        assert 0.030 <= face.length_m <= 0.080 and 0.025 <= face.width_m <= 0.070
        assert face.width_m <= face.length_m
        rows, cols = np.nonzero(face.alpha > 127)
        assert np.ptp(cols) + 1 == pytest.approx(face.length_m * face.px_per_m, abs=3)
        assert np.ptp(rows) + 1 == pytest.approx(face.width_m * face.px_per_m, abs=3)
        solid = face.image[face.alpha == 255].astype(int)
        excess = solid[:, 1] - np.maximum(solid[:, 0], solid[:, 2])
        assert np.percentile(excess, 99.9) < 25


@pytest.mark.parametrize("kind", PART_KINDS)
def test_defects_lie_on_the_part_when_it_is_defective(kind: str) -> None:
    for seed in range(4):
        face = draw_face(np.random.default_rng(seed), kind, defective=True)
        assert face.defective and face.defects
        for defect in face.defects:
            assert defect.class_name in DEFECT_CLASSES
            x0, y0, x1, y1 = defect.box_px()
            assert 0 <= x0 < x1 <= face.image.shape[1] and 0 <= y0 < y1 <= face.image.shape[0]
            assert max(x1 - x0, y1 - y0) >= 2.5e-3 * face.px_per_m
            inside = face.alpha[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1]
            assert (inside > 127).any()


def test_all_classes_and_types_come_when_many_parts_are_drawn() -> None:
    faces = list(itertools.islice(ProceduralFaces(defective_share=1.0).stream(3), 45))
    assert {face.kind for face in faces} == set(PART_KINDS)
    assert {defect.class_name for face in faces for defect in face.defects} == set(DEFECT_CLASSES)


def test_stream_repeats_when_the_seed_is_the_same() -> None:
    source = ProceduralFaces(defective_share=0.5)
    first, again, other = (list(itertools.islice(source.stream(seed), 5)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not all(a.image.shape == b.image.shape for a, b in zip(first, other, strict=True))


def test_share_of_defective_parts_is_as_asked_when_many_are_drawn() -> None:
    faces = itertools.islice(ProceduralFaces(defective_share=0.2, mix={"cap": 1.0}).stream(1), 150)
    assert 0.1 <= sum(bool(face.defective) for face in faces) / 150 <= 0.3
