"""Plain parts, so that tests of the world need not draw any."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.faces.types import Defect, Face
from sim.scenario import Scenario
from sim.world import World


def plain_face(
    length_m: float = 0.06, width_m: float = 0.04, *, defective: bool | None = False, is_round: bool = False
) -> Face:
    shape = (round(width_m * 1000), round(length_m * 1000))
    defects = (Defect("hole", np.array([[5, 5], [9, 5], [9, 9]], np.float32)),) if defective else ()
    return Face(
        np.full((*shape, 3), 180, np.uint8), np.full(shape, 255, np.uint8), 1000.0, "plain", length_m, width_m,
        is_round, False, defective, defects,
    )  # fmt: skip


class PlainFaces:
    """Every third part is defective."""

    def __init__(self, *faces: Face) -> None:
        self._faces = faces

    def stream(self, seed: int) -> Iterator[Face]:
        if self._faces:
            yield from self._faces
            return
        number = 0
        while True:
            yield plain_face(defective=number % 3 == 0)
            number += 1


def running_world(*faces: Face, scenario: Scenario | None = None, seed: int = 1) -> World:
    """A world at 0 s whose belt runs at 0.2 m/s."""
    world = World(scenario or Scenario(), seed, PlainFaces(*faces))
    world.belt.drive(0.2)
    return world
