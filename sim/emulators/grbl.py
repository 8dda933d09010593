"""A Grbl 1.1h motion controller with a belt on its X axis, as its serial port shows it. No I/O; not a Modbus device.

Source: Grbl v1.1 documentation: "Interface" (lines, reports, real-time characters, 128 bytes of receive buffer),
"Jogging", "Alarms" and "Errors". Its planner blends jogs of one direction; its soft limits are off.
"""

from __future__ import annotations

import math
import re
from collections import deque

from sim.emulators.motor import RampedMotor
from sim.emulators.slave import Delivery, LineFault
from sim.plant import Plant

WELCOME = b"\r\nGrbl 1.1h ['$' for help]\r\n"
LOCKED_HINT = b"[MSG:'$H'|'$X' to unlock]\r\n"
REPORT, HOLD, RESUME, RESET, JOG_CANCEL = 0x3F, 0x21, 0x7E, 0x18, 0x85
RECEIVE_BUFFER = 128
PLANNER_BLOCKS = 15
MAX_FEED = 30_000.0
ACCEL_MMPS2 = 500.0
"""$120."""

BAD_NUMBER, UNKNOWN, NOT_IDLE, IS_LOCKED, TOO_LONG, BAD_JOG, NO_FEED = 2, 3, 8, 9, 14, 16, 22
RESET_WHILE_MOVING = 3
HARD_LIMIT = 1
BOOT_S = 0.02
STEP_S = 0.002

_WORD = re.compile(r"([A-Z])(-?\d+(?:\.\d*)?)")


class GrblController:
    """Feed it bytes, poll it for what it says.

    Args:
        plant: the world; its belt gets the axis' speed.
        mm_per_m: of the axis for one metre of belt.
        version: what ``$I`` says.
    """

    def __init__(self, plant: Plant, *, mm_per_m: float = 1000.0, version: str = "1.1h.20190825:") -> None:
        self.version = version
        self.fault: LineFault | None = None
        self.lines: list[str] = []
        """Every line that it has taken or refused."""
        self.position_mm = 0.0
        self.alarm = 0
        self._motor = RampedMotor(plant, 1.0 / 60.0 / mm_per_m, 60.0 * ACCEL_MMPS2, 60.0 * ACCEL_MMPS2)
        self._plant = plant
        self._boot()
        self._out: list[tuple[float, bytes]] = []
        self._powered = True

    def _boot(self) -> None:
        self._line = bytearray()
        self._waiting: deque[str] = deque()
        # Way left (mm, signed) and feed (mm/min) of each planned block.
        self._blocks: deque[list[float]] = deque()
        self._cancelling = False
        self._now_s: float | None = None

    def power_off(self, now: float) -> None:
        """Everything stops and is forgotten."""
        self._powered = False
        self._motor.coast(now)
        self._boot()
        self._out.clear()

    def power_on(self, now: float) -> None:
        """It greets."""
        self._powered = True
        self.alarm = 0
        self.position_mm = 0.0
        self._say(WELCOME, now + BOOT_S)

    def hit_limit(self, now: float) -> None:
        """A limit switch: it stops dead and is locked until it is reset."""
        self._stop_dead(now)
        self.alarm = HARD_LIMIT
        self._say(b"ALARM:1\r\n[MSG:Reset to continue]\r\n", now)

    def feed(self, data: bytes, now: float) -> None:
        """Bytes of the line: real-time characters at once, the rest line by line."""
        if not self._powered:
            return
        self._advance(now)
        for byte in data:
            if byte == REPORT:
                self._say(self._report(), now)
            elif byte == RESET:
                self._reset(now)
            elif byte == JOG_CANCEL:
                self._cancelling = bool(self._blocks) or self._motor.speed != 0.0
                self._blocks.clear()
            elif byte in (HOLD, RESUME) or byte >= 0x80:
                continue
            elif byte in b"\r\n":
                self._end_line(now)
            elif len(self._line) < RECEIVE_BUFFER:
                self._line.append(byte)
        self._work(now)

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """What it says by now, and when to call again."""
        if not self._powered:
            return b"", None
        self._advance(now)
        self._work(now)
        out = b""
        while self._out and self._out[0][0] <= now:
            out += self._out.pop(0)[1]
        wanted = [self._out[0][0]] if self._out else []
        if self._blocks or self._motor.speed != 0.0:
            wanted.append(now + STEP_S)
        return out, min(wanted, default=None)

    def _say(self, data: bytes, now: float) -> None:
        deliveries = [Delivery(0.0, data)] if self.fault is None else self.fault(data, now)
        self._out += [(now + delivery.delay_s, delivery.data) for delivery in deliveries]
        self._out.sort(key=lambda entry: entry[0])

    def _end_line(self, now: float) -> None:
        line, self._line = self._line.decode("ascii", "replace").strip(), bytearray()
        if line:
            self._waiting.append(line)

    def _work(self, now: float) -> None:
        """Take lines while there is room for what they plan; what waits is answered later, which paces the sender."""
        while self._waiting and len(self._blocks) < PLANNER_BLOCKS:
            line = self._waiting.popleft()
            self.lines.append(line)
            error = self._take(line, now)
            self._say(f"error:{error}\r\n".encode() if error else b"ok\r\n", now)

    def _take(self, line: str, now: float) -> int:
        line = line.replace(" ", "").upper()
        if len(line) > 80:
            return TOO_LONG
        if line == "$I":
            self._say(f"[VER:{self.version}]\r\n[OPT:V,15,128]\r\n".encode(), now)
            return 0
        if line == "$X":
            if self.alarm:
                self.alarm = 0
                self._say(b"[MSG:Caution: Unlocked]\r\n", now)
            return 0
        if line.startswith("$J="):
            return IS_LOCKED if self.alarm else self._jog(line[3:])
        if line.startswith("$"):
            return UNKNOWN
        return IS_LOCKED if self.alarm else 20

    def _jog(self, words: str) -> int:
        found = _WORD.findall(words)
        if "".join(letter + value for letter, value in found) != words:
            return BAD_NUMBER
        values = {letter: float(value) for letter, value in found if letter != "G"}
        modes = {float(value) for letter, value in found if letter == "G"}
        if "F" not in values or values["F"] <= 0.0:
            return NO_FEED
        if set(values) - {"X", "F"} or "X" not in values or modes - {20, 21, 90, 91}:
            return BAD_JOG
        scale = 25.4 if 20 in modes else 1.0
        way = values["X"] * scale
        if 91 not in modes:
            way -= self.position_mm + sum(block[0] for block in self._blocks)
        if way:
            self._blocks.append([way, min(values["F"] * scale, MAX_FEED)])
        return 0

    def _advance(self, now: float) -> None:
        """Move along the blocks in small steps; the last one ends at rest."""
        before_s = now if self._now_s is None else self._now_s
        self._now_s = now
        while now - before_s > 1e-9:
            step_s = min(STEP_S, now - before_s)
            before_s += step_s
            self._aim()
            self._motor.advance(before_s)
            moved_mm = self._motor.speed / 60.0 * step_s
            self.position_mm += moved_mm
            while self._blocks and moved_mm:
                left = self._blocks[0][0]
                if abs(left) > abs(moved_mm) and math.copysign(1.0, left) == math.copysign(1.0, moved_mm):
                    self._blocks[0][0] = left - moved_mm
                    break
                moved_mm = moved_mm - left if math.copysign(1.0, left) == math.copysign(1.0, moved_mm) else 0.0
                self._blocks.popleft()
        self._aim()
        if self._motor.speed == 0.0:
            self._cancelling = False

    def _aim(self) -> None:
        """The speed that the axis goes for: that of its block, as long as it can still brake behind the last one."""
        if not self._blocks:
            self._motor.target = 0.0
            return
        way, feed = self._blocks[0]
        left = sum(abs(block[0]) for block in self._blocks)
        most = math.sqrt(2.0 * ACCEL_MMPS2 * left) * 60.0
        self._motor.target = math.copysign(min(feed, most), way)

    def _reset(self, now: float) -> None:
        moving = self._motor.speed != 0.0
        self._stop_dead(now)
        self._out.clear()
        if moving:
            self.alarm = RESET_WHILE_MOVING
            self._say(b"ALARM:3\r\n", now)
        self._say(WELCOME, now + BOOT_S)
        if self.alarm:
            self._say(LOCKED_HINT, now + BOOT_S)

    def _stop_dead(self, now: float) -> None:
        self._motor.coast(now)
        self._line = bytearray()
        self._waiting.clear()
        self._blocks.clear()
        self._cancelling = False

    def _report(self) -> bytes:
        moving = bool(self._blocks) or self._motor.speed != 0.0
        state = "Alarm" if self.alarm else "Jog" if moving else "Idle"
        feed = abs(self._motor.speed)
        return f"<{state}|MPos:{self.position_mm:.3f},0.000,0.000|FS:{feed:.0f},0>\r\n".encode()
