"""The belt: travel as the exact integral of a speed that changes only when the drive says so."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """The world's present, s. One object shared by everything in a world."""

    now_s: float


class BeltMotion:
    """Implements ``sim.plant.BeltPlant``. Between two changes of speed travel is a straight line from an anchor, so it
    does not depend on how often anybody looks.

    A safety stop takes the drive's power: the belt stands until the contacts are closed again *and* the drive has been
    told to stand still, so nothing restarts by itself.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._anchor_s = clock.now_s
        self._anchor_m = 0.0
        self._speed_mps = 0.0
        self._driven_mps = 0.0
        self._powered = True
        self._locked = False
        self._jammed = False

    @property
    def speed_mps(self) -> float:
        """The belt's own, along its travel."""
        return self._speed_mps

    @property
    def travel_m(self) -> float:
        """Since the world began."""
        return self.travel_at(self._clock.now_s)

    def drive(self, speed_mps: float) -> None:
        """The drive's output; the belt has this speed at once."""
        self._driven_mps = speed_mps
        self._unlock()
        self._set(0.0 if self._locked or self._jammed else speed_mps)

    def jam(self, on: bool) -> None:
        """Something blocks the belt: it stands, whatever the drive does. Free again, it has the drive's speed."""
        self._jammed = on
        self._set(0.0 if self._locked or self._jammed else self._driven_mps)

    def power(self, on: bool) -> None:
        """Whether the safety circuit feeds the drive."""
        self._powered = on
        if not on:
            self._locked = True
            self._set(0.0)
        self._unlock()

    def travel_at(self, time_s: float) -> float:
        """At a time at or after the last change of speed, if the speed stays as it is."""
        return self._anchor_m + self._speed_mps * (time_s - self._anchor_s)

    def time_at(self, travel_m: float) -> float:
        """When the belt will have travelled so far if the speed stays as it is; infinite if never."""
        ahead = travel_m - self._anchor_m
        if self._speed_mps > 0.0:
            return max(self._anchor_s + ahead / self._speed_mps, self._clock.now_s)
        return self._clock.now_s if self.travel_m >= travel_m else math.inf

    def _unlock(self) -> None:
        if self._powered and self._driven_mps == 0.0:
            self._locked = False

    def _set(self, speed_mps: float) -> None:
        if speed_mps == self._speed_mps:
            return
        self._anchor_m = self.travel_m
        self._anchor_s = self._clock.now_s
        self._speed_mps = speed_mps
