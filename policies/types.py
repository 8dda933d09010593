"""One Protocol for every picking policy: a pure function from what is known now to what to do next.

Frames and units as in ``perception.types``: cell frame, metres, seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from policies.arms import Arm


@dataclass(frozen=True, slots=True)
class Candidate:
    """A part that is to leave the belt, at its position *now* (``View.now_s``); it moves on with the belt's speed."""

    part_id: int
    x_m: float
    y_m: float
    bin: str


@dataclass(frozen=True, slots=True)
class ArmModel:
    """What a policy knows of an arm: how long a move, a grip and a release take.

    Attributes:
        max_accel_mps2, max_speed_mps: of the tool along a straight line, trapezoidal profile.
        grip_s: from arrival over the part until it is verified and lifted.
        release_s: at the bin until the hand is free again.
        overhead_s: added to every move (command, settling).
    """

    max_accel_mps2: float
    max_speed_mps: float
    grip_s: float
    release_s: float
    overhead_s: float = 0.0

    def travel_s(self, distance_m: float) -> float:
        """Seconds for a straight move from rest to rest over ``distance_m``."""
        ramp_m = self.max_speed_mps**2 / self.max_accel_mps2
        if distance_m <= ramp_m:
            return 2.0 * math.sqrt(max(distance_m, 0.0) / self.max_accel_mps2) + self.overhead_s
        return distance_m / self.max_speed_mps + self.max_speed_mps / self.max_accel_mps2 + self.overhead_s


@dataclass(frozen=True, slots=True)
class View:
    """Everything a policy may look at.

    Attributes:
        now_s: the node's clock.
        belt_speed_mps: of the belt along +x.
        tool_m: the tool's (x, y) now, or where it will be when it is free.
        free_in_s: until the arm can start its next pick.
        window_m: (first, last) x at which the arm can pick.
        bins_m: (x, y) of every bin by name.
        arm: the time model; an ``Arm`` of the benchmark goes from its drop point and back to it, whatever the bin.
        candidates: parts that are to leave the belt, in the order in which they entered.
        arms_after: further arms that a part passes which this one leaves on the belt.
    """

    now_s: float
    belt_speed_mps: float
    tool_m: tuple[float, float]
    free_in_s: float
    window_m: tuple[float, float]
    bins_m: dict[str, tuple[float, float]]
    arm: ArmModel | Arm
    candidates: tuple[Candidate, ...]
    arms_after: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Which part to pick next, or none, and why in a few words."""

    part_id: int | None
    reason: str


class Policy(Protocol):
    """A picking policy: pure, the same view gives the same decision."""

    @property
    def name(self) -> str: ...

    def decide(self, view: View) -> Decision: ...
