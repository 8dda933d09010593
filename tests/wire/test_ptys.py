"""The same drivers and emulators over ptys in real time, and other people's Modbus clients against the emulators."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import serial

from cell.drivers.crc import with_crc
from cell.drivers.interfaces import Conveyor, Gripper
from cell.drivers.modbus_io import ModbusIo
from cell.drivers.registry import DeviceSpec
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.slave import RtuSlave
from sim.line_sockets import LineSocket
from sim.ptys import PtyPort


def test_whole_cell_works_through_pyserial_when_in_real_time(live_bench) -> None:
    devices = live_bench.devices
    gripper = cast(Gripper, devices.open(DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9)))
    drive = cast(Conveyor, devices.open(DeviceSpec("drive", "ls_g100", live_bench.hall.path("drive"))))
    block = cast(ModbusIo, devices.open(DeviceSpec("encoder", "modbus_io", "sim:io", unit=2)))
    gripper.activate()
    drive.run(0.2)
    live_bench.wait(lambda: gripper.status is not None and gripper.status.value.activated)
    live_bench.world.gripper.part_m = 0.06
    gripper.move(0.0, speed_mps=0.15, force_n=60.0)
    live_bench.wait(lambda: gripper.status is not None and not gripper.status.value.moving)
    assert gripper.status is not None
    assert gripper.status.value.object_detected
    live_bench.wait(lambda: drive.status is not None and drive.status.value.at_speed)
    live_bench.wait(lambda: block.encoder is not None and block.encoder.value.travel_m > 0.1)
    for bus in devices.buses.values():
        assert bus.statistics.answered > 5
        # A busy machine may make replies late; nothing damages them.
        assert bus.statistics.noise_bytes <= 30 * bus.statistics.timeouts


def test_driver_is_disconnected_at_once_and_back_by_itself_when_the_plug_is_pulled(live_bench) -> None:
    block = cast(ModbusIo, live_bench.devices.open(DeviceSpec("encoder", "modbus_io", "sim:io", unit=2)))
    live_bench.wait(lambda: block.connected)
    live_bench.hall.unplug("io")
    live_bench.wait(lambda: not block.connected, within_s=2.0)
    assert block.error
    live_bench.hall.plug("io")
    live_bench.wait(lambda: block.connected, within_s=5.0)
    assert live_bench.devices.buses["sim:io"].reopened == 1


@pytest.fixture
def plug(bench, tmp_path: Path) -> Iterator[PtyPort]:
    slave = RtuSlave(2, ModbusIoDevice(bench.world))
    port = PtyPort("plug", slave, time.monotonic, 115200, lock=threading.RLock(), link=tmp_path / "by-id")
    port.start()
    yield port
    port.close()


ASK = with_crc(bytes.fromhex("02 04 0006 0001"))
ANSWER = with_crc(bytes.fromhex("02 04 02 CE11"))


def ask(link: LineSocket) -> None:
    # The silence before a frame that the emulator insists on.
    time.sleep(0.005)
    assert link.write(ASK) == len(ASK)


def answer(link: LineSocket, length: int = 7, within_s: float = 5.0) -> bytes:
    found, until_s = b"", time.monotonic() + within_s
    while len(found) < length and time.monotonic() < until_s:
        select.select([link], (), (), 0.1)
        found += link.read(length - len(found))
    return found


def test_controller_is_answered_by_its_socket_and_others_by_the_pty(plug: PtyPort) -> None:
    link = LineSocket(Path(plug.path))
    with serial.Serial(plug.path, 115200, timeout=2.0) as other:
        for _ in range(3):
            ask(link)
            assert answer(link) == ANSWER
            time.sleep(0.005)
            other.write(ASK)
            assert other.read(7) == ANSWER
        assert other.read_all() == b"" and link.read(100) == b""
    link.close()


def test_one_controller_at_a_time_has_the_line_and_the_next_when_it_is_gone(plug: PtyPort) -> None:
    first, second = LineSocket(Path(plug.path)), LineSocket(Path(plug.path))
    ask(first)
    assert answer(first) == ANSWER
    with pytest.raises(OSError, match="gone"):
        answer(second)
    second.close()
    first.close()
    third = LineSocket(Path(plug.path))
    ask(third)
    assert answer(third) == ANSWER
    third.close()


def test_socket_goes_with_the_plug_and_comes_back_with_it(plug: PtyPort) -> None:
    link = LineSocket(Path(plug.path))
    ask(link)
    assert answer(link) == ANSWER
    plug.unplug()
    with pytest.raises(OSError, match=r".+"):
        answer(link)
    link.close()
    with pytest.raises(ConnectionRefusedError):
        LineSocket(Path(plug.path))
    plug.plug()
    again = LineSocket(Path(plug.path))
    ask(again)
    assert answer(again) == ANSWER
    again.close()


def test_path_stays_the_same_when_the_plug_is_put_back(plug: PtyPort) -> None:
    path = plug.path
    first = Path(path).resolve()
    port = serial.Serial(path, 115200, timeout=0.5)
    plug.unplug()
    with pytest.raises(OSError, match=r".+"):
        port.read(1)
    port.close()
    assert not Path(path).exists()
    plug.plug()
    assert plug.path == path
    assert Path(path).exists()
    with serial.Serial(path, 115200, timeout=0.5) as again:
        again.write(with_crc(bytes.fromhex("02 04 0006 0001")))
        assert again.read(7)[:5] == bytes.fromhex("02 04 02 CE11")
    assert first.parent == Path(path).resolve().parent


def test_reply_takes_its_time_on_the_wire_when_behind_a_pty(plug: PtyPort) -> None:
    with serial.Serial(plug.path, 115200, timeout=0.5) as port:
        started_s = time.monotonic()
        port.write(with_crc(bytes.fromhex("02 04 0006 0001")))
        assert len(port.read(7)) == 7
        # 8 bytes out, 1.75 ms of silence, 7 bytes back.
        assert time.monotonic() - started_s >= 15 * 10 / 115200 + 0.00175


def test_pymodbus_reads_and_writes_when_it_is_the_client(live_bench) -> None:
    client_module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'bench'")
    client = client_module.ModbusSerialClient(live_bench.hall.path("drive"), baudrate=115200, timeout=1.0)
    assert client.connect()
    try:
        assert not client.write_registers(4, [1500, 2], device_id=1).isError()
        end_s = time.monotonic() + 10.0
        while client.read_holding_registers(9, count=1, device_id=1).registers != [1500]:
            assert time.monotonic() < end_s
        assert client.write_register(5, 1, device_id=1).registers == [1]
        refused = client.read_input_registers(0x100, count=1, device_id=1)
        assert refused.isError()
        assert refused.exception_code == 2
        both = client_module.ModbusSerialClient(live_bench.hall.path("gripper"), baudrate=115200, timeout=1.0)
        assert both.connect()
        reply = both.readwrite_registers(
            read_address=0x07D0, read_count=3, write_address=0x03E8, values=[0x0100], device_id=9
        )
        assert reply.registers[0] == 0x1100
        both.close()
    finally:
        client.close()


def test_minimalmodbus_reads_and_writes_when_it_is_the_client(live_bench) -> None:
    minimalmodbus = pytest.importorskip("minimalmodbus", reason="minimalmodbus comes with the extra 'bench'")
    block = minimalmodbus.Instrument(live_bench.hall.path("io"), 2)
    block.serial.baudrate, block.serial.timeout = 115200, 1.0
    with live_bench.lock:
        live_bench.world.cabinet.encoder_m = 7.0
    assert block.read_registers(0, 8, functioncode=4)[1:3] == [1, 70_000 - 65_536]
    block.serial.close()
    drive = minimalmodbus.Instrument(live_bench.hall.path("drive"), 1)
    # It waits for a whole reply before it looks for an exception.
    drive.serial.baudrate, drive.serial.timeout = 115200, 0.3
    drive.write_register(4, 1000, functioncode=6)
    drive.write_registers(6, [7, 8])
    assert drive.read_registers(4, 4) == [1000, 1, 7, 8]
    with pytest.raises(minimalmodbus.SlaveReportedException):
        drive.read_register(0x100)
    drive.serial.close()
