"""LS Electric G100, S100 and iG5A inverters as their Modbus port shows them; their ramp moves the belt.

Common area after the iG5A/S100/G100 manuals, chapter "RS-485 communication"; the address on the wire is the documented
one minus 1. The registers below carry their documented addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sim.emulators.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException
from sim.plant import Plant

FIRST, LAST = 0x0001, 0x0013
FREQUENCY, COMMAND, ACCELERATION, DECELERATION = 0x0005, 0x0006, 0x0007, 0x0008
CURRENT, OUTPUT, STATUS, TRIP = 0x0009, 0x000A, 0x000E, 0x000F
# Protection group: Pr.12 what a lost command does (0 nothing, 2 decelerate), Pr.13 after which time in 0.1 s. Read only
# here: they are set at the keypad.
PROTECTION_LOST_COMMAND = 0x1B0C
IG5A_I62 = 0xA43E
WRITABLE = (FREQUENCY, COMMAND, ACCELERATION, DECELERATION)
STOP, FORWARD, REVERSE, TRIP_RESET, EMERGENCY = 0x01, 0x02, 0x04, 0x08, 0x10
WRITING_DISABLED = 0x14

# Trip codes of register 0x000F as this emulator gives them (the real layout is unverified).
TRIP_LOST_COMMAND = 0x0010
TRIP_OVERLOAD = 0x0001

MAX_HZ = 60.0
RATED_A = 2.5
RAMP_STEP_S = 0.005
# How long the output may be on with a belt that does not move before the electronic thermal trips.
OVERLOAD_S = 3.0


class LsG100Device:
    """A ``RegisterDevice``; put it behind ``RtuSlave(1, ...)``.

    Args:
        plant: the world; its belt gets the ramp's speed.
        mps_per_hz: belt speed for one hertz: gear and roller.
        lost_command_s: the drive trips and ramps down when the master has said nothing for this long; None = never.
        locked: refuse writing, as with parameter write protection.
    """

    functions = frozenset((3, 4, 6, 16))
    LOST_COMMAND: ClassVar[int] = PROTECTION_LOST_COMMAND
    """Where the mode of a lost command is shown; its time lies behind it."""
    LOST_COMMAND_TRIP: ClassVar[int] = TRIP_LOST_COMMAND
    """What a lost command leaves in the trip information; 0: the drive stops without a trip."""
    OVERLOAD_TRIP: ClassVar[int] = TRIP_OVERLOAD

    def __init__(
        self, plant: Plant, *, mps_per_hz: float = 0.01, lost_command_s: float | None = 1.0, locked: bool = False
    ) -> None:
        self.locked = locked
        self._plant = plant
        self._mps_per_hz = mps_per_hz
        self._lost_command_s = lost_command_s
        self._registers = {FREQUENCY: 0, COMMAND: STOP, ACCELERATION: 50, DECELERATION: 50}
        self._direction = 0
        self._hz = 0.0
        self._trip = 0
        self._ramped_s = 0.0
        self._heard_s = 0.0
        self._blocked_since_s: float | None = None

    @property
    def output_hz(self) -> float:
        """Frequency at the motor, negative in reverse."""
        return self._hz

    @property
    def tripped(self) -> int:
        """The trip code, 0 without a trip."""
        return self._trip

    def power_off(self, now: float) -> None:
        """Mains off: the output is off at once, and the belt coasts to a stop."""
        self._direction = 0
        self._set(0.0, now)

    def power_on(self, now: float) -> None:
        """A latched trip is gone, what was written is forgotten."""
        self._registers = {FREQUENCY: 0, COMMAND: STOP, ACCELERATION: 50, DECELERATION: 50}
        self._direction = 0
        self._trip = 0
        self._blocked_since_s = None
        self._set(0.0, now)

    def trip(self, code: int, now: float) -> None:
        """Let the drive trip: the output goes off and the belt coasts to a stop at once."""
        self._trip = code
        self._direction = 0
        self._set(0.0, now)

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """Common area."""
        first = address + 1
        if first >= self.LOST_COMMAND and first + count <= self.LOST_COMMAND + 2:
            self._heard_s = now
            after_s = self._lost_command_s
            return ([0, 10] if after_s is None else [2, round(10 * after_s)])[first - self.LOST_COMMAND :][:count]
        if first < FIRST or first + count - 1 > LAST:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._heard_s = now
        self._ramp(now)
        values = self._values()
        return [values.get(register, 0) for register in range(first, first + count)]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Frequency, command and ramps; all of them or, on a bad value, none."""
        first = address + 1
        if any(register not in WRITABLE for register in range(first, first + len(values))):
            raise ModbusException(ILLEGAL_ADDRESS)
        if self.locked:
            raise ModbusException(WRITING_DISABLED)
        written = dict(zip(range(first, first + len(values)), values, strict=True))
        if written.get(FREQUENCY, 0) > round(100 * MAX_HZ):
            raise ModbusException(ILLEGAL_VALUE)
        self._heard_s = now
        self._ramp(now)
        before = self._registers[COMMAND]
        self._registers.update(written)
        if COMMAND in written:
            self._obey(before, written[COMMAND], now)

    def tick(self, now: float) -> float | None:
        """Go on with the ramp; notice a master that fell silent."""
        if self._direction and self._lost_command_s is not None and now - self._heard_s >= self._lost_command_s:
            self._trip = self._trip or self.LOST_COMMAND_TRIP
            self._direction = 0
        self._ramp(now)
        if self._hz != self._target_hz:
            return now + RAMP_STEP_S
        if self._direction and self._lost_command_s is not None:
            return self._heard_s + self._lost_command_s
        return None

    @property
    def _target_hz(self) -> float:
        return self._direction * self._registers[FREQUENCY] / 100

    def _obey(self, before: int, command: int, now: float) -> None:
        if command & TRIP_RESET and not before & TRIP_RESET and self._hz == 0.0:
            self._trip = 0
            self._blocked_since_s = None
        if command & EMERGENCY:
            self._direction = 0
            self._set(0.0, now)
        elif command & STOP or self._trip:
            self._direction = 0
        elif command & (FORWARD | REVERSE):
            self._direction = 1 if command & FORWARD else -1

    def _ramp(self, now: float) -> None:
        passed_s, self._ramped_s = max(now - self._ramped_s, 0.0), now
        target_hz = self._target_hz
        if self._hz != target_hz:
            speeding = abs(target_hz) > abs(self._hz)
            ramp_s = self._registers[ACCELERATION if speeding else DECELERATION] / 10
            step_hz = MAX_HZ * passed_s / ramp_s if ramp_s else 2 * MAX_HZ
            # A step that would end within rounding of the target ends there.
            if abs(target_hz - self._hz) <= step_hz + 1e-9:
                self._set(target_hz, now)
            else:
                self._set(self._hz + (step_hz if target_hz > self._hz else -step_hz), now)
        self._watch_load(now)

    def _set(self, hz: float, now: float) -> None:
        self._plant.advance(now)
        self._hz = hz
        self._plant.belt.drive(hz * self._mps_per_hz)

    def _watch_load(self, now: float) -> None:
        if not self._blocked:
            self._blocked_since_s = None
        elif self._blocked_since_s is None:
            self._blocked_since_s = now
        elif now - self._blocked_since_s >= OVERLOAD_S:
            self.trip(self.OVERLOAD_TRIP, now)

    @property
    def _blocked(self) -> bool:
        """The belt turns at less than half of what the output asks for: jammed."""
        asked_mps = abs(self._hz) * self._mps_per_hz
        return asked_mps > 0.0 and abs(self._plant.belt.speed_mps) < 0.5 * asked_mps

    def _current_a(self) -> float:
        if self._hz == 0.0:
            return 0.0
        if self._blocked:
            return 1.6 * RATED_A
        return (0.7 if abs(self._target_hz) > abs(self._hz) else 0.4) * RATED_A

    def _values(self) -> dict[int, int]:
        speeding = abs(self._target_hz) > abs(self._hz)
        flags = (
            (self._hz == 0.0) << 0
            | (self._hz > 0.0) << 1
            | (self._hz < 0.0) << 2
            | bool(self._trip) << 3
            | (self._hz != self._target_hz and speeding) << 4
            | (self._hz != self._target_hz and not speeding) << 5
            | (self._hz != 0.0 and self._hz == self._target_hz) << 6
        )
        return self._registers | {
            CURRENT: round(10 * self._current_a()),
            OUTPUT: round(100 * abs(self._hz)),
            STATUS: flags,
            TRIP: self._trip,
        }


class LsS100Device(LsG100Device):
    """An S100: its trip information only says which kind of trip it is; both of these are latched ones (bit 0)."""

    LOST_COMMAND_TRIP = 0x0001
    OVERLOAD_TRIP = 0x0001


class LsIg5aDevice(LsG100Device):
    """An iG5A: a bit for each trip (8: overload), and a lost command stops it without one."""

    LOST_COMMAND = IG5A_I62
    LOST_COMMAND_TRIP = 0
    OVERLOAD_TRIP = 0x0100
