"""Two fingers that move at a commanded speed and stop on what is between them."""

from __future__ import annotations

import math

from sim.world.belt import Clock

#: Motor current, A: our choice, of the order that the fingers' manual shows; nothing depends on the exact figures.
_MOVING_A, _HOLDING_A = 0.12, 0.25


class Fingers:
    """Implements ``sim.plant.GripperPlant``. Widths are straight lines in time from an anchor, as the belt's travel is.

    ``blocked_m`` is the width of the part between the fingers, None without one; the world sets and clears it.
    """

    def __init__(self, clock: Clock, stroke_m: float) -> None:
        self._clock = clock
        self.stroke_m = stroke_m
        self._anchor_s, self._anchor_m = clock.now_s, stroke_m
        self.target_m = stroke_m
        self._speed_mps = 0.0
        self.force_n = 0.0
        self.blocked_m: float | None = None
        self.motion = 0
        """Counts commands that changed something, so that each closing can be told from the one before."""

    @property
    def opened_m(self) -> float:
        """Width at which the present motion began."""
        return self._anchor_m

    @property
    def width_m(self) -> float:
        return self.width_at(self._clock.now_s)

    @property
    def moving(self) -> bool:
        return self.contact == "none" and self.width_m != self.target_m

    @property
    def contact(self) -> str:
        """ "closing" while a part keeps the fingers from closing further."""
        return "closing" if self.blocked_m is not None and self.target_m < self.blocked_m else "none"

    @property
    def current_a(self) -> float:
        if self.contact == "closing":
            return _HOLDING_A
        return _MOVING_A if self.moving else 0.0

    @property
    def closing(self) -> bool:
        return self.blocked_m is None and self.target_m < self._anchor_m

    def command(self, width_m: float, speed_mps: float, force_n: float) -> None:
        """Go to an opening; clamped to the stroke. The same command again changes nothing."""
        target = min(max(width_m, 0.0), self.stroke_m)
        wanted = (target, abs(speed_mps), force_n)
        if wanted == (self.target_m, self._speed_mps, self.force_n):
            return
        self._anchor()
        self.target_m, self._speed_mps, self.force_n = wanted
        self.motion += 1

    def halt(self) -> None:
        """Stop where they are; a part between them stays held."""
        self._anchor()
        self.target_m = self._anchor_m
        self.motion += 1

    def block(self, width_m: float) -> None:
        """A part of this width has been met."""
        self._anchor_s, self._anchor_m = self._clock.now_s, width_m
        self.blocked_m = width_m

    def free(self) -> None:
        """The part is gone; the fingers go on to where they were told."""
        self._anchor()
        self.blocked_m = None
        self.motion += 1

    def width_at(self, time_s: float) -> float:
        """At a time at or after the last command."""
        target = self.target_m
        if self.blocked_m is not None:
            target = max(target, self.blocked_m)
        step = self._speed_mps * (time_s - self._anchor_s)
        if target >= self._anchor_m:
            return min(target, self._anchor_m + step)
        return max(target, self._anchor_m - step)

    def time_at(self, width_m: float) -> float:
        """When the present motion passes a width; infinite if it does not."""
        low, high = sorted((self._anchor_m, self.target_m))
        if self._speed_mps <= 0.0 or not low <= width_m <= high:
            return math.inf
        return self._anchor_s + abs(width_m - self._anchor_m) / self._speed_mps

    def _anchor(self) -> None:
        self._anchor_m = self.width_m
        self._anchor_s = self._clock.now_s
