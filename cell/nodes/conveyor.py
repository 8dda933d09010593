"""The belt: its drive runs in the states in which the belt may, its encoder is read and published."""

from __future__ import annotations

from typing import Any, cast

from cell_msgs.msg import CellState
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from cell.belt_watch import JamWatch
from cell.conditions import CAUSE
from cell.drivers.interfaces import Conveyor, Encoder
from cell.drivers.registry import process_devices
from cell.nodes import belt
from cell.nodes.node import ERROR, OK, WARN, CellNode, stamp_of, status
from cell.packml import State
from cell.supervision import BELT_RUNS

PERIOD_S = 0.02
# The speed is the slope of the travel over at least this time; at 50 readings/s one count more or less would be 5 mm/s.
SLOPE_S = 0.06
# A trip is reset so often, each time after waiting so long for what the drive says to it.
RESETS, RESET_S = 3, 0.3
# On the way into these somebody has said that a jam is cleared.
AGAIN = (State.UNHOLDING, State.UNSUSPENDING, State.STARTING, State.RESETTING, State.CLEARING)


class ConveyorNode(CellNode):
    """Publishes /conveyor/state with every new encoder reading and lets the drive follow /cell/state."""

    MOVES = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("conveyor", **kwargs)
        devices = process_devices()
        self._bus_clock = devices.clock
        self._drive = cast(Conveyor, devices.open(self.device_spec("drive", "drive")))
        self._encoder = cast(Encoder, devices.open(self.device_spec("encoder", "encoder")))
        self._speed_mps = float(self.setting("speed_mps", 0.2))
        self._state = State.STOPPED
        self._commanded: float | None = None
        self._published_s = -1.0
        self._asked_s = 0.0
        self._resets = 0
        self._window: list[tuple[float, float]] = []
        self._jam = JamWatch()
        self._publisher = self.create_publisher(JointState, "/conveyor/state", 10)
        self.create_subscription(CellState, "/cell/state", self._on_state, 10)
        self.create_timer(PERIOD_S, self._step)

    def _on_state(self, message: CellState) -> None:
        before, self._state = self._state, State(message.state)
        if self._state is not before and self._state in (State.CLEARING, State.RESETTING):
            self._asked_s = self._bus_clock()
            self._resets = RESETS
        if self._state is not before and self._state in AGAIN:
            self._jam.reset()
        self._follow()

    def _clear_trip(self) -> None:
        """An operator has asked for the cell: a drive that tripped, for example when its controller was gone, is reset.

        What counts is what it says after that; right after a start it has not been heard of yet.
        """
        reading = self._drive.status
        if reading is None or reading.stamp_s <= self._asked_s:
            return
        if not reading.value.fault:
            self._resets = 0
            return
        self._resets -= 1
        self._asked_s = self._bus_clock() + RESET_S
        self._drive.reset_fault()

    def _follow(self) -> None:
        wanted = self._speed_mps if self._state in BELT_RUNS and self._jam.words is None else 0.0
        if wanted == self._commanded:
            return
        if wanted > 0.0:
            self._drive.run(wanted)
        else:
            self._drive.stop()
        self._commanded = wanted

    def _step(self) -> None:
        self.report_change()
        if self._resets:
            self._clear_trip()
        reading = self._encoder.encoder
        if reading is None or not reading.good or reading.stamp_s <= self._published_s:
            return
        self._published_s = reading.stamp_s
        self._window.append((reading.stamp_s, reading.value.travel_m))
        while len(self._window) > 2 and self._window[-1][0] - self._window[1][0] >= SLOPE_S:
            self._window.pop(0)
        (first_s, first_m), (last_s, last_m) = self._window[0], self._window[-1]
        speed_mps = (last_m - first_m) / (last_s - first_s) if last_s > first_s else 0.0
        self._watch_load(speed_mps)
        age_s = self._bus_clock() - reading.stamp_s
        header = Header(stamp=stamp_of(self.now_s - age_s), frame_id="cell")
        strobe_m = reading.value.strobe_travel_m if reading.value.strobe_count > 0 else None
        self._publisher.publish(belt.message(header, reading.value.travel_m, speed_mps, strobe_m))

    def _watch_load(self, belt_mps: float) -> None:
        """Stop a jammed belt at once; the cell holds when it hears of it."""
        drive = self._drive.status
        if drive is None or not drive.good or self._commanded in (None, 0.0):
            return
        output_mps = drive.value.speed_mps if drive.value.running else 0.0
        if self._jam.step(output_mps, drive.value.current_a, belt_mps, self._bus_clock()):
            self.get_logger().error(f"jam: {self._jam.words}")
            self._follow()
            self.report_health()

    def health(self) -> list[DiagnosticStatus]:
        """One line each for the drive, the encoder and the belt."""
        lines = []
        for role, device in (("drive", self._drive), ("encoder", self._encoder)):
            error = device.error if device.error is not None else (None if device.connected else "does not answer")
            cause = "device_fault" if device.connected else "device_lost"
            values: dict[str, object] = {} if error is None else {CAUSE: cause}
            lines.append(status(role, OK if error is None else ERROR, error or "connected", values))
        drive = self._drive.status
        if drive is not None:
            lines[0].values.extend(
                status(
                    "", OK, "", {"speed_mps": round(drive.value.speed_mps, 4), "running": drive.value.running}
                ).values
            )
        jam = self._jam.words
        belt_line = (
            status("belt", OK, "moves as its drive does") if jam is None else status("belt", WARN, jam, {CAUSE: "jam"})
        )
        return [*lines, belt_line]
