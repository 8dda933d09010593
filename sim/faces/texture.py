"""Random fields that make a surface look real: all seeded, all float32, in units of the surface's own grey level."""

from __future__ import annotations

import cv2
import numpy as np

from sim.faces.types import Field, Pixels

Shape = tuple[int, int]


def value_noise(rng: np.random.Generator, shape: Shape, cell_px: float) -> Field:
    """Smooth noise of about unit amplitude whose blobs are about ``cell_px`` wide."""
    rows, cols = (max(3, round(side / cell_px) + 2) for side in shape)
    grid = rng.uniform(-1.0, 1.0, (rows, cols)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def white_noise(rng: np.random.Generator, shape: Shape) -> Field:
    """Independent normal pixels of unit deviation."""
    return rng.standard_normal(shape, dtype=np.float32)


def brushed(rng: np.random.Generator, shape: Shape, streak_px: int) -> Field:
    """Streaks along x as a brushing belt leaves them, unit deviation."""
    noise = np.asarray(cv2.blur(white_noise(rng, shape), (streak_px, 1)), np.float32)
    return noise / max(float(noise.std()), 1e-6)


def turned(rng: np.random.Generator, shape: Shape, centre_px: tuple[float, float], ring_px: float) -> Field:
    """Concentric tool marks around a centre, about unit amplitude, one ring about ``ring_px`` wide."""
    rows, cols = np.indices(shape, dtype=np.float32)
    radius = np.hypot(cols - centre_px[0], rows - centre_px[1])
    profile = rng.standard_normal(int(radius.max() / ring_px) + 3).astype(np.float32)
    position = radius / ring_px
    index = position.astype(np.intp)
    share = (position - index).astype(np.float32)
    return np.asarray(profile[index] * (1.0 - share) + profile[index + 1] * share, np.float32)


def relief(height: Field, light: tuple[float, float]) -> Field:
    """Brightness that a height field (pixels) takes under oblique light: its slope along ``light`` (x, y)."""
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8.0
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8.0
    return np.asarray(slope_x * light[0] + slope_y * light[1], np.float32)


def inside_distance(mask: Pixels) -> Field:
    """Distance of each pixel on the part to the part's nearest edge, pixels."""
    return np.asarray(cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3), np.float32)
