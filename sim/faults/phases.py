"""In which phase of a pick the cell is, told from belt, arm and fingers alone."""

from __future__ import annotations

import math

from sim.faults.kinds import Phase
from sim.world.world import World

#: The tool below this is at the parts; above it, with a part, it is on its way, m.
_LOW_M = 0.03
#: Slower than this share of its nominal speed the belt does not run.
_RUNS = 0.9


class PhaseWatch:
    """Follows one world; ask it at every instant, with the world brought to its present.

    Attributes:
        phase: the present one, None while the cell does not run.
        pick: of which pick, from 1; in IDLE the one that is to come.
        since_s: when the phase began.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.phase: Phase | None = None
        self.pick = 1
        self.since_s = -math.inf
        self._taken = False

    def look(self) -> Phase | None:
        """The phase now."""
        phase = self._phase()
        if phase is not self.phase:
            now_s = self._world.now_s
            if phase in (Phase.IDLE, Phase.APPROACH) and self._taken:
                self.pick += 1
                self._taken = False
            elif phase in (Phase.GRIP, Phase.CARRY):
                self._taken = True
            self.phase, self.since_s = phase, now_s
        return phase

    def _phase(self) -> Phase | None:
        world = self._world
        now_s = world.now_s
        holds = world.holds is not None
        moving = world.arm.end_s > now_s and not world.arm.halted
        if not holds and not moving and not world.grasping:
            runs = world.belt.speed_mps >= _RUNS * world.scenario.feed.nominal_speed_mps
            return Phase.IDLE if runs else None
        if not holds and not world.grasping:
            return Phase.APPROACH
        tool = world.arm.tool(now_s)
        if holds:
            for place in world.scenario.bins.values():
                if math.hypot(tool.x_m - place.x_m, tool.y_m - place.y_m) <= place.radius_m:
                    return Phase.PLACE
            return Phase.GRIP if tool.z_m < _LOW_M else Phase.CARRY
        if tool.z_m < _LOW_M:
            return Phase.GRIP
        return Phase.APPROACH if moving else None
