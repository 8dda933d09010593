"""Detections without pictures: the world's truth, blurred by the error that the shipped model was measured to have.

Measured on the model ``sim`` (docs/detector.md and ``perception/models/sim/card.json``): of 480 rendered parts that it
had never seen 3 of 233 defective ones escaped and 4 of 247 good ones were rejected. Outlines: 347 whole views of 39
rendered parts against the world's truth, standard deviations; sides come out half a millimetre too long on the average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception.types import Box, PartView
from sim.scenario import CameraSetup
from sim.world.parts import PlacedPart
from sim.world.world import Shot

_VERDICT_STREAM, _VIEW_STREAM = 0x7E4D, 0x51647
#: A view nearer to the border than this is cut there, px (``perception.tracking.BORDER_PX``).
_BORDER_PX = 2.0


@dataclass(frozen=True, slots=True)
class SightError:
    """What a detector gets wrong.

    Attributes:
        escape: share of defective parts that it takes for good ones, in every view.
        overkill: share of good parts that it takes for defective ones.
        place_m, side_m, yaw_rad: standard deviation of one view's centre (each axis), sides and angle.
        side_bias_m: by how much the sides come out too long.
    """

    escape: float = 3.0 / 233.0
    overkill: float = 4.0 / 247.0
    place_m: float = 0.00009
    side_m: float = 0.0005
    side_bias_m: float = 0.0005
    yaw_rad: float = 0.0025


class Sight:
    """Judges what a camera's strobe caught.

    Args:
        camera: size and scale of the picture that is not rendered.
        seed: of the errors.
        threshold: score from which a part is defective.
        error: of the detector.
        sure: numbers of parts whose verdict is the truth.
    """

    def __init__(
        self,
        camera: CameraSetup,
        seed: int,
        threshold: float,
        error: SightError | None = None,
        sure: frozenset[int] = frozenset(),
    ) -> None:
        self._camera = camera
        self._seed = seed
        self._threshold = threshold
        self._error = error or SightError()
        self._sure = sure
        self._judged: dict[int, bool] = {}

    def look(self, shot: Shot) -> tuple[PartView, ...]:
        """What the detector would report of a frame; the same shot gives the same answer."""
        views = []
        for part in shot.parts:
            view = self._view(part, part.belt_x_m + shot.travel_m, shot.count)
            if view is not None:
                views.append(view)
        return tuple(views)

    def rejects(self, part: PlacedPart) -> bool:
        """Whether the detector takes the part for a defective one."""
        known = self._judged.get(part.number)
        if known is None:
            truth = bool(part.face.defective)
            wrong = self._error.escape if truth else self._error.overkill
            draw = float(self._rng(_VERDICT_STREAM, part.number).random())
            known = self._judged[part.number] = truth != (draw < wrong and part.number not in self._sure)
        return known

    def _rng(self, stream: int, *keys: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([stream, self._seed, *keys])))

    def _view(self, part: PlacedPart, x_m: float, frame: int) -> PartView | None:
        camera, error = self._camera, self._error
        scale = camera.px_per_m
        half_x, half_y = part.half_extent_m()
        # Picture x runs across the belt (cell -y), picture y along its travel.
        u, v = camera.width_px / 2.0 - part.y_m * scale, camera.height_px / 2.0 + x_m * scale
        half_u, half_v = half_y * scale, half_x * scale
        left, right = max(u - half_u, 0.0), min(u + half_u, float(camera.width_px))
        top, bottom = max(v - half_v, 0.0), min(v + half_v, float(camera.height_px))
        if right - left < 4.0 or bottom - top < 4.0:
            return None
        off_u, off_v, off_w, off_h, off_yaw = self._rng(_VIEW_STREAM, frame, part.number).standard_normal(5)
        place_px = error.place_m * scale
        edge = _BORDER_PX + 3.0 * place_px
        whole = (
            u - half_u > edge
            and v - half_v > edge
            and u + half_u < camera.width_px - edge
            and v + half_v < camera.height_px - edge
        )
        if not whole:
            # A piece has no angle to speak of: the upright rectangle around what is seen of it.
            middle = ((left + right) / 2.0, (top + bottom) / 2.0)
            return PartView(*middle, right - left, bottom - top, 0.0, whole=False, score=0.0, defects=())
        rejected = self.rejects(part)
        score = self._threshold + (1.0 - self._threshold) * 0.7 if rejected else 0.2 * self._threshold
        u, v = u + off_u * place_px, v + off_v * place_px
        sides = [part.face.length_m, part.face.width_m]
        w_px, h_px = (
            (side + error.side_bias_m + error.side_m * off) * scale
            for side, off in zip(sides, (off_w, off_h), strict=True)
        )
        yaw = 0.0 if part.face.round else part.yaw_rad + math.pi / 2.0 + error.yaw_rad * off_yaw
        defects: tuple[Box, ...] = ()
        if rejected:
            name = part.face.defects[0].class_name if part.face.defects else "stain"
            defects = (Box(u, v, 12.0, 12.0, name, score),)
        return PartView(u, v, w_px, h_px, math.remainder(yaw, math.pi), whole=True, score=score, defects=defects)
