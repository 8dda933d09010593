"""The Modbus I/O block of the cell: encoder, safety inputs, part sensor, stack light (map in ``docs/drivers.md``).

Registers, the inputs read in one transaction so that they belong together: 0 inputs (b0 emergency stop in order, b1
light curtain clear, b2 part present), 1-2 encoder counter (32 bits, high word first), 3-4 counter latched by the
camera's strobe, 5 strobes counted (16 bits), 6 identity 0xCE11, 7 version of the map, 8 outputs (b0 red, b1 amber, b2
green, b3 blue, b4 buzzer), written and read back. Functions 3 and 4 read, 16 writes register 8.

The map is ours to define; a bought block has its registers named by the options. Where it has no identity register
(``register_identity`` -1) nobody can tell it from another device. Without outputs (``register_outputs`` -1) there is
no stack light. Both are the default as soon as one of the inputs' registers is not ours.

Options: ``period_s`` 0.02, ``counts_per_m`` 10000, ``invert_encoder`` false, ``register_inputs`` 0, ``bit_estop`` 0,
``bit_curtain`` 1, ``bit_part`` 2, ``invert_part`` false, ``register_counter`` 1, ``register_latch`` 3,
``register_strobes`` 5, ``register_identity`` 6, ``identity`` 52753 (0xCE11), ``register_outputs`` 8, ``bit_red`` 0,
``bit_amber`` 1, ``bit_green`` 2, ``bit_blue`` 3, ``bit_buzzer`` 4 (-1: there is no such lamp), ``spare_registers`` 2
(readable behind the last used one).
"""

from __future__ import annotations

from typing import TypeVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_INPUT, WRITE_MANY, Request
from cell.drivers.guides import modbus_io as guide
from cell.drivers.identity import Identity
from cell.drivers.interfaces import EncoderStatus, Lights, PartSensorStatus, Reading, SafetyStatus
from cell.drivers.modbus import Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

T = TypeVar("T")

# Inputs, counter, latch and strobes of our own block: one that has them elsewhere is another, of whose identity and
# outputs nothing is known.
OWN_MAP = (0, 1, 3, 5)
OUTPUTS = 8
COUNTER_TURN = 1 << 32
STROBE_TURN = 1 << 16
LAMPS = ("red", "amber", "green", "blue", "buzzer")
MOST_READ = 125


class ModbusIo:
    """An ``Encoder``, ``SafetyInputs``, a ``PartSensor`` and a ``StackLight`` in one."""

    ROLES_SHARE = True
    GUIDE = guide.GUIDE

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.02, 0.002, 0.2)
        self.name = spec.name
        sign = -1 if options.flag("invert_encoder", False) else 1
        self._m_per_count = sign / options.number("counts_per_m", 10_000.0, 1.0, 1e9)
        inputs = options.whole("register_inputs", 0, 0, 0xFFFF)
        self._estop = 1 << options.whole("bit_estop", 0, 0, 15)
        self._curtain = 1 << options.whole("bit_curtain", 1, 0, 15)
        self._part_bit = 1 << options.whole("bit_part", 2, 0, 15)
        self._part_inverted = options.flag("invert_part", False)
        counter = options.whole("register_counter", 1, 0, 0xFFFE)
        latch = options.whole("register_latch", 3, 0, 0xFFFE)
        strobes = options.whole("register_strobes", 5, 0, 0xFFFF)
        ours = (inputs, counter, latch, strobes) == OWN_MAP
        identity = options.whole("register_identity", guide.IDENTITY_AT if ours else -1, -1, 0xFFFF)
        self._identity = options.whole("identity", guide.IDENTITY, 0, 0xFFFF)
        outputs = options.whole("register_outputs", OUTPUTS if ours else -1, -1, 0xFFFF)
        defaults = {lamp: options.whole(f"bit_{lamp}", bit, -1, 15) for bit, lamp in enumerate(LAMPS)}
        spare = options.whole("spare_registers", 2, 0, 8)
        options.finish()
        first = min(inputs, counter, latch, strobes)
        last = max(inputs + 1, counter + 2, latch + 2, strobes + 1)
        self._outputs_at: int | None = None
        if outputs >= 0 and max(last, outputs + 1) - min(first, outputs) + spare <= MOST_READ:
            # Read back with the rest where one frame holds it all.
            first, last = min(first, outputs), max(last, outputs + 1)
            self._outputs_at = outputs - first
        count = last - first
        if count + spare > MOST_READ:
            raise spec.wrong("options", f"{count + spare} registers do not fit into one read ({MOST_READ})")
        self._inputs_at, self._strobes_at = inputs - first, strobes - first
        self._counter_at, self._latch_at = counter - first, latch - first
        self._outputs = outputs if outputs >= 0 else None
        self._lamps = {lamp: 1 << bit for lamp, bit in defaults.items() if bit >= 0}
        self._unit, self._bus = spec.unit, bus
        self._presence = Presence(bus, period_s)
        self._refused: str | None = None
        self._last_counter: int | None = None
        self._last_strobes = 0
        self._travel = 0
        self._strobes = 0
        self._encoder: tuple[EncoderStatus, float] | None = None
        self._safety: tuple[SafetyStatus, float] | None = None
        self._part: tuple[PartSensorStatus, float] | None = None
        self._lights: tuple[Lights, float] | None = None
        if identity >= 0:
            bus.identify(Identity(Request(spec.unit, READ_INPUT, identity, 1), self._stranger))
        bus.every(period_s, Request(spec.unit, READ_INPUT, first, count, spare=spare, twin=True), self._on_reply)

    @property
    def connected(self) -> bool:
        """It answered its last request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, or that its lamps were not switched."""
        return self._presence.error or self._refused

    @property
    def encoder(self) -> Reading[EncoderStatus] | None:
        """Travel as the block counts it (a place on the belt outlives the controller), and at the last strobe."""
        return self._read(self._encoder)

    @property
    def safety(self) -> Reading[SafetyStatus] | None:
        """The safety contacts."""
        return self._read(self._safety)

    @property
    def part(self) -> Reading[PartSensorStatus] | None:
        """The part sensor."""
        return self._read(self._part)

    @property
    def lights(self) -> Reading[Lights] | None:
        """What is lit, as the block says it; None where it has no outputs or they are not read back."""
        return self._read(self._lights)

    def show(self, lights: Lights) -> Lights:
        """Light these lamps and no others."""
        value = sum(bit for lamp, bit in self._lamps.items() if getattr(lights, lamp))
        if self._outputs is None:
            self._refused = "it has no outputs for a stack light"
            return Lights()
        request = Request(self._unit, WRITE_MANY, self._outputs, values=(value,))
        self._bus.submit(request, self._on_shown, key=self)
        return self._lit(value)

    def _lit(self, value: int) -> Lights:
        return Lights(**{lamp: bool(value & bit) for lamp, bit in self._lamps.items()})

    def _on_shown(self, reply: Reply) -> None:
        self._refused = None if reply.ok else f"the lamps were not switched: {reply.reason}"

    def _stranger(self, values: tuple[int, ...]) -> str | None:
        if values[0] == self._identity:
            return None
        return f"not this I/O block: identity {values[0]:#06x} instead of {self._identity:#06x}"

    def _read(self, kept: tuple[T, float] | None) -> Reading[T] | None:
        return None if kept is None else Reading(kept[0], kept[1], self._presence.fresh(kept[1]))

    def _on_reply(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            return
        at, stamp_s = reply.values, reply.stamp_s
        inputs = at[self._inputs_at]
        self._safety = (SafetyStatus(bool(inputs & self._estop), bool(inputs & self._curtain)), stamp_s)
        self._part = (PartSensorStatus(bool(inputs & self._part_bit) is not self._part_inverted), stamp_s)
        if self._outputs_at is not None:
            self._lights = (self._lit(at[self._outputs_at]), stamp_s)
        counter = at[self._counter_at] << 16 | at[self._counter_at + 1]
        latched = at[self._latch_at] << 16 | at[self._latch_at + 1]
        strobes = at[self._strobes_at]
        if self._last_counter is None:
            self._last_counter, self._last_strobes, self._strobes = counter, strobes, strobes
            # Near its turn a counter goes on below zero: a block that counts from a little before it has not gone far.
            self._travel = _way(0, counter, COUNTER_TURN)
        # Differences modulo the counter's turn: the shorter way round is the way it went.
        self._travel += _way(self._last_counter, counter, COUNTER_TURN)
        self._strobes += (strobes - self._last_strobes) % STROBE_TURN
        self._last_counter, self._last_strobes = counter, strobes
        latched_travel = self._travel + _way(counter, latched, COUNTER_TURN)
        value = EncoderStatus(self._travel * self._m_per_count, latched_travel * self._m_per_count, self._strobes)
        self._encoder = (value, stamp_s)


def _way(start: int, end: int, turn: int) -> int:
    return (end - start + turn // 2) % turn - turn // 2
