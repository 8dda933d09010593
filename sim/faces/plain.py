"""Parts without a picture, for runs in which nobody looks: kinds, sizes and truth as the rendered parts have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from sim.faces.types import DEFECT_CLASSES, Defect, Face

#: Length and width of each part type, mm, least and most (``sim.faces.shapes``); None: as wide as long, and round.
SIZES_MM: Final[Mapping[str, tuple[tuple[float, float], tuple[float, float] | None]]] = MappingProxyType(
    {
        "plate": ((46.0, 78.0), (30.0, 44.0)),
        "cap": ((34.0, 58.0), None),
        "gear": ((42.0, 66.0), None),
        "bracket": ((52.0, 80.0), (28.0, 42.0)),
        "housing": ((44.0, 70.0), (34.0, 52.0)),
    }
)
_STREAM = 0x91A1
_PIXEL = np.full((1, 1, 3), 128, np.uint8)
_ALPHA = np.full((1, 1), 255, np.uint8)
_OUTLINE = np.zeros((3, 2), np.float32)


class PlainFaces:
    """An endless stream of parts.

    Args:
        defective_share: probability that a part is defective, 0..1.
        first_defective: the first part is, so that the arm has one to take early.
    """

    def __init__(self, *, defective_share: float = 0.2, first_defective: bool = False) -> None:
        self._defective_share = defective_share
        self._first_defective = first_defective

    def stream(self, seed: int) -> Iterator[Face]:
        """The same parts for the same seed; part i does not depend on how much was drawn for the parts before it."""
        kinds = tuple(SIZES_MM)
        index = 0
        while True:
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, seed, index])))
            kind = kinds[int(rng.integers(len(kinds)))]
            long_mm, short_mm = SIZES_MM[kind]
            length_m = 1e-3 * float(rng.uniform(*long_mm))
            width_m = length_m if short_mm is None else 1e-3 * float(rng.uniform(*short_mm))
            defective = bool(rng.random() < self._defective_share) or (self._first_defective and index == 0)
            name = DEFECT_CLASSES[int(rng.integers(len(DEFECT_CLASSES)))]
            yield Face(
                image=_PIXEL,
                alpha=_ALPHA,
                px_per_m=4000.0,
                kind=kind,
                length_m=length_m,
                width_m=width_m,
                round=short_mm is None,
                upright=False,
                defective=defective,
                defects=(Defect(name, _OUTLINE),) if defective else (),
            )
            index += 1
