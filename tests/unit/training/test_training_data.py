"""What a detector learns from: data sets read and refused, groups kept together, lessons with right labels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cell.cli.main import main
from perception.errors import InputError
from perception.training import environment
from perception.training.datasets import hold_out, read_data_set
from perception.training.lessons import Lessons


def _write(root: Path, groups: int = 10, per_group: int = 2) -> Path:
    rng = np.random.default_rng(3)
    (root / "images/train").mkdir(parents=True)
    (root / "labels/train").mkdir(parents=True)
    for group in range(groups):
        for number in range(per_group):
            picture = rng.integers(150, 170, (48, 80, 3), dtype=np.uint8)
            if group % 2:
                x, y = int(rng.integers(12, 60)), int(rng.integers(10, 30))
                picture[y : y + 8, x : x + 10] = 10
                row = f"{group % 4 // 2} {(x + 5) / 80:.6f} {(y + 4) / 48:.6f} {10 / 80:.6f} {8 / 48:.6f}\n"
                (root / f"labels/train/g{group:02d}_{number}.txt").write_text(row)
            cv2.imwrite(str(root / f"images/train/g{group:02d}_{number}.png"), picture)
    (root / "dataset.yaml").write_text("train: images/train\nnames: [spot, hole]\n")
    return root / "dataset.yaml"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return _write(tmp_path / "set")


def test_groups_stay_together_when_a_fold_is_held_out(data: Path):
    found = read_data_set(data, "train", "^g[0-9]+")
    kept, aside = hold_out(found, seed=1)
    assert {s.group for s in kept}.isdisjoint({s.group for s in aside})
    assert len(kept) + len(aside) == 20
    for side in (kept, aside):
        assert any(s.defective for s in side) and any(not s.defective for s in side)
    assert [s.path for s in kept] == [s.path for s in hold_out(found, seed=1)[0]]
    assert {s.group for s in aside} != {s.group for s in hold_out(found, seed=2)[1]} or len(aside) == 0


def test_a_picture_is_its_own_group_when_no_pattern_is_given(data: Path):
    assert len({sample.group for sample in read_data_set(data).samples}) == 20


def test_labels_lie_on_the_dark_spots_when_lessons_are_drawn(data: Path):
    lessons = Lessons(read_data_set(data, "train", "^g[0-9]+").samples, 96, 8, seed=5)
    checked = 0
    for _ in range(6):
        batch = next(lessons)
        n, _, height, width = batch.images.shape
        assert (n, max(height, width)) == (8, 96) and height % 32 == 0 and width % 32 == 0
        assert set(batch.classes.tolist()) <= {0, 1}
        for (x, y, w, h), owner in zip(batch.boxes, batch.owners, strict=True):
            assert x - w / 2 >= -1e-5 and x + w / 2 <= 1.0 + 1e-5 and h > 0
            image = batch.images[owner].mean(axis=0)
            # The middle of a box is a spot, far darker than its part.
            middle = image[round(y * height - 0.5), round(x * width - 0.5)]
            assert middle < 0.7 * np.percentile(image, 60)
            checked += 1
    assert checked > 12


def test_lessons_repeat_when_the_seed_is_the_same(data: Path):
    samples = read_data_set(data).samples
    first, second, other = (next(Lessons(samples, 64, 4, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.images, second.images) and np.array_equal(first.boxes, second.boxes)
    assert first.images.shape != other.images.shape or not np.array_equal(first.images, other.images)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("7 0.5 0.5 0.1 0.1", "txt:1"),
        ("0 0.98 0.5 0.2 0.1", "txt:1"),
        ("0 0.5 0.5 0.1", "txt:1"),
        ("0 0.5 0.5 0.0 0.1", "txt:1"),
    ],
)
def test_the_label_file_and_line_are_named_when_a_box_is_wrong(data: Path, row: str, part: str):
    (data.parent / "labels/train/g01_0.txt").write_text(row + "\n")
    with pytest.raises(InputError, match="g01_0") as caught:
        read_data_set(data)
    assert part in str(caught.value)


def test_the_key_is_named_when_there_are_no_good_images(data: Path):
    for image in (data.parent / "images/train").iterdir():
        if not (data.parent / "labels/train" / f"{image.stem}.txt").exists():
            image.unlink()
    with pytest.raises(InputError, match="no good images") as caught:
        read_data_set(data)
    assert (caught.value.file, caught.value.key) == (str(data), "train")


def test_the_pattern_is_refused_when_it_does_not_fit(data: Path):
    for pattern in ("^x", "("):
        with pytest.raises(InputError, match="--group-regex"):
            read_data_set(data, "train", pattern)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{root}/none.yaml"], "none.yaml"),
        (["{root}/dataset.yaml", "--imgsz", "100"], "--imgsz"),
        (["{root}/dataset.yaml", "--minutes", "-1"], "--minutes"),
        (["{root}/dataset.yaml", "--name", "../x"], "--name"),
        (["{root}/dataset.yaml", "--device", "gpu"], "--device"),
        (["{root}/dataset.yaml", "--group-regex", "("], "--group-regex"),
        (["{root}/lost.yaml"], "lost.yaml:1: train"),
    ],
)
def test_one_line_and_exit_2_when_the_command_is_given_wrong_input(
    data: Path, arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (data.parent / "lost.yaml").write_text("train: images/lost\nnames: [spot, hole]\n")
    out = tmp_path / "models"
    words = [word.format(root=data.parent) for word in arguments]
    assert main(["train", "detector", *words, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not out.exists()


def test_nothing_is_left_when_the_extra_is_missing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    out = tmp_path / "models"
    assert main(["train", "detector", str(data), "--out", str(out)]) == 2
    assert "pip install cellwright[train]" in capsys.readouterr().err
    assert not out.exists()


BROKEN = 'raise RuntimeError("operator torchvision::nms does not exist")\n'


@pytest.mark.parametrize("broken", [True, False])
def test_a_stand_in_answers_when_torchvision_does_not_load(tmp_path: Path, broken: bool):
    if broken:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision/__init__.py").write_text(BROKEN)
        (tmp_path / "torchvision-0.28.0.dist-info").mkdir()
        (tmp_path / "torchvision-0.28.0.dist-info/METADATA").write_text("Name: torchvision\nVersion: 0.28.0\n")
    else:
        (tmp_path / "torchvision.py").write_text("raise ImportError('absent')\n")
    script = (
        "import importlib.metadata, sys\n"
        "from perception.training import environment as e\n"
        "assert not e.torchvision_loads() and 'torchvision' not in sys.modules\n"
        "e.install_stand_in()\n"
        "import torchvision, torchvision.ops\n"
        "assert torchvision.ops.nms is e.nms\n"
        "assert importlib.metadata.version('torchvision') == torchvision.__version__ == e.STAND_IN_VERSION\n"
        "assert importlib.metadata.version('numpy')[0].isdigit()\n"
    )
    root = Path(environment.__file__).parents[2]
    environ = {"PYTHONPATH": f"{tmp_path}:{root}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
