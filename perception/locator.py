"""Parts on the belt: found by colour alone, so that nothing has to be learned before a part can be followed.

The belt is of a saturated colour (green in the simulated cell) and a part is anything else. What separates them is the
*excess*: the belt's strongest channel minus the greater of the other two. It is large on the belt, near zero on every
grey, metallic, black or white surface whatever its brightness, and below zero on other colours.

Image coordinates here and wherever perception hands on pixels are continuous: the picture spans 0..width and 0..height,
the middle of the upper left pixel is (0.5, 0.5), as in YOLO labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import InputError
from perception.images import Image, Matrix

# Below this excess (of 255) sensor noise of a few counts on each channel would cut into the belt.
MIN_BELT_EXCESS = 30
# An outline tilted less than this keeps the picture's own orientation: a photograph laid square comes back upright.
UPRIGHT_RAD = math.radians(10.0)
# Below this tilt a crop is a plain slice: resampling would blur more than the tilt displaces (1.7 px over 400 px).
SLICE_RAD = math.radians(0.25)


@dataclass(frozen=True, slots=True)
class BeltColour:
    """The belt under the cell's light.

    Attributes:
        bgr: its mean colour, 0..255.
        ratio: the share of the belt's excess below which a pixel is no longer belt; 0.5 would put edges exactly where a
            grey part's edge is, a little less tolerates shading of the belt.
    """

    bgr: tuple[int, int, int] = (60, 150, 40)
    ratio: float = 0.45


@dataclass(frozen=True, slots=True)
class PartOutline:
    """A part's minimum-area rectangle in image pixels.

    Attributes:
        x_px, y_px: its centre.
        w_px, h_px: its sides; ``w_px`` runs along ``yaw_rad``.
        yaw_rad: from the image's x axis towards its y axis. Within 10 degrees of the axes it is the rotation nearest
            to zero; otherwise ``w_px`` is the long side. In (-pi/2, pi/2].
        whole: it touches no border of the picture.
    """

    x_px: float
    y_px: float
    w_px: float
    h_px: float
    yaw_rad: float
    whole: bool


class Locator:
    """Finds the parts in a picture of the belt.

    Args:
        belt: the belt's colour.
        min_area_px: smaller specks are not parts.

    Raises:
        InputError: the belt's colour is too grey to tell parts from it.
    """

    def __init__(self, belt: BeltColour | None = None, *, min_area_px: float = 400.0) -> None:
        belt = belt or BeltColour()
        strongest = int(np.argmax(belt.bgr))
        others = [channel for channel in range(3) if channel != strongest]
        excess = belt.bgr[strongest] - max(belt.bgr[other] for other in others)
        if excess < MIN_BELT_EXCESS or not 0.0 < belt.ratio < 1.0:
            raise InputError(f"belt colour {belt.bgr} with ratio {belt.ratio} cannot separate parts from the belt")
        self._strongest = strongest
        self._others = (others[0], others[1])
        self._threshold = max(1, round(belt.ratio * excess))
        self._min_area_px = min_area_px
        self._square = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))

    def find(self, image: Image) -> tuple[PartOutline, ...]:
        """The parts in a BGR picture, from the lowest (furthest downstream) to the highest."""
        mask = self._mask(image)
        # Components at half resolution; only the outline of each is traced at full resolution.
        half = cv2.morphologyEx(np.ascontiguousarray(mask[::2, ::2]), cv2.MORPH_OPEN, self._square)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(half, connectivity=8, ltype=cv2.CV_16U)
        found: list[PartOutline] = []
        for label in range(1, count):
            if 4.0 * float(stats[label, cv2.CC_STAT_AREA]) < self._min_area_px:
                continue
            outline = self._outline(mask, labels == label, stats[label])
            if outline is not None:
                found.append(outline)
        return tuple(sorted(found, key=lambda outline: -outline.y_px))

    def _mask(self, image: Image) -> Image:
        """255 where a pixel is not belt."""
        channels = cv2.split(image)
        excess = cv2.subtract(channels[self._strongest], cv2.max(*(channels[other] for other in self._others)))
        smooth = cv2.blur(excess, (3, 3), borderType=cv2.BORDER_REPLICATE)
        _, mask = cv2.threshold(smooth, self._threshold, 255, cv2.THRESH_BINARY_INV)
        return np.asarray(mask, np.uint8)

    def _outline(
        self, mask: Image, component: npt.NDArray[np.bool_], stats: npt.NDArray[np.int32]
    ) -> PartOutline | None:
        height, width = mask.shape
        left, top, w, h = (int(value) for value in stats[:4])
        # The half-resolution window with a pixel around it, and the same window at full resolution.
        x0, y0 = max(left - 2, 0), max(top - 2, 0)
        x1, y1 = min(left + w + 2, component.shape[1]), min(top + h + 2, component.shape[0])
        own = component[y0:y1, x0:x1].view(np.uint8)
        near = cv2.dilate(own, self._square, iterations=2)
        window = mask[2 * y0 : min(2 * y1, height), 2 * x0 : min(2 * x1, width)]
        near_full = cv2.resize(near, (window.shape[1], window.shape[0]), interpolation=cv2.INTER_NEAREST)
        region = cv2.bitwise_and(window, window, mask=near_full)
        region = cv2.morphologyEx(region, cv2.MORPH_OPEN, self._square)
        contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(2 * x0, 2 * y0))
        if not contours:
            return None
        hull = cv2.convexHull(max(contours, key=cv2.contourArea))
        bx, by, bw, bh = cv2.boundingRect(hull)
        whole = bx > 0 and by > 0 and bx + bw < width and by + bh < height
        (cx, cy), w_px, h_px, yaw_rad = rectangle(np.asarray(hull, np.float64).reshape(-1, 2))
        # Contours run through the middles of the border pixels: half a pixel more on every side.
        return PartOutline(cx + 0.5, cy + 0.5, w_px + 1.0, h_px + 1.0, yaw_rad, whole)


def rectangle(points: Matrix) -> tuple[tuple[float, float], float, float, float]:
    """Minimum-area rectangle of points (N, 2): centre, side along yaw, other side, yaw as in ``PartOutline``.

    Reads the angle off the corners, since ``cv2.minAreaRect``'s convention for the angle differs between releases.
    """
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))), np.float64)
    cx, cy = (float(value) for value in corners.mean(axis=0))
    edge_a, edge_b = corners[1] - corners[0], corners[2] - corners[1]
    length_a, length_b = float(np.hypot(*edge_a)), float(np.hypot(*edge_b))
    if length_a == 0.0 and length_b == 0.0:
        return (cx, cy), 0.0, 0.0, 0.0
    if length_a > 0.0:
        yaw_a = half_turn(math.atan2(edge_a[1], edge_a[0]))
    else:
        yaw_a = half_turn(math.atan2(edge_b[1], edge_b[0]) + math.pi / 2)
    yaw_b = half_turn(yaw_a + math.pi / 2)
    nearest_zero = min(abs(yaw_a), abs(yaw_b))
    a_first = abs(yaw_a) <= abs(yaw_b) if nearest_zero <= UPRIGHT_RAD else length_a >= length_b
    if a_first:
        return (cx, cy), length_a, length_b, yaw_a
    return (cx, cy), length_b, length_a, yaw_b


def half_turn(angle_rad: float) -> float:
    """The same undirected line's angle in (-pi/2, pi/2]."""
    wrapped = math.remainder(angle_rad, math.pi)
    return math.pi / 2 if wrapped <= -math.pi / 2 else wrapped


def crop(image: Image, outline: PartOutline, margin: float = 0.06) -> tuple[Image, Matrix]:
    """The part alone, turned upright (its ``w_px`` side horizontal), never mirrored, never scaled.

    Args:
        margin: belt kept on every side, as a share of the rectangle's side there.

    Returns:
        The crop (BGR), and the 2x3 matrix ``crop_from_image`` that takes image pixels to crop pixels (both continuous
        coordinates); a defect at ``p`` in the picture lies at ``matrix @ (x, y, 1)`` in the crop.
    """
    width = max(1, round(outline.w_px * (1.0 + 2.0 * margin)))
    height = max(1, round(outline.h_px * (1.0 + 2.0 * margin)))
    if abs(outline.yaw_rad) <= SLICE_RAD:
        x0, y0 = round(outline.x_px - width / 2), round(outline.y_px - height / 2)
        if x0 >= 0 and y0 >= 0 and x0 + width <= image.shape[1] and y0 + height <= image.shape[0]:
            plain = np.ascontiguousarray(image[y0 : y0 + height, x0 : x0 + width])
            return plain, np.array([[1.0, 0.0, -x0], [0.0, 1.0, -y0]])
    cos, sin = math.cos(outline.yaw_rad), math.sin(outline.yaw_rad)
    matrix = np.array(
        [
            [cos, sin, width / 2 - cos * outline.x_px - sin * outline.y_px],
            [-sin, cos, height / 2 + sin * outline.x_px - cos * outline.y_px],
        ]
    )
    # OpenCV counts pixel middles as integers: both sides shift by half a pixel.
    shifted = matrix.copy()
    shifted[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5
    turned = cv2.warpAffine(image, shifted, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), matrix
