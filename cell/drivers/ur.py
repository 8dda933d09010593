"""An arm of Universal Robots, through the library ``ur-rtde`` (extra ``ur``; MIT), which speaks RTDE on TCP 30004 [R].

The library uploads a script to the arm that takes joint positions one by one (``servoJ``); this driver gives it the
place on the trajectory every ``period_s``, interpolated by cubics through positions and rates. A motion that leaves the
limits, begins elsewhere than the arm stands, or is asked of an arm that is not ready is refused, not bent. When this
driver is kept off its thread for ``late_s``, when the arm stops for its own reasons or cannot be heard, the motion ends
as FAILED with the arm braked as far as it still listens; nothing begins again by itself. When the whole controller is
gone the arm's script ends with its last position.

The library holds Python's lock while it connects and while it waits: give the arm's node a process of its own, or an
arm that is away keeps every other device of its process waiting.

Safety status of RTDE [R]: bits 0 normal, 1 reduced, 2 protective stop, 4 to 7 safeguard, system, robot and emergency
stop, 8 violation, 9 fault, 10 stopped for safety. Robot mode 7: running. Unverified on hardware; tried through
ur-rtde 1.6.5 at an emulated control box.

Options: ``period_s`` 0.008, ``max_rate_radps`` 2.0 (least of its joints), ``start_tolerance_rad`` 0.02,
``goal_tolerance_rad`` 0.02, ``goal_time_s`` 0.5 (after which it has to be there), ``lookahead_s`` 0.1 and ``gain`` 300
(of ``servoJ``), ``decel_radps2`` 10, ``late_s`` 0.06.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from cell.drivers.guides import ur as guide
from cell.drivers.host import HostBus
from cell.drivers.interfaces import ArmPoint, ArmStatus, Motion, MotionState, Reading
from cell.drivers.spec import DeviceSpec, Options

VARIABLES = ("timestamp", "actual_q", "actual_qd", "robot_mode", "safety_status_bits")
RUNNING = 7
PROTECTIVE, SAFETY_STOPS = 1 << 2, 0b111_1111_0100
MOST_RAD = 2.0 * math.pi
MOVING_RADPS = 0.002
STALE_S = 0.2
RECONNECT_S = 1.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the arm says of itself."""

    joints_rad: tuple[float, ...]
    rates_radps: tuple[float, ...]
    mode: int
    safety_bits: int


class Controller(Protocol):
    """The part of ``ur-rtde`` that is used. Everything may raise what the library raises."""

    def hear(self) -> Heard | None:
        """The newest state; None while the connection is gone."""
        ...

    def servo(self, joints_rad: Sequence[float], period_s: float, lookahead_s: float, gain: float) -> bool:
        """Be there at the end of the period; False: the arm takes none."""
        ...

    def brake(self, decel_radps2: float) -> None:
        """End the servo mode and stand still."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class UrRtde:
    """``ur-rtde`` itself. Raises: RuntimeError from the library where nobody answers."""

    def __init__(self, host: str) -> None:
        import rtde_control  # noqa: PLC0415 (an extra)
        import rtde_receive  # noqa: PLC0415

        # A frequency of -1 is the control box's own.
        self._receive: Any = rtde_receive.RTDEReceiveInterface(host, -1.0, list(VARIABLES))
        self._control: Any = rtde_control.RTDEControlInterface(host)

    def hear(self) -> Heard | None:
        receive = self._receive
        if not receive.isConnected():
            return None
        return Heard(
            tuple(receive.getActualQ()),
            tuple(receive.getActualQd()),
            int(receive.getRobotMode()),
            int(receive.getSafetyStatusBits()),
        )

    def servo(self, joints_rad: Sequence[float], period_s: float, lookahead_s: float, gain: float) -> bool:
        return bool(self._control.servoJ(list(joints_rad), 0.0, 0.0, period_s, lookahead_s, gain))

    def brake(self, decel_radps2: float) -> None:
        self._control.servoStop(decel_radps2)

    def close(self) -> None:
        self._control.disconnect()
        self._receive.disconnect()


@dataclass(slots=True)
class _Run:
    number: int
    points: tuple[ArmPoint, ...]
    start_s: float
    begun: bool = False


class UrArm:
    """An ``Arm``, and the ``Worker`` of its thread."""

    GUIDE = guide.GUIDE
    BUS = HostBus
    LINK: ClassVar[str] = "tcp"
    joints = (
        "shoulder_pan_joint",
        "shoulder_lift_joint",
        "elbow_joint",
        "wrist_1_joint",
        "wrist_2_joint",
        "wrist_3_joint",
    )

    def __init__(
        self, spec: DeviceSpec, bus: HostBus, *, open_controller: Callable[[str], Controller] = UrRtde
    ) -> None:
        options = Options(spec)
        self._period_s = options.number("period_s", 0.008, 0.002, 0.05)
        self._max_radps = options.number("max_rate_radps", 2.0, 0.01, 6.3)
        self._start_rad = options.number("start_tolerance_rad", 0.02, 0.0001, 0.5)
        self._goal_rad = options.number("goal_tolerance_rad", 0.02, 0.0001, 0.5)
        self._goal_s = options.number("goal_time_s", 0.5, 0.0, 10.0)
        self._lookahead_s = options.number("lookahead_s", 0.1, 0.03, 0.2)
        self._gain = options.number("gain", 300.0, 100.0, 2000.0)
        self._decel = options.number("decel_radps2", 10.0, 0.1, 40.0)
        self._late_s = options.number("late_s", 0.06, 0.01, 0.5)
        options.finish()
        self.name = spec.name
        self._host = spec.port.removeprefix("tcp://").partition(":")[0]
        self._bus = bus
        self._open = open_controller
        self._controller: Controller | None = None
        self._why = "has not answered yet"
        self._tried_s = -math.inf
        self._heard: tuple[Heard, float] | None = None
        self._polled_s: float | None = None
        self._numbers = itertools.count(1)
        self._run: _Run | None = None
        self._next: _Run | None = None
        self._stop = False
        self._motion: Motion | None = None
        bus.attach(self)

    @property
    def connected(self) -> bool:
        """It says how it is."""
        heard = self._heard
        return (
            self._controller is not None
            and self._bus.error is None
            and heard is not None
            and self._bus.clock() - heard[1] <= STALE_S
        )

    @property
    def error(self) -> str | None:
        """Why it is not there, or why it does not move."""
        if not self.connected:
            return self._bus.error or self._why
        assert self._heard is not None
        heard = self._heard[0]
        if heard.safety_bits & PROTECTIVE:
            return "protective stop: a person has to release it"
        if heard.safety_bits & SAFETY_STOPS:
            return f"stopped by its safety functions (status {heard.safety_bits:#06x})"
        return (
            None if heard.mode == RUNNING else f"not running (robot mode {heard.mode}): power it on, release its brakes"
        )

    @property
    def status(self) -> Reading[ArmStatus] | None:
        """The newest state."""
        if self._heard is None:
            return None
        heard, stamp_s = self._heard
        stopped = bool(heard.safety_bits & SAFETY_STOPS)
        value = ArmStatus(
            heard.joints_rad,
            heard.rates_radps,
            ready=heard.mode == RUNNING and not stopped,
            moving=any(abs(rate) > MOVING_RADPS for rate in heard.rates_radps),
            stopped=stopped,
            fault=heard.safety_bits & SAFETY_STOPS,
        )
        return Reading(value, stamp_s, self.connected)

    @property
    def motion(self) -> Motion | None:
        """What became of the newest ``follow``."""
        return self._motion

    def follow(self, points: Sequence[ArmPoint], *, start_s: float) -> int:
        """Check a motion and begin it at its time."""
        run = _Run(next(self._numbers), tuple(points), start_s)
        refusal = self._refusal(run.points)
        if refusal is not None:
            self._motion = Motion(run.number, MotionState.REFUSED, refusal)
            return run.number
        self._motion = Motion(run.number, MotionState.WAITING)
        self._next = run
        self._bus.wake()
        return run.number

    def stop(self) -> None:
        """Brake."""
        self._stop = True
        self._bus.wake()

    # The Worker.

    def poll(self, now: float) -> float | None:
        """Hear, then move on."""
        late_s = 0.0 if self._polled_s is None else now - self._polled_s
        self._polled_s = now
        try:
            return self._work(now, late_s)
        except (RuntimeError, OSError, ImportError, ValueError) as error:
            # Whatever the library says: the arm is not there, and is looked for again.
            self._why = f"{type(error).__name__}: {error}".splitlines()[0]
            self._end(MotionState.FAILED, self._why)
            self._drop()
            return now + RECONNECT_S

    def close(self) -> None:
        """Brake and give the connections back."""
        if self._run is not None and self._run.begun and self._controller is not None:
            self._controller.brake(self._decel)
        self._end(MotionState.FAILED, "closed")
        self._drop()

    def _work(self, now: float, late_s: float) -> float:
        controller = self._controller
        if controller is None:
            if now - self._tried_s < RECONNECT_S:
                return self._tried_s + RECONNECT_S
            self._tried_s = now
            controller = self._controller = self._open(self._host)
            self._polled_s = None
        heard = controller.hear()
        if heard is None:
            self._why = "the connection is gone"
            self._end(MotionState.FAILED, self._why)
            self._drop()
            return now + RECONNECT_S
        self._heard = (heard, now)
        if self._stop:
            self._stop = False
            controller.brake(self._decel)
            self._next = None
            self._end(MotionState.STOPPED, "stopped")
        if self._next is not None:
            self._run, self._next = self._next, None
        if self._run is not None:
            self._go_on(controller, self._run, heard, now, late_s)
        return now + self._period_s

    def _go_on(self, controller: Controller, run: _Run, heard: Heard, now: float, late_s: float) -> None:
        if heard.safety_bits & SAFETY_STOPS or heard.mode != RUNNING:
            self._end(MotionState.FAILED, self.error or "the arm has stopped")
            return
        if run.begun and late_s > self._late_s:
            controller.brake(self._decel)
            self._end(MotionState.FAILED, f"the motion was not kept up: {late_s:.3f} s without a step")
            return
        passed_s = now - run.start_s
        if passed_s < 0.0:
            return
        if not run.begun:
            run.begun = True
            self._motion = Motion(run.number, MotionState.RUNNING)
        last = run.points[-1]
        if passed_s >= last.after_s:
            off_rad = max(abs(a - b) for a, b in zip(heard.joints_rad, last.joints_rad, strict=True))
            if off_rad <= self._goal_rad:
                controller.brake(self._decel)
                self._end(MotionState.DONE, "")
                return
            if passed_s >= last.after_s + self._goal_s:
                controller.brake(self._decel)
                self._end(MotionState.FAILED, f"it did not arrive: {off_rad:.4f} rad off")
                return
        place = at(run.points, passed_s + self._period_s)
        if not controller.servo(place, self._period_s, self._lookahead_s, self._gain):
            self._end(MotionState.FAILED, "the arm takes no positions: does its script run?")

    def _refusal(self, points: tuple[ArmPoint, ...]) -> str | None:
        """Why a motion cannot be made; None: it can."""
        status = self.status
        if status is None or not status.good or not status.value.ready:
            return f"the arm is not ready: {self.error or 'no status'}"
        if not points:
            return "no points"
        count = len(self.joints)
        if any(len(point.joints_rad) != count or len(point.rates_radps) != count for point in points):
            return f"a point has not {count} joints"
        numbers = [value for point in points for value in (point.after_s, *point.joints_rad, *point.rates_radps)]
        if not all(map(math.isfinite, numbers)):
            return "a point has what is no number"
        times = [point.after_s for point in points]
        if times[0] < 0.0 or any(a >= b for a, b in itertools.pairwise(times)):
            return "the points are not in the order of their times"
        # Where nothing newer runs, the arm stands where it is; otherwise the motion goes on from where it will be.
        if self._run is None:
            off_rad = max(abs(a - b) for a, b in zip(points[0].joints_rad, status.value.joints_rad, strict=True))
            if off_rad > self._start_rad:
                return f"it begins {off_rad:.4f} rad from where the arm stands"
        for first, second in itertools.pairwise(points):
            steps = 8
            span_s = (second.after_s - first.after_s) / steps
            places = [at((first, second), first.after_s + step * span_s) for step in range(steps + 1)]
            for one, two in itertools.pairwise(places):
                rate = max(abs(b - a) for a, b in zip(one, two, strict=True)) / span_s
                if rate > self._max_radps:
                    return f"{rate:.2f} rad/s at {first.after_s:.2f} s is more than {self._max_radps:g} rad/s"
            if any(abs(angle) > MOST_RAD for place in places for angle in place):
                return f"it leaves the joints' range at {first.after_s:.2f} s"
        return None

    def _end(self, state: MotionState, reason: str) -> None:
        run, self._run = self._run or self._next, None
        self._next = None
        if run is not None and self._motion is not None and self._motion.number == run.number:
            self._motion = Motion(run.number, state, reason)

    def _drop(self) -> None:
        controller, self._controller = self._controller, None
        if controller is not None:
            try:
                controller.close()
            except (RuntimeError, OSError) as error:
                self._why = str(error)


def at(points: Sequence[ArmPoint], time_s: float) -> tuple[float, ...]:
    """The place on a motion: cubics through positions and rates; before its first and behind its last point, those."""
    index = bisect_right([point.after_s for point in points], time_s)
    if index == 0:
        return points[0].joints_rad
    if index == len(points):
        return points[-1].joints_rad
    first, second = points[index - 1], points[index]
    span_s = second.after_s - first.after_s
    u = (time_s - first.after_s) / span_s
    h00, h10 = (1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2
    h01, h11 = u**2 * (3 - 2 * u), u**2 * (u - 1)
    return tuple(
        h00 * p + h10 * span_s * v + h01 * q + h11 * span_s * w
        for p, v, q, w in zip(first.joints_rad, first.rates_radps, second.joints_rad, second.rates_radps, strict=True)
    )
