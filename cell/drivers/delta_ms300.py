"""Delta MS300 inverter over Modbus RTU: a belt drive.

Addresses on the wire: 0x2000 command, b1-0 01 stop, 10 run, b5-4 01 forward, 10 reverse [R]; 0x2001 frequency 0.01 Hz
[V]; 0x2002 b0 external fault, b1 reset, b2 base block [V]; 0x2100 low byte fault, high byte warning; 0x2101 b1-0 00
stopped, 01 stopping, 10 stand-by, 11 running, b4-3 direction (00 forward, 11 reverse [R]), b7-5 and b15-13 reserved
[R]; 0x2102 frequency asked for, 0x2103 output frequency, 0.01 Hz; 0x2104 current 0.01 A [V]. Exceptions 1 to 4 [V: user
manual, appendix A-5]. That one frame of function 16 may write 0x2000 to 0x2002, and one of function 3 may read 0x2100
to 0x2104, is recalled [R], as are the words of the fault codes. Unverified on hardware.

What the drive does when its controller falls silent is set at the drive, and is "nothing" as it comes: Pr.09-03
(time-out, 0.1 s, 0 = off) and Pr.09-02. ``cell doctor`` reads both. Ramps are set at the drive too (Pr.01-12 and
Pr.01-13): a write over the bus would wear its EEPROM.

Options: ``mps_per_hz`` 0.01 (belt speed for one hertz), ``max_hz`` 60, ``allow_reverse`` false, ``period_s`` 0.1,
``spare_registers`` 0 (readable behind 0x2104); and the [R] ones: ``command_forward`` 18, ``command_reverse`` 34,
``register_lost_command`` 2306 (0x0902; Pr.09-03 lies behind it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_HOLDING, WRITE_MANY, Request
from cell.drivers.guides import delta_ms300 as guide
from cell.drivers.interfaces import ConveyorStatus
from cell.drivers.inverter import HZ_STEP, Inverter, NotThisDevice
from cell.drivers.spec import DeviceSpec, Options

COMMAND, STATUS = 0x2000, 0x2100
STOP, RESET = 0x01, 0x02
STATE, RUNNING, REVERSE, RESERVED = 0x03, 0x03, 0x18, 0xE0E0
CURRENT_STEP_A = 0.01


class DeltaMs300(Inverter):
    """A ``Conveyor``."""

    GUIDE = guide.GUIDE
    WORDS: ClassVar[Mapping[int, str]] = {
        1: "over-current while accelerating",
        2: "over-current while decelerating",
        3: "over-current at speed",
        4: "ground fault",
        7: "over-voltage while accelerating",
        8: "over-voltage while decelerating",
        9: "over-voltage at speed",
        10: "over-voltage at standstill",
        11: "low voltage while accelerating",
        12: "low voltage while decelerating",
        13: "low voltage at speed",
        14: "low voltage at standstill",
        15: "input phase lost",
        16: "too hot",
        21: "overload",
        22: "motor too hot",
        49: "external fault",
        50: "emergency stop input",
        58: "its controller was silent",
        76: "safe torque off",
    }
    REFUSALS: ClassVar[Mapping[int, str]] = {4: "it cannot do that now"}

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        super().__init__(spec, bus, options, most_hz=599.0)
        spare = options.whole("spare_registers", 0, 0, 8)
        self._directions = {
            0: STOP,
            1: options.whole("command_forward", 0x12, 0, 0xFFFF),
            -1: options.whole("command_reverse", 0x22, 0, 0xFFFF),
        }
        options.whole("register_lost_command", guide.LOST_COMMAND, 0, 0xFFFE)
        options.finish()
        self.start(
            Request(spec.unit, READ_HOLDING, STATUS, 5, spare=spare), Request(spec.unit, READ_HOLDING, STATUS, 2)
        )

    def motion(self, steps: int, direction: int) -> Request:
        """Command and frequency."""
        return self._write((self._directions[direction], steps))

    def resets(self) -> tuple[Request, Request]:
        """A stop, and the reset bit behind it."""
        return self._write((STOP, 0, RESET)), self._write((STOP, 0, 0))

    def stranger(self, values: tuple[int, ...]) -> str | None:
        """Its status has bits that are always 0."""
        if not values[1] & RESERVED:
            return None
        return f"no MS300: its status is {values[1]:#06x}"

    def read(self, values: tuple[int, ...]) -> ConveyorStatus:
        """Fault, state, frequencies and current."""
        faults, state, asked, output, current = values
        if stranger := self.stranger((faults, state)):
            raise NotThisDevice(stranger)
        running = bool(state & STATE)
        sign = -1 if state & REVERSE == REVERSE else 1
        return ConveyorStatus(
            running=running,
            at_speed=running and state & STATE == RUNNING and output == asked,
            speed_mps=sign * output * HZ_STEP * self._mps_per_hz,
            current_a=current * CURRENT_STEP_A,
            fault=faults & 0xFF,
        )

    def trip_words(self, code: int) -> str:
        """Its codes are decimal in the manual."""
        return f"code {code}" + (f": {self.WORDS[code]}" if code in self.WORDS else "")

    def _write(self, values: tuple[int, ...]) -> Request:
        return Request(self._unit, WRITE_MANY, COMMAND, values=values)
