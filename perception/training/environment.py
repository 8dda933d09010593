"""Torch and Ultralytics made ready: offline, silent, and without torchvision where that does not load.

A plain ``pip install torch`` on a machine without a GPU can bring a torchvision built for CUDA, whose import fails
("operator torchvision::nms does not exist", pytorch/vision#9085). Ultralytics asks for its version when imported and
uses one function of it, non-maximum suppression. The stand-in serves these two in this process and nothing else.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
import types
from typing import Any

from perception.errors import InputError

# What the stand-in calls itself: new enough for every check that Ultralytics makes.
STAND_IN_VERSION = "0.28.0"


def prepare() -> None:
    """Set Ultralytics' switches and, where it is needed, install the stand-in. To be called before importing either.

    Raises:
        InputError: the extra ``train`` is not installed.
    """
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    os.environ.setdefault("YOLO_VERBOSE", "0")
    if "YOLO_CONFIG_DIR" not in os.environ:
        # Ultralytics writes its settings somewhere; a folder of this process keeps the person's home as it is.
        os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="cellwright-ultralytics-")
        atexit.register(shutil.rmtree, os.environ["YOLO_CONFIG_DIR"], ignore_errors=True)
    for name in ("torch", "ultralytics", "onnx"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"{name} is not installed: pip install cellwright[train]")
    if not torchvision_loads():
        install_stand_in()


def torchvision_loads() -> bool:
    """Whether the real torchvision can be imported; a failed import leaves nothing of it behind."""
    before = set(sys.modules)
    try:
        importlib.import_module("torchvision")
        importlib.metadata.version("torchvision")
    except (ImportError, RuntimeError, OSError, AttributeError):
        for name in set(sys.modules) - before:
            if name.split(".")[0] == "torchvision":
                del sys.modules[name]
        return False
    return True


def install_stand_in() -> None:
    """Put a module ``torchvision`` with ``ops.nms`` in place, and answer for its version."""
    module, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    for item in (module, ops):
        item.__spec__ = importlib.machinery.ModuleSpec(item.__name__, None, is_package=item is module)
    vars(module).update(__version__=STAND_IN_VERSION, ops=ops, __path__=[])
    vars(ops).update(nms=nms)
    sys.modules["torchvision"], sys.modules["torchvision.ops"] = module, ops
    real = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return STAND_IN_VERSION if distribution_name.lower() == "torchvision" else real(distribution_name)

    importlib.metadata.version = version


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of the boxes (N, 4: x0, y0, x1, y1) that no better one overlaps beyond the threshold, best first."""
    import torch  # noqa: PLC0415 (only with the extra)

    order = torch.argsort(scores, descending=True, stable=True)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = []
    while order.numel():
        best, order = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[order, :2])
        high = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        order = order[shared <= iou_threshold * (area[best] + area[order] - shared)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long, device=boxes.device)
