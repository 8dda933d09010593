"""The UR driver with a controller of the test's own where ``ur-rtde`` is: what it does, not what the library does."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from cell.drivers.host import HostBus
from cell.drivers.interfaces import ArmPoint, MotionState
from cell.drivers.registry import Devices
from cell.drivers.spec import DeviceSpec
from cell.drivers.ur import Heard, UrArm, at
from perception.errors import InputError

HOME = (0.0, -1.57, 1.57, -1.57, -1.57, 0.0)
THERE = (0.3, -1.37, 1.47, -1.57, -1.57, 0.2)
STILL = (0.0,) * 6


class FakeController:
    """An arm that is where it is told to be one period later."""

    def __init__(self) -> None:
        self.joints = HOME
        self.rates = STILL
        self.mode = 7
        self.safety_bits = 1
        self.there = True
        self.takes = True
        self.stuck = False
        self.steps: list[tuple[float, ...]] = []
        self.brakes = 0
        self.closed = False

    def hear(self) -> Heard | None:
        return Heard(self.joints, self.rates, self.mode, self.safety_bits) if self.there else None

    def servo(self, joints_rad: Any, period_s: float, lookahead_s: float, gain: float) -> bool:
        if not self.takes:
            return False
        before, self.steps = self.joints, [*self.steps, tuple(joints_rad)]
        if not self.stuck:
            self.joints = tuple(joints_rad)
            self.rates = tuple((b - a) / period_s for a, b in zip(before, self.joints, strict=True))
        return True

    def brake(self, decel_radps2: float) -> None:
        self.brakes += 1
        self.rates = STILL

    def close(self) -> None:
        self.closed = True


class Cell:
    """The driver on a clock that is told."""

    def __init__(self, **options: object) -> None:
        self.now_s = 10.0
        self.opened: list[FakeController] = []
        self.refuses = False
        self.bus = HostBus("tcp://10.0.0.2", lambda: self.now_s)
        spec = DeviceSpec("arm", "ur", "tcp://10.0.0.2", options=options)
        self.arm = UrArm(spec, self.bus, open_controller=self.open)
        self.run(0.1)

    @property
    def controller(self) -> FakeController:
        return self.opened[-1]

    def open(self, host: str) -> FakeController:
        assert host == "10.0.0.2"
        if self.refuses:
            raise RuntimeError("Failed to connect: timed out")
        self.opened.append(FakeController())
        return self.opened[-1]

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        due_s: float | None = self.now_s
        while due_s is not None and due_s <= end_s:
            self.now_s = max(due_s, self.now_s)
            due_s = self.bus.poll(self.now_s)
        self.now_s = end_s

    def follow(self, *, seconds: float = 1.0, ahead_s: float = 0.0, to: tuple[float, ...] = THERE) -> int:
        points = [ArmPoint(0.0, HOME, STILL), ArmPoint(seconds, to, STILL)]
        return self.arm.follow(points, start_s=self.now_s + ahead_s)

    def state(self) -> MotionState | None:
        return None if self.arm.motion is None else self.arm.motion.state


def test_arm_is_where_the_trajectory_says_when_it_follows() -> None:
    cell = Cell()
    number = cell.follow()
    assert cell.arm.motion is not None and cell.arm.motion.number == number
    cell.run(0.5)
    assert cell.state() is MotionState.RUNNING
    assert cell.arm.status is not None and cell.arm.status.value.moving
    middle = tuple((a + b) / 2 for a, b in zip(HOME, THERE, strict=True))
    assert cell.controller.joints == pytest.approx(middle, abs=0.01)
    cell.run(1.0)
    assert cell.state() is MotionState.DONE
    assert cell.controller.joints == pytest.approx(THERE)
    assert cell.controller.brakes == 1
    steps = cell.controller.steps
    fastest = max(abs(b[0] - a[0]) for a, b in itertools.pairwise(steps)) / 0.008
    assert fastest == pytest.approx(0.3 * 1.5, rel=0.02)


def test_motion_waits_for_its_time_when_it_begins_later() -> None:
    cell = Cell()
    cell.follow(ahead_s=0.4)
    cell.run(0.3)
    assert cell.state() is MotionState.WAITING and cell.controller.steps == []
    cell.run(0.3)
    assert cell.state() is MotionState.RUNNING


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([], "no points"),
        ([ArmPoint(0.0, HOME[:5], STILL[:5])], "not 6 joints"),
        ([ArmPoint(0.0, THERE, STILL), ArmPoint(1.0, HOME, STILL)], "from where the arm stands"),
        ([ArmPoint(0.0, HOME, STILL), ArmPoint(0.05, THERE, STILL)], "is more than 2 rad/s"),
        ([ArmPoint(0.0, HOME, STILL), ArmPoint(0.0, THERE, STILL)], "order of their times"),
        ([ArmPoint(0.0, HOME, STILL), ArmPoint(9.0, (7.0, *HOME[1:]), STILL)], "leaves the joints' range"),
        ([ArmPoint(0.0, HOME, (math.nan, *STILL[1:]))], "no number"),
        ([ArmPoint(0.0, HOME, STILL), ArmPoint(1.0, HOME, (20.0, *STILL[1:]))], "is more than 2 rad/s"),
    ],
)
def test_motion_is_refused_and_nothing_moves_when_it_cannot_be_made(points: list[ArmPoint], why: str) -> None:
    cell = Cell()
    cell.arm.follow(points, start_s=cell.now_s)
    assert cell.state() is MotionState.REFUSED
    assert cell.arm.motion is not None and why in cell.arm.motion.reason
    cell.run(1.0)
    assert cell.controller.steps == []


def test_arm_brakes_and_stays_when_it_is_told_to_stop() -> None:
    cell = Cell()
    cell.follow()
    cell.run(0.5)
    cell.arm.stop()
    cell.run(0.02)
    assert cell.state() is MotionState.STOPPED
    steps = len(cell.controller.steps)
    cell.run(2.0)
    assert len(cell.controller.steps) == steps
    assert cell.controller.brakes == 1


def test_motion_fails_and_does_not_go_on_when_a_protective_stop_ends_it() -> None:
    cell = Cell()
    cell.follow()
    cell.run(0.4)
    cell.controller.safety_bits = 0b100
    cell.run(0.1)
    assert cell.state() is MotionState.FAILED
    assert cell.arm.error == "protective stop: a person has to release it"
    assert cell.arm.status is not None and cell.arm.status.value.stopped
    steps = len(cell.controller.steps)
    cell.controller.safety_bits = 1
    cell.run(1.0)
    assert len(cell.controller.steps) == steps
    assert cell.arm.error is None


def test_motion_is_given_up_when_its_thread_was_kept_off() -> None:
    cell = Cell()
    cell.follow()
    cell.run(0.4)
    cell.now_s += 0.2
    cell.run(0.05)
    assert cell.state() is MotionState.FAILED
    assert cell.arm.motion is not None and "not kept up" in cell.arm.motion.reason
    assert cell.controller.brakes == 1


def test_motion_fails_when_the_arm_does_not_arrive() -> None:
    cell = Cell()
    cell.controller.stuck = True
    cell.follow()
    cell.run(2.0)
    assert cell.state() is MotionState.FAILED
    assert cell.arm.motion is not None and "did not arrive" in cell.arm.motion.reason


def test_arm_is_found_again_and_stands_when_its_connection_was_gone() -> None:
    cell = Cell()
    cell.follow()
    cell.run(0.4)
    first = cell.controller
    first.there = False
    cell.refuses = True
    cell.run(3.0)
    assert first.closed
    assert cell.state() is MotionState.FAILED
    assert not cell.arm.connected and cell.arm.error == "RuntimeError: Failed to connect: timed out"
    assert cell.arm.status is not None and not cell.arm.status.good
    cell.follow()
    assert cell.state() is MotionState.REFUSED
    cell.refuses = False
    cell.run(1.2)
    assert cell.arm.connected and cell.arm.error is None
    assert cell.controller is not first and cell.controller.steps == []


def test_motion_is_refused_when_the_arm_is_not_powered() -> None:
    cell = Cell()
    cell.controller.mode = 3
    cell.run(0.1)
    cell.follow()
    assert cell.arm.motion is not None
    assert cell.arm.motion.reason == "the arm is not ready: not running (robot mode 3): power it on, release its brakes"


def test_library_that_is_not_there_is_the_error_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rtde_control", None)
    monkeypatch.setitem(sys.modules, "rtde_receive", None)
    now_s = [5.0]
    bus = HostBus("tcp://10.0.0.2", lambda: now_s[0])
    arm = UrArm(DeviceSpec("arm", "ur", "tcp://10.0.0.2"), bus)
    assert bus.poll(5.0) == 6.0
    assert not arm.connected
    assert arm.error is not None and "rtde" in arm.error


def test_port_is_refused_when_it_is_a_serial_one() -> None:
    devices = Devices(lambda: 0.0, threaded=False)
    with pytest.raises(InputError, match="speaks TCP: write tcp://HOST, not /dev/ttyUSB0"):
        devices.open(DeviceSpec("arm", "ur", "/dev/ttyUSB0"))


def test_place_is_on_the_cubic_when_it_is_between_two_points() -> None:
    one = ArmPoint(1.0, (0.0,), (1.0,))
    two = ArmPoint(3.0, (2.0,), (1.0,))
    assert at((one, two), 0.0) == (0.0,)
    assert at((one, two), 2.0) == pytest.approx((1.0,))
    assert at((one, two), 9.0) == (2.0,)
