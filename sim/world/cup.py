"""A suction cup: a pump that draws, a valve that lets air in, and the pressure that follows."""

from __future__ import annotations

import math

from sim.scenario import CupSetup
from sim.world.belt import Clock

OPEN_AIR_PA = 101_325.0
CLOSED, VENTS, BLOWS = "closed", "vents", "blows"
#: Opening of a cup that was told to let go, m: for those who ask a hand how far it is told to open.
_LET_GO_M = 0.02


class Cup:
    """Implements ``sim.plant.CupPlant``. Between two changes pressure is an exponential from an anchor towards what
    pump, valve and leaks settle at, so it does not depend on how often anybody looks.

    ``sealed`` is what the world says: a part closes the cup.
    """

    def __init__(self, clock: Clock, setup: CupSetup) -> None:
        self._clock = clock
        self._setup = setup
        self._anchor_s, self._anchor_pa = clock.now_s, OPEN_AIR_PA
        self._pumping = False
        self._valve = CLOSED
        self._leak = 0.0
        self._porous = 0.0
        self._gripping = False
        self.sealed = False
        self.since_s = clock.now_s
        """When the cup began to suck."""

    @property
    def pressure_pa(self) -> float:
        return self.pressure_at(self._clock.now_s)

    @property
    def sucking(self) -> bool:
        """It would take a part that it came upon."""
        return self._pumping and self._valve == CLOSED

    @property
    def told_m(self) -> float:
        """0 while it is told to hold, else more, as the opening of fingers."""
        return 0.0 if self._gripping else _LET_GO_M

    def pump(self, on: bool) -> None:
        """Run or stop the pump."""
        if on != self._pumping:
            self._anchor()
            self._pumping = on
        if on and not self._gripping:
            self._gripping, self.since_s = True, self._clock.now_s

    def valve(self, state: str) -> None:
        """``closed``, ``vents`` to the open air, or ``blows``."""
        if state != self._valve:
            self._anchor()
            self._valve = state
        if state != CLOSED:
            self._gripping = False

    def leak(self, share: float) -> None:
        """The cup's lip or hose loses this share (0..1) of the vacuum that it could have."""
        self._anchor()
        self._leak = share

    def seal(self, porous: float) -> None:
        """A part closes the cup; ``porous``: the share of the vacuum that goes through it."""
        self._anchor()
        self.sealed, self._porous = True, porous

    def unseal(self) -> None:
        """The part is gone."""
        self._anchor()
        self.sealed, self._porous = False, 0.0

    def pressure_at(self, time_s: float) -> float:
        """At a time at or after the last change."""
        target_pa, tau_s = self._settles()
        fade = math.exp(-(time_s - self._anchor_s) / tau_s)
        return target_pa + (self._anchor_pa - target_pa) * fade

    def time_at(self, pressure_pa: float) -> float:
        """When the pressure passes a value if nothing changes; now if it is there; infinite if it never does."""
        target_pa, tau_s = self._settles()
        now_pa = self.pressure_pa
        if now_pa == pressure_pa:
            return self._clock.now_s
        if (now_pa - pressure_pa) * (target_pa - pressure_pa) >= 0.0:
            return math.inf
        return self._clock.now_s + tau_s * math.log((now_pa - target_pa) / (pressure_pa - target_pa))

    def back_at(self, pressure_pa: float) -> float:
        """When the pressure comes back up to a value; now if it is above and stays there; infinite if it never does."""
        if self._settles()[0] < pressure_pa:
            return math.inf
        return self._clock.now_s if self.pressure_pa >= pressure_pa else self.time_at(pressure_pa)

    def _settles(self) -> tuple[float, float]:
        """The pressure that it tends to, and how fast (time constant, s)."""
        setup = self._setup
        if self._valve != CLOSED:
            return OPEN_AIR_PA, setup.blow_s if self._valve == BLOWS else setup.vent_s
        lost = 1.0 - (1.0 - self._leak) * (1.0 - self._porous)
        if not self.sealed:
            return (setup.unsealed_pa if self._pumping else OPEN_AIR_PA), setup.vent_s
        if self._pumping:
            return setup.floor_pa + lost * (OPEN_AIR_PA - setup.floor_pa), setup.evacuate_s
        return OPEN_AIR_PA, 1.0 / (1.0 / setup.seep_s + lost / setup.leak_s)

    def _anchor(self) -> None:
        self._anchor_pa = self.pressure_pa
        self._anchor_s = self._clock.now_s
