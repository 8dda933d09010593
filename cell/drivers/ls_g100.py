"""LS Electric G100, S100 and iG5A inverters over Modbus RTU: belt drives that share a common area of registers.

Common area, documented address (on the wire minus 1 [V]): 0x0005 frequency 0.01 Hz [V]; 0x0006 command b0 stop,
b1 forward, b2 reverse [V], b3 trip reset on 0->1 [R]; 0x0007/0x0008 acceleration/deceleration 0.1 s [R];
0x0009 output current 0.1 A, 0x000A output frequency 0.01 Hz [V]; 0x000E status b0 stopped, b1 forward, b2 reverse,
b3 trip, b4 accelerating, b5 decelerating, b6 at speed [R]; 0x000F trip information [R]. Functions 3 and 4 read, 16
writes [V: iG5A]. The lost-command time-out must be set at the drive itself: it stops the belt when this controller is
gone.

What differs: the iG5A speaks 1200..19200 baud with two stop bits [V: its manual, 11.2], answers 0x14 where writing is
disabled [V], and names each trip by a bit of 0x000F [R]; S100 and G100 only say there which kind of trip it was: b0
latched, b3 as long as its cause lasts, b10 hardware [R]. Unverified on hardware, all three.

Options: ``mps_per_hz`` 0.01 (belt speed for one hertz), ``max_hz`` 60, ``accel_s`` and ``decel_s`` 0.5 (from 0 to the
drive's maximum frequency and back), ``allow_reverse`` false, ``period_s`` 0.1, ``spare_registers`` 2 (readable behind
0x000F [R]); and the [R] ones: ``address_offset`` -1, ``bit_trip_reset`` 3, ``register_accel`` 7, ``register_decel`` 8,
``register_status`` 14, ``register_trip`` 15, ``register_lost_command`` (Pr.12, on the iG5A I62; read by ``cell doctor``
alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_HOLDING, WRITE_MANY, Request
from cell.drivers.guides import ls_g100 as guide
from cell.drivers.interfaces import ConveyorStatus
from cell.drivers.inverter import HZ_STEP, Inverter, NotThisDevice
from cell.drivers.modbus import Reply
from cell.drivers.spec import DeviceSpec, Options

FREQUENCY = 0x0005
CURRENT = 0x0009
OUTPUT = 0x000A
STOP, FORWARD, REVERSE = 0x01, 0x02, 0x04
STOPPED_BIT, REVERSE_BIT, TRIP_BIT, AT_SPEED_BIT = 0x01, 0x04, 0x08, 0x40
DIRECTION_BITS = 0x07
CURRENT_STEP_A = 0.1
RAMP_STEP_S = 0.1
NO_INFORMATION = 0xFFFF


class LsG100(Inverter):
    """A ``Conveyor``."""

    GUIDE = guide.GUIDE
    LOST_COMMAND: ClassVar[int] = guide.LOST_COMMAND_MODE
    REFUSALS: ClassVar[Mapping[int, str]] = {0x14: "writing is disabled at the drive"}
    TRIPS: ClassVar[Mapping[int, str]] = {0: "latched", 3: "as long as its cause lasts", 10: "hardware"}
    """Of the bits of the trip information."""

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        super().__init__(spec, bus, options, most_hz=400.0)
        ramps = [round(options.number(key, 0.5, 0.0, 600.0) / RAMP_STEP_S) for key in ("accel_s", "decel_s")]
        self._offset = options.whole("address_offset", -1, -1, 0)
        self._reset = 1 << options.whole("bit_trip_reset", 3, 3, 15)
        places = [options.whole(f"register_{key}", default, 5, 255) for key, default in (("accel", 7), ("decel", 8))]
        self._status_at = options.whole("register_status", 0x000E, CURRENT, CURRENT + 60)
        self._trip_at = options.whole("register_trip", 0x000F, CURRENT, CURRENT + 60)
        spare = options.whole("spare_registers", 2, 0, 8)
        # Only whoever commissions the drive reads it; the time-out is set at the drive itself.
        options.whole("register_lost_command", self.LOST_COMMAND, 1, 0xFFFE)
        options.finish()
        self._ramps = dict(zip(places, ramps, strict=True))
        count = max(self._status_at, self._trip_at) - CURRENT + 1
        first = CURRENT + self._offset
        self.start(
            Request(spec.unit, READ_HOLDING, first, count, spare=spare, twin=True),
            Request(spec.unit, READ_HOLDING, self._status_at + self._offset, 1),
        )

    def motion(self, steps: int, direction: int) -> Request:
        """Frequency and command word."""
        return self._write(FREQUENCY, (steps, {0: STOP, 1: FORWARD, -1: REVERSE}[direction]))

    def resets(self) -> tuple[Request, Request]:
        """The reset is an edge of its bit."""
        return self._write(FREQUENCY, (0, STOP | self._reset)), self._write(FREQUENCY, (0, STOP))

    def stranger(self, values: tuple[int, ...]) -> str | None:
        """No register of the common area that the wire can reach says the model; its status has a form at least."""
        if bin(values[0] & DIRECTION_BITS).count("1") == 1:
            return None
        return f"no LS inverter: its status {values[0]:#06x} says neither stopped nor forward nor reverse"

    def read(self, values: tuple[int, ...]) -> ConveyorStatus:
        """Current, frequency, status and trip."""
        flags = values[self._status_at - CURRENT]
        if stranger := self.stranger((flags,)):
            raise NotThisDevice(stranger)
        sign = -1 if flags & REVERSE_BIT else 1
        return ConveyorStatus(
            running=not flags & STOPPED_BIT,
            at_speed=bool(flags & AT_SPEED_BIT),
            speed_mps=sign * values[OUTPUT - CURRENT] * HZ_STEP * self._mps_per_hz,
            current_a=values[0] * CURRENT_STEP_A,
            # A trip without information is still a trip.
            fault=(values[self._trip_at - CURRENT] or NO_INFORMATION) if flags & TRIP_BIT else 0,
        )

    def trip_words(self, code: int) -> str:
        """The trip information, bit by bit."""
        words = [meaning for bit, meaning in self.TRIPS.items() if code != NO_INFORMATION and code >> bit & 1]
        return f"code {code:#06x}" + (f": {', '.join(words)}" if words else "")

    def back(self) -> None:
        """The ramps, one behind the other: a line that falls silent meanwhile is not held up by both."""
        self._set_ramps(list(self._ramps.items()))

    def _set_ramps(self, left: list[tuple[int, int]]) -> None:
        def done(reply: Reply) -> None:
            self.note_refusal("the ramp time", reply)
            if reply.ok and left[1:]:
                self._set_ramps(left[1:])

        register, steps = left[0]
        self._bus.submit(self._write(register, (steps,)), done)

    def _write(self, register: int, values: tuple[int, ...]) -> Request:
        return Request(self._unit, WRITE_MANY, register + self._offset, values=values)


class LsS100(LsG100):
    """The S100: registers and trip layout of the G100."""

    GUIDE = guide.GUIDE_S100


class LsIg5a(LsG100):
    """The iG5A: slower line, two stop bits, trips by name."""

    GUIDE = guide.GUIDE_IG5A
    LOST_COMMAND = guide.IG5A_LOST_COMMAND
    LINE: ClassVar[Mapping[str, object]] = {"stopbits": 2}
    BAUDRATES: ClassVar[tuple[int, ...]] = (1200, 2400, 4800, 9600, 19200)
    TRIPS: ClassVar[Mapping[int, str]] = {
        0: "over-current",
        1: "over-voltage",
        2: "external trip A",
        3: "emergency stop input",
        4: "comparator over-current",
        5: "ground fault",
        6: "heat sink too hot",
        7: "motor too hot",
        8: "overload",
        9: "hardware",
        10: "external trip B",
        11: "parameter memory",
        12: "fan",
        13: "output phase lost",
        14: "inverter overload",
        15: "low voltage",
    }
