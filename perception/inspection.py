"""One picture judged: locate the parts, cut each out upright, run the network on it, bring the boxes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.backends import Backend, open_backend
from perception.boxes import Detections, best_score, decode
from perception.images import Image, Matrix, as_bgr
from perception.letterbox import letterbox, to_batch
from perception.locator import Locator, crop
from perception.registry import Model
from perception.types import Box, PartView

# Belt kept around a part where the card does not say: enough for an outline a few pixels off.
CROP_MARGIN = 0.06


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one picture holds, and where the time went.

    Attributes:
        views: every part in it, furthest downstream first; only whole ones are judged.
        stages_ms: milliseconds spent on ``locate``, ``crop``, ``letterbox``, ``infer``, ``boxes``, over all parts.
    """

    views: tuple[PartView, ...]
    stages_ms: Mapping[str, float]


class Inspector:
    """A model and a locator, ready to judge pictures; one thread at a time.

    Args:
        model: the network and its card.
        threads: of the network's runtime.
        locator: how parts are told from the belt.
        backend: "onnxruntime" or "openvino", or a loaded one.
        clock: seconds, for ``stages_ms`` only.

    Raises:
        InputError: the model cannot be loaded.
    """

    def __init__(
        self,
        model: Model,
        *,
        threads: int = 2,
        locator: Locator | None = None,
        backend: str | Backend = "onnxruntime",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.card = model.card
        self._locator = locator or Locator()
        self._backend = open_backend(model, kind=backend, threads=threads) if isinstance(backend, str) else backend
        self._clock = clock
        self._margin = CROP_MARGIN if model.card.crop_margin is None else model.card.crop_margin

    def inspect(self, image: npt.NDArray[Any]) -> Inspection:
        """Find and judge every part in a picture of the belt.

        Raises:
            InputError: an array that is no picture.
        """
        bgr = as_bgr(image)
        stages = dict.fromkeys(("locate", "crop", "letterbox", "infer", "boxes"), 0.0)
        start = self._clock()
        outlines = self._locator.find(bgr)
        start = self._lap(stages, "locate", start)
        views: list[PartView] = []
        for outline in outlines:
            score = 0.0
            boxes: tuple[Box, ...] = ()
            if outline.whole:
                start = self._clock()
                part, crop_from_image = crop(bgr, outline, self._margin)
                self._lap(stages, "crop", start)
                score, detections = self._judge(part, self.card.conf_floor, stages)
                start = self._clock()
                boxes = self._boxes(detections, crop_from_image)
                self._lap(stages, "boxes", start)
            views.append(
                PartView(
                    outline.x_px, outline.y_px, outline.w_px, outline.h_px, outline.yaw_rad, outline.whole, score, boxes
                )
            )
        return Inspection(tuple(views), stages)

    def judge_crop(self, image: npt.NDArray[Any]) -> tuple[float, tuple[Box, ...]]:
        """Judge a whole picture as one part: its defect score, and its boxes in picture pixels."""
        score, detections = self.detect(image, floor=self.card.conf_floor)
        return score, self._boxes(detections, np.eye(2, 3))

    def detect(self, image: npt.NDArray[Any], *, floor: float) -> tuple[float, Detections]:
        """As ``judge_crop``, with a floor of one's own and plain arrays; for measuring.

        Raises:
            InputError: an array that is no picture.
        """
        return self._judge(as_bgr(image), floor, dict.fromkeys(("letterbox", "infer", "boxes"), 0.0))

    def _judge(self, part: Image, floor: float, stages: dict[str, float]) -> tuple[float, Detections]:
        start = self._clock()
        canvas, fit = letterbox(part, self.card.input.width, self.card.input.height)
        batch = to_batch(canvas, self.card.input.scale)
        start = self._lap(stages, "letterbox", start)
        raw = self._backend.infer(batch)
        start = self._lap(stages, "infer", start)
        found = decode(raw, floor=floor, iou=self.card.iou)
        corners = fit.to_picture(found.corners)
        height, width = part.shape[:2]
        corners = np.clip(corners, 0.0, np.array([width, height, width, height], np.float64))
        score = best_score(raw)
        self._lap(stages, "boxes", start)
        return score, Detections(corners, found.scores, found.classes)

    def _boxes(self, found: Detections, crop_from_image: Matrix) -> tuple[Box, ...]:
        """Boxes in image pixels; one that comes out of a turned crop is the upright box around it."""
        image_from_crop = np.linalg.inv(np.vstack([crop_from_image, [0.0, 0.0, 1.0]]))[:2]
        boxes: list[Box] = []
        for (x0, y0, x1, y1), score, class_id in zip(found.corners, found.scores, found.classes, strict=True):
            points = image_from_crop @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1.0, 1.0, 1.0, 1.0]])
            (left, top), (right, bottom) = points.min(axis=1), points.max(axis=1)
            boxes.append(
                Box(
                    float(left + right) / 2,
                    float(top + bottom) / 2,
                    float(right - left),
                    float(bottom - top),
                    self.card.classes[int(class_id)],
                    float(score),
                )
            )
        return tuple(boxes)

    def _lap(self, stages: dict[str, float], stage: str, start: float) -> float:
        end = self._clock()
        stages[stage] += (end - start) * 1e3
        return end
