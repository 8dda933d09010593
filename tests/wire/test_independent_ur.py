"""The library ``ur-rtde`` itself, and our driver through it, against an emulated control box in a process of its own:
the library holds Python's lock while it waits, so that nothing else of its process goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cell.drivers.interfaces import ArmPoint, MotionState
from cell.drivers.registry import Devices, DeviceSpec

pytest.importorskip("rtde_control", reason="ur-rtde comes with the extra 'ur'")
pytest.importorskip("rtde_receive", reason="ur-rtde comes with the extra 'ur'")

HOME = (0.0, -1.57, 1.57, -1.57, -1.57, 0.0)
THERE = (0.2, -1.47, 1.5, -1.57, -1.57, 0.1)
STILL = (0.0,) * 6
# The ports are the maker's: an address of this machine that nobody else has.
HOST = f"127.0.{65 + os.getpid() % 100}.{1 + os.getpid() // 100 % 250}"
BOX = f"""
import json, sys
from sim.emulators.ur import UrArmDevice
from sim.emulators.ur_ports import UrBox
arm = UrArmDevice({HOME!r})
box = UrBox({HOST!r}, arm)
box.start()
print("up", flush=True)
for line in sys.stdin:
    with box.lock:
        if line.strip() == "protective stop":
            arm.safety_bits = 4
        answer = dict(joints=arm.joints_rad, commands=len(arm.commands), last=arm.commands[-1:], program=arm.program)
    print(json.dumps(answer), flush=True)
box.close()
"""


class Box:
    """The control box's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOX], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None and self._process.stdin is not None
        assert self._process.stdout.readline() == "up\n"

    def ask(self, words: str = "") -> dict[str, Any]:
        assert self._process.stdout is not None and self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdout is not None and self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    yield box
    box.close()


def until(truth: Callable[[], Any], within_s: float = 30.0) -> None:
    end_s = time.monotonic() + within_s
    while not truth():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(0.01)


def test_library_uploads_its_script_and_moves_the_arm_when_it_servos(box: Box) -> None:
    import rtde_control
    import rtde_receive

    names = ["timestamp", "actual_q", "actual_qd", "robot_mode", "safety_status_bits"]
    receive = rtde_receive.RTDEReceiveInterface(HOST, -1.0, names)
    control = rtde_control.RTDEControlInterface(HOST)
    try:
        assert box.ask()["program"]
        assert receive.getActualQ() == pytest.approx(list(HOME))
        assert (receive.getRobotMode(), receive.getSafetyStatusBits()) == (7, 1)
        assert control.servoJ(list(THERE), 0.0, 0.0, 0.008, 0.1, 300)
        until(lambda: receive.getActualQ() == pytest.approx(list(THERE)))
        control.servoStop(10.0)
        assert box.ask()["last"] == [16]
    finally:
        control.disconnect()
        receive.disconnect()


def test_driver_follows_a_trajectory_through_the_library_when_its_thread_runs(box: Box) -> None:
    devices = Devices(time.monotonic, threaded=True)
    # A busy machine keeps a thread off for longer than a cell would.
    options = {"late_s": 0.5, "max_rate_radps": 3.0}
    arm: Any = devices.open(DeviceSpec("arm", "ur", f"tcp://{HOST}", options=options))
    devices.start()
    try:
        until(lambda: arm.connected and arm.status.value.ready)
        points = [ArmPoint(0.0, HOME, STILL), ArmPoint(1.0, THERE, STILL)]
        arm.follow(points, start_s=time.monotonic() + 0.05)
        until(lambda: arm.motion.state not in (MotionState.WAITING, MotionState.RUNNING))
        assert arm.motion.state is MotionState.DONE, arm.motion
        found = box.ask()
        assert found["joints"] == pytest.approx(list(THERE), abs=0.001)
        assert found["commands"] > 20
        arm.follow([ArmPoint(0.0, THERE, STILL), ArmPoint(2.0, HOME, STILL)], start_s=time.monotonic())
        until(lambda: arm.motion.state is MotionState.RUNNING)
        box.ask("protective stop")
        until(lambda: arm.motion.state is MotionState.FAILED)
        until(lambda: arm.error == "protective stop: a person has to release it")
    finally:
        devices.close()
