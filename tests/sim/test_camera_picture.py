"""The rendered picture: geometry, belt, noise, repeatability; and the datasets cut from it."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from sim_parts import plain_face

from perception.errors import InputError
from perception.locator import Locator
from sim.camera import SimCamera
from sim.commands import RenderDatasetCommand
from sim.dataset import render_dataset, render_samples
from sim.faces.procedural import ProceduralFaces
from sim.faces.types import DEFECT_CLASSES, Face
from sim.scenario import CameraSetup, Scenario
from sim.world import PlacedPart, World

QUIET = CameraSetup(noise_levels=0.0, vignetting=0.0)


@pytest.fixture(scope="module")
def camera() -> SimCamera:
    return SimCamera(CameraSetup(), 1)


@pytest.mark.parametrize(("x_m", "y_m", "yaw_rad"), [(0.0, 0.0, 0.0), (0.05, 0.08, 0.4), (-0.06, -0.1, -1.2)])
def test_part_appears_where_it_lies_when_rendered(camera: SimCamera, x_m: float, y_m: float, yaw_rad: float) -> None:
    part = PlacedPart(0, plain_face(), x_m - 3.21, y_m, yaw_rad)
    (seen,) = Locator().find(camera.render([part], 3.21, 1))
    assert (seen.x_px, seen.y_px) == pytest.approx((320 - 2000 * y_m, 240 + 2000 * x_m), abs=0.7)
    assert max(seen.w_px, seen.h_px) == pytest.approx(120, abs=2) and seen.whole
    long_side = seen.yaw_rad if seen.w_px >= seen.h_px else seen.yaw_rad + math.pi / 2
    assert math.remainder(long_side - (yaw_rad + math.pi / 2), math.pi) == pytest.approx(0.0, abs=0.02)


def test_part_is_cut_off_when_it_is_only_half_in_the_picture(camera: SimCamera) -> None:
    (seen,) = Locator().find(camera.render([PlacedPart(0, plain_face(), -0.12, 0.0, 0.0)], 0.0, 1))
    assert not seen.whole


def test_picture_shows_belt_alone_when_parts_are_out_of_sight(camera: SimCamera) -> None:
    far = PlacedPart(0, plain_face(), 0.5, 0.0, 0.0)
    assert np.array_equal(camera.render([far], 0.0, 4), camera.render([], 0.0, 4))
    assert Locator().find(camera.render([], 0.0, 4)) == ()


def test_belt_is_saturated_green_when_empty(camera: SimCamera) -> None:
    picture = camera.render([], 1.7, 2).astype(int)
    excess = picture[:, :, 1] - np.maximum(picture[:, :, 0], picture[:, :, 2])
    assert np.percentile(excess, 0.1) > 50


def test_belts_texture_moves_with_travel_when_it_runs() -> None:
    camera = SimCamera(QUIET, 2)
    first, later = camera.render([], 0.0, 1), camera.render([], 0.02, 2)
    assert np.array_equal(first[:-40], later[40:])
    assert not np.array_equal(first, later)


def test_frame_depends_on_its_number_and_not_on_the_calls_before() -> None:
    first, second = SimCamera(CameraSetup(), 5), SimCamera(CameraSetup(), 5)
    for frame in range(3):
        first.render([], 0.0, frame)
    assert np.array_equal(first.render([], 0.3, 7), second.render([], 0.3, 7))
    assert not np.array_equal(first.render([], 0.3, 7), first.render([], 0.3, 8))


def test_corners_are_darker_when_the_lens_vignettes() -> None:
    dark = SimCamera(dataclasses.replace(QUIET, vignetting=0.3), 1).render([], 0.0, 1)
    even = SimCamera(QUIET, 1).render([], 0.0, 1)
    assert dark[:20, :20].mean() < 0.75 * even[:20, :20].mean()
    assert dark[230:250, 310:330].mean() > 0.98 * even[230:250, 310:330].mean()


def test_edges_smear_along_travel_when_the_exposure_is_long() -> None:
    camera = SimCamera(dataclasses.replace(QUIET, exposure_s=0.02), 1)
    part = PlacedPart(0, plain_face(), 0.0, 0.0, 0.0)
    slope = {}
    for speed in (0.0, 0.2):
        picture = camera.render([part], 0.0, 1, speed_mps=speed).astype(int)
        slope[speed] = (
            int(np.abs(np.diff(picture[:, 320, 0])).max()),
            int(np.abs(np.diff(picture[240, :, 0])).max()),
        )
    assert slope[0.2][0] < 0.5 * slope[0.0][0]
    assert slope[0.2][1] > 0.9 * slope[0.0][1]


def test_labels_frame_the_defects_when_samples_are_rendered() -> None:
    samples = list(render_samples(12, 4, defective_share=1.0))
    for sample in samples:
        assert sample.labels
        for number, x, y, w, h in sample.labels:
            assert 0 <= number < len(DEFECT_CLASSES)
            assert 0 < w <= 1 and 0 < h <= 1 and 0 <= x <= 1 and 0 <= y <= 1
            height, width = sample.image.shape[:2]
            col, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
            blue, green, red = (int(value) for value in sample.image[row, col])
            assert min(w * width, h * height) >= 3 - 1e-6
            assert green - max(blue, red) < 60 or max(w * width, h * height) > 12


def test_no_part_of_a_dataset_rides_the_belt_when_the_seeds_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    stream = ProceduralFaces.stream

    def noting(self: ProceduralFaces, seed: int) -> Iterator[Face]:
        seeds.append(seed)
        return stream(self, seed)

    monkeypatch.setattr(ProceduralFaces, "stream", noting)
    next(render_samples(1, 1))
    World(Scenario(), 1, ProceduralFaces())
    assert seeds[0] != seeds[1] == 1


def test_dataset_is_the_same_when_the_seed_is(tmp_path: Path) -> None:
    summaries = [render_dataset(tmp_path / name, 10, 3, val_share=0.3) for name in ("a", "b")]
    assert summaries[0] == summaries[1] and summaries[0].images == 10
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 21
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    content = yaml.safe_load((tmp_path / "a" / "dataset.yaml").read_text())
    assert content["names"] == dict(enumerate(DEFECT_CLASSES))
    assert len(list((tmp_path / "a" / content["val"]).iterdir())) == 3
    assert cv2.imread(str(next((tmp_path / "a" / content["train"]).iterdir()))) is not None


def test_nothing_is_written_when_the_folder_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        render_dataset(tmp_path, 5, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_nothing_is_left_when_rendering_fails_midway(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_dataset(tmp_path / "out", 5, 1, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "key"),
    [(["--parts", "0"], "--parts"), (["--defective", "1.5"], "--defective"), (["--seed", "-1"], "--seed")],
)
def test_command_refuses_when_a_number_is_out_of_range(tmp_path: Path, options: list[str], key: str) -> None:
    command, parser = RenderDatasetCommand(), argparse.ArgumentParser()
    command.configure(parser)
    with pytest.raises(InputError) as refused:
        command.run(parser.parse_args([str(tmp_path / "out"), *options]))
    assert refused.value.key == key
    assert not (tmp_path / "out").exists()


def test_command_writes_a_dataset_when_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, parser = RenderDatasetCommand(), argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([str(tmp_path / "out"), "--parts", "4", "--defective", "1"])) == 0
    assert "4 parts, 4 defective" in capsys.readouterr().out
    assert (tmp_path / "out" / "dataset.yaml").is_file()
