"""Where every part is and what became of it: on the belt, being picked, in the hand, or closed with one fate.

Pure: fed with what the tracker, the policy, the picker and the encoder say; answers with the parts that it closes,
which the owner writes to the ledger. Closing happens once; whatever is said of a closed part later is ignored.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Fate(str, enum.Enum):
    """What became of a part; the words are those of the report and of ``cell_msgs/PartOutcome``."""

    SORTED = "sorted"
    PASSED = "passed"
    MISSED = "missed"
    DROPPED = "dropped"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


RETRY = "retry"
"""The word of the pick sequence for a part that is still where it was: no fate."""


class Place(enum.Enum):
    """Where a part that is not closed is."""

    BELT = "belt"
    PICKING = "picking"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """x in the cell frame (m) beyond which the arm can no longer pick, where the good stream takes over, and the bin
    for parts that nobody could judge."""

    window_end_m: float = 0.85
    belt_end_m: float = 1.10
    unsure_bin: str = "reject"


@dataclass(frozen=True, slots=True)
class Closed:
    """A part's fate; ``bin`` is empty unless it lies in one."""

    part_id: int
    fate: Fate
    bin: str
    reason: str


@dataclass(slots=True)
class _Entry:
    belt_x_m: float
    leaves: bool | None = None
    bin: str = ""
    place: Place = Place.BELT


@dataclass(frozen=True, slots=True)
class Tally:
    """Parts by fate and place; ``entered`` is counted on its own, not added up from the others."""

    entered: int
    fates: dict[Fate, int] = field(default_factory=dict)
    in_flight: int = 0

    @property
    def balanced(self) -> bool:
        """entered = sum of fates + in flight."""
        return self.entered == sum(self.fates.values()) + self.in_flight

    def as_dict(self) -> dict[str, int]:
        """The report's ``parts``: entered, each fate, in_flight."""
        return {
            "entered": self.entered,
            **{fate.value: self.fates.get(fate, 0) for fate in Fate},
            "in_flight": self.in_flight,
        }


class Accounts:
    """The parts of one run. Ids are the tracker's."""

    def __init__(self, limits: AccountLimits | None = None) -> None:
        self.limits = limits or AccountLimits()
        self._open: dict[int, _Entry] = {}
        self._closed: dict[int, Fate] = {}
        self._entered = 0

    def enter(self, part_id: int, belt_x_m: float) -> bool:
        """A part is seen, at ``belt_x_m`` in belt coordinates; True where it is new. A part that is known only
        moves."""
        if part_id in self._closed:
            return False
        entry = self._open.get(part_id)
        if entry is not None:
            entry.belt_x_m = belt_x_m
            return False
        self._open[part_id] = _Entry(belt_x_m)
        self._entered += 1
        return True

    def decide(self, part_id: int, *, leaves: bool, bin_name: str = "") -> bool:
        """What is to become of a part: off the belt into a bin, or to stay. True where that was taken."""
        entry = self._open.get(part_id)
        if entry is None or entry.place is Place.HAND:
            return False
        entry.leaves, entry.bin = leaves, bin_name if leaves else ""
        return True

    def picking(self, part_id: int) -> bool:
        """The arm is on its way to a part: its fate is the pick's until that ends. True where the part is open."""
        entry = self._open.get(part_id)
        if entry is None:
            return False
        if entry.place is Place.BELT:
            entry.place = Place.PICKING
        return True

    def gripped(self, part_id: int) -> bool:
        """The grip is verified: the part is in the hand. True where the part is open."""
        entry = self._open.get(part_id)
        if entry is None:
            return False
        entry.place = Place.HAND
        return True

    def end_pick(self, part_id: int, word: str, bin_name: str = "", reason: str = "") -> Closed | None:
        """The pick sequence's outcome: a fate's word, or ``retry``.

        A part that lies in the bin for those that nobody could judge is rejected, also where the sequence calls it
        sorted.

        Raises:
            ValueError: the word is neither.
        """
        fate = None if word == RETRY else Fate(word)
        entry = self._open.get(part_id)
        if entry is None:
            return None
        if fate is None and entry.place is Place.HAND:
            # It was in the hand, so it does not lie where it was.
            return self._close(part_id, Fate.UNKNOWN, "", reason or "released nobody knows where")
        if fate is None:
            entry.place = Place.BELT
            return None
        if fate is Fate.SORTED and bin_name == self.limits.unsure_bin:
            fate = Fate.REJECTED
        return self._close(part_id, fate, bin_name if fate in (Fate.SORTED, Fate.REJECTED) else "", reason)

    def step(self, travel_m: float) -> list[Closed]:
        """Closes what the belt has carried past its end, or past the arm, at this travel of the belt (m)."""
        out: list[Closed] = []
        for part_id, entry in sorted(self._open.items()):
            if entry.place is not Place.BELT:
                continue
            x_m = entry.belt_x_m + travel_m
            if entry.leaves and x_m > self.limits.window_end_m:
                out.append(self._close(part_id, Fate.MISSED, "", "left the pick window"))
            elif entry.leaves is False and x_m > self.limits.belt_end_m:
                out.append(self._close(part_id, Fate.PASSED, "", "stayed on the belt"))
            elif entry.leaves is None and x_m > self.limits.belt_end_m:
                out.append(self._close(part_id, Fate.MISSED, "", "left the belt undecided"))
        return out

    def lose(self, reason: str, *, places: frozenset[Place] = frozenset(Place)) -> list[Closed]:
        """Nobody can say any more: closes the parts in these places as unknown."""
        lost = sorted(part_id for part_id, entry in self._open.items() if entry.place in places)
        return [self._close(part_id, Fate.UNKNOWN, "", reason) for part_id in lost]

    def place(self, part_id: int) -> Place | None:
        """Where an open part is; None for one that is closed or was never seen."""
        entry = self._open.get(part_id)
        return entry.place if entry is not None else None

    def fate(self, part_id: int) -> Fate | None:
        return self._closed.get(part_id)

    @property
    def in_flight(self) -> int:
        return len(self._open)

    def tally(self) -> Tally:
        """The counts at this instant."""
        fates = dict.fromkeys(Fate, 0)
        for fate in self._closed.values():
            fates[fate] += 1
        return Tally(self._entered, fates, len(self._open))

    def _close(self, part_id: int, fate: Fate, bin_name: str, reason: str) -> Closed:
        del self._open[part_id]
        self._closed[part_id] = fate
        return Closed(part_id, fate, bin_name, reason)
