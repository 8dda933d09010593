"""Robotiq EPick over Modbus RTU: a suction gripper with its own pump, valve and pressure sensor.

Registers [V] (PickNikRobotics/ros2_epick_gripper: driver, tests and table of addresses; the instruction manual's
section "Control"): 0x03E8 high byte action (b0 rACT, b2-1 rMOD: 01 advanced, b3 rGTO follow the pressures, b4 rATR),
0x03E9 low byte rPR maximum vacuum as absolute pressure in kPa (below 100 grips, 100 vents, above 100 blows), 0x03EA
high byte grip time-out, low byte rFR minimum vacuum, absolute, kPa; 0x07D0 high byte status (b0 gACT, b2-1 gMOD, b3
gGTO, b5-4 gSTA: 0 or 3, b7-6 gOBJ: 0 regulating, 1 part at minimum vacuum, 2 part at maximum vacuum, 3 none, lost or
timed out), low byte b1-0 gVAS (0 standby, 1 grips, 2 vents, 3 blows), 0x07D1 gFLT / echo of rPR, 0x07D2 high byte
absolute pressure in kPa. Functions 4 and 3 read, 16 writes. The time-out counts tenths of a second by the manual [R];
the named driver fills it with hundredths, so ``timeout_step_s`` can say so. Unverified on hardware.

Options: ``period_s`` 0.02 (the device flags a master silent for 1 s), ``timeout_step_s`` 0.1, ``blow`` false (release
by pressure instead of an open valve), ``spare_registers`` 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_INPUT, WRITE_MANY, Request
from cell.drivers.guides import robotiq_epick as guide
from cell.drivers.interfaces import Reading, VacuumCommand, VacuumStatus
from cell.drivers.modbus import Priority, Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

COMMAND = 0x03E8
STATUS = 0x07D0
ACT, ADVANCED, GTO = 0x01, 0x02, 0x08
READY = 3
RESERVED_STATUS, RESERVED_EXTENDED = 0x04, 0xFC
REGULATING, AT_MINIMUM, AT_MAXIMUM, NO_OBJECT = 0, 1, 2, 3
STANDBY = 0
PRESSURE_STEP_PA = 1000.0
OPEN_AIR, BLOWS = 100, 150
"""Requests from ``OPEN_AIR`` on release; the device's scale has the open air at 100."""

FAULTS = {
    3: "porous material: the pump never rests",
    5: "the action waits for the activation",
    6: "no vacuum before the grip timed out",
    7: "an action was asked for without activation",
    8: "too hot",
    9: "the device heard nothing for 1 s",
    10: "under minimum voltage",
    11: "automatic release in progress",
    12: "internal fault",
    15: "automatic release completed",
}
OF_THE_GRIP = (3, 6)
"""Faults that speak of the part, not of the device; the status carries them."""
MAJOR_FAULT = 10
SILENCE_FAULT = 9


@dataclass(frozen=True, slots=True)
class _Raw:
    """The status registers, taken apart."""

    action: int
    state: int
    found: int
    actuator: int
    fault: int
    echo: int
    pressure: int
    stamp_s: float

    @property
    def ready(self) -> bool:
        return bool(self.action & ACT) and self.state == READY and self.fault < MAJOR_FAULT


class RobotiqEPick:
    """A ``Vacuum``. A command before the activation has ended is sent when it has ended."""

    GUIDE = guide.GUIDE

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.02, 0.005, 0.3)
        self.name = spec.name
        self._timeout_step_s = options.number("timeout_step_s", 0.1, 0.01, 0.1)
        self._release = BLOWS if options.flag("blow", False) else OPEN_AIR
        spare = options.whole("spare_registers", 0, 0, 5)
        options.finish()
        self._unit = spec.unit
        self._bus = bus
        self._presence = Presence(bus, period_s)
        self._raw: _Raw | None = None
        self._activating = False
        self._writing = False
        self._deferred = False
        # rPR, time-out, rFR of the newest command; a pressure below OPEN_AIR grips.
        self._wanted: tuple[int, int, int] | None = None
        # The command that a status must be newer than: its serial, and when which one was acknowledged.
        self._commands = 0
        self._acknowledged = (0, 0.0)
        self._refused: str | None = None
        bus.every(period_s, Request(spec.unit, READ_INPUT, STATUS, 3, spare=spare, twin=True), self._on_status)

    @property
    def connected(self) -> bool:
        """It answered its last status request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, what it refused, or its own fault; a grip that failed is none."""
        raw = self._raw
        if not self.connected:
            return self._presence.error
        if raw is not None and raw.fault and raw.fault not in OF_THE_GRIP:
            return FAULTS.get(raw.fault, f"fault {raw.fault}")
        return self._refused

    @property
    def status(self) -> Reading[VacuumStatus] | None:
        """The newest status. Nothing is said of a part until the device has echoed the newest command in a status that
        was asked for after its acknowledgement, so that no older status can answer it."""
        raw, commands, (acknowledged, since_s), wanted = self._raw, self._commands, self._acknowledged, self._wanted
        if raw is None:
            return None
        settled = commands == acknowledged and raw.stamp_s > since_s and (wanted is None or raw.echo == wanted[0])
        gripping = bool(raw.action & GTO) and raw.echo < OPEN_AIR
        value = VacuumStatus(
            activated=raw.ready,
            gripping=settled and gripping,
            regulating=not settled or (gripping and raw.found == REGULATING) or raw.actuator > AT_MINIMUM,
            object_detected=settled and gripping and raw.found in (AT_MINIMUM, AT_MAXIMUM),
            no_object=settled and gripping and raw.found == NO_OBJECT,
            pressure_pa=raw.pressure * PRESSURE_STEP_PA,
            fault=raw.fault,
        )
        return Reading(value, raw.stamp_s, self._presence.fresh(raw.stamp_s))

    def activate(self) -> None:
        """Make it ready for commands. One that is ready stays as it is and keeps what it holds."""
        self._activating = True

    def grip(self, *, hold_pressure_pa: float, stop_pressure_pa: float, timeout_s: float) -> VacuumCommand:
        """Suck until a part is held; a newer command replaces an older one that is not yet sent."""
        hold = min(max(round(hold_pressure_pa / PRESSURE_STEP_PA), 1), OPEN_AIR - 1)
        stop = min(max(round(stop_pressure_pa / PRESSURE_STEP_PA), 0), hold - 1)
        timeout = min(max(round(timeout_s / self._timeout_step_s), 0), 255)
        self._command((stop, timeout, hold))
        return VacuumCommand(hold * PRESSURE_STEP_PA, stop * PRESSURE_STEP_PA, timeout * self._timeout_step_s)

    def release(self) -> None:
        """Vent, so that the part comes off; the valve closes again after the last grip's time-out."""
        last = self._wanted or (OPEN_AIR, round(0.5 / self._timeout_step_s), OPEN_AIR)
        self._command((self._release, last[1], last[2]))

    def _command(self, wanted: tuple[int, int, int]) -> None:
        self._wanted = wanted
        self._commands += 1
        raw = self._raw
        if self._activating:
            self._deferred = True
        elif raw is not None and raw.ready and self.connected:
            self._send()
        else:
            reason = "not activated" if self.connected else self._presence.error
            self._refused = f"the last command was not sent: {reason}"

    def _send(self) -> None:
        self._deferred = False
        wanted, serial = self._wanted, self._commands
        if wanted is None:
            return
        pressure, timeout, minimum = wanted

        def done(reply: Reply) -> None:
            if serial != self._commands:
                return
            if reply.ok:
                self._acknowledged = (serial, reply.stamp_s)
                self._refused = None
            else:
                # Never sent again by itself: the valve must not open seconds after somebody wanted it.
                self._refused = f"the last command was not taken: {reply.reason}"

        values = ((ACT | ADVANCED | GTO) << 8, pressure, timeout << 8 | minimum)
        self._bus.submit(Request(self._unit, WRITE_MANY, COMMAND, values=values), done, key=self)

    def _on_status(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            if self._deferred:
                self._deferred = False
                self._refused = f"the last command was not sent: {reply.reason}"
            return
        flags, fault_echo, pressure = reply.values[:3]
        action, extended = flags >> 8, flags & 0xFF
        state = action >> 4 & 3
        if action & RESERVED_STATUS or extended & RESERVED_EXTENDED or state not in (0, READY):
            self._presence.doubt(f"answers, but not as an EPick does (status {flags:#06x})")
            self._raw = None
            self._deferred = False
            return
        raw = _Raw(
            action=action,
            state=state,
            found=action >> 6,
            actuator=extended & 3,
            fault=fault_echo >> 8 & 0x0F,
            echo=fault_echo & 0xFF,
            pressure=pressure >> 8,
            stamp_s=reply.stamp_s,
        )
        self._raw = raw
        if self._writing:
            return
        if raw.fault == SILENCE_FAULT and raw.ready:
            # Any write clears it; this one says what the device does anyway, so nothing opens.
            self._write_action(raw.action & (ACT | ADVANCED | GTO))
        elif self._activating:
            self._go_on_activating(raw)

    def _go_on_activating(self, raw: _Raw) -> None:
        """One step a status: clear a major fault by a reset, activate, wait, take over."""
        if raw.fault >= MAJOR_FAULT and raw.action & ACT:
            self._write_action(0)
        elif not raw.action & ACT:
            self._write_action(ACT | ADVANCED)
        elif raw.state == READY:
            self._activating = False
            if self._deferred:
                self._send()

    def _write_action(self, action: int) -> None:
        """Write the action byte alone: pressures and time-out stay, so that a grip stays as it is."""

        def done(reply: Reply) -> None:
            self._writing = False

        self._writing = True
        self._bus.submit(Request(self._unit, WRITE_MANY, COMMAND, values=(action << 8,)), done, Priority.WRITE)
