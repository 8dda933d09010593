"""Makes ``spots.onnx``, the smallest network with a detector's dense head.

Run ``python make_spots_model.py`` (needs onnx, of the training extra). Input (1, 3, 64, 64) RGB 0..1, an 8x8 grid of
cells of 8x8 px. The head is (1, 4 + 2, 64): each cell's own box as centre and size (8 px), then the confidences of the
classes ``dark`` = clip(1 - 4 * mean, 0, 1), ``bright`` = clip(4 * mean - 3, 0, 1), with ``mean`` over the cell and the
channels, so that grey 114 (0.447) yields nothing.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def build() -> onnx.ModelProto:
    ys, xs = np.mgrid[0:8, 0:8] * 8.0 + 4.0
    boxes = np.stack([xs.ravel(), ys.ravel(), np.full(64, 8.0), np.full(64, 8.0)])[None].astype(np.float32)
    constants = {
        "boxes": boxes,
        "flat": np.array([1, 1, 64], np.int64),
        "minus_four": np.float32(-4.0),
        "one": np.float32(1.0),
        "four": np.float32(4.0),
        "minus_three": np.float32(-3.0),
        "zero": np.float32(0.0),
    }
    nodes = [
        helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("ReduceMean", ["cells"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Reshape", ["grey", "flat"], ["mean"]),
        helper.make_node("Mul", ["mean", "minus_four"], ["d0"]),
        helper.make_node("Add", ["d0", "one"], ["d1"]),
        helper.make_node("Clip", ["d1", "zero", "one"], ["dark"]),
        helper.make_node("Mul", ["mean", "four"], ["b0"]),
        helper.make_node("Add", ["b0", "minus_three"], ["b1"]),
        helper.make_node("Clip", ["b1", "zero", "one"], ["bright"]),
        helper.make_node("Concat", ["boxes", "dark", "bright"], ["output0"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "spots",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 6, 64])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    onnx.save(build(), str(Path(__file__).with_name("spots.onnx")))
