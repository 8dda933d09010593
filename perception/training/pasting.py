"""Defects cut out of defective pictures and laid onto other parts, so that few real defects teach many.

A defect is kept as what it does to its surroundings: the logarithm of its pixels over a plane fitted to the rim around
it. Laid on another part it is added to that part's own plane, so exposure and slope of the light are the target's, and
it fades out over the rim. A defect that lay at a side of the part is laid at that side again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.images import Image

# A box this near a side of the picture, px or share, belongs to that side: masks end a little before it.
SIDE_PX = 4.0
SIDE_SHARE = 0.015
# Width of the rim around a box: a share of its longer side within limits, px.
RIM_SHARE, RIM_MIN_PX, RIM_MAX_PX = 0.3, 5, 24
# A defect stands out of its rim's texture by so many standard deviations, and by so much in log brightness.
STANDS_OUT, LEAST_RELIEF = 1.5, 0.12
# How far a patch is warped, standard deviation as a share of its diagonal.
WARP_SHARE = 0.03
# Keeps the logarithm of dark pixels from being all noise.
DARK = 6.0

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A defect and its rim.

    Attributes:
        relief: (h, w, 3) float32, log brightness over the rim's plane.
        box: x0, y0, x1, y1 of the defect in the patch, px.
        class_id: -1 for a piece of a good part, which is laid down without a label.
        sides: whether it lay at the part's left, top, right, bottom side.
        group: of the picture it was cut from.
        lifted: the relief is 0 off the defect and is laid over the target's own texture, instead of replacing it.
    """

    relief: Floats
    box: Box
    class_id: int
    sides: tuple[bool, bool, bool, bool]
    group: str
    lifted: bool = False


@dataclass(frozen=True, slots=True)
class Variation:
    """How a patch differs from the original: mirrored, scaled, its relief weakened or strengthened."""

    mirror_x: bool = False
    mirror_y: bool = False
    scale_x: float = 1.0
    scale_y: float = 1.0
    contrast: float = 1.0


def cut(picture: Image, box: Box, class_id: int, group: str) -> Patch:
    """Cut the defect in ``box`` (px) out of its picture."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    near_x, near_y = max(SIDE_PX, SIDE_SHARE * width), max(SIDE_PX, SIDE_SHARE * height)
    sides = (x0 <= near_x, y0 <= near_y, x1 >= width - near_x, y1 >= height - near_y)
    rim = int(np.clip(RIM_SHARE * max(x1 - x0, y1 - y0), RIM_MIN_PX, RIM_MAX_PX))
    left = 0 if sides[0] else max(0, int(x0) - rim)
    top = 0 if sides[1] else max(0, int(y0) - rim)
    right = width if sides[2] else min(width, int(np.ceil(x1)) + rim)
    bottom = height if sides[3] else min(height, int(np.ceil(y1)) + rim)
    inner = (x0 - left, y0 - top, x1 - left, y1 - top)
    log = np.log(picture[top:bottom, left:right].astype(np.float32) + DARK)
    plane = _plane(log, _weight(log.shape[:2], inner, sides) < 0.5)
    return Patch(log - plane, inner, class_id, sides, group)


def vary(patch: Patch, variation: Variation) -> Patch:
    """The patch mirrored, scaled and with another contrast; its sides and box follow."""
    relief, (x0, y0, x1, y1), sides = patch.relief, patch.box, patch.sides
    height, width = relief.shape[:2]
    if variation.mirror_x:
        relief, x0, x1, sides = relief[:, ::-1], width - x1, width - x0, (sides[2], sides[1], sides[0], sides[3])
    if variation.mirror_y:
        relief, y0, y1, sides = relief[::-1], height - y1, height - y0, (sides[0], sides[3], sides[2], sides[1])
    new_w, new_h = max(3, round(width * variation.scale_x)), max(3, round(height * variation.scale_y))
    if (new_w, new_h) != (width, height):
        shrinks = new_w * new_h < width * height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        relief = np.asarray(cv2.resize(np.ascontiguousarray(relief), (new_w, new_h), interpolation=method), np.float32)
        fx, fy = new_w / width, new_h / height
        x0, y0, x1, y1 = x0 * fx, y0 * fy, x1 * fx, y1 * fy
    scaled = np.asarray(relief, np.float32) * np.float32(variation.contrast)
    return Patch(scaled, (x0, y0, x1, y1), patch.class_id, sides, patch.group, patch.lifted)


def lift(patch: Patch) -> Patch | None:
    """The patch reduced to what stands out of its rim's texture; None if that is too little to be a defect."""
    weight = _weight(patch.relief.shape[:2], patch.box, patch.sides)
    rim = weight < 0.5
    if int(rim.sum()) < 12:
        return None
    smooth = np.asarray(cv2.GaussianBlur(patch.relief, (0, 0), 0.7), np.float32)
    noise = STANDS_OUT * float(smooth[rim].std())
    rest = np.sign(smooth) * np.maximum(np.abs(smooth) - noise, 0.0) * weight[:, :, None]
    # What is left is moved back out by the noise that was cut off, so that the defect keeps its depth.
    rest = np.asarray(rest + np.sign(rest) * noise * weight[:, :, None], np.float32)
    box = _support(rest)
    if box is None or float(np.abs(rest).max()) < LEAST_RELIEF:
        return None
    return Patch(rest, box, patch.class_id, patch.sides, patch.group, lifted=True)


def bend(patch: Patch, turn_rad: float, rng: np.random.Generator) -> Patch:
    """A lifted patch turned and warped smoothly: another defect of its kind. Not for one that belongs to a side."""
    height, width = patch.relief.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    u, v = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    shift = rng.normal(0.0, WARP_SHARE * side, (2, 4, 4)).astype(np.float32)
    x = u - side / 2.0 + cv2.resize(shift[0], (side, side), interpolation=cv2.INTER_CUBIC)
    y = v - side / 2.0 + cv2.resize(shift[1], (side, side), interpolation=cv2.INTER_CUBIC)
    c, s = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
    at_x, at_y = c * x - s * y + width / 2.0, s * x + c * y + height / 2.0
    turned = np.asarray(cv2.remap(patch.relief, at_x, at_y, cv2.INTER_LINEAR, borderValue=0.0), np.float32)
    box = _support(turned)
    if box is None:
        return patch
    x0, y0, x1, y1 = (round(value) for value in box)
    bent = np.ascontiguousarray(turned[y0:y1, x0:x1])
    return Patch(
        bent, (0.0, 0.0, float(x1 - x0), float(y1 - y0)), patch.class_id, patch.sides, patch.group, lifted=True
    )


def fits(patch: Patch, picture_size: tuple[int, int]) -> bool:
    """Whether the patch can lie in a picture of (height, width)."""
    height, width = patch.relief.shape[:2]
    return bool(height <= picture_size[0] and width <= picture_size[1])


def place(patch: Patch, picture_size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Where the patch's upper left corner goes in a picture of (height, width): its own sides, else anywhere."""
    room_y, room_x = picture_size[0] - patch.relief.shape[0], picture_size[1] - patch.relief.shape[1]
    left, top, right, bottom = patch.sides
    x = 0 if left else room_x if right else int(rng.integers(0, room_x + 1))
    y = 0 if top else room_y if bottom else int(rng.integers(0, room_y + 1))
    return x, y


def paste(picture: Image, patch: Patch, corner: tuple[int, int]) -> Box:
    """Lay the patch into the picture, in place, its upper left corner at ``corner``; the defect's box there, px."""
    height, width = patch.relief.shape[:2]
    x, y = corner
    target = picture[y : y + height, x : x + width]
    x0, y0, x1, y1 = patch.box
    if patch.lifted:
        over = (target + DARK) * np.exp(patch.relief) - DARK
        target[:] = np.clip(np.rint(over), 0, 255).astype(np.uint8)
        return (x0 + x, y0 + y, x1 + x, y1 + y)
    weight = _weight((height, width), patch.box, patch.sides)
    log = np.log(target.astype(np.float32) + DARK)
    plane = _plane(log, weight < 0.5)
    alpha = weight[:, :, None]
    mixed = (1.0 - alpha) * target + alpha * (np.exp(plane + patch.relief) - DARK)
    target[:] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return (x0 + x, y0 + y, x1 + x, y1 + y)


def _support(relief: Floats) -> Box | None:
    """The box around all that is deeper than a fifth of the deepest; None where all is flat."""
    depth = np.abs(relief).max(axis=2)
    deep = depth > max(0.2 * float(depth.max()), 1e-3)
    rows, columns = np.flatnonzero(deep.any(axis=1)), np.flatnonzero(deep.any(axis=0))
    if not len(rows):
        return None
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def _weight(shape: tuple[int, int], box: Box, sides: tuple[bool, bool, bool, bool]) -> Floats:
    """1 in the box, falling to 0 at the patch's border in a raised cosine; a side of the part does not fade."""
    height, width = shape

    def axis(length: int, low: float, high: float, keep_low: bool, keep_high: bool) -> Floats:
        at = np.arange(length, dtype=np.float32) + 0.5
        rise = np.ones(length, np.float32) if keep_low else np.clip(at / max(low, 1.0), 0.0, 1.0)
        fall = np.ones(length, np.float32) if keep_high else np.clip((length - at) / max(length - high, 1.0), 0.0, 1.0)
        return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.minimum(rise, fall)), np.float32)

    x0, y0, x1, y1 = box
    return np.outer(axis(height, y0, y1, sides[1], sides[3]), axis(width, x0, x1, sides[0], sides[2])).astype(
        np.float32
    )


def _plane(log: Floats, rim: npt.NDArray[np.bool_]) -> Floats:
    """The plane through the rim's log brightness, per channel, (h, w, 3); without a rim, through everything."""
    height, width = log.shape[:2]
    chosen = rim if int(rim.sum()) >= 12 else np.ones((height, width), bool)
    u, v = np.linspace(-1.0, 1.0, width, dtype=np.float32), np.linspace(-1.0, 1.0, height, dtype=np.float32)
    grid = np.stack([np.ones((height, width), np.float32), *np.meshgrid(u, v)], axis=-1)
    a, b = grid[chosen], log[chosen]
    # The ridge keeps the slope small where the rim lies on one side only.
    normal = a.T @ a + np.diag([1e-6, 0.05 * len(a), 0.05 * len(a)]).astype(np.float32)
    return np.asarray(grid @ np.linalg.solve(normal, a.T @ b), np.float32)
