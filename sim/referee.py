"""The referee: what truly became of every part. It sees the physical world only and never hears the controller."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass

ON_BELT, HELD, GOOD_STREAM, BIN, FLOOR = "on_belt", "held", "good_stream", "bin", "floor"


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a part is, physically.

    Attributes:
        number: of the part, in the order of entry, from 0.
        place: ``on_belt``, ``held``, ``good_stream``, ``bin`` or ``floor``; the last three are final.
        bin: its name, empty elsewhere.
        at_s: since when.
        defective: the truth, None when nobody knows.
        kind, source: what the part was made from.
        defects: class names of its true defects.
        belt_x_m, y_m: where it came to lie on the belt, in belt coordinates.
    """

    number: int
    place: str
    bin: str
    at_s: float
    defective: bool | None
    kind: str
    source: str
    defects: tuple[str, ...]
    belt_x_m: float = 0.0
    y_m: float = 0.0


class Referee:
    """Keeps one place a part. The world tells it; everybody else reads."""

    def __init__(self) -> None:
        self._fates: dict[int, Fate] = {}

    def enter(
        self,
        number: int,
        at_s: float,
        *,
        defective: bool | None,
        kind: str,
        source: str,
        defects: tuple[str, ...],
        lies_m: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """A part has come onto the belt. Raises: ValueError: that number has come before."""
        if number in self._fates:
            raise ValueError(f"part {number} entered twice")
        self._fates[number] = Fate(number, ON_BELT, "", at_s, defective, kind, source, defects, *lies_m)

    def move(self, number: int, place: str, at_s: float, bin_name: str = "") -> None:
        """A part has changed its place. Raises: ValueError: it had reached a final place."""
        fate = self._fates[number]
        if fate.place in (GOOD_STREAM, BIN, FLOOR):
            raise ValueError(f"part {number} moved after it had ended in {fate.place}")
        self._fates[number] = dataclasses.replace(fate, place=place, bin=bin_name, at_s=at_s)

    def fates(self) -> tuple[Fate, ...]:
        """Every part that entered, in the order of entry."""
        return tuple(self._fates.values())

    def counts(self) -> dict[str, int]:
        """How many parts are where; bins as ``bin:NAME``. Their sum is the number of parts that entered."""
        counts: dict[str, int] = {}
        for fate in self._fates.values():
            key = f"bin:{fate.bin}" if fate.place == BIN else fate.place
            counts[key] = counts.get(key, 0) + 1
        return counts

    def settled(self) -> frozenset[int]:
        """The numbers of the parts whose place is final."""
        return frozenset(number for number, fate in self._fates.items() if fate.place in (GOOD_STREAM, BIN, FLOOR))

    def quality(self, without: Container[int] = ()) -> dict[str, int] | None:
        """The report's ``quality``, over the parts whose truth is known; None when there is none.

        Args:
            without: numbers of parts that do not count, those that had left before a run began.

        ``escaped``: truly defective and in the good stream, for whatever reason; ``false_rejects``: truly good and in a
        bin.
        """
        known = [fate for number, fate in self._fates.items() if fate.defective is not None and number not in without]
        if not known:
            return None
        return {
            "defective_in": sum(1 for fate in known if fate.defective),
            "escaped": sum(1 for fate in known if fate.defective and fate.place == GOOD_STREAM),
            "good_in": sum(1 for fate in known if not fate.defective),
            "false_rejects": sum(1 for fate in known if not fate.defective and fate.place == BIN),
        }
