"""A motor behind a drive that ramps: what several emulated drives do to the belt."""

from __future__ import annotations

from sim.plant import Plant

STEP_S = 0.005
# A motor that the belt blocks turns at less than this share of what its drive says; so long the drive puts up with it.
BLOCKED_SHARE = 0.5
OVERLOAD_S = 3.0


class RampedMotor:
    """Goes to ``target`` along its ramps.

    Args:
        plant: the world; its belt gets the speed.
        mps_per_unit: belt speed for one unit of ``speed`` (Hz of a drive, mm/min of a stepper).
        accel, decel: units per second.
    """

    def __init__(self, plant: Plant, mps_per_unit: float, accel: float, decel: float) -> None:
        self.speed = 0.0
        self.target = 0.0
        self.accel, self.decel = accel, decel
        self._plant = plant
        self._mps_per_unit = mps_per_unit
        self._ramped_s = 0.0
        self._blocked_since_s: float | None = None

    @property
    def settled(self) -> bool:
        """The ramp has ended."""
        return self.speed == self.target

    def advance(self, now: float) -> None:
        """Go on with the ramp up to now."""
        passed_s, self._ramped_s = max(now - self._ramped_s, 0.0), now
        if self.speed != self.target:
            faster = abs(self.target) > abs(self.speed)
            step = (self.accel if faster else self.decel) * passed_s
            if abs(self.target - self.speed) <= step + 1e-9:
                self._set(self.target, now)
            else:
                self._set(self.speed + (step if self.target > self.speed else -step), now)
        if not self.blocked:
            self._blocked_since_s = None
        elif self._blocked_since_s is None:
            self._blocked_since_s = now

    def coast(self, now: float) -> None:
        """The output goes off; the belt stands at once."""
        self.target = 0.0
        self._set(0.0, now)

    @property
    def blocked(self) -> bool:
        """The belt does not follow."""
        asked_mps = abs(self.speed) * self._mps_per_unit
        return asked_mps > 0.0 and abs(self._plant.belt.speed_mps) < BLOCKED_SHARE * asked_mps

    def overloaded(self, now: float) -> bool:
        """It has been blocked for too long."""
        return self._blocked_since_s is not None and now - self._blocked_since_s >= OVERLOAD_S

    def next_step_s(self, now: float) -> float | None:
        """When it wants to go on; None while nothing changes."""
        return now + STEP_S if self.speed != self.target or self.blocked else None

    def _set(self, speed: float, now: float) -> None:
        self._plant.advance(now)
        self.speed = speed
        self._plant.belt.drive(speed * self._mps_per_unit)
