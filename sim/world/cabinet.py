"""What is wired to the I/O block: emergency stop, light curtain, the belt's encoder and its strobe latch."""

from __future__ import annotations

from collections.abc import Callable

from sim.world.belt import BeltMotion


class Cabinet:
    """Implements ``sim.plant.CabinetPlant``, and lets a script press the button and step into the curtain.

    Args:
        belt: whose travel the encoder counts.
        power: told whenever the safety circuit opens (False) or closes (True).
        part_present: whether something stands before the part sensor.
    """

    def __init__(
        self, belt: BeltMotion, power: Callable[[bool], None], part_present: Callable[[], bool] = lambda: False
    ) -> None:
        self._belt = belt
        self._power = power
        self._estop_ok = True
        self._curtain_ok = True
        self._strobe_m = 0.0
        self._strobe_count = 0
        self._lamps = 0
        self._part_present = part_present
        # The encoder's wheel: travel and count at its last change, and how much of the travel it counts from there.
        self._wheel = (0.0, 0.0, 1.0)

    @property
    def estop_ok(self) -> bool:
        return self._estop_ok

    @property
    def curtain_ok(self) -> bool:
        return self._curtain_ok

    @property
    def encoder_m(self) -> float:
        since_m, counted_m, share = self._wheel
        return counted_m + share * (self._belt.travel_m - since_m)

    @property
    def strobe_m(self) -> float:
        return self._strobe_m

    @property
    def strobe_count(self) -> int:
        return self._strobe_count

    @property
    def part_present(self) -> bool:
        return self._part_present()

    @property
    def lamps(self) -> int:
        return self._lamps

    def light(self, lamps: int) -> None:
        self._lamps = lamps

    def press_estop(self) -> None:
        self._wire(estop_ok=False, curtain_ok=self._curtain_ok)

    def release_estop(self) -> None:
        self._wire(estop_ok=True, curtain_ok=self._curtain_ok)

    def interrupt_curtain(self) -> None:
        self._wire(estop_ok=self._estop_ok, curtain_ok=False)

    def clear_curtain(self) -> None:
        self._wire(estop_ok=self._estop_ok, curtain_ok=True)

    def slip(self, share: float) -> None:
        """The encoder's wheel misses this share of the belt's travel from now on; 0: none of it."""
        self._wheel = (self._belt.travel_m, self.encoder_m, 1.0 - share)

    def latch(self) -> int:
        """The camera's strobe: latch the encoder; returns how many strobes there were."""
        self._strobe_m = self.encoder_m
        self._strobe_count += 1
        return self._strobe_count

    def _wire(self, *, estop_ok: bool, curtain_ok: bool) -> None:
        before = self._estop_ok and self._curtain_ok
        self._estop_ok, self._curtain_ok = estop_ok, curtain_ok
        if (estop_ok and curtain_ok) != before:
            self._power(estop_ok and curtain_ok)
