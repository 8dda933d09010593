"""A model that works, small enough to commit: ``spots.onnx`` finds dark and bright cells (see ``data``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception.registry import Model, find_model

SPOTS = Path(__file__).parent / "data" / "spots.onnx"


@pytest.fixture
def card_data() -> dict[str, Any]:
    return {
        "id": "spots",
        "version": 1,
        "file": "model.onnx",
        "sha256": hashlib.sha256(SPOTS.read_bytes()).hexdigest(),
        "architecture": "cells",
        "classes": ["dark", "bright"],
        "input": {"width": 64, "height": 64, "channels": 3, "colour": "rgb", "scale": 1.0 / 255.0},
        "head": "dense",
        "conf_floor": 0.05,
        "iou": 0.6,
        "thresholds": {f"{percent / 100:.2f}": 0.81 - percent / 100 for percent in range(1, 21)},
        "calibration": {"images": 100, "good": 80, "defective": 20, "auroc": 0.97, "method": "folds of train"},
        "latency_ms": {"cpu_2_threads": 0.1, "modelled": 1.0},
        "training": {
            "dataset": "spots",
            "dataset_sha256": "0" * 64,
            "images": 100,
            "command": "python make_spots_model.py",
            "seed": 1,
            "minutes": 0.0,
            "epochs": 0,
            "ultralytics": "none",
            "torch": "none",
        },
        "licence": "Apache-2.0",
    }


@pytest.fixture
def write_model(tmp_path: Path, card_data: dict[str, Any]) -> Callable[..., Path]:
    """Writes a model's folder, with entries of the card replaced, and returns the folder."""

    def write(**changes: Any) -> Path:
        folder = tmp_path / "models" / "spots"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(SPOTS.read_bytes())
        (folder / "card.json").write_text(json.dumps({**card_data, **changes}, indent=2), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def spots(write_model: Callable[..., Path]) -> Model:
    return find_model(str(write_model()))
