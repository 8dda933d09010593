"""What perception hands on: boxes and parts as one frame saw them, and parts as the belt carries them.

Image frame: pixels, origin in the upper left corner, x to the right, y down. Cell frame: metres, origin on the belt's
surface under the middle of the camera's picture, x along the belt's travel, y to the left of it, z up. A part lies
still in *belt* coordinates: ``belt_x_m`` is its x in the cell frame minus the belt's travel, so that at any later
travel ``E`` its x in the cell frame is ``belt_x_m + E``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.IntEnum):
    """What is known of a part; the values are those of ``cell_msgs/Part``."""

    PENDING = 0
    GOOD = 1
    DEFECTIVE = 2
    UNSURE = 3


@dataclass(frozen=True, slots=True)
class Box:
    """A defect the detector reports: centre and size in image pixels, class name, raw score 0..1."""

    x_px: float
    y_px: float
    w_px: float
    h_px: float
    class_name: str
    score: float


@dataclass(frozen=True, slots=True)
class PartView:
    """One part as one frame saw it.

    Attributes:
        x_px, y_px: centre of its minimum-area rectangle, image pixels.
        w_px, h_px: sides of that rectangle, pixels; ``w_px`` runs along ``yaw_rad``.
        yaw_rad: angle of the ``w_px`` side from the image's x axis towards its y axis, known modulo pi.
        whole: the part lies in the picture entirely; only such views are fit for a verdict.
        score: the part's defect score in this frame, 0..1: the highest raw score of any defect box, 0 without one.
        defects: the boxes above the reporting floor, in image pixels.
    """

    x_px: float
    y_px: float
    w_px: float
    h_px: float
    yaw_rad: float
    whole: bool
    score: float
    defects: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class BeltPart:
    """One part that the tracker follows.

    Attributes:
        part_id: unique in this run and in the ledger, from 1.
        belt_x_m, y_m: position of its centre in belt coordinates.
        yaw_rad: angle of its long side from the cell frame's x axis, modulo pi.
        length_m, width_m: long and short side.
        covariance: 2x2 of (belt_x_m, y_m), row by row, square metres.
        verdict, score, defects: over all whole views so far; ``score`` is their mean.
        views: how many whole views.
        final: no further whole view will come, the verdict stands.
        stamp_s: exposure of the last frame that saw it, on the frame's clock.
    """

    part_id: int
    belt_x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    covariance: tuple[float, float, float, float]
    verdict: Verdict
    score: float
    defects: tuple[str, ...]
    views: int
    final: bool
    stamp_s: float
