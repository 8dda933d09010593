"""Cards and the registry: what is wrong is said in one line, with its file, line and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception.cards import Card, load_card
from perception.errors import InputError
from perception.registry import find_model, model_ids

WriteModel = Callable[..., Path]


def test_card_is_read_when_complete(write_model: WriteModel) -> None:
    card = load_card(write_model() / "card.json")
    assert card.classes == ("dark", "bright")
    assert card.crop_margin is None
    assert load_card(write_model(crop_margin=0.0) / "card.json").crop_margin == 0.0


@pytest.mark.parametrize(
    ("overkill", "expected"), [(0.01, 0.80), (0.05, 0.76), (0.10, 0.71), (0.20, 0.61), (0.055, 0.755), (0.125, 0.685)]
)
def test_threshold_is_interpolated_when_overkill_lies_between_entries(
    card_data: dict[str, Any], overkill: float, expected: float
) -> None:
    assert Card.model_validate(card_data).threshold(overkill) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("overkill", [0.0, 0.009, 0.21, 1.0, -0.05, float("nan")])
def test_threshold_is_refused_when_overkill_is_outside(card_data: dict[str, Any], overkill: float) -> None:
    with pytest.raises(InputError) as caught:
        Card.model_validate(card_data).threshold(overkill)
    assert caught.value.key == "overkill"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"surprise": 1}, "surprise"),
        ({"sha256": "12"}, "sha256"),
        ({"head": "end2end"}, "head"),
        ({"iou": 1.5}, "iou"),
        ({"classes": []}, "classes"),
        ({"classes": ["a", "a"]}, "classes"),
        ({"file": "../model.onnx"}, "file"),
        ({"version": 2}, "version"),
        ({"latency_ms": {"cpu_2_threads": -1.0, "modelled": 1.0}}, "latency_ms.cpu_2_threads"),
    ],
)
def test_error_names_file_line_and_key_when_entry_is_wrong(
    write_model: WriteModel, changes: dict[str, Any], key: str
) -> None:
    path = write_model(**changes) / "card.json"
    with pytest.raises(InputError) as caught:
        load_card(path)
    assert caught.value.file == str(path)
    assert caught.value.key == key
    assert caught.value.line is not None
    assert f'"{key.rsplit(".", maxsplit=1)[-1]}"' in path.read_text().splitlines()[caught.value.line - 1]
    assert "\n" not in str(caught.value)


def test_thresholds_are_refused_when_incomplete_or_rising(write_model: WriteModel, card_data: dict[str, Any]) -> None:
    for thresholds in ({"0.05": 0.5}, {**card_data["thresholds"], "0.20": 0.9}):
        with pytest.raises(InputError, match="thresholds must"):
            load_card(write_model(thresholds=thresholds) / "card.json")


def test_card_is_refused_when_not_json_or_missing(write_model: WriteModel) -> None:
    folder = write_model()
    (folder / "card.json").write_text('{\n "id": "spots",\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        find_model(str(folder))
    assert (caught.value.file, caught.value.line) == (str(folder / "card.json"), 3)
    (folder / "card.json").unlink()
    with pytest.raises(InputError, match="card"):
        find_model(str(folder / "model.onnx"))


def test_model_is_found_when_named_by_id_folder_file_or_card(write_model: WriteModel) -> None:
    folder = write_model()
    assert model_ids(folder.parent) == ("spots",)
    by_id = find_model("spots", folder=folder.parent)
    for other in (folder, folder / "model.onnx", folder / "card.json"):
        assert find_model(str(other)) == by_id
    assert by_id.path == folder / "model.onnx"


def test_unknown_id_names_the_known_ones_when_refused(write_model: WriteModel) -> None:
    with pytest.raises(InputError, match="spots") as caught:
        find_model("sports", folder=write_model().parent)
    assert caught.value.key == "sports"


def test_model_is_refused_when_file_is_changed_missing_or_misnamed(write_model: WriteModel) -> None:
    folder = write_model()
    data = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[:-1])
    with pytest.raises(InputError, match="SHA-256") as caught:
        find_model(str(folder))
    assert caught.value.file == str(folder / "model.onnx")
    (folder / "model.onnx").unlink()
    with pytest.raises(InputError, match="missing"):
        find_model("spots", folder=folder.parent)
    write_model(id="other")
    with pytest.raises(InputError, match="other"):
        find_model("spots", folder=folder.parent)


def test_nothing_is_listed_when_folder_is_absent(tmp_path: Path) -> None:
    assert model_ids(tmp_path / "none") == ()
    with pytest.raises(InputError, match="no such file"):
        find_model(str(tmp_path / "none.onnx"))


def test_shipped_cards_are_in_order_when_present() -> None:
    for model_id in model_ids():
        model = find_model(model_id)
        assert json.loads((model.path.parent / "card.json").read_text())["licence"]
        assert model.path.stat().st_size <= 12_000_000
