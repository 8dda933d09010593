"""Robotiq 2F-85, 2F-140 and Hand-E over Modbus RTU: one protocol, other strokes, speeds and forces.

Registers [V] (manual, section "Control"; PickNikRobotics/ros2_robotiq_gripper; pyRobotiqGripper):
0x03E8 high byte action (b0 rACT, b3 rGTO), 0x03E9 low byte rPR position (0 open .. 255 closed), 0x03EA rSP speed / rFR
force; 0x07D0 high byte status (b0 gACT, b3 gGTO, b5-4 gSTA, b7-6 gOBJ), 0x07D1 gFLT / echo of rPR, 0x07D2 gPO position
/ current in 10 mA. Functions 4 and 3 read, 16 writes. Bits 1 and 2 of the status and the low byte of 0x07D0 are
reserved and read 0: what answers otherwise is no such gripper, and is not commanded. Ranges after the data sheets [R],
linear in the byte [R]: 2F-85 85 mm, 20..150 mm/s, 20..235 N; 2F-140 140 mm, 30..250 mm/s, 10..125 N; Hand-E 50 mm,
20..150 mm/s, 20..185 N. Unverified on hardware.

Options: ``period_s`` 0.02 (the device flags a master silent for 1 s), ``stroke_m``, ``min_speed_mps``,
``max_speed_mps``, ``min_force_n``, ``max_force_n`` (the model's own), ``spare_registers`` 0 (readable behind 0x07D2
[R]: stale replies are then told apart by length as well as by function).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_INPUT, WRITE_MANY, Request
from cell.drivers.guides import robotiq_2f85 as guide
from cell.drivers.identity import Identity
from cell.drivers.interfaces import GripperCommand, GripperStatus, Reading
from cell.drivers.modbus import Priority, Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

COMMAND = 0x03E8
STATUS = 0x07D0
ACT, GTO = 0x01, 0x08
READY = 3
NO_STATE = 2
RESERVED = 0x06FF
MOVING, CONTACT_CLOSING, AT_REQUEST = 0, 2, 3
CURRENT_STEP_A = 0.01

FAULTS = {
    5: "the action waits for the activation",
    7: "an action was asked for without activation",
    8: "too hot",
    9: "the device heard nothing for 1 s",
    10: "under minimum voltage",
    11: "automatic release in progress",
    12: "internal fault",
    13: "activation fault",
    14: "overcurrent",
    15: "automatic release completed",
}
# Codes from here on are left only by a new activation; 9 goes away with the next command.
MAJOR_FAULT = 10
SILENCE_FAULT = 9


@dataclass(frozen=True, slots=True)
class _Raw:
    """The status registers, taken apart."""

    active: bool
    going: bool
    state: int
    found: int
    fault: int
    echo: int
    position: int
    current: int
    stamp_s: float

    @property
    def ready(self) -> bool:
        return self.active and self.state == READY and self.fault < MAJOR_FAULT


class Robotiq2F85:
    """A ``Gripper``. ``move`` before the activation has ended is sent when it has ended."""

    GUIDE = guide.GUIDE
    STROKE_M: ClassVar[float] = 0.085
    SPEED_MPS: ClassVar[tuple[float, float]] = (0.02, 0.15)
    FORCE_N: ClassVar[tuple[float, float]] = (20.0, 235.0)

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.02, 0.005, 0.3)
        self.name = spec.name
        self.stroke_m = options.number("stroke_m", self.STROKE_M, 0.01, 0.2)
        self._speed_mps = (
            options.number("min_speed_mps", self.SPEED_MPS[0], 0.001, 1.0),
            options.number("max_speed_mps", self.SPEED_MPS[1], 0.002, 1.0),
        )
        self._force_n = (
            options.number("min_force_n", self.FORCE_N[0], 0.0, 1000.0),
            options.number("max_force_n", self.FORCE_N[1], 1.0, 1000.0),
        )
        spare = options.whole("spare_registers", 0, 0, 8)
        options.finish()
        self._unit = spec.unit
        self._bus = bus
        self._presence = Presence(bus, period_s)
        self._raw: _Raw | None = None
        self._activating = False
        self._writing = False
        self._deferred = False
        self._wanted: tuple[int, int, int] | None = None
        # The command that the status must be newer than: its serial, and when which one was acknowledged.
        self._moves = 0
        self._acknowledged = (0, 0.0)
        self._refused: str | None = None
        status = Request(spec.unit, READ_INPUT, STATUS, 3, spare=spare, twin=True)
        bus.identify(Identity(Request(spec.unit, READ_INPUT, STATUS, 3), _stranger))
        bus.every(period_s, status, self._on_status)

    @property
    def connected(self) -> bool:
        """It answered its last status request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, what it refused, or its own fault."""
        raw = self._raw
        if not self.connected:
            return self._presence.error
        if raw is not None and raw.fault:
            return FAULTS.get(raw.fault, f"fault {raw.fault}")
        return self._refused

    @property
    def status(self) -> Reading[GripperStatus] | None:
        """The newest status. ``moving`` stays true until the device has echoed the newest ``move`` in a status that was
        asked for after its acknowledgement, so that no older status can end it."""
        raw, moves, (acknowledged, since_s), wanted = self._raw, self._moves, self._acknowledged, self._wanted
        if raw is None:
            return None
        settled = moves == acknowledged and raw.stamp_s > since_s and (wanted is None or raw.echo == wanted[0])
        requested = raw.echo if wanted is None else wanted[0]
        value = GripperStatus(
            activated=raw.ready,
            moving=not settled or raw.found == MOVING,
            object_detected=settled and raw.found == CONTACT_CLOSING,
            at_request=settled and raw.found == AT_REQUEST,
            width_m=self._width_m(raw.position),
            requested_width_m=self._width_m(requested),
            current_a=raw.current * CURRENT_STEP_A,
            fault=raw.fault,
        )
        return Reading(value, raw.stamp_s, self._presence.fresh(raw.stamp_s))

    def activate(self) -> None:
        """Make it ready for commands. One that is ready stays as it is and keeps what it holds."""
        self._activating = True

    def move(self, width_m: float, *, speed_mps: float, force_n: float) -> GripperCommand:
        """Go to an opening between the fingers; a newer move replaces an older one that is not yet sent."""
        position = _byte(self.stroke_m - width_m, 0.0, self.stroke_m)
        speed, force = _byte(speed_mps, *self._speed_mps), _byte(force_n, *self._force_n)
        self._wanted = (position, speed, force)
        self._moves += 1
        raw = self._raw
        if self._activating:
            self._deferred = True
        elif raw is not None and raw.ready:
            self._send_move()
        else:
            self._refused = "the last move was not sent: not activated"
        return GripperCommand(self._width_m(position), _value(speed, *self._speed_mps), _value(force, *self._force_n))

    def _width_m(self, position: int) -> float:
        return self.stroke_m * (255 - position) / 255

    def _send_move(self) -> None:
        self._deferred = False
        wanted, serial = self._wanted, self._moves
        if wanted is None:
            return
        position, speed, force = wanted

        def done(reply: Reply) -> None:
            if serial == self._moves:
                self._acknowledge(serial, reply)

        values = ((ACT | GTO) << 8, position, speed << 8 | force)
        self._bus.submit(Request(self._unit, WRITE_MANY, COMMAND, values=values), done, key=self)

    def _acknowledge(self, serial: int, reply: Reply) -> None:
        if reply.ok:
            self._acknowledged = (serial, reply.stamp_s)
            self._refused = None
        else:
            # Never sent again by itself: the fingers must not move seconds after somebody wanted it.
            self._refused = f"the last move was not taken: {reply.reason}"

    def _on_status(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            if self._deferred:
                self._deferred = False
                self._refused = f"the last move was not sent: {reply.reason}"
            return
        flags, fault_echo, position_current = reply.values
        if stranger := _stranger(reply.values):
            self._presence.doubt(stranger)
            return
        flags >>= 8
        raw = _Raw(
            active=bool(flags & ACT),
            going=bool(flags & GTO),
            state=flags >> 4 & 3,
            found=flags >> 6,
            fault=fault_echo >> 8 & 0x0F,
            echo=fault_echo & 0xFF,
            position=position_current >> 8,
            current=position_current & 0xFF,
            stamp_s=reply.stamp_s,
        )
        self._raw = raw
        if self._writing:
            return
        if raw.fault == SILENCE_FAULT and raw.ready:
            # Any write clears it; this one says what the device does anyway, so nothing moves.
            self._write_action(ACT | (GTO if raw.going else 0))
        elif self._activating:
            self._go_on_activating(raw)

    def _go_on_activating(self, raw: _Raw) -> None:
        """One step a status: clear a major fault by a reset, activate, wait, take over."""
        if raw.fault >= MAJOR_FAULT and raw.active:
            self._write_action(0)
        elif not raw.active:
            self._write_action(ACT)
        elif raw.state == READY:
            self._activating = False
            if self._deferred:
                self._send_move()

    def _write_action(self, action: int) -> None:
        """Write the action byte alone: position, speed and force stay, so that a grip stays as it is."""

        def done(reply: Reply) -> None:
            self._writing = False

        self._writing = True
        self._bus.submit(Request(self._unit, WRITE_MANY, COMMAND, values=(action << 8,)), done, Priority.WRITE)


class Robotiq2F140(Robotiq2F85):
    """The wide one."""

    GUIDE = guide.GUIDE_2F140
    STROKE_M = 0.140
    SPEED_MPS = (0.03, 0.25)
    FORCE_N = (10.0, 125.0)


class RobotiqHandE(Robotiq2F85):
    """The small one with parallel fingers."""

    GUIDE = guide.GUIDE_HAND_E
    STROKE_M = 0.050
    SPEED_MPS = (0.02, 0.15)
    FORCE_N = (20.0, 185.0)


def _stranger(values: tuple[int, ...]) -> str | None:
    """It has no serial number to read: its status has a form at least."""
    status = values[0]
    if not status & RESERVED and status >> 12 & 3 != NO_STATE:
        return None
    return f"no Robotiq gripper: its status is {status:#06x}"


def _byte(value: float, low: float, high: float) -> int:
    return round(255 * (min(max(value, low), high) - low) / (high - low))


def _value(byte: int, low: float, high: float) -> float:
    return low + (high - low) * byte / 255
