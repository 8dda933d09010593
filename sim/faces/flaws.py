"""What goes wrong with a part, and what merely gets on it: the five defect classes, and dirt that is not a defect.

A flaw changes three layers over its footprint: relief (dents, grooves), a multiplier of the brightness, and a tint.
Sizes are millimetres on the part; at the camera's usual 2 px/mm the smallest flaw is about 5 px long.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from sim.faces.shapes import MM, Blank
from sim.faces.texture import value_noise
from sim.faces.types import DEFECT_CLASSES, Field, Pixels

_BITS = 4


@dataclass(slots=True)
class Flaw:
    """One flaw's layers: ``footprint`` 0..1, ``height`` px added, ``gain`` brightness change where the footprint is 1,
    ``tint`` BGR that covers the part with ``footprint`` x ``cover``."""

    class_name: str
    footprint: Field
    height: Field | None
    gain: Field
    tint: tuple[float, float, float]
    cover: float


def _spot(rng: np.random.Generator, blank: Blank) -> tuple[float, float] | None:
    """A random place where a flaw may have its centre, (x, y) pixels."""
    places = np.flatnonzero(blank.free)
    if places.size == 0:
        return None
    row, col = divmod(int(places[int(rng.integers(places.size))]), blank.free.shape[1])
    return float(col), float(row)


def _on_part(blank: Blank, footprint: Field) -> Field:
    return np.asarray(footprint * (blank.alpha.astype(np.float32) / 255.0), np.float32)


def _stroke(shape: tuple[int, int], points: Field, widths_px: Field) -> Field:
    """A line of varying width, 0..1; drawn at four times the size, since OpenCV's widths are whole pixels."""
    zoom = 4
    canvas = np.zeros((shape[0] * zoom, shape[1] * zoom), np.uint8)
    fixed = np.round((points + 0.5) * zoom * (1 << _BITS)).astype(np.int32)
    for start, end, width in zip(fixed[:-1], fixed[1:], widths_px, strict=False):
        thick = max(1, round(float(width) * zoom))
        cv2.line(canvas, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 255, thick, cv2.LINE_8, _BITS)
    small = cv2.resize(canvas, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255.0


def _blob(
    rng: np.random.Generator,
    shape: tuple[int, int],
    centre: tuple[float, float],
    radius: float,
    *,
    rough: float,
    stretch: float = 1.0,
) -> Field:
    """An irregular round patch, antialiased 0..1."""
    angle = np.linspace(0.0, 2.0 * math.pi, 40, endpoint=False)
    wave = np.zeros_like(angle)
    for order in (2, 3, 4, 5):
        wave += rng.normal(0.0, rough / order) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    reach = radius * np.clip(1.0 + wave, 0.5, 1.6)
    turn = rng.uniform(0, math.pi)
    along, across = reach * np.cos(angle) * stretch, reach * np.sin(angle) / stretch
    x = centre[0] + along * math.cos(turn) - across * math.sin(turn)
    y = centre[1] + along * math.sin(turn) + across * math.cos(turn)
    layer = np.zeros(shape, np.uint8)
    points = np.round(np.stack([x, y], axis=1) * (1 << _BITS)).astype(np.int32).reshape(-1, 1, 2)
    cv2.fillPoly(layer, [points], 255, cv2.LINE_AA, _BITS)
    return layer.astype(np.float32) / 255.0


def _soft(layer: Field, size_px: float) -> Field:
    size = 2 * max(1, round(size_px)) + 1
    return np.asarray(cv2.GaussianBlur(layer, (size, size), 0), np.float32)


def scratch(rng: np.random.Generator, blank: Blank) -> Flaw | None:
    """A long thin groove across the grain, bright or dark, often with a break in it."""
    spot = _spot(rng, blank)
    if spot is None:
        return None
    shape = blank.free.shape
    length = rng.uniform(9.0, 30.0) * MM
    heading = rng.uniform(0, math.pi)
    if blank.grain_rad is not None:
        heading = blank.grain_rad + rng.uniform(math.radians(22), math.pi - math.radians(22))
    bend = rng.normal(0.0, 0.25)
    along = np.linspace(-0.5, 0.5, 24)
    turn = heading + bend * along
    x = spot[0] + along * length * np.cos(turn)
    y = spot[1] + along * length * np.sin(turn)
    widths = rng.uniform(0.4, 0.85) * MM * np.sqrt(np.clip(1.0 - (2 * along) ** 4, 0.05, 1.0))
    footprint = _stroke((shape[0], shape[1]), np.stack([x, y], axis=1).astype(np.float32), widths.astype(np.float32))
    bright = np.mean(blank.colour) < 110 or (np.mean(blank.colour) < 200 and rng.random() < 0.5)
    gain = rng.uniform(0.35, 0.7) if bright else -rng.uniform(0.3, 0.55)
    tone = 245.0 if bright else 35.0
    return Flaw("scratch", _on_part(blank, footprint), -footprint, np.float32(gain) * footprint, (tone,) * 3, 0.3)


def dent(rng: np.random.Generator, blank: Blank) -> Flaw | None:
    """A smooth hollow that shows by its shading alone."""
    spot = _spot(rng, blank)
    if spot is None:
        return None
    shape = blank.free.shape
    radius = rng.uniform(2.2, 4.6) * MM
    stretch = rng.uniform(1.0, 1.35)
    turn = rng.uniform(0, math.pi)
    rows, cols = np.indices(shape, dtype=np.float32)
    dx, dy = cols - spot[0], rows - spot[1]
    along = (dx * math.cos(turn) + dy * math.sin(turn)) / (radius * stretch)
    across = (-dx * math.sin(turn) + dy * math.cos(turn)) / (radius / stretch)
    square = along**2 + across**2
    bowl = np.asarray(np.clip(1.0 - square, 0.0, None) ** 1.5, np.float32)
    footprint = _on_part(blank, np.asarray(square < 0.85, np.float32))
    depth = rng.uniform(0.45, 0.8) * radius
    return Flaw("dent", footprint, np.float32(-depth) * bowl, np.zeros_like(bowl), (0.0, 0.0, 0.0), 0.0)


def crack(rng: np.random.Generator, blank: Blank) -> Flaw | None:
    """A jagged dark line, often from an edge inwards, sometimes forked; brittle dark plastic whitens beside it."""
    spot = _spot(rng, blank)
    if spot is None:
        return None
    shape = (blank.free.shape[0], blank.free.shape[1])
    start = np.array(spot)
    middle = np.array([shape[1] / 2.0, shape[0] / 2.0])
    heading = rng.uniform(0, 2 * math.pi)
    if rng.random() < 0.7:  # from the edge: walk outwards to it first
        out = start - middle
        out = out / max(float(np.hypot(*out)), 1e-6)
        while True:
            ahead = start + out * 2.0
            col, row = round(float(ahead[0])), round(float(ahead[1]))
            if not (0 <= row < shape[0] and 0 <= col < shape[1]) or blank.alpha[row, col] < 128:
                break
            start = ahead
        heading = math.atan2(-out[1], -out[0]) + rng.normal(0.0, 0.45)

    def walk(at: Field, direction: float, length: float, width: float) -> tuple[Field, Field]:
        steps = max(4, round(length / (1.3 * MM)))
        points = [at]
        for _ in range(steps):
            direction_here = direction + rng.normal(0.0, 0.5)
            step = length / steps * np.array([math.cos(direction_here), math.sin(direction_here)])
            points.append(np.asarray(points[-1] + step, np.float32))
        return np.array(points, np.float32), np.linspace(width, 0.45 * width, steps).astype(np.float32)

    length, width = rng.uniform(8.0, 22.0) * MM, rng.uniform(0.6, 1.1) * MM
    points, widths = walk(start.astype(np.float32), heading, length, width)
    footprint = _stroke(shape, points, widths)
    if rng.random() < 0.4:
        fork = points[len(points) // 2]
        side = heading + float(rng.choice([-1.0, 1.0])) * rng.uniform(0.5, 1.0)
        branch, branch_widths = walk(fork, side, length * 0.4, width * 0.7)
        footprint = np.maximum(footprint, _stroke(shape, branch, branch_widths))
    dark = float(np.mean(blank.colour)) < 90
    gain = np.float32(-0.6) * footprint
    if dark:
        gain += 0.9 * np.clip(_soft(footprint, 0.9 * MM) * 1.6 - footprint, 0.0, 1.0)
    return Flaw("crack", _on_part(blank, footprint), None, gain, (22.0, 22.0, 24.0), 0.55)


def hole(rng: np.random.Generator, blank: Blank) -> Flaw | None:
    """A blow hole or a punched hole where none belongs: dark and ragged, its lower rim lit."""
    spot = _spot(rng, blank)
    if spot is None:
        return None
    shape = (blank.free.shape[0], blank.free.shape[1])
    radius = rng.uniform(1.25, 2.8) * MM
    footprint = _blob(rng, shape, spot, radius, rough=0.3)
    rim = np.clip(_soft(footprint, 0.9 * MM) * 2.0, 0.0, 1.0) - footprint
    lit = 1.3 if float(np.mean(blank.colour)) < 90 else 0.35
    gain = lit * np.clip(rim, 0.0, 1.0)
    return Flaw("hole", _on_part(blank, footprint), -footprint * 1.5, gain, (20.0, 20.0, 22.0), 0.85)


_STAINS = ((38.0, 62.0, 120.0), (30.0, 34.0, 40.0), (228.0, 234.0, 236.0), (128.0, 64.0, 40.0), (60.0, 110.0, 150.0))


def stain(rng: np.random.Generator, blank: Blank) -> Flaw | None:
    """Rust, oil, chalk, ink or glue: an irregular cloudy patch of another colour."""
    spot = _spot(rng, blank)
    if spot is None:
        return None
    shape = (blank.free.shape[0], blank.free.shape[1])
    radius = rng.uniform(2.6, 6.5) * MM
    patch = _soft(
        _blob(rng, shape, spot, radius, rough=0.45, stretch=rng.uniform(1.0, 1.4)), rng.uniform(0.4, 1.0) * MM
    )
    cloud = np.clip(0.8 + 0.35 * value_noise(rng, shape, 1.5 * MM), 0.35, 1.0)
    colour = np.asarray(blank.colour, np.float32)
    far = [tint for tint in _STAINS if float(np.abs(colour - np.asarray(tint, np.float32)).mean()) > 55.0]
    tint = far[int(rng.integers(len(far)))]
    footprint = _on_part(blank, np.asarray(patch * cloud, np.float32))
    return Flaw("stain", footprint, None, np.zeros_like(footprint), tint, rng.uniform(0.45, 0.8))


_MAKERS: dict[str, Callable[[np.random.Generator, Blank], Flaw | None]] = {
    "scratch": scratch, "dent": dent, "crack": crack, "hole": hole, "stain": stain,
}  # fmt: skip


def draw_flaws(rng: np.random.Generator, blank: Blank) -> list[Flaw]:
    """One to three flaws of random classes; at least one whenever the blank has any free surface."""
    count = int(rng.choice([1, 2, 3], p=[0.7, 0.22, 0.08]))
    made = (_MAKERS[DEFECT_CLASSES[int(rng.integers(len(DEFECT_CLASSES)))]](rng, blank) for _ in range(count))
    return [flaw for flaw in made if flaw is not None]


def dirt(rng: np.random.Generator, shape: tuple[int, int], alpha: Pixels) -> Field:
    """What every part carries from handling and is no defect: specks, a faint smear, hairlines. Relative brightness."""
    layer = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(2, 10))):
        centre = (float(rng.uniform(0, shape[1])), float(rng.uniform(0, shape[0])))
        layer += rng.uniform(-0.22, 0.12) * _blob(rng, shape, centre, rng.uniform(0.12, 0.42) * MM, rough=0.3)
    if rng.random() < 0.6:
        centre = (float(rng.uniform(0, shape[1])), float(rng.uniform(0, shape[0])))
        smear = _soft(_blob(rng, shape, centre, rng.uniform(5, 12) * MM, rough=0.4, stretch=1.5), 3.5 * MM)
        layer += rng.uniform(-0.07, 0.06) * smear
    for _ in range(int(rng.integers(0, 3))):
        start = np.array([rng.uniform(0, shape[1]), rng.uniform(0, shape[0])])
        heading, length = rng.uniform(0, math.pi), rng.uniform(4, 14) * MM
        end = start + length * np.array([math.cos(heading), math.sin(heading)])
        line = _stroke(shape, np.array([start, end], np.float32), np.array([0.25 * MM], np.float32))
        layer += rng.uniform(-0.08, 0.08) * line
    return np.asarray(layer * (alpha > 0), np.float32)
