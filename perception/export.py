"""A trained network as a file that runs without what trained it: ONNX, float32, one output, the dense head.

Needs the extra ``train``.
"""

from __future__ import annotations

import importlib
import json
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

# ONNX Runtime 1.19 and OpenVINO 2025 both read it; nothing newer is needed.
OPSET = 17


class Mirrored(nn.Module):  # type: ignore[misc]
    """A detector that looks twice, at the picture and its mirror image, and reports each cell's mean confidence.

    Twice the work; a flaw that is found in one view by luck counts half. Boxes are those of the picture as it is.

    Args:
        network: an Ultralytics detection model in export mode.
        size_px: its square input.
        strides: of its levels, in the head's order.
    """

    def __init__(self, network: nn.Module, size_px: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.network = network
        self.sides = tuple(size_px // stride for stride in strides)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(1, 3, h, w) to (1, 4 + classes, anchors)."""
        heads = self.network(torch.cat([images, images.flip(3)]))
        maps = heads[1:, 4:].split([side * side for side in self.sides], dim=2)
        turned = [
            level.reshape(1, -1, side, side).flip(3).flatten(2) for level, side in zip(maps, self.sides, strict=True)
        ]
        return torch.cat([heads[:1, :4], (heads[:1, 4:] + torch.cat(turned, dim=2)) / 2.0], dim=1)


def for_export(network: Any, size_px: int, *, mirrored: bool) -> nn.Module:
    """The network as it will be exported, as a torch module: fused, evaluating, (1, 3, h, w) to the dense head."""
    fused = deepcopy(network).to("cpu").float().eval()
    fused = fused.fuse(verbose=False)
    head = fused.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    strides = tuple(int(stride) for stride in head.stride)
    module: nn.Module = Mirrored(fused, size_px, strides) if mirrored else fused
    return module.eval()


def export_onnx(module: nn.Module, file: Path, size_px: int, classes: tuple[str, ...]) -> None:
    """Write a module from ``for_export`` as ONNX, input ``images``, output ``output0``, class names in the metadata."""
    example = torch.zeros(1, 3, size_px, size_px)
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of every Python number that it makes a constant; the input's shape is fixed on purpose.
        warnings.simplefilter("ignore")
        module(example)
        torch.onnx.export(
            module,
            (example,),
            str(file),
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0"],
            dynamo=False,
        )
    graph = importlib.import_module("onnxslim").slim(onnx.load(str(file)))
    del graph.metadata_props[:]
    for key, value in (("task", "detect"), ("names", json.dumps(classes)), ("imgsz", json.dumps([size_px, size_px]))):
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(graph, str(file))
