"""Judges what moved, and what was told to move, after a fault. It sees the world and the wire, never the controller.

Who commands is the harness, which plays the operator: motion after a stop is right once it has been asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.faults.taps import Told, Wire
from sim.world.world import World

#: Slower than this the belt stands, m/s; the arm, rad/s.
_STANDS_MPS, _STANDS_RADPS = 0.004, 0.02
#: A part's release that was on its way when the fault came still arrives, s.
_ON_ITS_WAY_S = 0.02
#: Fingers are told to open when their opening grows by more than this, m.
_OPENS_M = 0.002
#: With an empty hand the tool does not go below this any more, m.
_LOW_M = 0.04
#: The fingers are on their way to a part when they close below this, m; this long after a stop nothing moves at all, s.
_AT_PART_M, _FINISHED_S = 0.03, 3.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What is forbidden after a fault, in seconds from it.

    Attributes:
        kind: ``stop`` (everything, the hand keeps its hold), ``end`` (a pick may finish, none begins), ``no_pick``
            (none begins, the belt goes on) or ``none``.
        within_s: from then on commands are forbidden, ``stands_s``: ... and motion.
        keeps_s: from then on a hand that has to keep its hold may not be told to open.
    """

    kind: str
    within_s: float = 0.0
    stands_s: float = math.inf
    keeps_s: float = 0.0


class MotionReferee:
    """Looks at every instant; read ``forbidden`` and ``restarts`` at the end.

    Attributes:
        forbidden: motions that the rules forbid, in words with their times.
        restarts: motions of a cell that had stood, before anybody asked for them.
    """

    def __init__(self, world: World, wire: Wire) -> None:
        self._world = world
        self._wire = wire
        self._rules = Rules("none")
        self._fault_s = math.inf
        self._until_s = math.inf
        self._heard = 0
        self._stood = False
        self._noted: set[str] = set()
        self._width_m = world.told_m
        self.forbidden: list[str] = []
        self.restarts: list[str] = []

    def begin(self, rules: Rules, at_s: float) -> None:
        """A fault has happened."""
        self._rules, self._fault_s = rules, at_s
        self._width_m = self._world.told_m

    def permit(self, at_s: float) -> None:
        """An operator has asked for motion, or what it was stopped for is over."""
        self._until_s = min(self._until_s, at_s)

    def poll(self, now: float) -> float | None:
        """Look; part of the lockstep."""
        world = self._world
        told, self._heard = self._wire.told[self._heard :], len(self._wire.told)
        if self._rules.kind == "none" or not self._fault_s <= now < self._until_s:
            for one in told:
                if one.what == "gripper":
                    self._width_m = one.value
            return None
        world.advance(now)
        for one in told:
            self._command(one, one.at_s - self._fault_s)
        self._motion(now - self._fault_s, now)
        return None

    def _command(self, one: Told, since_s: float) -> None:
        rules = self._rules
        opens = one.what == "gripper" and one.value > self._width_m + _OPENS_M
        if one.what == "gripper":
            self._width_m = one.value
        placing = since_s <= _ON_ITS_WAY_S and self._over_a_bin()
        if rules.kind == "stop" and opens and not one.empty_handed and since_s > rules.keeps_s and not placing:
            # The hold is kept from the first moment: a part that falls cannot be picked up again.
            self._note(f"the hand was told to open to {one.value * 1e3:.0f} mm with a part in it", since_s)
        if since_s <= rules.within_s:
            return
        if rules.kind == "no_pick":
            tool_m = self._world.arm.tool(self._world.now_s).z_m
            if one.what == "gripper" and not opens and one.empty_handed and tool_m < _AT_PART_M:
                self._note("the fingers were told to close on a part", since_s)
        elif one.what == "belt":
            if self._stood:
                self._restart(f"the belt was told to run at {one.value:.1f} Hz", since_s)
            else:
                self._note(f"the belt was told to run at {one.value:.1f} Hz", since_s)
        elif one.what == "arm" and rules.kind == "stop":
            self._note("the arm was given a motion", since_s)
        elif one.what == "arm" and since_s > rules.stands_s + _FINISHED_S:
            self._restart("the arm was given a motion", since_s)

    def _motion(self, since_s: float, now: float) -> None:
        rules, world = self._rules, self._world
        if rules.kind == "no_pick":
            return
        belt = abs(world.belt.speed_mps) > _STANDS_MPS
        arm = world.arm.end_s > now and max(map(abs, world.arm.state(now)[1])) > _STANDS_RADPS
        if (
            rules.kind == "end"
            and since_s > rules.within_s
            and arm
            and world.holds is None
            and not self._done("descent")
        ):
            tool = world.arm.tool(now)
            over_belt = abs(tool.y_m) <= world.scenario.belt.width_m / 2.0
            sinks = world.arm.tool(now + 0.01).z_m < tool.z_m - 1e-4
            if over_belt and tool.z_m < _LOW_M and sinks:
                self._noted.add("descent")
                self._note("the arm went down to a part", since_s)
        self._stood = self._stood or not belt
        if since_s <= rules.stands_s:
            return
        if belt and not self._done("belt"):
            self._noted.add("belt")
            words = f"the belt moves at {world.belt.speed_mps:.3f} m/s"
            (self._restart if self._stood else self._note)(words, since_s)
        if arm and rules.kind == "stop" and not self._done("arm"):
            self._noted.add("arm")
            self._note("the arm moves", since_s)

    def _over_a_bin(self) -> bool:
        tool = self._world.arm.tool(self._world.now_s)
        bins = self._world.scenario.bins.values()
        return any(math.hypot(tool.x_m - one.x_m, tool.y_m - one.y_m) <= one.radius_m for one in bins)

    def _done(self, what: str) -> bool:
        return what in self._noted

    def _note(self, words: str, since_s: float) -> None:
        self.forbidden.append(f"{words}, {since_s:.3f} s after the fault")

    def _restart(self, words: str, since_s: float) -> None:
        self.restarts.append(f"{words}, {since_s:.3f} s after the fault, unasked")
