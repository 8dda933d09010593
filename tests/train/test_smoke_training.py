"""A detector trained for two epochs on drawn parts: the exported file says what torch says, and its card is in order.

Needs the training extra; torchvision may be missing or broken.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cell.cli.main import main
from perception.backends import open_backend
from perception.errors import InputError
from perception.inspection import Inspector
from perception.letterbox import letterbox, to_batch
from perception.registry import find_model
from perception.training import environment

pytestmark = pytest.mark.train

SIZE = 64
# Enough to tell dark spots from none.
EPOCHS = 30


def _draw(folder: Path, parts: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, labels = folder.parent.parent / "images" / folder.name, folder
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    for number in range(parts):
        picture = rng.integers(150, 180, (48, 64, 3), dtype=np.uint8)
        if number % 2:
            x, y, w, h = (int(rng.integers(a, b)) for a, b in ((4, 40), (4, 28), (10, 18), (8, 16)))
            picture[y : y + h, x : x + w] = rng.integers(0, 40)
            row = f"{number // 2 % 2} {(x + w / 2) / 64:.6f} {(y + h / 2) / 48:.6f} {w / 64:.6f} {h / 48:.6f}\n"
            (labels / f"{number:03d}.txt").write_text(row)
        cv2.imwrite(str(images / f"{number:03d}.png"), picture)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was trained for two epochs, its weights beside it, its data set in ``data``."""
    root = tmp_path_factory.mktemp("smoke")
    _draw(root / "data/labels/train", 24, seed=1)
    _draw(root / "data/labels/val", 6, seed=2)
    (root / "data/dataset.yaml").write_text("train: images/train\nval: images/val\nnames: [spot, hole]\n")
    flags = ["--epochs", "2", "--imgsz", str(SIZE), "--seed", "3", "--mirror", "--weights", str(root / "weights.pt")]
    command = ["train", "detector", str(root / "data/dataset.yaml"), "--out", str(root / "models"), "--name", "smoke"]
    assert main([*command, *flags]) == 0
    return root / "models" / "smoke"


def test_the_card_is_in_order_when_training_is_through(made: Path):
    card = find_model(str(made / "card.json")).card
    assert (card.id, card.classes, card.head, card.licence) == ("smoke", ("spot", "hole"), "dense", "AGPL-3.0-only")
    assert (card.input.width, card.input.height) == (SIZE, SIZE)
    assert card.calibration.images == card.calibration.good + card.calibration.defective > 0
    assert card.training.images + card.calibration.images == 24
    assert card.training.epochs == 2
    assert "--epochs 2" in card.training.command and "--mirror" in card.training.command
    assert sorted(path.name for path in made.iterdir()) == ["card.json", "model.onnx"]
    assert (made / "model.onnx").stat().st_size < 12e6
    assert [path.name for path in made.parent.iterdir()] == ["smoke"]


def test_the_exported_file_gives_torchs_boxes_when_run(made: Path):
    environment.prepare()
    import torch

    from perception.export import for_export
    from perception.training.learning import build

    network = build("yolo11n", ("spot", "hole"), 3)
    network.load_state_dict(torch.load(made.parent.parent / "weights.pt", weights_only=True))
    module = for_export(network, SIZE, mirrored=True)
    backend = open_backend(find_model(str(made / "card.json")))
    for file in sorted((made.parent.parent / "data/images/val").iterdir()):
        batch = to_batch(letterbox(cv2.imread(str(file)), SIZE, SIZE)[0], 1.0 / 255.0)
        with torch.no_grad():
            expected = module(torch.from_numpy(batch)).numpy()
        raw = backend.infer(batch)
        assert raw.shape == expected.shape == (1, 6, 84)
        assert np.abs(raw[0, :4] - expected[0, :4]).max() < 0.05
        assert np.abs(raw[0, 4:] - expected[0, 4:]).max() < 1e-4
        best = np.argsort(expected[0, 4:].max(axis=0))[::-1][:10]
        for box, same in zip(_corners(expected[0, :4, best]), _corners(raw[0, :4, best]), strict=True):
            assert _iou(box, same[None])[0] >= 0.9


def test_a_mirrored_picture_scores_the_same_when_the_network_looks_twice(made: Path):
    inspector = Inspector(find_model(str(made / "card.json")))
    picture = cv2.imread(str(made.parent.parent / "data/images/val/001.png"))
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    assert inspector.detect(picture, floor=0.5)[0] == pytest.approx(inspector.detect(mirrored, floor=0.5)[0], abs=1e-4)


def test_defective_parts_score_above_good_ones_when_a_network_has_learned(made: Path):
    environment.prepare()
    import torch

    from perception.training.datasets import read_data_set
    from perception.training.learning import Budget, Progress, build, learn
    from perception.training.lessons import Lessons

    data = read_data_set(made.parent.parent / "data/dataset.yaml")
    reports: list[Progress] = []
    learned = learn(
        build("yolo11n", data.names, 0),
        Lessons(data.samples, SIZE, 8, 0),
        epoch_images=24,
        batch=8,
        budget=Budget(minutes=None, epochs=EPOCHS),
        report=reports.append,
        report_every_s=0.0,
    )
    assert learned.images >= EPOCHS * 24 and learned.epochs == EPOCHS
    assert reports[-1].share == 1.0 and reports[0].share < 0.5
    scores: dict[bool, list[float]] = {True: [], False: []}
    for sample in data.samples:
        batch = to_batch(letterbox(cv2.imread(str(sample.path)), SIZE, SIZE)[0], 1.0 / 255.0)
        with torch.no_grad():
            scores[sample.defective].append(float(learned.network(torch.from_numpy(batch))[0][0, 4:].max()))
    assert np.mean(np.subtract.outer(scores[True], scores[False]) > 0) > 0.8


def test_nothing_is_left_when_training_fails(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    environment.prepare()
    from perception.training.lessons import Lessons

    def fail(self: Lessons) -> None:
        raise InputError("the disk is gone", file="x.png")

    monkeypatch.setattr(Lessons, "__next__", fail)
    data = str(made.parent.parent / "data/dataset.yaml")
    assert main(["train", "detector", data, "--out", str(tmp_path / "models"), "--name", "b", "--epochs", "1"]) == 2
    assert list((tmp_path / "models").iterdir()) == []


def test_an_architecture_is_refused_when_unknown_or_end_to_end(made: Path, tmp_path: Path):
    data = str(made.parent.parent / "data/dataset.yaml")
    for name in ("yolo99z", "yolo26n"):
        assert main(["train", "detector", data, "--out", str(tmp_path / name), "--model", name, "--epochs", "1"]) == 2
        assert not (tmp_path / name / "data").exists()


def test_suppression_keeps_the_best_of_each_heap_when_the_stand_in_does_it():
    import torch

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 5]])
    scores = torch.tensor([0.6, 0.9, 0.3, 0.5])
    assert environment.nms(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert environment.nms(boxes[:0], scores[:0], 0.5).tolist() == []


def _corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)


def _iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / np.maximum(area - shared, 1e-9)
