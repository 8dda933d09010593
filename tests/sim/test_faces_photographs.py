"""Photographs as parts: truth from labels, broken files, videos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.errors import InputError
from sim.faces.photographs import PhotoFaces
from sim.faces.types import Face
from sim.scenario import Scenario
from sim.world import World


def _picture(height: int = 120, width: int = 200, level: int = 128) -> np.ndarray:
    rng = np.random.default_rng(level)
    return np.clip(rng.normal(level, 20, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six readable images with labels, and four that are not readable; returns the images' folder."""
    images, labels = tmp_path / "images" / "val", tmp_path / "labels" / "val"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    (tmp_path / "dataset.yaml").write_text("names: {0: blowhole, 1: break}\n")
    for number in range(6):
        cv2.imwrite(str(images / f"p{number}.jpg"), _picture(level=90 + 10 * number))
        if number != 5:
            (labels / f"p{number}.txt").write_text("1 0.5 0.25 0.1 0.2\n" if number < 2 else "")
    whole = (images / "p0.jpg").read_bytes()
    (images / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "empty.jpg").write_bytes(b"")
    (images / "text.png").write_text("not a picture")
    cv2.imwrite(str(images / "cut.png"), _picture())
    (images / "cut.png").write_bytes((images / "cut.png").read_bytes()[:3000])
    return images


def _by_name(faces: PhotoFaces, seed: int = 1) -> dict[str, Face]:
    return {face.source: face for face in faces.stream(seed)}


def test_every_readable_image_rides_once_when_others_are_broken(dataset: Path) -> None:
    warnings: list[str] = []
    source = PhotoFaces(dataset, warn=warnings.append)
    found = [face.source for face in source.stream(1)]
    assert sorted(found) == [f"p{number}.jpg" for number in range(6)]
    assert (source.images, source.skipped) == (6, 4)
    assert sorted(Path(line.split(":")[0]).name for line in warnings) == ["cut.jpg", "cut.png", "empty.jpg", "text.png"]


def test_truth_comes_from_the_labels_when_there_are_some(dataset: Path) -> None:
    faces = _by_name(PhotoFaces(dataset, warn=lambda _: None))
    assert [faces[f"p{n}.jpg"].defective for n in range(6)] == [True, True, False, False, False, None]
    defect = faces["p0.jpg"].defects[0]
    assert defect.class_name == "break"
    assert defect.box_px() == pytest.approx((90.0, 18.0, 110.0, 42.0))


def test_truth_is_unknown_when_there_are_no_labels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), _picture())
    (face,) = PhotoFaces(tmp_path).stream(1)
    assert face.defective is None and face.upright and face.kind == "photograph"


def test_truth_is_unknown_when_a_label_is_malformed(dataset: Path) -> None:
    (dataset.parents[1] / "labels" / "val" / "p0.txt").write_text("0 0.5\n")
    warnings: list[str] = []
    faces = _by_name(PhotoFaces(dataset, warn=warnings.append))
    assert faces["p0.jpg"].defective is None
    assert any("p0.txt" in line for line in warnings)


def test_order_is_shuffled_by_the_seed_when_streamed(dataset: Path) -> None:
    source = PhotoFaces(dataset, warn=lambda _: None)
    orders = [[face.source for face in source.stream(seed)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_large_image_is_scaled_to_fit_when_it_exceeds_the_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), _picture(1200, 1400))
    (face,) = PhotoFaces(tmp_path).stream(1)
    assert face.image.shape[0] == 400 and face.image.shape[1] <= 632
    assert face.length_m == pytest.approx(face.image.shape[1] / 5000.0)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_folder_is_refused_when_it_holds_nothing_readable(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match="holds no image") as refused:
        PhotoFaces(tmp_path)
    assert refused.value.file == str(tmp_path)


def test_source_is_refused_when_it_is_missing_or_no_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such"):
        PhotoFaces(tmp_path / "nowhere")
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="video"):
        PhotoFaces(tmp_path / "x.mp4")


def test_each_frame_rides_in_order_when_the_source_is_a_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (200, 120))
    for level in (40, 120, 200):
        writer.write(np.full((120, 200, 3), level, np.uint8))
    writer.release()
    faces = list(PhotoFaces(path).stream(9))
    assert [round(float(face.image.mean()), -1) for face in faces] == [40, 120, 200]
    assert all(face.defective is None for face in faces)


def test_photographs_lie_inside_the_picture_when_fed(dataset: Path) -> None:
    cv2.imwrite(str(dataset / "wide.png"), _picture(400, 632))
    scenario = Scenario().with_photographs()
    world = World(scenario, 1, PhotoFaces(dataset, warn=lambda _: None))
    world.belt.drive(0.2)
    seen = []
    while not world.fed_out:
        world.advance(world.now_s + 0.5)
        seen.extend(world.parts)
    assert len({part.number for part in seen}) == 7
    for part in seen:
        half_x, half_y = part.half_extent_m()
        assert abs(part.y_m) + half_y <= 0.064 - 0.0005
        assert half_x < 0.045
