"""A picture of any size into a network's fixed input: aspect kept, centred on grey, and the way back for boxes.

Grey 114, bilinear scaling and the rounding of the borders are those of the detectors' training (Ultralytics
``LetterBox``), so that a network meets at run time what it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.images import Image

GREY = 114


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the picture lies in the input: ``input = picture * scale + offset``, per axis, continuous pixels."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_picture(self, corners: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Corners (N, 4) as x0, y0, x1, y1 in input pixels, back in picture pixels."""
        offset = np.array([self.offset_x, self.offset_y, self.offset_x, self.offset_y])
        scale = np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y])
        back: npt.NDArray[np.float64] = (np.asarray(corners, np.float64) - offset) / scale
        return back


def letterbox(image: Image, width: int, height: int) -> tuple[Image, Fit]:
    """The BGR picture scaled (up too) to fit ``width`` x ``height``, grey around it, and how it lies there."""
    rows, columns = image.shape[:2]
    ratio = min(height / rows, width / columns)
    w, h = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    left, top = round((width - w) / 2 - 0.1), round((height - h) / 2 - 0.1)
    canvas = np.full((height, width, 3), GREY, np.uint8)
    target = canvas[top : top + h, left : left + w]
    if (h, w) == (rows, columns):
        target[:] = image
    else:
        target[:] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return canvas, Fit(w / columns, h / rows, float(left), float(top))


def to_batch(canvas: Image, scale: float) -> npt.NDArray[np.float32]:
    """A BGR canvas as a batch of one: (1, 3, height, width) float32, RGB, times ``scale``."""
    batch = np.empty((1, 3, *canvas.shape[:2]), np.float32)
    for channel in range(3):
        np.multiply(canvas[:, :, 2 - channel], np.float32(scale), out=batch[0, channel])
    return batch
