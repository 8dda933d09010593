"""Part types: the outline, relief and material of a part before anything has happened to it.

Everything is drawn at ``PX_PER_M`` with x along the long side; a ``Blank`` is what flaws are then put on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sim.faces.texture import brushed, inside_distance, turned, value_noise, white_noise
from sim.faces.types import Field, Pixels

#: Twice the camera's usual scale, so that the camera's bilinear sampling averages 2x2 pixels and does not alias.
PX_PER_M = 4000.0
MM = PX_PER_M / 1000.0
_EDGE_PX = 3
_SUBPIXEL_BITS = 4

#: Mean BGR colours; none is a saturated green, which is the belt's.
_METALS = ((176, 172, 168), (204, 203, 200), (96, 160, 196), (88, 124, 186), (118, 116, 114))
_PLASTICS = (
    (226, 228, 230),
    (66, 62, 60),
    (56, 54, 186),
    (176, 96, 52),
    (52, 128, 222),
    (134, 132, 130),
    (150, 186, 206),
)


@dataclass(slots=True)
class Blank:
    """A flawless part.

    Attributes:
        alpha: (h, w) uint8.
        height: (h, w) relief in pixels, only its slope counts.
        texture: (h, w) relative brightness, 0 = none.
        colour: mean BGR.
        free: (h, w) bool, where a flaw may have its centre: material without a drilled or moulded feature.
        gloss: strength of the relief's shading and of the highlight.
        grain_rad: direction of the brushing, None for none: a scratch lies across it.
    """

    kind: str
    length_m: float
    width_m: float
    round: bool
    alpha: Pixels
    height: Field
    texture: Field
    colour: tuple[int, int, int]
    free: Pixels
    gloss: float
    grain_rad: float | None


class _Sheet:
    """Drawing in millimetres from the part's centre, antialiased."""

    def __init__(self, length_mm: float, width_mm: float) -> None:
        self.length_mm, self.width_mm = length_mm, width_mm
        self.shape = (math.ceil(width_mm * MM) + 2 * _EDGE_PX, math.ceil(length_mm * MM) + 2 * _EDGE_PX)
        self.centre = ((self.shape[1] - 1) / 2.0, (self.shape[0] - 1) / 2.0)
        self.alpha: Pixels = np.zeros(self.shape, np.uint8)
        self.height: Field = np.zeros(self.shape, np.float32)
        self.taken: Pixels = np.zeros(self.shape, np.uint8)

    def _fixed(self, points_mm: Field) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int32]]]:
        pixels = points_mm * MM + np.asarray(self.centre, np.float32)
        return [np.round(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32).reshape(-1, 1, 2)]

    def fill(self, layer: Pixels, points_mm: Field, value: int) -> None:
        cv2.fillPoly(layer, self._fixed(points_mm), value, cv2.LINE_AA, _SUBPIXEL_BITS)

    def mask(self, points_mm: Field) -> Field:
        layer = np.zeros(self.shape, np.uint8)
        self.fill(layer, points_mm, 255)
        return layer.astype(np.float32) / 255.0

    def bore(self, points_mm: Field, rim_mm: float = 0.8) -> None:
        """A through hole with a countersunk rim."""
        layer = np.zeros(self.shape, np.uint8)
        self.fill(layer, points_mm, 255)
        self.alpha = np.minimum(self.alpha, 255 - layer)
        rim = 2 * round(rim_mm * MM) + 1
        wide = np.asarray(cv2.GaussianBlur(layer, (rim, rim), 0), np.float32) / 255.0
        self.height -= wide * rim_mm * MM
        self.keep_clear(layer, 2.0)

    def step(self, points_mm: Field, depth_mm: float, edge_mm: float = 0.5) -> None:
        """A raised (positive) or recessed area with a soft edge."""
        size = 2 * max(1, round(edge_mm * MM)) + 1
        self.height += np.asarray(cv2.GaussianBlur(self.mask(points_mm), (size, size), 0), np.float32) * depth_mm * MM

    def keep_clear(self, layer: Pixels, margin_mm: float) -> None:
        size = 2 * round(margin_mm * MM) + 1
        self.taken = np.maximum(self.taken, np.asarray(cv2.dilate(layer, np.ones((size, size), np.uint8)), np.uint8))

    def chamfer(self, width_mm: float) -> None:
        """Slope the outer edge and the edges of the holes."""
        self.height += np.minimum(inside_distance(self.alpha), width_mm * MM) * 0.8

    def blank(
        self,
        kind: str,
        texture: Field,
        colour: tuple[int, int, int],
        gloss: float,
        *,
        is_round: bool = False,
        grain_rad: float | None = None,
    ) -> Blank:
        free = ((inside_distance(self.alpha) > 1.6 * MM) & (self.taken < 128)).astype(np.uint8)
        return Blank(
            kind, self.length_mm / 1e3, self.width_mm / 1e3, is_round, self.alpha, self.height, texture, colour, free,
            gloss, grain_rad,
        )  # fmt: skip


def _circle(x_mm: float, y_mm: float, radius_mm: float, sides: int = 48) -> Field:
    angle = np.linspace(0.0, 2.0 * math.pi, sides, endpoint=False)
    return np.stack([x_mm + radius_mm * np.cos(angle), y_mm + radius_mm * np.sin(angle)], axis=1).astype(np.float32)


def _rounded(length_mm: float, width_mm: float, radius_mm: float, x_mm: float = 0.0, y_mm: float = 0.0) -> Field:
    corners = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angle = np.linspace(0.0, math.pi / 2.0, 9) + quarter * math.pi / 2.0
        cx, cy = sx * (length_mm / 2 - radius_mm) + x_mm, sy * (width_mm / 2 - radius_mm) + y_mm
        corners.append(np.stack([cx + radius_mm * np.cos(angle), cy + radius_mm * np.sin(angle)], axis=1))
    return np.concatenate(corners).astype(np.float32)


def _tone(rng: np.random.Generator, palette: tuple[tuple[int, int, int], ...]) -> tuple[int, int, int]:
    base = palette[int(rng.integers(len(palette)))]
    shift = rng.uniform(0.9, 1.08)
    blue, green, red = (int(np.clip(channel * shift, 40, 236)) for channel in base)
    return blue, green, red


def _engrave(sheet: _Sheet, rng: np.random.Generator, x_mm: float, y_mm: float) -> None:
    """A part number, shallow: a mark that belongs there."""
    layer = np.zeros(sheet.shape, np.uint8)
    text = f"{'ABCDEFHK'[int(rng.integers(8))]}{int(rng.integers(10, 99))}"
    origin = (round(sheet.centre[0] + x_mm * MM), round(sheet.centre[1] + y_mm * MM))
    cv2.putText(layer, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1, cv2.LINE_AA)
    sheet.height -= np.asarray(cv2.GaussianBlur(layer, (3, 3), 0), np.float32) / 255.0 * 1.0
    sheet.keep_clear(layer, 1.2)


def plate(rng: np.random.Generator) -> Blank:
    """A machined plate: brushed metal, four bores, sometimes a milled pocket and a part number."""
    length, width = rng.uniform(46, 78), rng.uniform(30, 44)
    sheet = _Sheet(length, width)
    sheet.fill(sheet.alpha, _rounded(length, width, 3.0), 255)
    bore, inset = rng.uniform(1.8, 2.6), rng.uniform(5.5, 7.0)
    for sx in (-1, 1):
        for sy in (-1, 1):
            sheet.bore(_circle(sx * (length / 2 - inset), sy * (width / 2 - inset), bore))
    sheet.chamfer(1.0)
    if rng.random() < 0.5:
        pocket = _rounded(length * 0.5, width * 0.42, 2.0)
        sheet.step(pocket, -0.6)
    if rng.random() < 0.6:
        _engrave(sheet, rng, -length * 0.17, width * 0.36)
    texture = 0.035 * brushed(rng, sheet.shape, 61) + 0.02 * value_noise(rng, sheet.shape, 60)
    return sheet.blank("plate", texture, _tone(rng, _METALS), 1.0, grain_rad=0.0)


def cap(rng: np.random.Generator) -> Blank:
    """A round moulded or turned cap with a raised rim."""
    diameter = rng.uniform(34, 58)
    sheet = _Sheet(diameter, diameter)
    sheet.fill(sheet.alpha, _circle(0, 0, diameter / 2, 96), 255)
    sheet.chamfer(1.6)
    sheet.step(_circle(0, 0, diameter / 2 * rng.uniform(0.72, 0.84), 96), -0.7)
    hub = diameter / 2 * rng.uniform(0.16, 0.26)
    sheet.step(_circle(0, 0, hub), float(rng.choice([-0.8, 0.8])))
    metal = rng.random() < 0.3
    rings = turned(rng, sheet.shape, sheet.centre, 2.5)
    texture = (0.03 if metal else 0.012) * rings + 0.015 * value_noise(rng, sheet.shape, 40)
    colour = _tone(rng, _METALS if metal else _PLASTICS)
    return sheet.blank("cap", texture, colour, 1.0 if metal else 0.8, is_round=True)


def gear(rng: np.random.Generator) -> Blank:
    """A toothed ring with a bore, sometimes with lightening holes."""
    diameter, teeth = rng.uniform(42, 66), int(rng.integers(18, 32))
    outer, root = diameter / 2, diameter / 2 - rng.uniform(2.2, 3.0)
    sheet = _Sheet(diameter, diameter)
    angle = (np.arange(teeth)[:, None] + np.array([0.0, 0.12, 0.34, 0.46, 0.5])) * (2.0 * math.pi / teeth)
    radius = np.broadcast_to(np.array([root, outer, outer, root, root]), angle.shape)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).reshape(-1, 2).astype(np.float32)
    sheet.fill(sheet.alpha, points, 255)
    sheet.bore(_circle(0, 0, outer * rng.uniform(0.17, 0.26)), 1.0)
    if diameter > 52 and rng.random() < 0.6:
        turn = rng.uniform(0, 1)
        for k in range(5):
            at = (k + turn) * 2.0 * math.pi / 5
            sheet.bore(_circle(root * 0.63 * math.cos(at), root * 0.63 * math.sin(at), outer * 0.11), 0.6)
    sheet.chamfer(0.7)
    sheet.step(_circle(0, 0, outer * 0.4), 0.6)
    sheet.step(_circle(0, 0, root * 0.88, 96), -0.4)
    rings = turned(rng, sheet.shape, sheet.centre, 2.0)
    texture = 0.03 * rings + 0.015 * white_noise(rng, sheet.shape)
    return sheet.blank("gear", texture, _tone(rng, (*_METALS, (60, 58, 60))), 1.0, is_round=True)


def bracket(rng: np.random.Generator) -> Blank:
    """A bent sheet with two cut corners, a slot and two bores, painted or bare."""
    length, width = rng.uniform(52, 80), rng.uniform(28, 42)
    cut = rng.uniform(5, 9)
    sheet = _Sheet(length, width)
    x, y = length / 2, width / 2
    outline = [(-x, -y), (x - cut, -y), (x, -y + cut), (x, y - cut), (x - cut, y), (-x, y)]
    sheet.fill(sheet.alpha, np.array(outline, np.float32), 255)
    sheet.bore(_rounded(length * 0.24, 6.0, 2.9, length * 0.24), 0.7)
    for sy in (-1, 1):
        sheet.bore(_circle(-x + 6.5, sy * (y - 6.5), rng.uniform(1.9, 2.3)))
    sheet.chamfer(0.6)
    bend = -length * rng.uniform(0.12, 0.18)
    sheet.step(np.array([(-x, -y), (bend, -y), (bend, y), (-x, y)], np.float32), 0.9, 1.2)
    painted = rng.random() < 0.5
    texture = 0.02 * value_noise(rng, sheet.shape, 3) if painted else 0.03 * brushed(rng, sheet.shape, 41)
    texture += 0.02 * value_noise(rng, sheet.shape, 50)
    colour = _tone(rng, _PLASTICS if painted else _METALS)
    return sheet.blank("bracket", texture, colour, 0.8, grain_rad=None if painted else 0.0)


def housing(rng: np.random.Generator) -> Blank:
    """A die-cast or moulded cover with ribs and four screw bosses."""
    length, width = rng.uniform(44, 70), rng.uniform(34, 52)
    width = min(width, length - 4.0)
    sheet = _Sheet(length, width)
    sheet.fill(sheet.alpha, _rounded(length, width, 7.0), 255)
    sheet.chamfer(1.8)
    ribs = int(rng.integers(2, 5))
    for k in range(ribs):
        at = (k + 1) / (ribs + 1) * (length - 24) - (length - 24) / 2
        sheet.step(_rounded(1.6, width * 0.62, 0.7, at), 0.7, 0.4)
    for sx in (-1, 1):
        for sy in (-1, 1):
            where = (sx * (length / 2 - 6.0), sy * (width / 2 - 6.0))
            sheet.step(_circle(*where, 3.0), 0.8)
            sheet.step(_circle(*where, 1.5), -1.2)
            layer = np.zeros(sheet.shape, np.uint8)
            sheet.fill(layer, _circle(*where, 3.2), 255)
            sheet.keep_clear(layer, 0.8)
    texture = 0.025 * white_noise(rng, sheet.shape) + 0.025 * value_noise(rng, sheet.shape, 4)
    texture += 0.02 * value_noise(rng, sheet.shape, 70)
    return sheet.blank("housing", texture, _tone(rng, (*_METALS[:2], *_PLASTICS)), 0.7)


PART_KINDS: dict[str, Callable[[np.random.Generator], Blank]] = {
    "plate": plate,
    "cap": cap,
    "gear": gear,
    "bracket": bracket,
    "housing": housing,
}
