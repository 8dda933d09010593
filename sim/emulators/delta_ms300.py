"""A Delta MS300 inverter as its Modbus port shows it; its ramp moves the belt.

Registers, exception codes and the treatment of lost communication: MS300 user manual, appendix A and group 09, as far
as recalled; the frames that its manual shows stand in ``tests/wire/test_delta_ms300.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.emulators.motor import RampedMotor
from sim.emulators.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException
from sim.plant import Plant

CANNOT_NOW = 4
# Written over the bus.
COMMAND, FREQUENCY, BITS = 0x2000, 0x2001, 0x2002
EXTERNAL_FAULT, RESET, BASE_BLOCK = 1, 2, 4
# Shown.
FAULT, STATE, ASKED, OUTPUT, CURRENT, BUS_VOLTAGE = range(0x2100, 0x2106)
RPM, POWER = 0x210C, 0x210F
LAST_SHOWN = 0x211B
# Parameters that can be read: size, treatment, time-out.
PARAMETERS = {0x0000: 203}
TREATMENT, TIME_OUT = 0x0902, 0x0903
GO_ON, RAMP, COAST = 0, 1, 2
CODE_OVERLOAD, CODE_EXTERNAL, CODE_SILENCE = 21, 49, 58

MAX_HZ = 60.0
RAMP_S = 10.0
RATED_A = 4.2
POLE_PAIRS = 2


class DeltaMs300Device:
    """A ``RegisterDevice``; put it behind ``RtuSlave(1, ...)``.

    Args:
        plant: the world; its belt gets the ramp's speed.
        mps_per_hz: belt speed for one hertz.
        ramp_s: from 0 to 60 Hz and back (Pr.01-12, Pr.01-13; 10 s as it comes).
        time_out_s: Pr.09-03; 0 as it comes: a silent master is not noticed.
        treatment: Pr.09-02: 0 warn and go on, 1 ramp to a stop, 2 coast.
    """

    functions = frozenset((3, 6, 16))

    def __init__(
        self,
        plant: Plant,
        *,
        mps_per_hz: float = 0.01,
        ramp_s: float = RAMP_S,
        time_out_s: float = 0.0,
        treatment: int = GO_ON,
    ) -> None:
        self.motor = RampedMotor(plant, mps_per_hz, MAX_HZ / ramp_s, MAX_HZ / ramp_s)
        self.time_out_s, self.treatment = time_out_s, treatment
        self.fault = 0
        self.warning = 0
        self._written = {COMMAND: 0x01, FREQUENCY: 0, BITS: 0}
        self._heard_s: float | None = None

    def power_off(self, now: float) -> None:
        """Mains off: the output is off."""
        self.motor.coast(now)

    def power_on(self, now: float) -> None:
        """It starts as it came."""
        self._written = {COMMAND: 0x01, FREQUENCY: 0, BITS: 0}
        self.fault = self.warning = 0
        self._heard_s = None

    def trip(self, code: int, now: float) -> None:
        """A fault: the output goes off."""
        self.fault = code
        self._written[COMMAND] = 0x01
        self.motor.coast(now)

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """What is shown, what was written, and a few parameters."""
        self._hear(now)
        self.motor.advance(now)
        return [self._register(place) for place in range(address, address + count)]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Command, frequency, bits: all of them or none."""
        written = dict(zip(range(address, address + len(values)), values, strict=True))
        if any(place not in self._written for place in written):
            raise ModbusException(ILLEGAL_ADDRESS)
        if written.get(FREQUENCY, 0) > round(100 * MAX_HZ):
            raise ModbusException(ILLEGAL_VALUE)
        self._hear(now)
        running = written.get(COMMAND, self._written[COMMAND]) & 3 == 2
        if self.fault and running and not written.get(BITS, 0) & RESET:
            raise ModbusException(CANNOT_NOW)
        self._written.update(written)
        self.motor.advance(now)
        bits = written.get(BITS, 0)
        if bits & RESET:
            self.fault = self.warning = 0
        if bits & EXTERNAL_FAULT:
            self.trip(CODE_EXTERNAL, now)
        self._obey(now)

    def tick(self, now: float) -> float | None:
        """Go on with the ramp, notice a silent master and a jam."""
        self.motor.advance(now)
        if self.motor.overloaded(now):
            self.trip(CODE_OVERLOAD, now)
        silent_at_s = None
        if self.time_out_s and self._heard_s is not None and not self.warning and not self.fault:
            silent_at_s = self._heard_s + self.time_out_s
            if now >= silent_at_s:
                self._fall_silent(now)
                silent_at_s = None
        step_s = self.motor.next_step_s(now)
        wanted = [value for value in (step_s, silent_at_s) if value is not None]
        return min(wanted, default=None)

    def _fall_silent(self, now: float) -> None:
        if self.treatment == GO_ON:
            self.warning = CODE_SILENCE
        elif self.treatment == RAMP:
            self.fault = CODE_SILENCE
            self._written[COMMAND] = 0x01
            self.motor.target = 0.0
        elif self.treatment == COAST:
            self.trip(CODE_SILENCE, now)

    def _hear(self, now: float) -> None:
        self._heard_s = now
        self.warning = 0

    def _obey(self, now: float) -> None:
        if self._written[BITS] & BASE_BLOCK:
            self.motor.coast(now)
            return
        command = self._written[COMMAND]
        if self.fault or command & 3 == 1:
            self.motor.target = 0.0
            return
        direction = {1: 1, 2: -1}.get(command >> 4 & 3, 1 if self.motor.target >= 0 else -1)
        if command & 3 == 2:
            self.motor.target = direction * self._written[FREQUENCY] / 100

    def _register(self, place: int) -> int:
        if place in self._written:
            return self._written[place]
        if place in PARAMETERS:
            return PARAMETERS[place]
        if place == TREATMENT:
            return self.treatment
        if place == TIME_OUT:
            return round(10 * self.time_out_s)
        if not FAULT <= place <= LAST_SHOWN:
            raise ModbusException(ILLEGAL_ADDRESS)
        hz = abs(self.motor.speed)
        current_a = 0.0 if hz == 0.0 else (1.6 if self.motor.blocked else 0.4) * RATED_A
        running = self._written[COMMAND] & 3 == 2 and not self.fault
        state = 3 if running and hz else 2 if running else 1 if hz else 0
        reverse = 0x18 if self.motor.speed < 0 else 0
        shown = {
            FAULT: self.warning << 8 | self.fault,
            STATE: state | reverse | 0x0500,
            ASKED: self._written[FREQUENCY],
            OUTPUT: round(100 * hz),
            CURRENT: round(100 * current_a),
            BUS_VOLTAGE: 3250,
            RPM: round(60 * hz / POLE_PAIRS),
            POWER: round(current_a * 230 * 1.73 * 0.8),
        }
        return shown.get(place, 0)
