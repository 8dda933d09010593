"""A part as the world carries it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.faces.types import Face


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPart:
    """A part that lies on the belt.

    Attributes:
        number: in the order of entry, from 0; the world's own, no controller sees it.
        face: its look and truth.
        belt_x_m, y_m: its centre, in belt coordinates (x in the cell frame minus the belt's travel).
        yaw_rad: angle of the face's x axis in the cell frame.
    """

    number: int
    face: Face
    belt_x_m: float
    y_m: float
    yaw_rad: float

    def half_extent_m(self) -> tuple[float, float]:
        """Half the room it takes along the cell's x and y."""
        cos, sin = abs(math.cos(self.yaw_rad)), abs(math.sin(self.yaw_rad))
        a, b = self.face.length_m / 2.0, self.face.width_m / 2.0
        if self.face.round:
            return a, b
        return a * cos + b * sin, a * sin + b * cos


def free_between_m(one: PlacedPart, other: PlacedPart) -> float:
    """Belt between two parts along the line of their centres; below 0 where they overlap."""
    dx, dy = other.belt_x_m - one.belt_x_m, other.y_m - one.y_m
    towards = math.atan2(dy, dx)
    return math.hypot(dx, dy) - sum(_reach_m(part, towards - part.yaw_rad) for part in (one, other))


def _reach_m(part: PlacedPart, angle_rad: float) -> float:
    """From its centre to its border's farthest point in a direction from the face's x axis."""
    a, b = part.face.length_m / 2.0, part.face.width_m / 2.0
    return a if part.face.round else a * abs(math.cos(angle_rad)) + b * abs(math.sin(angle_rad))
