"""What a part looks like from above, and where looks come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

#: Class names of rendered defects, in the order of a rendered dataset's class numbers.
DEFECT_CLASSES = ("scratch", "dent", "crack", "hole", "stain")

Pixels = NDArray[np.uint8]
Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Defect:
    """One true defect: its class and the convex outline of what is visible of it, (n, 2) float32 in face pixels."""

    class_name: str
    outline_px: Field

    def box_px(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) in face pixels, the upright rectangle around the outline."""
        low, high = self.outline_px.min(axis=0), self.outline_px.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A part's look and its truth.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        alpha: (h, w) uint8, 255 on the part, 0 beside it and in through holes.
        px_per_m: scale of ``image``.
        kind: the part type, ``photograph`` for a photograph.
        length_m, width_m: sides of the part along the face's x and y.
        round: it looks the same at any yaw, so that a gripper can close on it from any side.
        upright: it rides with the photograph's axes along the picture's, not turned at will.
        defective: the truth; None when nobody knows.
        defects: the true defects.
        source: the file it came from, empty for a rendered one.
    """

    image: Pixels
    alpha: Pixels
    px_per_m: float
    kind: str
    length_m: float
    width_m: float
    round: bool
    upright: bool
    defective: bool | None
    defects: tuple[Defect, ...]
    source: str = ""


class FaceSource(Protocol):
    """Where faces come from. ``stream`` begins anew at each call and gives the same faces for the same seed."""

    def stream(self, seed: int) -> Iterator[Face]: ...
