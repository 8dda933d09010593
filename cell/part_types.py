"""Types of parts, told by their size: how each wants to be gripped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cell.pick_types import GripRecipe


@dataclass(frozen=True, slots=True)
class PartType:
    """Parts whose long and short side, as the camera measures them, lie within these bounds (first, last)."""

    length_m: tuple[float, float]
    width_m: tuple[float, float]
    recipe: GripRecipe

    def fits(self, length_m: float, width_m: float) -> bool:
        """A part of this size is one of them."""
        return self.length_m[0] <= length_m <= self.length_m[1] and self.width_m[0] <= width_m <= self.width_m[1]


def recipe_for(types: Iterable[PartType], length_m: float, width_m: float) -> GripRecipe:
    """How a part of this size is gripped; a recipe that says nothing where no type fits."""
    for one in types:
        if one.fits(length_m, width_m):
            return one.recipe
    return GripRecipe()
