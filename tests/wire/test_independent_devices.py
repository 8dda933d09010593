"""Other people's clients on the emulators of drives, meters, hands and serial conveyors: pymodbus over a pty and over
TCP, minimalmodbus, mbpoll, and pyserial alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sim import links
from sim.emulators.delta_ms300 import DeltaMs300Device
from sim.emulators.eastron_sdm import EastronSdm120Device, EastronSdm630Device
from sim.emulators.grbl import GrblController
from sim.emulators.ls_g100 import LsIg5aDevice, LsS100Device
from sim.emulators.onrobot_rg import OnRobotRg2Device, OnRobotRg6Device
from sim.emulators.robotiq_2f85 import Robotiq2F140Device, RobotiqHandEDevice
from sim.emulators.slave import RtuSlave, TcpSlave


@pytest.fixture
def hall(bench: Any) -> Iterator[Any]:
    """A hall in real time in front of the small world of ``bench``; ``start`` it when everything is attached."""
    hall = links.LinkHall(time.monotonic, threaded=True)
    hall.world = bench.world  # type: ignore[attr-defined]
    yield hall
    hall.close()


def until(truth: Callable[[], Any], within_s: float = 30.0) -> None:
    end_s = time.monotonic() + within_s
    while not truth():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        time.sleep(0.01)


def serial_client(hall: Any, line: str, baudrate: int, **how: Any) -> Any:
    module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'dev'")
    client = module.ModbusSerialClient(hall.path(line), baudrate=baudrate, timeout=2.0, **how)
    assert client.connect()
    return client


def test_pymodbus_runs_and_resets_the_belt_when_it_is_an_ms300s_master(hall: Any) -> None:
    device = DeltaMs300Device(hall.world, ramp_s=1.0)
    hall.attach("drive", RtuSlave(1, device, baudrate=9600), baudrate=9600)
    hall.start()
    client = serial_client(hall, "drive", 9600)
    try:
        assert client.read_coils(0, count=1, device_id=1).exception_code == 1
        assert client.read_input_registers(0x2100, count=1, device_id=1).exception_code == 1
        assert client.write_register(0x2001, 7000, device_id=1).exception_code == 3
        assert not client.write_registers(0x2000, [0x12, 2000], device_id=1).isError()
        until(lambda: client.read_holding_registers(0x2103, count=1, device_id=1).registers == [2000])
        assert hall.world.belt.speed_mps == pytest.approx(0.2)
        assert client.read_holding_registers(0x2101, count=1, device_id=1).registers[0] & 3 == 3
        assert client.read_holding_registers(0x0902, count=2, device_id=1).registers == [0, 0]
        assert not client.write_register(0x2002, 1, device_id=1).isError()
        assert client.read_holding_registers(0x2100, count=1, device_id=1).registers == [49]
        assert client.write_register(0x2000, 0x12, device_id=1).exception_code == 4
        assert not client.write_register(0x2002, 2, device_id=1).isError()
        assert client.read_holding_registers(0x2100, count=1, device_id=1).registers == [0]
        assert hall.world.belt.speed_mps == 0.0
    finally:
        client.close()


@pytest.mark.parametrize(("kind", "stopbits", "where"), [(LsIg5aDevice, 2, 0xA43D), (LsS100Device, 1, 0x1B0B)])
def test_pymodbus_reads_what_a_lost_command_does_when_it_asks_an_ls_drive(
    hall: Any, kind: Any, stopbits: int, where: int
) -> None:
    bits = 9 + stopbits
    slave = RtuSlave(1, kind(hall.world, lost_command_s=5.0), baudrate=9600, bits_per_character=bits)
    hall.attach("drive", slave, baudrate=9600)
    hall.start()
    client = serial_client(hall, "drive", 9600, stopbits=stopbits)
    try:
        assert client.read_holding_registers(where, count=2, device_id=1).registers == [2, 50]
        assert not client.write_registers(4, [1000, 2], device_id=1).isError()
        until(lambda: hall.world.belt.speed_mps == pytest.approx(0.1))
        assert not client.write_register(5, 1, device_id=1).isError()
        until(lambda: hall.world.belt.speed_mps == 0.0)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("kind", "voltage_at", "power_at"), [(EastronSdm120Device, 0, 0x0C), (EastronSdm630Device, 0x2A, 0x34)]
)
def test_pymodbus_reads_power_and_energy_when_it_asks_a_meter(
    hall: Any, kind: Any, voltage_at: int, power_at: int
) -> None:
    hall.world.power_w = 690.0
    device = kind(hall.world, lambda now: None, voltage_v=231.5, energy_kwh=42.5)
    hall.attach("meter", RtuSlave(1, device, baudrate=9600), baudrate=9600)
    hall.start()
    client = serial_client(hall, "meter", 9600)

    def read(address: int) -> float:
        registers = client.read_input_registers(address, count=2, device_id=1).registers
        return float(client.convert_from_registers(registers, client.DATATYPE.FLOAT32))

    try:
        assert read(voltage_at) == pytest.approx(231.5)
        until(lambda: read(power_at) == pytest.approx(690.0))
        assert read(0x0156) == pytest.approx(42.5, abs=0.01)
        assert client.read_input_registers(1, count=2, device_id=1).exception_code == 3
    finally:
        client.close()


def test_minimalmodbus_reads_floats_when_it_asks_a_meter(hall: Any) -> None:
    library = pytest.importorskip("minimalmodbus", reason="minimalmodbus comes with the extra 'dev'")
    hall.world.power_w = 0.0
    device = EastronSdm120Device(hall.world, lambda now: None, voltage_v=230.2)
    hall.attach("meter", RtuSlave(1, device, baudrate=9600), baudrate=9600)
    hall.start()
    one = library.Instrument(hall.path("meter"), 1)
    one.serial.baudrate, one.serial.timeout = 9600, 2.0
    try:
        assert one.read_float(0, functioncode=4, number_of_registers=2) == pytest.approx(230.2)
    finally:
        one.serial.close()


@pytest.mark.skipif(shutil.which("mbpoll") is None, reason="mbpoll is not installed (apt install mbpoll)")
def test_mbpoll_reads_floats_when_it_asks_a_meter(hall: Any) -> None:
    hall.world.power_w = 0.0
    device = EastronSdm120Device(hall.world, lambda now: None, voltage_v=229.5)
    hall.attach("meter", RtuSlave(1, device, baudrate=9600), baudrate=9600)
    hall.start()
    words = [
        "mbpoll",
        "-m",
        "rtu",
        "-a",
        "1",
        "-b",
        "9600",
        "-P",
        "none",
        "-t",
        "3:float",
        "-B",
        "-0",
        "-r",
        "0",
        "-c",
        "1",
    ]
    done = subprocess.run(
        [*words, "-1", "-o", "2", hall.path("meter")], capture_output=True, text=True, timeout=60, check=False
    )
    found = re.search(r"^\[0\]:\s+([\d.]+)", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    assert float(found.group(1)) == pytest.approx(229.5)


@pytest.mark.parametrize(("kind", "most"), [(OnRobotRg2Device, 1100), (OnRobotRg6Device, 1600)])
def test_pymodbus_grips_a_part_when_it_is_an_onrobots_master(hall: Any, kind: Any, most: int) -> None:
    module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'dev'")
    device = kind(hall.world)
    hall.attach_tcp("hand", TcpSlave(65, device))
    hall.start()
    host, _, port = hall.address("hand").removeprefix("tcp://").partition(":")
    client = module.ModbusTcpClient(host, port=int(port), timeout=2.0)
    assert client.connect()
    try:
        assert client.write_register(1, most + 1, device_id=65).exception_code == 3
        hall.world.gripper.part_m = 0.05
        assert not client.write_registers(0, [200, 100, 1], device_id=65).isError()
        # Busy: another command is ignored.
        assert not client.write_registers(0, [200, 800, 1], device_id=65).isError()
        until(lambda: client.read_holding_registers(268, count=1, device_id=65).registers == [2])
        assert client.read_holding_registers(267, count=1, device_id=65).registers == [500]
        assert device.ignored == 1
    finally:
        client.close()


@pytest.mark.parametrize(("kind", "stroke_m"), [(Robotiq2F140Device, 0.140), (RobotiqHandEDevice, 0.050)])
def test_pymodbus_opens_to_the_stroke_when_it_activates_another_robotiq(hall: Any, kind: Any, stroke_m: float) -> None:
    hall.attach("hand", RtuSlave(9, kind(hall.world)))
    hall.start()
    client = serial_client(hall, "hand", 115200)
    try:
        assert not client.write_registers(0x03E8, [0x0100, 0, 0], device_id=9).isError()
        until(lambda: client.read_holding_registers(0x07D0, count=1, device_id=9).registers[0] >> 12 & 3 == 3)
        assert hall.world.gripper.width_m == pytest.approx(stroke_m)
        assert not client.write_registers(0x03E8, [0x0900, 128, 0xFF00], device_id=9).isError()
        until(lambda: client.read_input_registers(0x07D0, count=1, device_id=9).registers[0] >> 14 == 3)
        assert hall.world.gripper.width_m == pytest.approx(stroke_m * (255 - 128) / 255)
    finally:
        client.close()


def test_pyserial_jogs_the_belt_when_it_speaks_to_a_grbl(hall: Any) -> None:
    import serial

    controller = GrblController(hall.world)
    hall.attach("belt", controller)
    hall.start()
    port = serial.Serial(hall.path("belt"), 115200, timeout=5.0)
    try:
        port.write(b"\x18")
        greeting = port.read_until(b"help]\r\n")
        assert b"Grbl 1.1h ['$' for help]" in greeting
        port.write(b"$I\n")
        assert port.readline().startswith(b"[VER:1.1")
        assert port.readline().startswith(b"[OPT:")
        assert port.readline() == b"ok\r\n"
        port.write(b"G0 X1\n$J=G91 X10\n$J=G91 G21 X50 F6000\n")
        assert [port.readline() for _ in range(3)] == [b"error:20\r\n", b"error:22\r\n", b"ok\r\n"]
        until(lambda: hall.world.belt.speed_mps > 0.0)
        port.write(b"?")
        assert re.fullmatch(rb"<Jog\|MPos:[\d.]+,0.000,0.000\|FS:\d+,0>\r\n", port.readline())
        until(lambda: controller.position_mm == pytest.approx(50.0, abs=0.5))
        port.write(b"$J=G91 G21 X5000 F6000\n")
        assert port.readline() == b"ok\r\n"
        until(lambda: hall.world.belt.speed_mps == pytest.approx(0.1))
        port.write(b"\x85")
        until(lambda: hall.world.belt.speed_mps == 0.0)
        assert controller.position_mm < 4000.0
    finally:
        port.close()
