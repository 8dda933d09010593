"""What a run finds open of the runs before it, and how parts that lay on the belt are told from new ones.

A part lies still in belt coordinates, and the encoder's counter goes on while no controller runs. So a part that the
camera shows where the ledger has one is that part: its account goes on, and it gets no second one. What the belt has
carried out of sight is unknown. So is everything where the counter has begun anew and old places mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from perception.types import BeltPart

Key = tuple[int, int]
"""A part in the ledger's file: its run and its number in that run."""

SAME_M = 0.012
"""A whole part seen twice is this near to itself: a part that the gripper touched included, its neighbour not."""

ALONG_M = 0.045
"""A single view on a busy machine may be placed wrongly along the belt by the travel of a fifth of a second, never
across it. The middles of two parts of one size at the same y are farther apart."""

ACROSS_M = 0.008
SIZE_M = 0.006

PIECE_M = 0.006
"""The middle of a piece lies on the part; this is for the outline's and the encoder's error."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A part of an earlier run that lay on the belt, metres in belt coordinates; ``judged``: its verdict stands."""

    key: Key
    belt_x_m: float
    y_m: float
    length_m: float
    width_m: float
    judged: bool = False

    def distance_m(self, part: BeltPart) -> float:
        """Between the middles."""
        return math.hypot(part.belt_x_m - self.belt_x_m, part.y_m - self.y_m)

    def is_seen_in(self, part: BeltPart) -> bool:
        """Whether the camera shows this part, or a piece of it."""
        if not part.views:
            return self.distance_m(part) <= math.hypot(self.length_m, self.width_m) / 2.0 + PIECE_M
        return self.distance_m(part) <= SAME_M or (
            abs(part.belt_x_m - self.belt_x_m) <= ALONG_M
            and abs(part.y_m - self.y_m) <= ACROSS_M
            and abs(part.length_m - self.length_m) <= SIZE_M
            and abs(part.width_m - self.width_m) <= SIZE_M
        )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Parts of earlier runs that had no fate when the ledger was opened.

    Attributes:
        crashed: a run had ended without a clean close, also where no part was open: the cell has to start Aborted.
        held: had been picked and may still be in the hand; closed as unknown.
        on_belt: had not been, and nobody knows where they lay; closed as unknown.
        awaited: lay on the belt at a known place; open until they are seen again or out of sight.
        kept: fates that stood in the runs that crashed.
    """

    crashed: bool
    held: tuple[Key, ...]
    on_belt: tuple[Key, ...]
    awaited: tuple[Awaited, ...] = ()
    kept: int = 0

    @property
    def words(self) -> str:
        """One line for an operator."""
        before = "the last run had no clean end" if self.crashed else "the last run ended over open parts"
        found = [f"{_parts(self.kept)} with a fate kept"] if self.kept else []
        if self.held:
            found.append(f"{_parts(len(self.held))} in the hand: unknown")
        if self.on_belt:
            found.append(f"{_parts(len(self.on_belt))} on the belt: unknown")
        if self.awaited:
            found.append(f"{_parts(len(self.awaited))} on the belt: looked for, unknown if out of sight")
        return f"{before}: {', '.join(found) or 'no part was open'}"


class Search:
    """Looks for the parts of earlier runs among those that the camera shows.

    Args:
        awaited: parts to look for.
        sight_m: x in the cell frame from and up to which a part may lie that the camera is still to show again. Before
            that no part has been seen by anybody: a counter that puts one there has begun anew.
    """

    def __init__(self, awaited: Iterable[Awaited], sight_m: tuple[float, float] = (-0.17, 0.35)) -> None:
        self._awaited = {one.key: one for one in awaited}
        self._sight_m = sight_m

    @property
    def waiting(self) -> int:
        """How many are still looked for."""
        return len(self._awaited)

    def find(self, part: BeltPart) -> Awaited | None:
        """The part of an earlier run that this one is; it is then looked for no longer."""
        near = [one for one in self._awaited.values() if one.is_seen_in(part)]
        if not near:
            return None
        found = min(near, key=lambda one: one.distance_m(part))
        del self._awaited[found.key]
        return found

    def give_up(self, travel_m: float | None = None) -> list[Awaited]:
        """Those that are out of sight at this travel of the belt (m), or all; they are then looked for no longer."""
        first_m, last_m = self._sight_m
        gone = [
            one
            for one in self._awaited.values()
            if travel_m is None or not first_m <= one.belt_x_m + travel_m <= last_m
        ]
        for one in gone:
            del self._awaited[one.key]
        return gone


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"
