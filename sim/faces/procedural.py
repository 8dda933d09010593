"""Rendered parts: a flawless blank, dirt, and on a defective one flaws that are strong enough to be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from sim.faces.flaws import Flaw, dirt, draw_flaws
from sim.faces.shapes import MM, PART_KINDS, PX_PER_M, Blank
from sim.faces.texture import relief, value_noise, white_noise
from sim.faces.types import Defect, Face, Field

#: A flaw counts as visible when it changes the camera's picture by this many grey levels, over the ten camera pixels
#: where it changes most: about twenty times the camera's noise.
VISIBLE_LEVELS = 36.0
_STRONGEST_PX = 40
#: ... and is at least this long, mm: 5 px in the camera's usual picture.
VISIBLE_MM = 2.5
#: Its outline is where the change exceeds this share of its greatest change, and this many levels.
_OUTLINE_SHARE, _OUTLINE_LEVELS = 0.3, 8.0
_STREAM = 0x0FACE


class ProceduralFaces:
    """An endless stream of rendered parts.

    Args:
        defective_share: probability that a part is defective, 0..1.
        mix: weight of each part type by name; the keys of ``PART_KINDS``.
    """

    def __init__(self, *, defective_share: float = 0.2, mix: Mapping[str, float] | None = None) -> None:
        weights = dict(mix) if mix is not None else dict.fromkeys(PART_KINDS, 1.0)
        self._kinds = tuple(weights)
        total = sum(weights.values())
        self._shares = [weights[kind] / total for kind in self._kinds]
        self._defective_share = defective_share

    def stream(self, seed: int) -> Iterator[Face]:
        """The same parts for the same seed; part i does not depend on how much was drawn for the parts before it."""
        index = 0
        while True:
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, seed, index])))
            kind = self._kinds[int(rng.choice(len(self._kinds), p=self._shares))]
            yield draw_face(rng, kind, defective=bool(rng.random() < self._defective_share))
            index += 1


def draw_face(rng: np.random.Generator, kind: str, *, defective: bool) -> Face:
    """One part; a defective one bears at least one flaw that the camera can see."""
    while True:
        blank = PART_KINDS[kind](rng)
        light = rng.uniform(0, 2 * math.pi)
        surface = _Surface(rng, blank, (math.cos(light), math.sin(light)))
        if not defective:
            return _face(blank, surface.picture([]), ())
        visible, defects = [], []
        for flaw in draw_flaws(rng, blank):
            outline = _strengthen(surface, flaw)
            if outline is not None:
                visible.append(flaw)
                defects.append(Defect(flaw.class_name, outline))
        if visible:
            return _face(blank, surface.picture(visible), tuple(defects))


def _face(blank: Blank, image: Field, defects: tuple[Defect, ...]) -> Face:
    pixels = np.clip(image + 0.5, 0.0, 255.0).astype(np.uint8)
    return Face(
        pixels, blank.alpha, PX_PER_M, blank.kind, blank.length_m, blank.width_m, blank.round, False, bool(defects),
        defects,
    )  # fmt: skip


class _Surface:
    """Everything of one part's picture that does not depend on its flaws."""

    def __init__(self, rng: np.random.Generator, blank: Blank, light: tuple[float, float]) -> None:
        self.blank = blank
        self.light = light
        shape = (blank.alpha.shape[0], blank.alpha.shape[1])
        rows, cols = np.indices(shape, dtype=np.float32)
        ramp = (cols / shape[1] - 0.5) * light[0] + (rows / shape[0] - 0.5) * light[1]
        band = np.exp(-(((ramp - rng.uniform(-0.3, 0.3)) / rng.uniform(0.12, 0.3)) ** 2))
        sheen = 0.10 * ramp * rng.uniform(0.3, 1.2) + 0.09 * blank.gloss * band * rng.uniform(0.2, 1.0)
        grain = 0.008 * white_noise(rng, shape) + 0.012 * value_noise(rng, shape, 25)
        self.base: Field = np.asarray(1.0 + blank.texture + dirt(rng, shape, blank.alpha) + sheen + grain, np.float32)
        self.clean = self.picture([])

    def picture(self, flaws: list[Flaw]) -> Field:
        """(h, w, 3) float32 BGR; a little blurred, so that sampling at half the scale does not alias."""
        height = self.blank.height.copy()
        gain = np.zeros_like(height)
        for flaw in flaws:
            if flaw.height is not None:
                height += flaw.height
            gain += flaw.gain
        shade = np.tanh(relief(height, self.light) * 0.55 * self.blank.gloss) * 0.6
        brightness = np.clip((self.base + shade) * np.clip(1.0 + gain, 0.0, 2.5), 0.0, 2.5)
        colour = np.asarray(self.blank.colour, np.float32)
        image = brightness[:, :, None] * colour
        gloss = np.clip(shade, 0.0, None)[:, :, None] * 40.0 * self.blank.gloss
        image = image + gloss
        lift = np.clip(gain, 0.0, None)[:, :, None] * np.float32(60.0)  # a bright flaw shows on dark material too
        image += lift
        for flaw in flaws:
            cover = (flaw.footprint * flaw.cover)[:, :, None]
            image = image * (1.0 - cover) + np.asarray(flaw.tint, np.float32) * cover
        return np.asarray(cv2.GaussianBlur(np.clip(image, 0.0, 255.0), (3, 3), 0.6), np.float32)

    def outline(self, flaw: Flaw) -> Field | None:
        """Convex outline of what is visible of a flaw, (n, 2) float32, continuous face pixels; None if it is not."""
        difference = np.abs(self.picture([flaw]) - self.clean).max(axis=2)
        # Averaged over 2x2 pixels, as the camera does.
        change = np.asarray(cv2.blur(difference * (self.blank.alpha > 127), (2, 2)), np.float32)
        strongest = np.partition(change.ravel(), -_STRONGEST_PX)[-_STRONGEST_PX:]
        if float(strongest.mean()) < VISIBLE_LEVELS:
            return None
        seen = (change > max(_OUTLINE_SHARE * float(change.max()), _OUTLINE_LEVELS)) & (flaw.footprint > 0.15)
        points = np.argwhere(seen)[:, ::-1].astype(np.float32)
        if len(points) < 12 or float((points.max(axis=0) - points.min(axis=0)).max()) < VISIBLE_MM * MM:
            return None
        return np.asarray(cv2.convexHull(points), np.float32).reshape(-1, 2) + np.float32(0.5)


def _strengthen(surface: _Surface, flaw: Flaw) -> Field | None:
    """Make a flaw stronger until it shows; its outline, or None when it cannot show where it is."""
    for _ in range(4):
        outline = surface.outline(flaw)
        if outline is not None:
            return outline
        if flaw.height is not None:
            flaw.height = flaw.height * 1.6
        flaw.gain = flaw.gain * 1.5
        flaw.cover = min(0.95, flaw.cover * 1.35)
    return None
