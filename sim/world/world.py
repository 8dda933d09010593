"""The world of one cell: events in their order, from one time to the next."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from sim.faces.types import FaceSource
from sim.referee import BIN, FLOOR, GOOD_STREAM, HELD, ON_BELT, Referee
from sim.scenario import Scenario
from sim.world.arm import DeltaArm, Tool
from sim.world.belt import BeltMotion, Clock
from sim.world.cabinet import Cabinet
from sim.world.feeder import Feeder
from sim.world.fingers import Fingers
from sim.world.grip import HeldPart, meet, spans
from sim.world.parts import PlacedPart

#: A held part falls when the fingers have opened by this much, m, or half of what is left of the stroke.
_RELEASE_M = 0.001
#: A part that slips does so this long after it was gripped, s.
_SLIP_S = (0.15, 0.6)
_SLIP_STREAM = 0x5117
#: Belt travel after which a feeder that stood gives its next part, m.
_RESUME_M = 0.03

# Order of events that fall on the same instant.
_ARRIVAL, _EXIT, _CONTACT, _RELEASE, _SLIP = range(5)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """What a camera's strobe caught: give it to ``SimCamera.render``.

    Attributes:
        count: strobes so far, this one included; the number of the frame.
        travel_m, speed_mps: of the belt.
        parts: on the belt.
    """

    count: int
    travel_m: float
    speed_mps: float
    parts: tuple[PlacedPart, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Event:
    time_s: float
    kind: int
    part: PlacedPart | None = None
    span: tuple[float, float] = (0.0, 0.0)
    key: tuple[int, int] = (0, 0)

    def order(self) -> tuple[float, int, tuple[int, int]]:
        return self.time_s, self.kind, self.key


class World:
    """Implements ``sim.plant.Plant``. Not thread-safe; a call happens at the world's present, so bring it there first.

    ==========================================  ==================================================================
    ``advance(now_s)``                          everything that happens up to then; going back does nothing
    ``next_event_s()``                          when something will happen by itself, None if nothing will
    ``gripper``                                 ``Fingers``: ``command, halt, width_m, moving, contact, current_a``
    ``belt``                                    ``BeltMotion``: ``drive, speed_mps, travel_m``
    ``cabinet``                                 ``Cabinet``: contacts, encoder, strobe latch; ``press_estop()``,
                                                ``release_estop()``, ``interrupt_curtain()``, ``clear_curtain()``
    ``arm``                                     ``DeltaArm``: ``execute, cancel, state, tool, end_s, halted``
    ``strobe(now_s)``                           latch the encoder, get the ``Shot`` to render
    ``parts``, ``held``, ``entered``            on the belt; between the fingers; how many parts have entered
    ``fed_out``, ``empty``                      the feed has ended; ... and nothing is on the belt or held
    ``feed(parts)``, ``stop_feed()``            until so many have entered in all; no more parts
    ``lose_held()``                             the held part slips out
    ``referee``                                 ``fates(), counts(), quality()``
    ==========================================  ==================================================================

    What happens depends on the scenario, the seed and the times of the commands, never on how often it is advanced:
    belt and fingers are straight lines between commands, and events are computed, not stepped over.

    Args:
        scenario: the cell.
        seed: of arrivals, places, faces and slips.
        faces: the parts' looks; the feed ends when they do.
        start_s: the clock at which the world begins.
    """

    def __init__(self, scenario: Scenario, seed: int, faces: FaceSource, start_s: float = 0.0) -> None:
        self.scenario = scenario
        self._seed = seed
        self._clock = Clock(start_s)
        self.belt = BeltMotion(self._clock)
        self.gripper = Fingers(self._clock, scenario.grip.stroke_m)
        self.arm = DeltaArm(scenario.arm, self._clock)
        self.cabinet = Cabinet(self.belt, self._power)
        self.referee = Referee()
        self._feeder = Feeder(scenario, seed, faces)
        self._feeding = True
        self._feed_limit: int | None = None
        self._feed_behind_m = 0.0
        self._on_belt: dict[int, PlacedPart] = {}
        self._held: HeldPart | None = None
        self._slip_s = math.inf
        self._met: set[tuple[int, int]] = set()
        self._met_motion = 0
        self.entered = 0

    @property
    def now_s(self) -> float:
        return self._clock.now_s

    @property
    def parts(self) -> tuple[PlacedPart, ...]:
        """On the belt, in the order in which they came onto it."""
        return tuple(self._on_belt.values())

    @property
    def held(self) -> PlacedPart | None:
        """The part between the fingers, where it is, in belt coordinates of this instant."""
        return None if self._held is None else self._held.placed(self.arm.tool(self.now_s), self.belt.travel_m)

    @property
    def fed_out(self) -> bool:
        limit = self._feed_limit
        return not self._feeding or self._feeder.next is None or (limit is not None and self.entered >= limit)

    @property
    def empty(self) -> bool:
        return self.fed_out and not self._on_belt and self._held is None

    def feed(self, parts: int | None) -> None:
        """Feed until ``parts`` have entered in all; None: as long as there are any."""
        stood = self.fed_out
        self._feeding, self._feed_limit = True, parts
        waiting = self._feeder.next
        if stood and waiting is not None and not self.fed_out:
            # The feeder stood while the belt went on: the next part comes now, not where it would have been by now.
            self._feed_behind_m = max(self._feed_behind_m, self.belt.travel_m - waiting.travel_m + _RESUME_M)

    def stop_feed(self) -> None:
        """Feed no more parts."""
        self._feeding = False

    def advance(self, now_s: float) -> None:
        while True:
            event = self._next()
            if event is None or event.time_s > now_s:
                break
            self._clock.now_s = max(self._clock.now_s, event.time_s)
            self._happen(event)
        self._clock.now_s = max(self._clock.now_s, now_s)

    def next_event_s(self) -> float | None:
        event = self._next()
        times = [event.time_s] if event is not None else []
        if self.arm.end_s > self.now_s:
            times.append(self.arm.end_s)
        if self.gripper.moving:
            times.append(self.gripper.time_at(self.gripper.target_m))
        return min(times) if times else None

    def strobe(self, now_s: float) -> Shot:
        """The camera exposes: latch the encoder and see what lies on the belt."""
        self.advance(now_s)
        count = self.cabinet.latch()
        return Shot(count, self.belt.travel_m, self.belt.speed_mps, self.parts)

    def lose_held(self) -> None:
        """The held part slips out of the fingers; nothing if there is none."""
        if self._held is not None:
            self._let_go()

    def _power(self, on: bool) -> None:
        self.belt.power(on)
        self.arm.power(on)

    def _next(self) -> _Event | None:
        """The earliest event, if belt, fingers and arm go on as they do."""
        events: list[_Event] = []
        arrival = self._feeder.next
        if arrival is not None and not self.fed_out:
            time_s = self.belt.time_at(arrival.travel_m + self._feed_behind_m)
            events.append(_Event(time_s, _ARRIVAL, key=(arrival.part.number, 0)))
        end_m = self.scenario.belt.end_x_m
        for part in self._on_belt.values():
            events.append(_Event(self.belt.time_at(end_m - part.belt_x_m), _EXIT, part, key=(part.number, 0)))
        if self._held is not None:
            gap = min(_RELEASE_M, (self.gripper.stroke_m - self._held.width_m) / 2.0)
            if self.gripper.target_m > self._held.width_m:
                events.append(_Event(self.gripper.time_at(self._held.width_m + gap), _RELEASE))
            events.append(_Event(self._slip_s, _SLIP))
        elif self.gripper.closing:
            events.extend(self._contacts())
        first = min(events, key=_Event.order, default=None)
        return first if first is not None and first.time_s < math.inf else None

    def _contacts(self) -> list[_Event]:
        """When the fingers will be as wide as each part's sides are apart."""
        if self._met_motion != self.gripper.motion:
            self._met_motion = self.gripper.motion
            self._met.clear()
        found = []
        for part in self._on_belt.values():
            for side, span in enumerate(spans(part)):
                key = (part.number, side)
                time_s = self.gripper.time_at(span[0])
                if key not in self._met and self.now_s <= time_s < math.inf:
                    found.append(_Event(time_s, _CONTACT, part, span, key))
        return found

    def _happen(self, event: _Event) -> None:
        part = event.part
        if event.kind == _ARRIVAL:
            self._arrive()
        elif event.kind == _EXIT and part is not None:
            del self._on_belt[part.number]
            self.referee.move(part.number, GOOD_STREAM, self.now_s)
        elif event.kind == _CONTACT and part is not None:
            self._met.add(event.key)
            self._meet(part, event.span)
        elif event.kind in (_RELEASE, _SLIP):
            self._let_go()

    def _arrive(self) -> None:
        part = self._feeder.take().part
        part = dataclasses.replace(part, belt_x_m=part.belt_x_m - self._feed_behind_m)
        face = part.face
        self._on_belt[part.number] = part
        self.entered += 1
        self.referee.enter(
            part.number,
            self.now_s,
            defective=face.defective,
            kind=face.kind,
            source=face.source,
            defects=tuple(defect.class_name for defect in face.defects),
            lies_m=(part.belt_x_m, part.y_m),
        )

    def _meet(self, part: PlacedPart, span: tuple[float, float]) -> None:
        tool = self.arm.tool(self.now_s)
        x_m = part.belt_x_m + self.belt.travel_m
        result = meet(self.scenario.grip, part, x_m, span, tool=tool, opened_m=self.gripper.opened_m)
        if isinstance(result, PlacedPart):
            self._on_belt[part.number] = result
        elif result is not None:
            del self._on_belt[part.number]
            self._held = result
            self.gripper.block(result.width_m)
            self.referee.move(part.number, HELD, self.now_s)
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_SLIP_STREAM, self._seed, part.number])))
            slips, after_s = rng.random() < self.scenario.grip.slip_share, float(rng.uniform(*_SLIP_S))
            self._slip_s = self.now_s + after_s if slips else math.inf

    def _let_go(self) -> None:
        held = self._held
        if held is None:
            return
        tool = self.arm.tool(self.now_s)
        self._held, self._slip_s = None, math.inf
        self.gripper.free()
        place, bin_name = self._below(tool)
        number = held.part.number
        # Fingers that close on as a part slips out do not take it up again.
        self._met_motion, self._met = self.gripper.motion, {(number, 0), (number, 1)}
        if place == ON_BELT:
            self._on_belt[number] = held.placed(tool, self.belt.travel_m)
        self.referee.move(number, place, self.now_s, bin_name)

    def _below(self, tool: Tool) -> tuple[str, str]:
        """Where a part lands that is let go here."""
        for name, place in self.scenario.bins.items():
            if math.hypot(tool.x_m - place.x_m, tool.y_m - place.y_m) <= place.radius_m:
                return BIN, name
        over_belt = abs(tool.y_m) <= self.scenario.belt.width_m / 2.0 and tool.x_m < self.scenario.belt.end_x_m
        if over_belt and tool.z_m <= self.scenario.grip.drop_height_m:
            return ON_BELT, ""
        return FLOOR, ""
