"""A belt on the first axis of a Grbl 1.1 motion controller: a serial conveyor without Modbus.

Grbl knows no speed without an end, so the belt is jogged (``$J=G91 G21 X.. F..``): short pieces, a few ahead, each
begun at the speed of the one before. When this controller is gone the pieces run out and the belt stops by itself,
within ``ahead_s``. A stop is the jog-cancel character, which goes before everything and empties the queue at once.
Nothing moves again by itself after an alarm, a reset, or a loss of the port: somebody asks for it.

Lines, answers and characters: ``cell.drivers.grbl_talk``. Words of errors and alarms after Grbl v1.1's tables [V].
Unverified on hardware. Other firmware that speaks this (grblHAL, FluidNC) is let in by ``any_version``.

Options: ``period_s`` 0.05 (between two reports), ``max_speed_mps`` 0.3, ``allow_reverse`` false, ``invert`` false (the
axis counts down while the belt travels on), ``mm_per_m`` 1000 (of the axis for one metre of belt), ``piece_s`` 0.1,
``ahead_s`` 0.4, ``any_version`` false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from cell.drivers.grbl_talk import (
    JOG_CANCEL,
    SOFT_RESET,
    STATUS_QUERY,
    Alarm,
    Lines,
    Report,
    Said,
    Version,
    Welcome,
)
from cell.drivers.guides import grbl_conveyor as guide
from cell.drivers.interfaces import ConveyorStatus, Reading
from cell.drivers.line_statistics import LineStatistics
from cell.drivers.spec import DeviceSpec, Options
from cell.drivers.stream import StreamBus

# A controller that says nothing for so long is not there. A line is answered when it is in the planner, at once.
SILENT_S = 0.3
ANSWER_S = 0.5
# Pieces under way to its receive buffer, which has 128 characters.
MOST_PENDING = 2
LOCKED = 0xFF
"""Fault of a controller that is in alarm and has not said why: it was when we came."""

ERRORS: Mapping[int, str] = {
    2: "a number of wrong format",
    3: "a system command that it does not know",
    8: "it is not idle",
    9: "it is locked by an alarm",
    15: "the way is beyond its soft limits (switch $20 off for a belt)",
    16: "a jog that it does not take",
    22: "no feed rate",
}
ALARMS: Mapping[int, str] = {
    1: "hard limit",
    2: "soft limit (switch $20 off for a belt)",
    3: "reset while it moved",
    6: "homing failed",
    8: "homing failed",
    9: "homing failed",
    LOCKED: "locked",
}


class GrblConveyor:
    """A ``Conveyor`` and the ``Talker`` of its port."""

    GUIDE = guide.GUIDE
    BUS = StreamBus
    WATCHES: ClassVar[bool] = True
    """Until it is commanded it only asks."""

    def __init__(self, spec: DeviceSpec, bus: StreamBus) -> None:
        options = Options(spec)
        self._period_s = options.number("period_s", 0.05, 0.02, 0.1)
        self._max_mps = options.number("max_speed_mps", 0.3, 0.001, 10.0)
        self._least_mps = -self._max_mps if options.flag("allow_reverse", False) else 0.0
        sign = -1.0 if options.flag("invert", False) else 1.0
        self._mm_per_m = sign * options.number("mm_per_m", 1000.0, 0.1, 1e6)
        self._piece_s = options.number("piece_s", 0.1, 0.02, 1.0)
        self._ahead_s = options.number("ahead_s", 0.4, 0.1, 2.0)
        self._any_version = options.flag("any_version", False)
        options.finish()
        self.name = spec.name
        self.statistics = LineStatistics()
        self._bus = bus
        self._lines = Lines(self._said)
        self._now_s = 0.0
        self._due_s = 0.0
        self._heard_s: float | None = None
        self._opened_s: float | None = None
        self._version: str | None = None
        self._stranger: str | None = None
        self._asked_version_s: float | None = None
        self._report: tuple[Report, float] | None = None
        self._backwards = False
        self._alarm = 0
        self._refused: str | None = None
        # The speed that the belt is to have, and where on the axis the pieces that were sent end.
        self._wanted_mps = 0.0
        self._fed_to_mm: float | None = None
        self._urgent = b""
        self._cancelling = False
        self._unlock = False
        bus.attach(self)

    @property
    def connected(self) -> bool:
        """It reports, and is what it should be."""
        return self._fresh() and self._version is not None and self._stranger is None

    @property
    def error(self) -> str | None:
        """Why it does not answer, its alarm, or the command that it did not take."""
        if not self.connected:
            return self._bus.error or self._stranger or ("no reply" if self._opened_s is not None else "not yet asked")
        if self._alarm:
            return f"the controller is in alarm {self._alarm} ({ALARMS.get(self._alarm, 'see its table of alarms')})"
        return self._refused

    @property
    def status(self) -> Reading[ConveyorStatus] | None:
        """The newest report; it knows no current: 0."""
        kept = self._report
        if kept is None:
            return None
        report, stamp_s = kept
        speed_mps = report.feed_mm_min / 60.0 / abs(self._mm_per_m)
        wanted_mps = self._wanted_mps
        moving = report.state in ("Jog", "Run", "Home", "Hold") and report.feed_mm_min > 0.0
        value = ConveyorStatus(
            running=moving or wanted_mps != 0.0,
            at_speed=wanted_mps != 0.0 and abs(speed_mps - abs(wanted_mps)) <= 0.01 * abs(wanted_mps),
            speed_mps=-speed_mps if self._backwards else speed_mps,
            current_a=0.0,
            fault=self._alarm,
        )
        return Reading(value, stamp_s, self.connected)

    def run(self, speed_mps: float) -> float:
        """Ask for a belt speed; returns the one commanded, in steps of 1 mm/min, within what the belt may do."""
        with self._bus.lock:
            speed_mps = min(max(speed_mps, self._least_mps), self._max_mps)
            feed = round(abs(speed_mps) * abs(self._mm_per_m) * 60.0)
            commanded_mps = (1 if speed_mps > 0 else -1) * feed / 60.0 / abs(self._mm_per_m)
            if feed == 0:
                self.stop()
                return 0.0
            if self._alarm or self._bus.error is not None:
                self._wanted_mps = 0.0
                self._refused = f"the last command was not sent: {self.error}"
                return commanded_mps
            if commanded_mps != self._wanted_mps:
                # Pieces at the old speed are not waited for.
                if self._wanted_mps != 0.0:
                    self._cancel()
                self._wanted_mps = commanded_mps
            self._refused = None
        self._bus.wake()
        return commanded_mps

    def stop(self) -> None:
        """Ramp down, with what is queued thrown away."""
        with self._bus.lock:
            self._wanted_mps = 0.0
            self._refused = None
            self._cancel()
        self._bus.wake()

    def reset_fault(self) -> None:
        """Reset the controller and unlock it; the belt stands afterwards."""
        with self._bus.lock:
            self._wanted_mps = 0.0
            self._urgent = SOFT_RESET
            self._lines.forget()
            self._unlock = True
        self._bus.wake()

    # The Talker.

    def opened(self, now: float) -> None:
        """Nobody is known yet."""
        self._opened_s = now
        self._heard_s = self._version = self._stranger = None
        self._asked_version_s = None
        self._due_s = now
        self._forget_motion()

    def lost(self, reason: str, now: float) -> None:
        """The port is gone."""
        self._opened_s = self._heard_s = None
        self._forget_motion()

    def feed(self, data: bytes, now: float) -> None:
        """What it says."""
        self._now_s = now
        self._lines.feed(data)
        self.statistics.noise_bytes = self._lines.noise_bytes

    def poll(self, now: float) -> tuple[bytes, float | None]:
        """A stop first, then the question how it is, then the belt's next piece."""
        self._now_s = now
        out, self._urgent = self._urgent, b""
        oldest_s = self._lines.oldest_s
        if oldest_s is not None and now - oldest_s > ANSWER_S:
            self._lines.forget()
            self.statistics.timeouts += 1
            if self._wanted_mps != 0.0:
                self._wanted_mps = 0.0
                self._refused = "the last command was not taken: no reply"
                out += JOG_CANCEL
        if self._wanted_mps != 0.0 and not self._fresh() and self._heard_s is not None:
            self._wanted_mps = 0.0
            self._refused = "the belt is not fed any more: its controller does not report"
            out += JOG_CANCEL
        if now >= self._due_s:
            self._due_s = now + self._period_s
            self.statistics.requests += 1
            out += STATUS_QUERY
            if self._version is None and (self._asked_version_s is None or now - self._asked_version_s > ANSWER_S):
                self._asked_version_s = now
                self._lines.forget()
                out += self._line("$I", self._on_version_answer)
        if self.connected:
            if self._unlock and self._alarm and self._lines.pending == 0 and SOFT_RESET not in out:
                out += self._line("$X", self._on_unlocked)
            out += self._pieces()
        return out, self._due_s

    def _pieces(self) -> bytes:
        out = b""
        wanted_mps = self._wanted_mps
        if wanted_mps == 0.0 or self._alarm or self._unlock:
            return out
        assert self._report is not None
        at_mm = self._report[0].position_mm
        fed_to_mm = at_mm if self._fed_to_mm is None else self._fed_to_mm
        way_mm = wanted_mps * self._piece_s * self._mm_per_m
        ahead_mm = abs(wanted_mps * self._ahead_s * self._mm_per_m)
        feed = round(abs(wanted_mps * self._mm_per_m) * 60.0)
        while abs(fed_to_mm - at_mm) < ahead_mm and self._lines.pending < MOST_PENDING:
            out += self._line(f"$J=G91 G21 X{way_mm:.4f} F{feed}", self._on_piece)
            fed_to_mm += way_mm
        self._fed_to_mm = fed_to_mm
        return out

    def _line(self, text: str, on_answer: Callable[[int], None]) -> bytes:
        self._lines.sent(on_answer, self._now_s)
        return text.encode("ascii") + b"\n"

    def _on_piece(self, error: int) -> None:
        self.statistics.answered += 1
        if error and self._wanted_mps != 0.0:
            self._wanted_mps = 0.0
            self._refused = f"the last command was not taken: error {error} ({ERRORS.get(error, 'see its table')})"
            self._urgent += JOG_CANCEL

    def _on_version_answer(self, error: int) -> None:
        if self._version is None and self._stranger is None:
            self._stranger = f"answers, but not as Grbl 1.1 does (error {error} to $I)"

    def _on_unlocked(self, error: int) -> None:
        self._unlock = False
        if error:
            self._refused = f"it was not unlocked: error {error} ({ERRORS.get(error, 'see its table')})"
        else:
            self._alarm = 0

    def _said(self, said: Said) -> None:
        if isinstance(said, Report):
            self._on_report(said)
        elif isinstance(said, Version):
            if self._any_version or said.version.startswith("1.1"):
                self._version, self._stranger = said.version, None
            else:
                self._stranger = f"answers, but is no Grbl 1.1 (version {said.version})"
        elif isinstance(said, Alarm):
            self._alarm = said.code or LOCKED
            self._forget_motion()
        elif isinstance(said, Welcome):
            if self._wanted_mps != 0.0:
                self._refused = "the controller was reset: the belt stands"
            self._forget_motion()
            self._due_s = self._now_s

    def _on_report(self, report: Report) -> None:
        self._heard_s = self._now_s
        self.statistics.answered += 1
        before = self._report
        if before is not None and report.position_mm != before[0].position_mm:
            self._backwards = (report.position_mm - before[0].position_mm) * self._mm_per_m < 0.0
        if report.state == "Alarm":
            self._alarm = self._alarm or LOCKED
        elif self._alarm and report.state in ("Idle", "Jog"):
            self._alarm = 0
            self._unlock = False
        elif report.state == "Idle":
            self._unlock = False
        if report.state == "Idle":
            self._cancelling = False
        elif self._cancelling and self._wanted_mps == 0.0 and not self._lines.pending:
            # A piece that was not yet read when the queue was emptied has begun behind it.
            self._urgent = JOG_CANCEL
        self._report = (report, self._now_s)

    def _cancel(self) -> None:
        # In front of what waits: a character that is obeyed at once. Pieces that are still under way are answered.
        self._urgent = JOG_CANCEL
        self._cancelling = True
        self._fed_to_mm = None

    def _forget_motion(self) -> None:
        self._wanted_mps = 0.0
        self._fed_to_mm = None
        self._lines.forget()

    def _fresh(self) -> bool:
        return self._heard_s is not None and self._bus.clock() - self._heard_s <= SILENT_S
