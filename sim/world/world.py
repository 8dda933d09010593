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
from sim.world.cup import Cup
from sim.world.feeder import Feeder
from sim.world.fingers import Fingers
from sim.world.grip import HeldPart, meet, seal, spans
from sim.world.parts import PlacedPart, free_between_m

#: A held part falls when the fingers have opened by this much, m, or half of what is left of the stroke.
_RELEASE_M = 0.001
#: A part that slips does so this long after it was gripped, s.
_SLIP_S = (0.15, 0.6)
_SLIP_STREAM = 0x5117
#: Belt travel after which a feeder that stood gives its next part, m.
_RESUME_M = 0.03
#: A pick takes four seconds; what is held for so long is held for good, s.
_ABANDONED_S = 15.0
#: The part sensor looks across the belt so far before its end, m.
_SENSOR_M = 0.05

# Order of events that fall on the same instant.
_ARRIVAL, _EXIT, _CONTACT, _RELEASE, _SLIP, _TOUCH = range(6)
#: A cup that sucks looks so often whether it has come upon a part, s.
_TOUCH_S = 0.004
#: A neighbour sticks to a gripped part only where it lies beside it, with no more belt than this between them, m.
_STICKS_M = 0.010


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
    ``cup``                                     ``Cup``, where the hand is one: ``pump, valve, leak, pressure_pa``
    ``grasping``, ``told_m``                    of either hand: closing with nothing held; told to open so far
    ``belt``                                    ``BeltMotion``: ``drive, speed_mps, travel_m``
    ``cabinet``                                 ``Cabinet``: contacts, encoder, strobe latch; ``press_estop()``,
                                                ``release_estop()``, ``interrupt_curtain()``, ``clear_curtain()``
    ``arm``                                     ``DeltaArm``: ``execute, cancel, state, tool, end_s, halted``
    ``strobe(now_s)``                           latch the encoder, get the ``Shot`` to render
    ``parts``, ``held``, ``entered``            on the belt; between the fingers; how many parts have entered
    ``fed_out``, ``empty``                      the feed has ended; ... and nothing is on the belt or held
    ``feed(parts)``, ``stop_feed()``            until so many have entered in all; no more parts
    ``lose_held()``                             the held part slips out
    ``stick_to_next(wider_m)``                  the next part that is gripped brings its neighbour along
    ``referee``                                 ``fates(), counts(), quality()``
    ==========================================  ==================================================================

    What happens depends on the scenario, the seed and the times of the commands, never on how often it is advanced:
    belt and fingers are straight lines between commands, and events are computed, not stepped over.

    Args:
        scenario: the cell.
        seed: of arrivals, places, faces and slips.
        faces: the parts' looks; the feed ends when they do.
        start_s: the clock at which the world begins.
        cup: the hand is a suction cup; otherwise it has two fingers.
    """

    def __init__(
        self, scenario: Scenario, seed: int, faces: FaceSource, start_s: float = 0.0, *, cup: bool = False
    ) -> None:
        self.scenario = scenario
        self._seed = seed
        self._clock = Clock(start_s)
        self.belt = BeltMotion(self._clock)
        self.gripper = Fingers(self._clock, scenario.grip.stroke_m)
        self._cup = Cup(self._clock, scenario.cup) if cup else None
        self.arm = DeltaArm(scenario.arm, self._clock)
        self.cabinet = Cabinet(self.belt, self._power, self._part_at_sensor)
        self.referee = Referee()
        self._feeder = Feeder(scenario, seed, faces)
        self._feeding = True
        self._feed_limit: int | None = None
        self._feed_behind_m = 0.0
        self._on_belt: dict[int, PlacedPart] = {}
        self._held: HeldPart | None = None
        self._held_since_s = 0.0
        self._slip_s = math.inf
        self._met: set[tuple[int, int]] = set()
        self._met_motion = 0
        self._sticks_m: float | None = None
        self._along: list[PlacedPart] = []
        self._touch_s = -math.inf
        self._touched: HeldPart | None = None
        # A part that came off the cup is not taken again before the cup has let go: its number, and of which grip.
        self._lost = (-1, 0.0)
        self.entered = 0

    @property
    def now_s(self) -> float:
        return self._clock.now_s

    @property
    def cup(self) -> Cup:
        """The suction cup. Raises: LookupError: the hand has fingers."""
        if self._cup is None:
            raise LookupError("the hand of this world has fingers")
        return self._cup

    @property
    def has_cup(self) -> bool:
        """The hand is a suction cup."""
        return self._cup is not None

    @property
    def grasping(self) -> bool:
        """The hand closes, or sucks, and holds nothing."""
        if self._cup is not None:
            return self._cup.sucking and self._held is None
        return self.gripper.closing

    @property
    def told_m(self) -> float:
        """How far the hand is told to open, m; a cup that is to hold: 0."""
        return self.gripper.target_m if self._cup is None else self._cup.told_m

    @property
    def parts(self) -> tuple[PlacedPart, ...]:
        """On the belt, in the order in which they came onto it."""
        return tuple(self._on_belt.values())

    @property
    def held(self) -> PlacedPart | None:
        """The part between the fingers, where it is, in belt coordinates of this instant."""
        return None if self._held is None else self._held.placed(self.arm.tool(self.now_s), self.belt.travel_m)

    @property
    def holds(self) -> int | None:
        """The number of the part between the fingers."""
        return None if self._held is None else self._held.part.number

    @property
    def fed_out(self) -> bool:
        limit = self._feed_limit
        return not self._feeding or self._feeder.next is None or (limit is not None and self.entered >= limit)

    @property
    def empty(self) -> bool:
        """Everything was fed, nothing is on the belt, and nothing in the hand but what nobody puts down any more: a
        part that a killed controller has left there, with no other to come that it would have to make way for."""
        if not self.fed_out or self._on_belt:
            return False
        return self._held is None or self.now_s - self._held_since_s > _ABANDONED_S

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

    def stick_to_next(self, wider_m: float) -> None:
        """The part nearest to the next one that is gripped sticks to it, comes along, and spreads the fingers by
        ``wider_m`` more."""
        self._sticks_m = wider_m

    def _part_at_sensor(self) -> bool:
        """Something lies before the sensor at the belt's end."""
        at_m = self.scenario.belt.end_x_m - _SENSOR_M - self.belt.travel_m
        return any(abs(part.belt_x_m - at_m) <= part.half_extent_m()[0] for part in self._on_belt.values())

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
        if self._cup is not None:
            events.extend(self._of_the_cup(self._cup))
        elif self._held is not None:
            gap = min(_RELEASE_M, (self.gripper.stroke_m - self._held.width_m) / 2.0)
            if self.gripper.target_m > self._held.width_m:
                events.append(_Event(self.gripper.time_at(self._held.width_m + gap), _RELEASE))
            events.append(_Event(self._slip_s, _SLIP))
        elif self.gripper.closing:
            events.extend(self._contacts())
        first = min(events, key=_Event.order, default=None)
        return first if first is not None and first.time_s < math.inf else None

    def _of_the_cup(self, cup: Cup) -> list[_Event]:
        """When the part under it is held or falls, and when it looks again what it is on."""
        fall_pa = self.scenario.cup.fall_pa
        if self._held is not None:
            return [_Event(cup.back_at(fall_pa), _RELEASE), _Event(self._slip_s, _SLIP)]
        events = []
        if self._touched is not None and cup.sucking:
            deep_s = self.now_s if cup.pressure_pa < fall_pa else cup.time_at(fall_pa)
            events.append(_Event(deep_s, _CONTACT, self._touched.part))
        if self._touched is not None or cup.sucking:
            events.append(_Event(max(self._touch_s + _TOUCH_S, cup.since_s), _TOUCH))
        return events

    def _touch(self, cup: Cup) -> None:
        """The cup comes upon a part, stays on it, or has left it."""
        self._touch_s = self.now_s
        tool = self.arm.tool(self.now_s)
        setup, top_m = self.scenario.cup, self.scenario.grip.part_height_m
        touched, self._touched = self._touched, None
        for part in self._on_belt.values():
            if (part.number, cup.since_s) != self._lost:
                self._touched = seal(setup, part, part.belt_x_m + self.belt.travel_m, tool=tool, top_m=top_m)
            if self._touched is not None:
                break
        if self._touched is None and touched is not None:
            cup.unseal()
        elif self._touched is not None and touched is None:
            cup.seal(setup.porous.get(self._touched.part.face.kind, 0.0))

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
        elif event.kind == _CONTACT and self._touched is not None:
            held, self._touched = self._touched, None
            self._take(held)
        elif event.kind == _CONTACT and part is not None:
            self._met.add(event.key)
            self._meet(part, event.span)
        elif event.kind == _TOUCH and self._cup is not None:
            self._touch(self._cup)
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
            self._take(result)
            self.gripper.block(self._held.width_m if self._held is not None else result.width_m)

    def _take(self, held: HeldPart) -> None:
        number = held.part.number
        del self._on_belt[number]
        self._held = self._with_neighbour(held)
        self._held_since_s = self.now_s
        self.referee.move(number, HELD, self.now_s)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_SLIP_STREAM, self._seed, number])))
        slips, after_s = rng.random() < self.scenario.grip.slip_share, float(rng.uniform(*_SLIP_S))
        self._slip_s = self.now_s + after_s if slips else math.inf

    def _with_neighbour(self, held: HeldPart) -> HeldPart:
        if self._sticks_m is None or not self._on_belt:
            return held
        wider_m, self._sticks_m = self._sticks_m, None
        lies = held.part
        between = {one.number: free_between_m(lies, one) for one in self._on_belt.values()}
        number = min(between, key=lambda one: between[one])
        if between[number] <= _STICKS_M:
            # Where none is near, it is a scrap that nobody counts.
            self._along.append(self._on_belt.pop(number))
            self.referee.move(number, HELD, self.now_s)
        return dataclasses.replace(held, width_m=min(held.width_m + wider_m, self.gripper.stroke_m))

    def _let_go(self) -> None:
        held = self._held
        if held is None:
            return
        tool = self.arm.tool(self.now_s)
        self._held, self._slip_s = None, math.inf
        if self._cup is None:
            self.gripper.free()
        else:
            self._cup.unseal()
            self._lost = (held.part.number, self._cup.since_s)
        place, bin_name = self._below(tool)
        number = held.part.number
        # Fingers that close on as a part slips out do not take it up again.
        self._met_motion, self._met = self.gripper.motion, {(number, 0), (number, 1)}
        if place == ON_BELT:
            self._on_belt[number] = held.placed(tool, self.belt.travel_m)
        self.referee.move(number, place, self.now_s, bin_name)
        for other in self._along:
            if place == ON_BELT:
                self._on_belt[other.number] = dataclasses.replace(other, belt_x_m=tool.x_m - self.belt.travel_m)
            self.referee.move(other.number, place, self.now_s, bin_name)
        self._along.clear()

    def _below(self, tool: Tool) -> tuple[str, str]:
        """Where a part lands that is let go here."""
        for name, place in self.scenario.bins.items():
            if math.hypot(tool.x_m - place.x_m, tool.y_m - place.y_m) <= place.radius_m:
                return BIN, name
        over_belt = abs(tool.y_m) <= self.scenario.belt.width_m / 2.0 and tool.x_m < self.scenario.belt.end_x_m
        if over_belt and tool.z_m <= self.scenario.grip.drop_height_m:
            return ON_BELT, ""
        return FLOOR, ""
