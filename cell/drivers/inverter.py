"""What all frequency inverters with a Modbus port have in common as belt drives; registers stand in the models' files.

A command is a frequency and a direction in one frame. Nothing is commanded before the drive has shown that it is one
of the model (``cell.drivers.identity``), and a status that cannot be one of the model's is no status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from cell.drivers.bus import Bus
from cell.drivers.frames import Request
from cell.drivers.identity import Identity
from cell.drivers.interfaces import ConveyorStatus, Reading
from cell.drivers.modbus import Failure, Priority, Reply
from cell.drivers.presence import Presence
from cell.drivers.spec import DeviceSpec, Options

HZ_STEP = 0.01


class NotThisDevice(Exception):
    """A status is not one of this model; the message says why."""


class Inverter:
    """A ``Conveyor`` except for the registers, which a model brings in four methods.

    A stop goes before everything else on the line and ends every run that is not yet sent.

    Args:
        spec: of the device.
        bus: its line.
        options: of the spec, from which the options of every inverter are read here.
        most_hz: that the model can be told.
    """

    WORDS: ClassVar[Mapping[int, str]] = {}
    """Of trip codes."""
    REFUSALS: ClassVar[Mapping[int, str]] = {}
    """Of exception codes beyond those of the specification."""

    def __init__(self, spec: DeviceSpec, bus: Bus, options: Options, *, most_hz: float) -> None:
        self.name = spec.name
        self._period_s = options.number("period_s", 0.1, 0.01, 0.5)
        self._mps_per_hz = options.number("mps_per_hz", 0.01, 1e-5, 1.0)
        self._max_hz = options.number("max_hz", 60.0, 1.0, most_hz)
        self._least_hz = -self._max_hz if options.flag("allow_reverse", False) else 0.0
        self._unit = spec.unit
        self._bus = bus
        self._presence = Presence(bus, self._period_s)
        self._reading: tuple[ConveyorStatus, float] | None = None
        self._refused: str | None = None
        self._commands = 0
        self._stop_owed = False

    def start(self, status: Request, identity: Request) -> None:
        """Ask for the status from now on, behind the question who answers (registers for ``stranger``)."""
        self._bus.identify(Identity(identity, self.stranger))
        self._bus.every(self._period_s, status, self._on_status)

    # What a model brings.

    def motion(self, steps: int, direction: int) -> Request:
        """The frame that asks for ``steps`` of 0.01 Hz; direction 1, -1, or 0: stop."""
        raise NotImplementedError

    def resets(self) -> tuple[Request, Request]:
        """The frame that clears a trip with the belt standing, and the one that takes the reset back."""
        raise NotImplementedError

    def stranger(self, values: tuple[int, ...]) -> str | None:
        """One line on why the registers of the identity are not those of this model; None: they are."""
        raise NotImplementedError

    def read(self, values: tuple[int, ...]) -> ConveyorStatus:
        """A status out of its registers. Raises: NotThisDevice."""
        raise NotImplementedError

    def back(self) -> None:
        """The drive is there (again): what has to be set at it. Nothing that moves."""

    # The Conveyor.

    @property
    def connected(self) -> bool:
        """It answered its last status request as this model does."""
        return self._presence.connected

    @property
    def error(self) -> str | None:
        """Why it does not answer, its trip, or the command that it did not take."""
        if not self.connected:
            return self._presence.error
        if self._reading is not None and self._reading[0].fault:
            return f"the drive has tripped ({self.trip_words(self._reading[0].fault)})"
        return self._refused

    @property
    def status(self) -> Reading[ConveyorStatus] | None:
        """The newest status."""
        if self._reading is None:
            return None
        value, stamp_s = self._reading
        return Reading(value, stamp_s, self._presence.fresh(stamp_s))

    def trip_words(self, code: int) -> str:
        """A trip code as people read it."""
        return f"code {code:#06x}" + (f": {self.WORDS[code]}" if code in self.WORDS else "")

    def run(self, speed_mps: float) -> float:
        """Ask for a belt speed; returns the one commanded, in steps of 0.01 Hz, within what the drive may do."""
        hz = min(max(speed_mps / self._mps_per_hz, self._least_hz), self._max_hz)
        steps = round(abs(hz) / HZ_STEP)
        if steps == 0:
            self.stop()
            return 0.0
        direction = 1 if hz > 0 else -1
        self._command(self.motion(steps, direction), Priority.WRITE)
        return direction * steps * HZ_STEP * self._mps_per_hz

    def stop(self) -> None:
        """Ramp down."""
        self._command(self.motion(0, 0), Priority.STOP)

    def reset_fault(self) -> None:
        """Clear a trip; the belt stands afterwards."""
        reset, then = self.resets()
        # The bit goes back to 0 behind it, so that the next reset is an edge again.
        self._command(reset, Priority.WRITE, then=then)

    def _command(self, request: Request, priority: Priority, then: Request | None = None) -> None:
        """The key lets the newest command replace every older one; ``then`` follows unless a newer one has come."""
        self._commands += 1
        self._stop_owed = False
        serial = self._commands

        def done(reply: Reply) -> None:
            if serial != self._commands:
                return
            if reply.ok:
                self._refused = None
            else:
                self._miss(reply)
                self._stop_owed = priority is Priority.STOP
                self._refused = f"the last command was not taken: {self._reason(reply)}"
            if then is not None:
                self._command(then, Priority.WRITE)

        self._bus.submit(request, done, priority, key=self)

    def _on_status(self, reply: Reply) -> None:
        back = self._presence.heard(reply)
        if not reply.ok:
            return
        try:
            value = self.read(reply.values)
        except NotThisDevice as stranger:
            self._presence.doubt(str(stranger))
            return
        self._reading = (value, reply.stamp_s)
        if back:
            self.back()
        if self._stop_owed:
            # A run that nobody took is forgotten, a stop is not: it surprises nobody.
            self.stop()

    def note_refusal(self, what: str, reply: Reply) -> None:
        """Keep that a setting was not taken."""
        if not reply.ok:
            self._miss(reply)
            self._refused = f"{what} was not taken: {self._reason(reply)}"

    def _miss(self, reply: Reply) -> None:
        """A write that nobody answered says as much as a status that nobody did."""
        if reply.failure in (Failure.TIMEOUT, Failure.CORRUPT):
            self._presence.heard(reply)

    def _reason(self, reply: Reply) -> str:
        words = self.REFUSALS.get(reply.exception)
        return f"{reply.reason}: {words}" if words else reply.reason
