"""``cell eval detector`` end to end, and ``cell models``, with the network that finds dark and bright cells."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cell.cli.evaluate import DetectorCommand, Progress
from cell.cli.models import ListCommand, ShowCommand, VerifyCommand
from perception import registry
from perception.errors import InputError
from perception.evaluation import evaluate
from perception.labels import label_file, load_split, read_truth
from perception.registry import Model

YAML = "train: images/train\nval: images/val\nnames: {0: bright, 1: dark}\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Eight parts of 64x64: four good, two with a black cell, one with a faint one (escapes), one bright; class numbers
    other than the model's."""
    root = tmp_path / "set"
    for kind in ("images", "labels"):
        (root / kind / "val").mkdir(parents=True)
    (root / "dataset.yaml").write_text(YAML)
    cells = {"a": (0, 1), "b": (0, 1), "c": (50, 1), "d": (255, 0)}
    for name in "abcdefgh":
        image = np.full((64, 64), 120, np.uint8)
        rows = ""
        if name in cells:
            image[16:24, 32:40], number = cells[name]
            rows = f"{number} {36 / 64} {20 / 64} {8 / 64} {8 / 64}\n"
        cv2.imwrite(str(root / "images" / "val" / f"{name}.png"), image)
        (root / "labels" / "val" / f"{name}.txt").write_text(rows)
    return root / "dataset.yaml"


def arguments(model: str, data: Path, out: Path, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    DetectorCommand().configure(parser)
    return parser.parse_args(["--model", model, "--data", str(data), "--split", "val", "--json", str(out), *more])


def test_figures_are_the_ones_by_hand_when_measured(spots: Model, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert DetectorCommand().run(arguments(str(spots.path), dataset, out)) == 0
    figures = json.loads(out.read_text())
    assert set(figures) == {
        "map50", "map50_95", "per_class", "parts", "images", "skipped", "model_hash", "template_used",
    }  # fmt: skip
    assert set(figures["parts"]) == {"n_defective", "n_good", "escape", "overkill", "unsure", "auroc", "ci95"}
    parts = figures["parts"]
    assert (parts["n_defective"], parts["n_good"]) == (4, 4)
    # 50/255 gives dark 0.216, below the card's 0.76 for 5 %.
    assert (parts["escape"], parts["overkill"], parts["unsure"], parts["auroc"]) == (0.25, 0.0, 0.0, 1.0)
    assert parts["ci95"]["escape"] == pytest.approx([0.0456, 0.6994], abs=1e-3)
    assert (figures["map50"], figures["map50_95"]) == (1.0, 1.0)
    assert figures["per_class"]["dark"] == {"boxes": 3, "ap50": 1.0, "ap50_95": 1.0}
    assert (figures["images"], figures["skipped"], figures["template_used"]) == (8, 0, False)
    assert figures["model_hash"] == spots.card.sha256


def test_picture_is_skipped_and_counted_when_unreadable(
    spots: Model, dataset: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (dataset.parent / "images" / "val" / "a.png").write_bytes(b"\x89PNG")
    figures = evaluate(spots, dataset, "val", threads=1)
    assert (figures["images"], figures["skipped"], figures["parts"]["n_defective"]) == (7, 1, 3)
    assert "a.png" in caplog.text


def test_threshold_is_the_cards_when_overkill_is_named(
    write_model: Callable[..., Path], dataset: Path, card_data: dict[str, Any]
) -> None:
    thresholds = {**card_data["thresholds"], "0.20": 0.2}
    model = registry.find_model(str(write_model(thresholds=thresholds)))
    assert evaluate(model, dataset, "val", overkill=0.2, threads=1)["parts"]["escape"] == 0.0
    with pytest.raises(InputError) as caught:
        evaluate(model, dataset, "val", overkill=0.3, threads=1)
    assert caught.value.key == "overkill"


def test_figures_are_null_when_no_part_can_show_them(spots: Model, dataset: Path, tmp_path: Path) -> None:
    for name in "abcd":
        (dataset.parent / "images" / "val" / f"{name}.png").unlink()
    out = tmp_path / "out.json"
    DetectorCommand().run(arguments(str(spots.path), dataset, out))
    figures = json.loads(out.read_text())
    assert figures["map50"] is None
    assert figures["parts"]["escape"] is None
    assert figures["parts"]["auroc"] is None
    assert figures["parts"]["ci95"]["escape"] is None
    assert figures["per_class"]["bright"] == {"boxes": 0, "ap50": None, "ap50_95": None}


def test_template_finds_the_escaped_part_when_given(spots: Model, dataset: Path) -> None:
    folder = dataset.parent / "templates" / "val"
    folder.mkdir(parents=True)
    for name in "abcdefgh":
        cv2.imwrite(str(folder / f"{name}.png"), np.full((64, 64), 200, np.uint8))
    images = dataset.parent / "images" / "val"
    for path in images.glob("*.png"):
        # Bright boards, as a threshold in the middle needs a difference across it.
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        cv2.imwrite(str(path), np.where(image == 120, 170, image).astype(np.uint8))
    without = evaluate(spots, dataset, "val", threads=1, overkill=0.2)
    figures = evaluate(spots, dataset, "val", template=folder.parent, threads=1, overkill=0.2)
    assert (without["template_used"], figures["template_used"]) == (False, True)
    # A cell of 64 px differs: 64 / (64 + 50) = 0.56; the threshold at 20 % is 0.61, and the confirmed box lies above.
    assert without["parts"]["auroc"] == figures["parts"]["auroc"] == 1.0
    assert figures["map50"] == 1.0
    assert figures["parts"]["escape"] == without["parts"]["escape"] == 0.25
    with pytest.raises(InputError, match="holds no pictures"):
        evaluate(spots, dataset, "val", template=dataset.parent, threads=1)


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ("5 0.5 0.5 0.1 0.1", "class"),
        ("-1 0.5 0.5 0.1 0.1", "class"),
        ("0 1.5 0.5 0.1 0.1", "x"),
        ("0 0.5 0.99 0.1 0.1", "y"),
        ("0 0.5 0.5 0 0.1", "w"),
        ("0 0.5 0.5 0.1 nan", "h"),
        ("0 0.5 0.5 0.1", None),
        ("bright 0.5 0.5 0.1 0.1", None),
    ],
)
def test_label_is_refused_when_out_of_range(spots: Model, dataset: Path, row: str, key: str | None) -> None:
    file = dataset.parent / "labels" / "val" / "c.txt"
    file.write_text(f"0 0.5 0.5 0.2 0.2\n{row}\n")
    with pytest.raises(InputError) as caught:
        evaluate(spots, dataset, "val")
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(file), 2, key)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        (YAML.replace("images/val", "images/none"), 2, "val"),
        (YAML.replace("val:", "test:"), None, "val"),
        (YAML.replace("{0: bright, 1: dark}", "{0: bright, 2: dark}"), 3, "names"),
        (YAML.replace("{0: bright, 1: dark}", "[bright, bright]"), 3, "names"),
        (YAML.replace("{0: bright, 1: dark}", "[red, blue]"), None, "names"),
        ("train: images/train\nval: images/val\n", None, "names"),
        ("just words", None, None),
        ("val: [\n", 2, None),
    ],
)
def test_dataset_is_refused_when_wrong(
    spots: Model, dataset: Path, text: str, line: int | None, key: str | None
) -> None:
    dataset.write_text(text)
    with pytest.raises(InputError) as caught:
        evaluate(spots, dataset, "val")
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(dataset), line, key)


def test_split_is_refused_when_empty_or_all_unreadable(spots: Model, dataset: Path) -> None:
    images = dataset.parent / "images" / "val"
    for path in images.iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no picture"):
        evaluate(spots, dataset, "val")
    shutil.rmtree(images)
    images.mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        load_split(dataset, "val")


def test_output_is_refused_before_any_work_when_its_folder_is_missing(spots: Model, dataset: Path) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        arguments(str(spots.path), dataset, dataset.parent / "none" / "out.json")


def test_nothing_is_written_when_input_is_wrong(spots: Model, dataset: Path, tmp_path: Path) -> None:
    (dataset.parent / "labels" / "val" / "a.txt").write_text("9 0.5 0.5 0.1 0.1\n")
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError):
        DetectorCommand().run(arguments(str(spots.path), dataset, tmp_path / "out.json"))
    assert set(tmp_path.iterdir()) == before


def test_good_part_needs_no_label_file_when_read(tmp_path: Path) -> None:
    image = tmp_path / "images" / "images" / "x.png"
    assert label_file(image) == tmp_path / "images" / "labels" / "x.txt"
    assert label_file(Path("/flat/x.png")) == Path("/flat/x.txt")
    assert len(read_truth(image, 2).classes) == 0


def test_progress_tells_rate_and_time_left_when_seconds_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr("cell.cli.evaluate.time.monotonic", lambda: now[0])
    progress = Progress()
    for done in range(1, 9):
        now[0] += 0.5
        progress.tell(done, 20)
    assert capsys.readouterr().err.splitlines() == [
        "4/20 images, 2 images/s, 8 s left",
        "8/20 images, 2 images/s, 6 s left",
    ]


def run_verify(model: str | None) -> int:
    return VerifyCommand().run(argparse.Namespace(model=model))


def test_verify_fails_with_status_one_when_file_is_not_the_cards(
    spots: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_verify(str(spots.path)) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    spots.path.write_bytes(spots.path.read_bytes() + b" ")
    assert run_verify(str(spots.path)) == 1
    assert "FAILED" in capsys.readouterr().out
    with pytest.raises(InputError):
        run_verify("no-such-model")
    with pytest.raises(InputError):
        run_verify("/no/such/model.onnx")


def test_card_is_shown_when_asked(spots: Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert ShowCommand().run(argparse.Namespace(model=str(spots.path))) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["dark", "bright"]


def test_models_are_listed_when_one_is_broken(
    write_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model().parent
    (folder / "broken").mkdir()
    (folder / "broken" / "card.json").write_text("{")
    monkeypatch.setattr(registry, "SHIPPED", folder)
    assert ListCommand().run(argparse.Namespace()) == 0
    broken, good = capsys.readouterr().out.splitlines()
    assert "broken" in broken
    assert "card.json:1" in broken
    assert "dark, bright" in good
    assert "Apache-2.0" in good
