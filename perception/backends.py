"""What runs a network: ONNX Runtime in the plain install, OpenVINO where it is installed and asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from perception.boxes import check_head
from perception.errors import InputError
from perception.registry import Model

Batch = npt.NDArray[np.float32]

# Everything ONNX Runtime raises on a file it cannot load or run; they have no common base but Exception.
ORT_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class Backend(Protocol):
    """A loaded network; ``infer`` takes (1, 3, height, width) float32, returns the head (1, 4 + classes, anchors)."""

    @property
    def name(self) -> str: ...

    def infer(self, batch: Batch) -> Batch: ...


class OnnxRuntimeBackend:
    """ONNX Runtime on the CPU.

    Sequential, with a fixed number of threads that do not spin: a spinning pool would keep the cores from the bus and
    the other nodes between two parts.

    Raises:
        InputError: the file is no network, or not the one its card describes.
    """

    name = "onnxruntime"

    def __init__(self, model: Model, *, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(model.path), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._input = self._session.get_inputs()[0].name
            _check_run(self.infer, model)
        except ORT_ERRORS as error:
            raise InputError(f"is not a model that can be run: {error}", file=model.path) from None

    def infer(self, batch: Batch) -> Batch:
        outputs: list[Any] = self._session.run(None, {self._input: batch})
        return np.asarray(outputs[0], np.float32)


class OpenVinoBackend:
    """OpenVINO on the CPU, tuned for latency, in the precision it prefers on this processor.

    Raises:
        InputError: OpenVINO is not installed, or the file is no network, or not the one its card describes.
    """

    name = "openvino"

    def __init__(self, model: Model, *, threads: int = 2) -> None:
        try:
            import openvino  # noqa: PLC0415  an extra: only those who ask for it have it
        except ImportError:
            raise InputError("openvino is not installed: pip install 'cellwright[openvino]'", key="backend") from None
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        try:
            self._compiled = openvino.Core().compile_model(str(model.path), "CPU", options)
            self._request = self._compiled.create_infer_request()
            _check_run(self.infer, model)
        except RuntimeError as error:
            raise InputError(f"is not a model that can be run: {error}", file=model.path) from None

    def infer(self, batch: Batch) -> Batch:
        result = self._request.infer({0: batch})
        return np.array(result[self._compiled.output(0)], np.float32)


BACKENDS: dict[str, Callable[..., Backend]] = {"onnxruntime": OnnxRuntimeBackend, "openvino": OpenVinoBackend}


def open_backend(model: Model, *, kind: str = "onnxruntime", threads: int = 2) -> Backend:
    """Load a model.

    Raises:
        InputError: an unknown backend, or what that backend's constructor raises.
    """
    if kind not in BACKENDS:
        raise InputError(f"unknown backend {kind!r}; there are: {', '.join(BACKENDS)}", key="backend")
    if threads < 1:
        raise InputError(f"must be at least 1, not {threads}", key="threads")
    return BACKENDS[kind](model, threads=threads)


def _check_run(infer: Callable[[Batch], Batch], model: Model) -> None:
    """One run on an empty input: shows the head's real shape, and spares the first part the cost of a first run."""
    card = model.card
    raw = infer(np.zeros((1, 3, card.input.height, card.input.width), np.float32))
    try:
        check_head(raw.shape, len(card.classes))
    except InputError as error:
        raise InputError(error.message, file=model.path) from None
