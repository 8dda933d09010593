"""Lets every test import the embedded rclpy, as the wheel's .pth does at start-up; a tiny model for whole cells."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import cell.runtime.finder

cell.runtime.finder.install()
# Nothing meets a cell that runs on this machine; tests with several processes choose a domain of their own.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "OFF"
# Every message is hashed when it is published, when it is read and when its reader is done.
os.environ["CELL_CHECK_MUTATION"] = "1"
# A job in the background ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

SPOTS = Path(__file__).parent / "unit" / "perception" / "data" / "spots.onnx"


@pytest.fixture(scope="session")
def spots_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network of dark and bright spots with a card: what it finds does not matter here, only that it judges."""
    home = tmp_path_factory.mktemp("model")
    shutil.copy(SPOTS, home / "model.onnx")
    digest = hashlib.sha256((home / "model.onnx").read_bytes()).hexdigest()
    card: dict[str, Any] = {
        "id": "spots",
        "version": 1,
        "file": "model.onnx",
        "sha256": digest,
        "architecture": "average pool",
        "classes": ["dark", "bright"],
        "input": {"width": 64, "height": 64, "channels": 3, "colour": "rgb", "scale": 1 / 255},
        "head": "dense",
        "conf_floor": 0.01,
        "iou": 0.5,
        "thresholds": {f"{percent / 100:.2f}": 0.5 for percent in range(1, 21)},
        "calibration": {"images": 1, "good": 1, "defective": 0, "auroc": 0.5, "method": "none"},
        "latency_ms": {"cpu_2_threads": 5.0, "modelled": 10.0},
        "training": {
            "dataset": "none",
            "dataset_sha256": digest,
            "images": 0,
            "command": "make_spots_model.py",
            "seed": 0,
            "minutes": 0.0,
            "epochs": 0,
            "ultralytics": "none",
            "torch": "none",
        },
        "licence": "Apache-2.0",
    }
    (home / "card.json").write_text(json.dumps(card))
    return home / "model.onnx"
