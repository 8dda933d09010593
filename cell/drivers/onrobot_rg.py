"""OnRobot RG2 and RG6 grippers over Modbus TCP (``tcp://HOST:502``, unit 65).

Holding registers [V: OnRobot "Connectivity guide"; takuya-ki/onrobot-rg], written by function 16: 0 force 0.1 N, 1
width 0.1 mm, 2 command: 1 move to the width, 8 stop, 16 the same with the finger tips' offset. Read by function 3: 258
tips' offset 0.1 mm, signed; 267 width; 268 status: b0 busy (commands are ignored meanwhile), b1 grip detected, b2 and
b4 a safety switch is pressed, b3 and b5 it was triggered (only a power cycle releases it), b6 fault of the safety
circuit; 275 width with the tips' offset. Width 0..110 mm and 3..40 N of an RG2, 0..160 mm and 25..120 N of an RG6.
Status bits from 7 on are reserved and read 0 [R].

Because commands are ignored while it is busy, a move that comes then stops it first and follows when it is free. What
is said of a grip is believed only after the device was seen busy with the newest move, or free a while after it.
Speed cannot be chosen; how fast it is (``speed_mps``) is recalled [R]. Unverified on hardware.

Options: ``period_s`` 0.02, ``stroke_m``, ``min_force_n``, ``max_force_n`` (the model's own), ``speed_mps`` 0.1,
``settle_s`` 0.1 (a move that makes nobody busy for so long is done), ``tip_offset`` false (widths between finger tips
that the device knows of).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import READ_HOLDING, WRITE_MANY, Request
from cell.drivers.guides import onrobot_rg as guide
from cell.drivers.identity import Identity
from cell.drivers.interfaces import GripperCommand, GripperStatus, Reading
from cell.drivers.modbus import Priority, Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

FORCE, COMMAND, WIDTH, STATUS, WIDTH_WITH_TIPS = 0, 2, 267, 268, 275
GRIP, STOP, GRIP_WITH_TIPS = 1, 8, 16
BUSY, GRIPPED = 0x01, 0x02
SAFETY = 0x7C
RESERVED = 0xFF80
FORCE_STEP_N, WIDTH_STEP_M = 0.1, 0.0001
# Where the fingers may stop beside the width that was asked for.
REACHED_M = 0.0015

FAULTS = {
    0x04: "safety switch 1 is pressed",
    0x08: "safety switch 1 was triggered: it needs its power off and on",
    0x10: "safety switch 2 is pressed",
    0x20: "safety switch 2 was triggered: it needs its power off and on",
    0x40: "fault of the safety circuit",
}


@dataclass(frozen=True, slots=True)
class _Raw:
    width_m: float
    status: int
    stamp_s: float

    @property
    def busy(self) -> bool:
        return bool(self.status & BUSY)


class OnRobotRg2:
    """A ``Gripper``."""

    GUIDE = guide.GUIDE_RG2
    LINK: ClassVar[str] = "tcp"
    STROKE_M: ClassVar[float] = 0.110
    FORCE_N: ClassVar[tuple[float, float]] = (3.0, 40.0)

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        options = Options(spec)
        period_s = options.number("period_s", 0.02, 0.005, 0.3)
        self.name = spec.name
        self.stroke_m = options.number("stroke_m", self.STROKE_M, 0.01, self.STROKE_M)
        self._force_n = (
            options.number("min_force_n", self.FORCE_N[0], 0.0, self.FORCE_N[1]),
            options.number("max_force_n", self.FORCE_N[1], 1.0, self.FORCE_N[1]),
        )
        self._speed_mps = options.number("speed_mps", 0.1, 0.001, 1.0)
        self._settle_s = options.number("settle_s", 0.1, 0.02, 2.0)
        self._tips = options.flag("tip_offset", False)
        options.finish()
        self._unit, self._bus = spec.unit, bus
        self._presence = Presence(bus, period_s)
        self._raw: _Raw | None = None
        self._wanted: tuple[int, int] | None = None
        # The newest move: not yet sent because the device is busy; when it was acknowledged; seen busy since.
        self._waits = False
        self._stopping = False
        self._taken_s: float | None = None
        self._seen_busy = False
        self._moves = 0
        self._refused: str | None = None
        status = Request(spec.unit, READ_HOLDING, WIDTH, WIDTH_WITH_TIPS - WIDTH + 1)
        bus.identify(Identity(Request(spec.unit, READ_HOLDING, WIDTH, 2), self._stranger))
        bus.every(period_s, status, self._on_status)

    @property
    def connected(self) -> bool:
        """It answered its last status request."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, what it refused, or its safety switches."""
        if not self.connected:
            return self._presence.error
        words = [meaning for bit, meaning in FAULTS.items() if self._raw is not None and self._raw.status & bit]
        return ", ".join(words) or self._refused

    @property
    def status(self) -> Reading[GripperStatus] | None:
        """The newest status; ``moving`` stays true until the device has done the newest ``move``. It has no register
        for current: 0."""
        raw, wanted = self._raw, self._wanted
        if raw is None:
            return None
        requested_m = raw.width_m if wanted is None else wanted[1] * WIDTH_STEP_M
        moving = raw.busy or not self._settled(raw)
        gripped = bool(raw.status & GRIPPED)
        value = GripperStatus(
            activated=not raw.status & SAFETY,
            moving=moving,
            object_detected=not moving and gripped,
            at_request=not moving and not gripped and abs(raw.width_m - requested_m) <= REACHED_M,
            width_m=raw.width_m,
            requested_width_m=requested_m,
            current_a=0.0,
            fault=raw.status & SAFETY,
        )
        return Reading(value, raw.stamp_s, self._presence.fresh(raw.stamp_s))

    def activate(self) -> None:
        """Nothing to do: it is ready with its power; what its safety switches say only a power cycle undoes."""

    def move(self, width_m: float, *, speed_mps: float, force_n: float) -> GripperCommand:
        """Go to an opening between the fingers. The device has one speed of its own."""
        low_n, high_n = self._force_n
        force = round(min(max(force_n, low_n), high_n) / FORCE_STEP_N)
        width = round(min(max(width_m, 0.0), self.stroke_m) / WIDTH_STEP_M)
        self._wanted = (force, width)
        self._moves += 1
        self._taken_s, self._seen_busy = None, False
        raw = self._raw
        if raw is not None and raw.busy:
            self._waits = True
            self._stop_first()
        else:
            self._send()
        return GripperCommand(width * WIDTH_STEP_M, self._speed_mps, force * FORCE_STEP_N)

    def _settled(self, raw: _Raw) -> bool:
        if self._waits:
            return False
        if self._wanted is None:
            return True
        taken_s = self._taken_s
        if taken_s is None or raw.stamp_s <= taken_s:
            return False
        return self._seen_busy or raw.stamp_s - taken_s >= self._settle_s

    def _stop_first(self) -> None:
        if self._stopping:
            return
        self._stopping = True

        def done(reply: Reply) -> None:
            self._stopping = False
            if not reply.ok:
                self._drop(reply)

        request = Request(self._unit, WRITE_MANY, COMMAND, values=(STOP,))
        self._bus.submit(request, done, Priority.STOP)

    def _send(self) -> None:
        wanted, serial = self._wanted, self._moves
        self._waits = False
        if wanted is None:
            return

        def done(reply: Reply) -> None:
            if serial != self._moves:
                return
            if reply.ok:
                self._taken_s = reply.stamp_s
                self._refused = None
            else:
                # Never sent again by itself: the fingers must not move seconds after somebody wanted it.
                self._refused = f"the last move was not taken: {reply.reason}"

        values = (*wanted, GRIP_WITH_TIPS if self._tips else GRIP)
        self._bus.submit(Request(self._unit, WRITE_MANY, FORCE, values=values), done, key=self)

    def _drop(self, reply: Reply) -> None:
        if self._waits:
            self._waits = False
            self._refused = f"the last move was not sent: {reply.reason}"

    def _stranger(self, values: tuple[int, ...]) -> str | None:
        """It has no name to read; its status has bits that are always 0, and its width is within its stroke."""
        width_m, status = _signed(values[0]) * WIDTH_STEP_M, values[1]
        if not status & RESERVED and -0.01 <= width_m <= self.STROKE_M + 0.01:
            return None
        return f"no OnRobot gripper of this size: width {width_m:.4f} m, status {status:#06x}"

    def _on_status(self, reply: Reply) -> None:
        self._presence.heard(reply)
        if not reply.ok:
            self._drop(reply)
            return
        if stranger := self._stranger(reply.values[:2]):
            self._presence.doubt(stranger)
            return
        width = _signed(reply.values[-1] if self._tips else reply.values[0])
        raw = _Raw(width * WIDTH_STEP_M, reply.values[1], reply.stamp_s)
        self._raw = raw
        if raw.busy:
            if self._taken_s is not None and raw.stamp_s > self._taken_s:
                self._seen_busy = True
            if self._waits:
                self._stop_first()
        elif self._waits:
            self._send()


class OnRobotRg6(OnRobotRg2):
    """The big one."""

    GUIDE = guide.GUIDE_RG6
    STROKE_M = 0.160
    FORCE_N = (25.0, 120.0)


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
