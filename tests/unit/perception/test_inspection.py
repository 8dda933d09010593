"""The inspector end to end, with a network that finds dark and bright cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perception.backends import open_backend
from perception.errors import InputError
from perception.images import Image, as_bgr, read_image
from perception.inspection import Inspector
from perception.registry import Model, find_model

BELT_BGR = (60, 150, 40)


def scene() -> Image:
    """Two whole grey parts, one with a black spot around (240, 130), and one cut by the upper border."""
    picture = np.full((480, 640, 3), BELT_BGR, np.uint8)
    picture[100:164, 200:264] = 120
    picture[124:136, 232:248] = 0
    picture[300:364, 400:528] = 120
    picture[0:40, 500:600] = 0
    return picture


def test_each_part_is_judged_alone_when_whole(write_model: Callable[..., Path]) -> None:
    inspector = Inspector(find_model(str(write_model(crop_margin=0.0))), threads=1)
    inspection = inspector.inspect(scene())
    good, bad, cut = inspection.views
    assert (good.whole, bad.whole, cut.whole) == (True, True, False)
    assert good.score == 0.0
    assert good.defects == ()
    assert bad.score > 0.7
    assert cut.score == 0.0
    assert {box.class_name for box in bad.defects} == {"dark"}
    x = np.average([box.x_px for box in bad.defects], weights=[box.score for box in bad.defects])
    y = np.average([box.y_px for box in bad.defects], weights=[box.score for box in bad.defects])
    assert (x, y) == pytest.approx((240.0, 130.0), abs=2.0)
    assert set(inspection.stages_ms) == {"locate", "crop", "letterbox", "infer", "boxes"}
    assert all(value > 0.0 for value in inspection.stages_ms.values())


def test_box_lies_on_the_spot_when_part_is_turned(write_model: Callable[..., Path]) -> None:
    inspector = Inspector(find_model(str(write_model(crop_margin=0.0))), threads=1)
    yaw = math.radians(33.0)
    ys, xs = np.mgrid[0:480, 0:640] + 0.5
    along = (xs - 320) * math.cos(yaw) + (ys - 240) * math.sin(yaw)
    across = -(xs - 320) * math.sin(yaw) + (ys - 240) * math.cos(yaw)
    picture = np.full((480, 640, 3), BELT_BGR, np.uint8)
    picture[(abs(along) < 90) & (abs(across) < 60)] = 120
    picture[(abs(along - 50) < 22) & (abs(across + 20) < 22)] = 0
    (view,) = inspector.inspect(picture).views
    assert abs(math.remainder(view.yaw_rad - yaw, math.pi)) < math.radians(1.0)
    best = max(view.defects, key=lambda box: box.score)
    assert best.x_px == pytest.approx(320 + 50 * math.cos(yaw) + 20 * math.sin(yaw), abs=15)
    assert best.y_px == pytest.approx(240 + 50 * math.sin(yaw) - 20 * math.cos(yaw), abs=15)


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_margin_comes_from_the_card_when_named(write_model: Callable[..., Path], margin: float) -> None:
    # A part with a bright rim of belt around it: with a margin the dark corner cells of the belt come into the crop.
    inspector = Inspector(find_model(str(write_model(crop_margin=margin, conf_floor=0.01))), threads=1)
    picture = np.full((480, 640, 3), (10, 90, 10), np.uint8)
    picture[100:228, 200:328] = 120
    (view,) = inspector.inspect(picture).views
    assert (view.score > 0.0) == (margin > 0.0)


def test_whole_picture_is_judged_when_given_as_the_part(spots: Model) -> None:
    inspector = Inspector(spots, threads=1)
    picture = np.full((128, 256, 3), 120, np.uint8)
    picture[64:96, 32:64] = 255
    score, boxes = inspector.judge_crop(picture)
    assert score == pytest.approx(1.0, abs=0.01)
    assert len(boxes) == 1
    box = boxes[0]
    assert (box.x_px, box.y_px, box.w_px, box.h_px) == pytest.approx((48, 80, 32, 32), abs=0.01)
    assert box.class_name == "bright"


def test_same_score_comes_out_when_picture_is_grey_sixteen_bit_or_float(spots: Model) -> None:
    inspector = Inspector(spots, threads=1)
    grey = np.full((64, 64), 120, np.uint8)
    grey[8:16, 8:16] = 20
    expected, _ = inspector.judge_crop(np.dstack([grey] * 3))
    assert expected > 0.5
    for same in (grey, grey.astype(np.uint16) * 257, grey / 255.0, np.dstack([grey] * 4), grey[:, :, None]):
        assert inspector.judge_crop(same)[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((64,), np.uint8),
        np.zeros((64, 64, 2), np.uint8),
        np.zeros((64, 64), np.int32),
        np.full((64, 64), np.nan),
    ],
)
def test_array_is_refused_when_it_is_no_picture(spots: Model, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="picture"):
        Inspector(spots, threads=1).inspect(array)


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_backend_names_the_file_when_model_is_corrupt(
    write_model: Callable[..., Path], spots: Model, content: bytes | None
) -> None:
    data = spots.path.read_bytes()
    spots.path.write_bytes(data[: len(data) // 2] if content is None else content)
    with pytest.raises(InputError) as caught:
        open_backend(spots)
    assert caught.value.file == str(spots.path)
    assert "\n" not in str(caught.value)


def test_model_is_refused_when_its_head_or_input_is_not_the_cards(write_model: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="2 classes"):
        open_backend(find_model(str(write_model(classes=["dark", "bright", "third"]))))
    other = {"width": 320, "height": 320, "channels": 3, "colour": "rgb", "scale": 1.0}
    with pytest.raises(InputError, match=r"model\.onnx"):
        open_backend(find_model(str(write_model(input=other))))


def test_backend_is_refused_when_unknown_or_threads_are_none(spots: Model) -> None:
    with pytest.raises(InputError, match="onnxruntime, openvino"):
        open_backend(spots, kind="tpu")
    with pytest.raises(InputError, match="threads"):
        open_backend(spots, threads=0)


def test_file_is_unreadable_when_truncated_or_no_picture(tmp_path: Path) -> None:
    import cv2

    good = tmp_path / "good.jpg"
    assert cv2.imwrite(str(good), np.random.default_rng(1).integers(0, 255, (80, 90), np.uint8))
    image = read_image(good)
    assert image is not None
    assert image.shape == (80, 90, 3)
    for name, data in (("half.jpg", good.read_bytes()[:2000]), ("empty.jpg", b""), ("text.png", b"hello")):
        (tmp_path / name).write_bytes(data)
        assert read_image(tmp_path / name) is None
    with pytest.raises(InputError):
        read_image(tmp_path / "none.jpg")


def test_picture_is_passed_through_when_it_is_bgr_already() -> None:
    picture = np.zeros((4, 5, 3), np.uint8)
    assert as_bgr(picture) is picture


def test_openvino_gives_the_same_head_when_installed(spots: Model) -> None:
    pytest.importorskip("openvino")
    batch = np.random.default_rng(2).random((1, 3, 64, 64), np.float32) ** 4
    ours = open_backend(spots, threads=1).infer(batch)
    assert open_backend(spots, kind="openvino", threads=1).infer(batch) == pytest.approx(ours, abs=0.02)
