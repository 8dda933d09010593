"""The camera over the belt: a 2-D renderer that moves pictures of parts over a picture of the belt.

Image x runs across the belt (cell -y), image y along travel (cell +x). Pixels are continuous coordinates: the picture
spans 0..width and 0..height, its middle is the cell's origin. What a frame shows depends on the scenario, the seed,
the frame's number, the travel and the parts, never on how many frames were rendered before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sim.faces.texture import value_noise, white_noise
from sim.faces.types import Face, Pixels
from sim.scenario import CameraSetup
from sim.world.parts import PlacedPart

#: Rows of belt before its picture repeats.
_PERIOD_ROWS = 2048
#: Noise is cut at a random place out of a larger tile; this is by how much larger.
_NOISE_PLAY_PX = 96
#: A part's shadow: how far it falls, how soft it is (m), how dark.
_SHADOW_M, _SHADOW_DARK = 0.0015, 0.22
#: Streams of the seed.
_BELT_STREAM, _NOISE_STREAM, _FRAME_STREAM = 0xBE17, 0x0015E, 0xF4A3


class SimCamera:
    """Renders frames.

    Args:
        setup: size, scale and faults of the picture.
        seed: of the belt's texture and of the noise.
    """

    def __init__(self, setup: CameraSetup, seed: int) -> None:
        self.setup = setup
        self._seed = seed
        self._belt = _belt_texture(setup, seed)
        self._light = _vignette(setup)
        self._bright, self._dark = _noise_tiles(setup, seed)

    def render(self, parts: Sequence[PlacedPart], travel_m: float, frame: int, *, speed_mps: float = 0.0) -> Pixels:
        """The picture (height, width, 3) uint8 BGR at a belt travel.

        Args:
            parts: those on the belt; the ones out of sight cost nothing.
            travel_m: the belt's, at the middle of the exposure.
            frame: its number, which chooses the noise.
            speed_mps: the belt's, for the motion blur.
        """
        image = self._background(travel_m)
        blur_px = abs(speed_mps) * self.setup.exposure_s * self.setup.px_per_m
        for part in parts:
            self._draw(image, part, part.belt_x_m + travel_m, blur_px)
        if self.setup.vignetting > 0.0:
            image = np.asarray(cv2.multiply(image, self._light, scale=1.0 / 255.0), np.uint8)
        return self._noisy(image, frame)

    def picture_from_face(self, face: Face, x_m: float, y_m: float, yaw_rad: float) -> npt.NDArray[np.float64]:
        """2x3 matrix from face pixels to picture pixels (both continuous) for a part at a place in the cell frame."""
        setup = self.setup
        scale, turn = setup.px_per_m / face.px_per_m, yaw_rad + math.pi / 2.0
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        middle_x, middle_y = face.image.shape[1] / 2.0, face.image.shape[0] / 2.0
        u = setup.width_px / 2.0 - y_m * setup.px_per_m
        v = setup.height_px / 2.0 + x_m * setup.px_per_m
        return np.array(
            [
                [cos, -sin, u - cos * middle_x + sin * middle_y],
                [sin, cos, v - sin * middle_x - cos * middle_y],
            ]
        )

    def _background(self, travel_m: float) -> Pixels:
        rows = (-travel_m * self.setup.px_per_m) % _PERIOD_ROWS
        first = math.floor(rows)
        share = rows - first
        height = self.setup.height_px
        here = self._belt[first : first + height]
        return np.asarray(
            cv2.addWeighted(here, 1.0 - share, self._belt[first + 1 : first + 1 + height], share, 0.0), np.uint8
        )

    def _draw(self, image: Pixels, part: PlacedPart, x_m: float, blur_px: float) -> None:
        setup, face = self.setup, part.face
        matrix = self.picture_from_face(face, x_m, part.y_m, part.yaw_rad)
        h, w = face.alpha.shape
        corners = matrix @ np.array([[0, w, w, 0], [0, 0, h, h], [1, 1, 1, 1]], np.float64)
        shadow_px = _SHADOW_M * setup.px_per_m
        room = math.ceil(2.0 * shadow_px + blur_px) + 2
        x0, y0 = (max(0, math.floor(value) - room) for value in corners.min(axis=1))
        x1 = min(setup.width_px, math.ceil(corners[0].max()) + room)
        y1 = min(setup.height_px, math.ceil(corners[1].max()) + room)
        if x1 <= x0 or y1 <= y0:
            return
        # OpenCV counts pixel middles as integers: half a pixel on both sides.
        shifted = matrix.copy()
        shifted[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5 - np.array([x0, y0])
        size = (x1 - x0, y1 - y0)
        colour = cv2.warpAffine(face.image, shifted, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(face.alpha, shifted, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        region = image[y0:y1, x0:x1]
        soft = 2 * max(1, round(shadow_px)) + 1
        fall = np.array([[1.0, 0.0, 0.5 * shadow_px], [0.0, 1.0, 0.5 * shadow_px]])
        shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, fall, size), (soft, soft), 0)
        lit = cv2.addWeighted(shadow, -_SHADOW_DARK, shadow, 0.0, 255.0)
        ground = cv2.multiply(region, cv2.merge([lit, lit, lit]), scale=1.0 / 255.0)
        mask = cv2.merge([alpha, alpha, alpha])
        over = cv2.multiply(colour, mask, scale=1.0 / 255.0)
        under = cv2.multiply(ground, cv2.bitwise_not(mask), scale=1.0 / 255.0)
        region[:] = _smeared(np.asarray(cv2.add(over, under), np.uint8), blur_px)

    def _noisy(self, image: Pixels, frame: int) -> Pixels:
        if self.setup.noise_levels <= 0.0:
            return image
        state = np.random.SeedSequence([_FRAME_STREAM, self._seed, frame]).generate_state(2)
        row, col = (int(value) % _NOISE_PLAY_PX for value in state)
        height, width = image.shape[:2]
        cut = (slice(row, row + height), slice(col, col + width))
        return np.asarray(cv2.subtract(cv2.add(image, self._bright[cut]), self._dark[cut]), np.uint8)


def _smeared(region: Pixels, blur_px: float) -> Pixels:
    """Motion blur along image y over ``blur_px``, sub-pixel."""
    if blur_px < 0.1:
        return region
    reach = math.ceil(blur_px / 2.0)
    taps = np.clip(blur_px / 2.0 + 0.5 - np.abs(np.arange(-reach, reach + 1)), 0.0, 1.0).astype(np.float32)
    return np.asarray(
        cv2.filter2D(region, -1, (taps / taps.sum()).reshape(-1, 1), borderType=cv2.BORDER_REPLICATE), np.uint8
    )


def _belt_texture(setup: CameraSetup, seed: int) -> Pixels:
    """(period + height + 1, width, 3) uint8: woven fabric, mottled, with scuffs along travel; rows repeat."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_BELT_STREAM, seed])))
    shape = (_PERIOD_ROWS, setup.width_px)
    rows, cols = np.indices(shape, dtype=np.float32)
    weave_px = 0.0018 * setup.px_per_m
    weave = np.sin(rows * (2 * math.pi * round(_PERIOD_ROWS / weave_px) / _PERIOD_ROWS)) * np.sin(
        cols * (2 * math.pi / weave_px)
    )
    mottle = value_noise(rng, shape, 0.02 * setup.px_per_m) + 0.5 * value_noise(rng, shape, 0.006 * setup.px_per_m)
    fibre = np.asarray(cv2.GaussianBlur(white_noise(rng, shape), (3, 3), 0.8), np.float32)
    scuffs = np.zeros(shape, np.float32)
    for _ in range(40):
        start = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
        end = (start[0] + int(rng.normal(0, 3)), start[1] + int(rng.uniform(0.01, 0.06) * setup.px_per_m))
        cv2.line(scuffs, start, end, float(rng.uniform(-0.06, 0.05)), 1, cv2.LINE_AA)
    light = 1.0 + 0.018 * weave + 0.03 * mottle + 0.035 * fibre + scuffs
    texture = np.clip(light[:, :, None] * np.asarray(setup.belt_bgr, np.float32) + 0.5, 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.concatenate([texture, texture[: setup.height_px + 1]]))


def _vignette(setup: CameraSetup) -> Pixels:
    rows, cols = np.indices((setup.height_px, setup.width_px), dtype=np.float32)
    square = ((cols / setup.width_px - 0.5) ** 2 + (rows / setup.height_px - 0.5) ** 2) / 0.5
    light = np.clip(255.0 * (1.0 - setup.vignetting * square) + 0.5, 0.0, 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(light[:, :, None], 3, axis=2))


def _noise_tiles(setup: CameraSetup, seed: int) -> tuple[Pixels, Pixels]:
    """What to add and what to take away: two unsigned tiles are several times faster than one signed."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_NOISE_STREAM, seed])))
    shape = (setup.height_px + _NOISE_PLAY_PX, setup.width_px + _NOISE_PLAY_PX, 3)
    noise = np.round(rng.standard_normal(shape, dtype=np.float32) * setup.noise_levels)
    return np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8)
