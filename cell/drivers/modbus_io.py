"""The Modbus I/O block of the cell: encoder and safety inputs, ours to define (map in ``docs/drivers.md``).

Registers, read in one transaction so that they belong together: 0 inputs (b0 emergency stop in order, b1 light curtain
clear), 1-2 encoder counter (32 bits, high word first), 3-4 counter latched by the camera's strobe, 5 strobes counted
(16 bits), 6 identity 0xCE11, 7 version of the map. Functions 3 and 4 read.

Options: ``period_s`` 0.02, ``counts_per_m`` 10000, ``invert_encoder`` false, ``register_inputs`` 0, ``bit_estop`` 0,
``bit_curtain`` 1, ``register_counter`` 1, ``register_latch`` 3, ``register_strobes`` 5, ``spare_registers`` 2 (readable
behind the last used one).
"""

from __future__ import annotations

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guides import modbus_io as guide
from cell.drivers.interfaces import EncoderStatus, Reading, SafetyStatus
from cell.drivers.modbus import Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

COUNTER_TURN = 1 << 32
STROBE_TURN = 1 << 16


class ModbusIo:
    """An ``Encoder`` and ``SafetyInputs`` in one."""

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
        counter = options.whole("register_counter", 1, 0, 0xFFFE)
        latch = options.whole("register_latch", 3, 0, 0xFFFE)
        strobes = options.whole("register_strobes", 5, 0, 0xFFFF)
        spare = options.whole("spare_registers", 2, 0, 8)
        options.finish()
        first = min(inputs, counter, latch, strobes)
        count = max(inputs + 1, counter + 2, latch + 2, strobes + 1) - first
        if count + spare > 125:
            raise spec.wrong("options", f"{count + spare} registers do not fit into one read (125)")
        self._inputs_at, self._strobes_at = inputs - first, strobes - first
        self._counter_at, self._latch_at = counter - first, latch - first
        self._presence = Presence(bus, period_s)
        self._last_counter: int | None = None
        self._last_strobes = 0
        self._travel = 0
        self._strobes = 0
        self._encoder: tuple[EncoderStatus, float] | None = None
        self._safety: tuple[SafetyStatus, float] | None = None
        bus.every(period_s, Request(spec.unit, READ_INPUT, first, count, spare=spare, twin=True), self._on_reply)

    @property
    def connected(self) -> bool:
        """It answered its last request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer."""
        return self._presence.error

    @property
    def encoder(self) -> Reading[EncoderStatus] | None:
        """Travel as the block counts it (a place on the belt outlives the controller), and at the last strobe."""
        if self._encoder is None:
            return None
        value, stamp_s = self._encoder
        return Reading(value, stamp_s, self._presence.fresh(stamp_s))

    @property
    def safety(self) -> Reading[SafetyStatus] | None:
        """The safety contacts."""
        if self._safety is None:
            return None
        value, stamp_s = self._safety
        return Reading(value, stamp_s, self._presence.fresh(stamp_s))

    def _on_reply(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            return
        at = reply.values
        inputs = at[self._inputs_at]
        self._safety = (SafetyStatus(bool(inputs & self._estop), bool(inputs & self._curtain)), reply.stamp_s)
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
        self._encoder = (value, reply.stamp_s)


def _way(start: int, end: int, turn: int) -> int:
    return (end - start + turn // 2) % turn - turn // 2
