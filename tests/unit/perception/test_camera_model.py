"""The camera model: pixels to metres and back, from a file too."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from perception.calibration import CameraModel, load_camera
from perception.errors import InputError


def test_axes_are_those_of_the_mounting_when_mapped() -> None:
    camera = CameraModel.straight()
    assert camera.to_cell(320, 240) == pytest.approx((0.0, 0.0))
    assert camera.to_cell(320, 480) == pytest.approx((0.12, 0.0))
    assert camera.to_cell(640, 240) == pytest.approx((0.0, -0.16))
    assert camera.to_image(0.12, 0.16) == pytest.approx((0.0, 480.0))
    assert camera.direction_to_cell(100, 100, 0.0) == pytest.approx(-math.pi / 2)
    assert camera.direction_to_cell(100, 100, math.pi / 2) == pytest.approx(0.0)


def test_point_comes_back_when_homography_is_tilted() -> None:
    matrix = ((0.0, 5e-4, -0.12), (-5e-4, 1e-5, 0.16), (1e-5, -2e-5, 1.0))
    camera = CameraModel(640, 480, matrix)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(0, 480, (20, 2)):
        assert camera.to_image(*camera.to_cell(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_camera_is_loaded_when_file_gives_scale_or_homography(tmp_path: Path) -> None:
    plain = tmp_path / "camera.yaml"
    plain.write_text("version: 1\nwidth_px: 640\nheight_px: 480\npx_per_m: 5000\norigin_m: [0.1, 0.0]\n")
    camera = load_camera(plain)
    assert camera == CameraModel.straight(5000.0, origin_m=(0.1, 0.0))
    full = tmp_path / "camera.json"
    doubled = (np.array(camera.cell_from_image) * 2).tolist()
    full.write_text(json.dumps({"version": 1, "width_px": 640, "height_px": 480, "cell_from_image": doubled}))
    assert load_camera(full) == camera
    assert load_camera(full).calibration_id == camera.calibration_id != CameraModel.straight().calibration_id


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("version: 1\nwidth_px: 640\nheight_px: 480\n", "px_per_m", None),
        ("version: 1\nwidth_px: 640\nheight_px: 480\npx_per_m: -1\n", "px_per_m", None),
        ("version: 1\nwidth_px: 640\nheight_px: 480\npx_per_m: 2000\nzoom: 2\n", "zoom", None),
        (
            "version: 1\nwidth_px: 640\nheight_px: 480\ncell_from_image: [[1,0,0],[1,0,0],[0,0,1]]\n",
            "cell_from_image",
            None,
        ),
        ("version: 1\nwidth_px: [\n", None, 3),
        ("", None, None),
    ],
)
def test_file_is_refused_when_wrong(tmp_path: Path, text: str, key: str | None, line: int | None) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_camera(path)
    assert (caught.value.file, caught.value.key, caught.value.line) == (str(path), key, line)


def test_file_is_refused_when_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_camera(tmp_path / "none.yaml")
