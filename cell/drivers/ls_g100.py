"""LS Electric G100 (iG5A, S100) inverter over Modbus RTU: a belt drive.

Common area, documented address (on the wire minus 1 [V]): 0x0005 frequency 0.01 Hz [V]; 0x0006 command b0 stop,
b1 forward, b2 reverse [V], b3 trip reset on 0->1 [R]; 0x0007/0x0008 acceleration/deceleration 0.1 s [R];
0x0009 output current 0.1 A, 0x000A output frequency 0.01 Hz [V]; 0x000E status b0 stopped, b1 forward, b2 reverse,
b3 trip, b4 accelerating, b5 decelerating, b6 at speed [R]; 0x000F trip information [R]. Functions 3 and 4 read, 16
writes [V: iG5A]. Unverified on hardware. The lost-command time-out must be set at the drive itself: it stops the belt
when this controller is gone.

Options: ``mps_per_hz`` 0.01 (belt speed for one hertz), ``max_hz`` 60, ``accel_s`` and ``decel_s`` 0.5 (from 0 to the
drive's maximum frequency and back), ``allow_reverse`` false, ``period_s`` 0.1, ``spare_registers`` 2 (readable behind
0x000F [R]); and the [R] ones: ``address_offset`` -1, ``bit_trip_reset`` 3, ``register_accel`` 7, ``register_decel`` 8,
``register_status`` 14, ``register_trip`` 15, ``register_lost_command`` 6924 (Pr.12, read by ``cell doctor`` alone).
"""

from __future__ import annotations

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_HOLDING, WRITE_MANY, Request
from cell.drivers.guides import ls_g100 as guide
from cell.drivers.interfaces import ConveyorStatus, Reading
from cell.drivers.modbus import Priority, Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

FREQUENCY = 0x0005
CURRENT = 0x0009
OUTPUT = 0x000A
STOP, FORWARD, REVERSE = 0x01, 0x02, 0x04
STOPPED_BIT, REVERSE_BIT, TRIP_BIT, AT_SPEED_BIT = 0x01, 0x04, 0x08, 0x40
HZ_STEP = 0.01
CURRENT_STEP_A = 0.1
RAMP_STEP_S = 0.1


class LsG100:
    """A ``Conveyor``. A stop goes before everything else on the line and ends every run that is not yet sent."""

    GUIDE = guide.GUIDE

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.1, 0.01, 0.5)
        self.name = spec.name
        self._mps_per_hz = options.number("mps_per_hz", 0.01, 1e-5, 1.0)
        self._max_hz = options.number("max_hz", 60.0, 1.0, 400.0)
        self._least_hz = -self._max_hz if options.flag("allow_reverse", False) else 0.0
        ramps = [round(options.number(key, 0.5, 0.0, 600.0) / RAMP_STEP_S) for key in ("accel_s", "decel_s")]
        self._offset = options.whole("address_offset", -1, -1, 0)
        self._reset = 1 << options.whole("bit_trip_reset", 3, 3, 15)
        places = [options.whole(f"register_{key}", default, 5, 255) for key, default in (("accel", 7), ("decel", 8))]
        self._status_at = options.whole("register_status", 0x000E, CURRENT, CURRENT + 60)
        self._trip_at = options.whole("register_trip", 0x000F, CURRENT, CURRENT + 60)
        spare = options.whole("spare_registers", 2, 0, 8)
        # Only whoever commissions the drive reads it; the time-out is set at the drive itself.
        options.whole("register_lost_command", guide.LOST_COMMAND_MODE, 1, 0xFFFE)
        options.finish()
        self._ramps = dict(zip(places, ramps, strict=True))
        self._unit = spec.unit
        self._bus = bus
        self._presence = Presence(bus, period_s)
        self._reading: tuple[ConveyorStatus, float] | None = None
        self._refused: str | None = None
        self._commands = 0
        count = max(self._status_at, self._trip_at) - CURRENT + 1
        status = Request(spec.unit, READ_HOLDING, CURRENT + self._offset, count, spare=spare, twin=True)
        bus.every(period_s, status, self._on_status)

    @property
    def connected(self) -> bool:
        """It answered its last status request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, its trip, or the command that it did not take."""
        if not self.connected:
            return self._presence.error
        if self._reading is not None and self._reading[0].fault:
            return f"the drive has tripped (code {self._reading[0].fault:#06x})"
        return self._refused

    @property
    def status(self) -> Reading[ConveyorStatus] | None:
        """The newest status."""
        if self._reading is None:
            return None
        value, stamp_s = self._reading
        return Reading(value, stamp_s, self._presence.fresh(stamp_s))

    def run(self, speed_mps: float) -> float:
        """Ask for a belt speed; returns the one commanded, in steps of 0.01 Hz, within what the drive may do."""
        hz = min(max(speed_mps / self._mps_per_hz, self._least_hz), self._max_hz)
        steps = round(abs(hz) / HZ_STEP)
        if steps == 0:
            self.stop()
            return 0.0
        command = FORWARD if hz > 0 else REVERSE
        self._command((steps, command), Priority.WRITE)
        return (1 if hz > 0 else -1) * steps * HZ_STEP * self._mps_per_hz

    def stop(self) -> None:
        """Ramp down."""
        self._command((0, STOP), Priority.STOP)

    def reset_fault(self) -> None:
        """Clear a trip; the belt stands afterwards."""

        # The bit goes back to 0 behind it, so that the next reset is an edge again.
        self._command((0, STOP | self._reset), Priority.WRITE, then=(0, STOP))

    def _command(self, values: tuple[int, int], priority: Priority, then: tuple[int, int] | None = None) -> None:
        """Frequency and command in one frame. The key lets the newest command replace every older one; ``then`` follows
        unless a newer command has come meanwhile."""
        self._commands += 1
        serial = self._commands

        def done(reply: Reply) -> None:
            if serial != self._commands:
                return
            self._refused = None if reply.ok else f"the last command was not taken: {reply.reason}"
            if then is not None:
                self._command(then, Priority.WRITE)

        self._bus.submit(self._write(FREQUENCY, values), done, priority, key=self)

    def _write(self, register: int, values: tuple[int, ...]) -> Request:
        return Request(self._unit, WRITE_MANY, register + self._offset, values=values)

    def _on_status(self, reply: Reply) -> None:
        back = self._presence.heard(reply)
        if not reply.ok:
            return
        at = reply.values
        flags = at[self._status_at - CURRENT]
        tripped = bool(flags & TRIP_BIT)
        sign = -1 if flags & REVERSE_BIT else 1
        value = ConveyorStatus(
            running=not flags & STOPPED_BIT,
            at_speed=bool(flags & AT_SPEED_BIT),
            speed_mps=sign * at[OUTPUT - CURRENT] * HZ_STEP * self._mps_per_hz,
            current_a=at[0] * CURRENT_STEP_A,
            # A trip without information is still a trip.
            fault=(at[self._trip_at - CURRENT] or 0xFFFF) if tripped else 0,
        )
        self._reading = (value, reply.stamp_s)
        if back:
            for register, steps in self._ramps.items():
                self._bus.submit(self._write(register, (steps,)), self._ramp_taken)

    def _ramp_taken(self, reply: Reply) -> None:
        if not reply.ok:
            self._refused = f"the ramp time was not taken: {reply.reason}"
