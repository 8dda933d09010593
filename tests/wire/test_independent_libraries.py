"""Other people's Python libraries drive the emulators over ptys: a driver of the gripper, and two Modbus masters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest


def _until(truth: Callable[[], Any], within_s: float = 30.0) -> None:
    end_s = time.monotonic() + within_s
    while not truth():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(0.01)


@pytest.fixture
def robotiq(live_bench) -> Any:
    library = pytest.importorskip("pyrobotiqgripper", reason="pyrobotiqgripper comes with the extra 'dev'")
    gripper = library.RobotiqGripper(com_port=live_bench.hall.path("gripper"), device_id=9)
    # A loaded machine may keep the emulated fingers from moving for a while.
    gripper.timeOut = 30
    gripper.connect()
    yield gripper
    gripper.disconnect()


def test_robotiqs_users_find_their_gripper_when_they_activate_ours(live_bench, robotiq: Any) -> None:
    robotiq.activate()
    assert robotiq.isActivated()
    assert live_bench.gripper.state == 3
    robotiq.move(100, speed=255, force=0)
    assert robotiq.position() == 100
    assert live_bench.world.gripper.width_m == pytest.approx(0.085 * (1 - 100 / 230), abs=0.004)
    # Nothing was between the fingers: it says so.
    assert robotiq.objectDetection() == 3


def test_robotiqs_users_feel_a_part_when_our_fingers_close_on_one(live_bench, robotiq: Any) -> None:
    robotiq.activate()
    with live_bench.lock:
        live_bench.world.gripper.part_m = 0.05
    robotiq.move(255, speed=0, force=100)
    assert robotiq.objectDetection() == 2
    assert live_bench.world.gripper.width_m == pytest.approx(0.05)
    assert 0 < robotiq.position() < 255
    robotiq.open()
    assert robotiq.objectDetection() == 3
    assert live_bench.world.gripper.width_m == pytest.approx(0.085)


def test_robotiqs_users_are_refused_when_the_gripper_is_not_activated(robotiq: Any) -> None:
    library = pytest.importorskip("pyrobotiqgripper")
    robotiq.reset()
    robotiq.readStatus()
    assert not robotiq.isActivated()
    with pytest.raises(library.GripperNotActivatedError):
        robotiq.move(50)


def test_pymodbus_runs_a_cell_when_it_is_the_master_of_all_three(live_bench) -> None:
    module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'dev'")
    clients = {
        name: module.ModbusSerialClient(live_bench.hall.path(name), baudrate=115200, timeout=2.0)
        for name in ("drive", "gripper", "io")
    }
    drive, gripper, block = clients.values()
    assert all(client.connect() for client in clients.values())
    try:
        # One coil or many, discrete inputs: none of these devices has them, and each says so.
        for refused in (drive.read_coils(0, count=1, device_id=1), block.read_discrete_inputs(0, count=1, device_id=2)):
            assert refused.isError() and refused.exception_code == 1
        assert not drive.write_registers(4, [2000, 2], device_id=1).isError()
        _until(lambda: live_bench.world.belt.speed_mps == pytest.approx(0.2))
        _until(lambda: block.read_input_registers(2, count=1, device_id=2).registers[0] > 100)
        with live_bench.lock:
            live_bench.world.cabinet.estop_ok = False
        assert block.read_holding_registers(0, count=1, device_id=2).registers == [0b10]
        assert block.write_register(0, 3, device_id=2).exception_code in (1, 2)
        assert drive.write_register(5, 1, device_id=1).registers == [1]
        _until(lambda: live_bench.world.belt.speed_mps == 0.0)
        assert not gripper.write_registers(0x03E8, [0x0100, 0, 0], device_id=9).isError()
        _until(lambda: gripper.read_holding_registers(0x07D0, count=1, device_id=9).registers[0] >> 12 & 3 == 3)
        assert not gripper.write_registers(0x03E8, [0x0900, 128, 0xFF00], device_id=9).isError()
        _until(lambda: gripper.read_input_registers(0x07D0, count=1, device_id=9).registers[0] >> 14 == 3)
        assert live_bench.world.gripper.width_m < 0.05
    finally:
        for client in clients.values():
            client.close()


def test_minimalmodbus_runs_a_cell_when_it_is_the_master_of_all_three(live_bench) -> None:
    library = pytest.importorskip("minimalmodbus", reason="minimalmodbus comes with the extra 'dev'")

    def instrument(line: str, unit: int) -> Any:
        one = library.Instrument(live_bench.hall.path(line), unit)
        one.serial.baudrate, one.serial.timeout = 115200, 2.0
        return one

    drive, gripper, block = instrument("drive", 1), instrument("gripper", 9), instrument("io", 2)
    try:
        drive.write_registers(4, [1000, 2])
        _until(lambda: live_bench.world.belt.speed_mps == pytest.approx(0.1))
        assert drive.read_register(9) == 1000
        _until(lambda: block.read_long(1, functioncode=4) > 100)
        with live_bench.lock:
            live_bench.world.cabinet.curtain_ok = False
        assert block.read_register(0, functioncode=4) == 0b01
        drive.write_register(5, 1, functioncode=6)
        _until(lambda: live_bench.world.belt.speed_mps == 0.0)
        gripper.write_registers(0x03E8, [0x0100, 0, 0])
        _until(lambda: gripper.read_register(0x07D0) >> 12 & 3 == 3)
        with live_bench.lock:
            live_bench.world.gripper.part_m = 0.06
        gripper.write_registers(0x03E8, [0x0900, 255, 0xFF00])
        _until(lambda: gripper.read_register(0x07D0, functioncode=4) >> 14 == 2)
        assert live_bench.world.gripper.width_m == pytest.approx(0.06)
    finally:
        for one in (drive, gripper, block):
            one.serial.close()
