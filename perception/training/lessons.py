"""What the network is shown: batches of real and pasted pictures, cropped, mirrored, lit anew, letterboxed.

A batch's canvas has the shape that its pictures need, rounded up to the network's stride: long pictures in a square
would be half grey, and time is spent on grey as on anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.images import Image
from perception.letterbox import GREY
from perception.training.datasets import Sample, load_picture
from perception.training.pasting import Patch, Variation, bend, cut, fits, lift, paste, place, vary

STRIDE = 32
# Shares of a batch: real defective pictures, good pictures with pasted defects; the rest are good.
REAL_SHARE, PASTED_SHARE = 0.3, 0.4
# Without pasting defects are plentiful: as many defective pictures, all real, mostly shown as they are judged.
CROPPED_SHARE, CROPPED_SHARE_UNPASTED = 0.5, 0.15
# Good pictures, and real defective ones, that get a piece of a good part without a label, so that the traces of
# pasting mean nothing.
DECOY_SHARE = 0.35
# Of the pasted defects, those that are laid over the target's texture, turned and warped where they are free to be.
LIFTED_SHARE = 0.6
# A crop keeps a box of which this much stays, and is refused if it cuts one further.
KEPT_SHARE = 0.6

Boxes = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """``images`` (N, 3, h, w) uint8 RGB; boxes (M, 4) as x, y, w, h shares, their classes and pictures (M,)."""

    images: npt.NDArray[np.uint8]
    boxes: Boxes
    classes: Classes
    owners: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    picture: Image
    boxes: Boxes
    classes: Classes
    group: str


class Lessons:
    """An endless, seeded stream of batches.

    Args:
        samples: what is learned from; both kinds must be there.
        size_px: the network's input side.
        batch: pictures a batch.
        seed: the same seed gives the same stream.
        pasting: whether defects are pasted; without, good pictures stay good.

    Raises:
        InputError: a picture cannot be read.
    """

    def __init__(
        self, samples: tuple[Sample, ...], size_px: int, batch: int, seed: int, *, pasting: bool = True
    ) -> None:
        self._size = size_px
        self._batch = batch
        self._pasting = pasting
        self._rng = np.random.default_rng([0x1E55, seed])
        parts = [_load(sample, size_px) for sample in samples]
        self._canvases = [self._canvas(part.picture) for part in parts]
        self._good = _by_group([part for part in parts if not len(part.boxes)])
        self._defective = _by_group([part for part in parts if len(part.boxes)])
        self._shapes: dict[tuple[int, int], tuple[list[list[_Part]], list[list[_Part]]]] = {}
        for shape in sorted(set(self._canvases)):
            here = [part for part, canvas in zip(parts, self._canvases, strict=True) if canvas == shape]
            good = _by_group([part for part in here if not len(part.boxes)])
            defective = _by_group([part for part in here if len(part.boxes)])
            self._shapes[shape] = (good or self._good, defective or self._defective)
        patches = [_patches(part) for part in parts if len(part.boxes)]
        self._patches: dict[int, dict[str, list[Patch]]] = {}
        for patch in (patch for group in patches for patch in group):
            self._patches.setdefault(patch.class_id, {}).setdefault(patch.group, []).append(patch)
        self._box_sizes = [
            (float(x1 - x0), float(y1 - y0))
            for part in parts
            for x0, y0, x1, y1 in part.boxes * np.tile(part.picture.shape[1::-1], 2)
        ]

    def __next__(self) -> Batch:
        rng = self._rng
        shape = self._canvases[int(rng.integers(len(self._canvases)))]
        images, boxes, classes, owners = [], [], [], []
        for number in range(self._batch):
            image, its_boxes, its_classes = self._lesson(shape)
            images.append(image)
            boxes.append(its_boxes)
            classes.append(its_classes)
            owners.append(np.full(len(its_boxes), number, np.int64))
        stack = np.stack(images)[:, :, :, ::-1].transpose(0, 3, 1, 2)
        return Batch(
            np.ascontiguousarray(stack), np.concatenate(boxes), np.concatenate(classes), np.concatenate(owners)
        )

    def __iter__(self) -> Lessons:
        return self

    def _canvas(self, picture: Image) -> tuple[int, int]:
        height, width = picture.shape[:2]
        ratio = self._size / max(height, width)

        def up(length: float) -> int:
            # Multiples of twice the stride keep the number of shapes, and so of batches that look alike, small.
            step = 2 * STRIDE
            return int(min(self._size, max(step, np.ceil(length / step) * step)))

        return up(height * ratio), up(width * ratio)

    def _lesson(self, shape: tuple[int, int]) -> tuple[Image, Boxes, Classes]:
        rng = self._rng
        good, defective = self._shapes[shape]
        lot = float(rng.random())
        real = REAL_SHARE if self._pasting else REAL_SHARE + PASTED_SHARE
        part = _draw(defective if lot < real else good, rng)
        picture = part.picture.copy()
        boxes = part.boxes * np.tile(np.asarray(picture.shape[1::-1], np.float32), 2)
        classes = part.classes
        if self._pasting:
            if REAL_SHARE <= lot < REAL_SHARE + PASTED_SHARE:
                boxes, classes = self._paste_defects(picture, boxes, classes, int(rng.integers(1, 4)))
            elif rng.random() < DECOY_SHARE:
                self._paste_decoy(picture, boxes)
        if rng.random() < (CROPPED_SHARE if self._pasting else CROPPED_SHARE_UNPASTED):
            picture, boxes, classes = _crop(picture, boxes, classes, rng)
        height, width = picture.shape[:2]
        if rng.random() < 0.5:
            picture = np.ascontiguousarray(picture[:, ::-1])
            boxes = np.asarray([width, 0, width, 0]) + boxes[:, [2, 1, 0, 3]] * np.asarray([-1, 1, -1, 1])
        if rng.random() < 0.5:
            picture = np.ascontiguousarray(picture[::-1])
            boxes = np.asarray([0, height, 0, height]) + boxes[:, [0, 3, 2, 1]] * np.asarray([1, -1, 1, -1])
        return _letterbox(_frame(_light(picture, rng), rng), boxes.astype(np.float32), classes, shape, rng)

    def _paste_defects(self, picture: Image, boxes: Boxes, classes: Classes, count: int) -> tuple[Boxes, Classes]:
        rng = self._rng
        for _ in range(count):
            groups = self._patches[list(self._patches)[int(rng.integers(len(self._patches)))]]
            patches = groups[list(groups)[int(rng.integers(len(groups)))]]
            patch = patches[int(rng.integers(len(patches)))]
            box = self._lay(picture, patch, boxes, float(np.exp(rng.normal(0.0, 0.25))))
            if box is not None:
                boxes = np.concatenate([boxes, np.asarray([box], np.float32)])
                classes = np.concatenate([classes, np.asarray([patch.class_id], np.int64)])
        return boxes, classes

    def _paste_decoy(self, picture: Image, boxes: Boxes) -> None:
        rng = self._rng
        source = _draw(self._good, rng).picture
        height, width = source.shape[:2]
        w, h = self._box_sizes[int(rng.integers(len(self._box_sizes)))]
        w, h = min(w, 0.7 * width), min(h, 0.7 * height)
        x, y = float(rng.uniform(0.0, width - w)), float(rng.uniform(0.0, height - h))
        self._lay(picture, cut(source, (x, y, x + w, y + h), -1, ""), boxes, 1.0)

    def _lay(self, picture: Image, patch: Patch, boxes: Boxes, contrast: float) -> tuple[float, ...] | None:
        """Paste where no box is; None if there is no room."""
        rng = self._rng
        height, width = picture.shape[:2]
        scale = float(np.exp(rng.normal(0.0, 0.2)))
        stretch = float(np.exp(rng.normal(0.0, 0.08)))
        sx, sy = scale * stretch, scale / stretch
        across, along = patch.sides[0] and patch.sides[2], patch.sides[1] and patch.sides[3]
        if across:
            sx = width / patch.relief.shape[1]
        if along:
            sy = height / patch.relief.shape[0]
        if not 0.5 < sx < 2.0 or not 0.5 < sy < 2.0:
            return None
        varied = vary(patch, Variation(bool(rng.random() < 0.5), bool(rng.random() < 0.5), sx, sy, contrast))
        lifted = lift(varied) if varied.class_id >= 0 and rng.random() < LIFTED_SHARE else None
        if lifted is not None:
            varied = lifted if any(lifted.sides) else bend(lifted, float(rng.uniform(-np.pi, np.pi)), rng)
        if not fits(varied, (height, width)):
            return None
        for _ in range(6):
            x, y = place(varied, (height, width), rng)
            x0, y0, x1, y1 = (a + b for a, b in zip(varied.box, (x, y, x, y), strict=True))
            apart = (boxes[:, 2] <= x0) | (boxes[:, 0] >= x1) | (boxes[:, 3] <= y0) | (boxes[:, 1] >= y1)
            if bool(apart.all()):
                return paste(picture, varied, (x, y))
        return None


def _load(sample: Sample, size_px: int) -> _Part:
    picture = load_picture(sample.path)
    ratio = 2.0 * size_px / max(picture.shape[:2])
    if ratio < 1.0:
        picture = np.asarray(cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8)
    return _Part(picture, sample.boxes, sample.classes, sample.group)


def _by_group(parts: list[_Part]) -> list[list[_Part]]:
    groups: dict[str, list[_Part]] = {}
    for part in parts:
        groups.setdefault(part.group, []).append(part)
    return list(groups.values())


def _draw(groups: list[list[_Part]], rng: np.random.Generator) -> _Part:
    """Any group, then any picture of it: a part photographed often counts once."""
    group = groups[int(rng.integers(len(groups)))]
    return group[int(rng.integers(len(group)))]


def _patches(part: _Part) -> list[Patch]:
    size = np.tile(np.asarray(part.picture.shape[1::-1], np.float32), 2)
    return [
        cut(part.picture, (float(box[0]), float(box[1]), float(box[2]), float(box[3])), int(class_id), part.group)
        for box, class_id in zip(part.boxes * size, part.classes, strict=True)
    ]


def _crop(picture: Image, boxes: Boxes, classes: Classes, rng: np.random.Generator) -> tuple[Image, Boxes, Classes]:
    """A piece with sides of 0.55..1 of the picture's, none of the boxes cut in half; else the whole."""
    height, width = picture.shape[:2]
    area = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-6)
    for _ in range(8):
        share = float(rng.uniform(0.55, 1.0))
        w = round(width * min(1.0, share * float(np.exp(rng.normal(0.0, 0.07)))))
        h = round(height * min(1.0, share * float(np.exp(rng.normal(0.0, 0.07)))))
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        inside = np.clip(boxes - np.asarray([x, y, x, y], np.float32), 0.0, np.asarray([w, h, w, h], np.float32))
        left = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1]) / area
        if bool(((left >= KEPT_SHARE) | (left <= 0.01)).all()):
            keep = left >= KEPT_SHARE
            return picture[y : y + h, x : x + w], inside[keep].astype(np.float32), classes[keep]
    return picture, boxes, classes


def _light(picture: Image, rng: np.random.Generator) -> Image:
    """Another exposure (gain, gamma), a slope of the light, and sometimes noise or blur."""
    gain, gamma = float(np.exp(rng.normal(0.0, 0.25))), float(np.exp(rng.normal(0.0, 0.2)))
    # A gain that whites a part out would hide its defects under their labels.
    gain = min(gain, max(1.0, 150.0 / (float(picture.mean()) + 1.0)))
    ramp = np.clip(gain * 255.0 * (np.arange(256) / 255.0) ** gamma, 0, 255).astype(np.uint8)
    lit = np.asarray(cv2.LUT(picture, ramp), np.uint8)
    if rng.random() < 0.3:
        corners = np.exp(rng.normal(0.0, 0.15, (2, 2))).astype(np.float32)
        field = cv2.resize(corners, (lit.shape[1], lit.shape[0]), interpolation=cv2.INTER_LINEAR)
        lit = np.clip(lit * field[:, :, None], 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        noise = rng.normal(0.0, float(rng.uniform(1.0, 5.0)), (*lit.shape[:2], 1)).astype(np.float32)
        lit = np.clip(lit + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:
        lit = np.asarray(cv2.GaussianBlur(lit, (3, 3), 0), np.uint8)
    return lit


def _frame(picture: Image, rng: np.random.Generator) -> Image:
    """Sometimes a thin rim of a strong colour: a part cut out of a picture brings a little belt along."""
    if rng.random() < 0.3:
        colour = cv2.cvtColor(
            np.asarray([[[rng.integers(180), 200, rng.integers(60, 220)]]], np.uint8), cv2.COLOR_HSV2BGR
        )
        height, width = picture.shape[:2]
        left, top, right, bottom = rng.integers(0, max(2, round(0.012 * min(height, width)) + 1), 4)
        kept = picture[top : height - bottom, left : width - right].copy()
        picture = np.empty_like(picture)
        picture[:] = colour[0, 0]
        picture[top : height - bottom, left : width - right] = kept
    return picture


def _letterbox(
    picture: Image, boxes: Boxes, classes: Classes, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Image, Boxes, Classes]:
    """As at run time, but up to a sixth smaller and anywhere on the canvas; boxes become x, y, w, h shares of it."""
    height, width = picture.shape[:2]
    ratio = min(shape[0] / height, shape[1] / width) * (float(rng.uniform(0.85, 1.0)) if rng.random() < 0.5 else 1.0)
    w, h = max(1, min(shape[1], round(width * ratio))), max(1, min(shape[0], round(height * ratio)))
    x, y = int(rng.integers(0, shape[1] - w + 1)), int(rng.integers(0, shape[0] - h + 1))
    canvas = np.full((*shape, 3), GREY, np.uint8)
    canvas[y : y + h, x : x + w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    scale = np.asarray([w / width, h / height, w / width, h / height], np.float32)
    corners = boxes * scale + np.asarray([x, y, x, y], np.float32)
    middle, size = (corners[:, :2] + corners[:, 2:]) / 2.0, corners[:, 2:] - corners[:, :2]
    whole = np.tile(np.asarray([shape[1], shape[0]], np.float32), 2)
    return canvas, np.concatenate([middle, size], axis=1).astype(np.float32) / whole, classes
