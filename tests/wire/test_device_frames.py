"""Byte-exact frames of the makers' manuals, which driver and emulator each have to meet; and what is a device's own.

Sources: Delta MS300 user manual, appendix A (read of 0x2102, write of two parameters, exception 02); Eastron SDM120 and
SDM630 Modbus protocol, section 1.1 (read of the voltage: 230.2 V); Grbl v1.1 documentation, "Interface".
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.delta_ms300 import DeltaMs300
from cell.drivers.frames import READ_HOLDING, READ_INPUT, WRITE_MANY, Request, exchange, find_reply
from cell.drivers.grbl_talk import Alarm, Answer, Report, Said, Version, Welcome, parse
from cell.drivers.registry import Devices, DeviceSpec
from perception.errors import InputError
from sim import links
from sim.emulators.delta_ms300 import DeltaMs300Device
from sim.emulators.eastron_sdm import EastronSdm120Device, EastronSdm630Device
from sim.emulators.grbl import GrblController
from sim.emulators.ls_g100 import LsIg5aDevice, LsS100Device
from sim.emulators.onrobot_rg import OnRobotRg2Device
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RtuSlave, TcpSlave


class Wire:
    """One emulator on a line in memory, with everything that reached it."""

    def __init__(self, world: Any) -> None:
        self.now_s = 1.0
        self.world = world
        self.heard = b""
        self.hall = links.LinkHall(lambda: self.now_s, threaded=False)
        links.use(self.hall)
        self.devices = Devices(lambda: self.now_s, threaded=False)

    def attach(self, emulator: Any, baudrate: int) -> None:
        taken: Callable[[bytes, float], None] = emulator.feed

        def feed(data: bytes, now: float) -> None:
            self.heard += data
            taken(data, now)

        emulator.feed = feed
        self.hall.attach("line", emulator, baudrate=baudrate)

    def open(self, model: str, unit: int, baudrate: int, port: str = "sim:line", **options: object) -> Any:
        return self.devices.open(DeviceSpec("device", model, port, unit, baudrate, options))

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            for _ in range(200):
                wanted = [self.devices.poll(self.now_s), self.hall.poll(self.now_s)]
                next_s = min((value for value in wanted if value is not None), default=math.inf)
                if next_s > self.now_s:
                    break
            else:
                raise AssertionError(f"never idle at {self.now_s}")
            if next_s > end_s:
                self.now_s = end_s
                return
            self.now_s = next_s


@pytest.fixture
def wire(bench: Any) -> Iterator[Wire]:
    wire = Wire(bench.world)
    yield wire
    wire.devices.close()
    wire.hall.close()


def answer(slave: RtuSlave, frame: str, now: float) -> bytes:
    """What an emulator says to raw bytes behind a long silence."""
    slave.feed(bytes.fromhex(frame), now)
    return slave.poll(now + 0.05)[0]


# Delta MS300.


def test_ms300_says_the_manuals_frame_when_its_frequencies_are_read(wire: Wire) -> None:
    slave = RtuSlave(1, DeltaMs300Device(wire.world), baudrate=9600)
    answer(slave, with_crc(bytes.fromhex("01 06 2001 1770")).hex(), 1.0)
    assert answer(slave, "01 03 2102 0002 6FF7", 2.0) == bytes.fromhex("01 03 04 1770 0000 FE5C")


def test_ms300_refuses_with_the_manuals_frame_when_an_address_is_not_its_own(wire: Wire) -> None:
    slave = RtuSlave(1, DeltaMs300Device(wire.world), baudrate=9600)
    assert answer(slave, with_crc(bytes.fromhex("01 06 3000 0001")).hex(), 1.0) == bytes.fromhex("01 86 02 C3A1")


def test_driver_frames_as_the_ms300s_manual_does_when_it_reads_and_writes() -> None:
    read, write = Request(1, READ_HOLDING, 0x2102, 2), Request(1, WRITE_MANY, 0x0500, values=(0x1388, 0x0FA0))
    assert exchange(read).frame == bytes.fromhex("01 03 2102 0002 6FF7")
    assert exchange(write).frame == bytes.fromhex("01 10 0500 0002 04 1388 0FA0 4DD9")
    match = find_reply(bytes.fromhex("01 03 04 1770 0000 FE5C"), exchange(read))
    assert match is not None and match.values == (6000, 0)
    assert find_reply(bytes.fromhex("01 10 0500 0002 4104"), exchange(write)) is not None


def ms300(wire: Wire, **settings: Any) -> tuple[DeltaMs300, DeltaMs300Device]:
    device = DeltaMs300Device(wire.world, ramp_s=1.0, **settings)
    wire.attach(RtuSlave(1, device, baudrate=9600), 9600)
    driver = wire.open("delta_ms300", 1, 9600, allow_reverse=True)
    wire.run(0.5)
    return driver, device


def test_ms300_runs_by_the_words_of_its_command_when_asked(wire: Wire) -> None:
    driver, device = ms300(wire)
    assert driver.run(0.2) == pytest.approx(0.2)
    wire.run(1.5)
    assert bytes.fromhex("01 10 2000 0002 04 0012 07D0") in wire.heard
    assert driver.status is not None and driver.status.value.at_speed
    driver.run(-0.1)
    wire.run(1.5)
    assert bytes.fromhex("01 10 2000 0002 04 0022 03E8") in wire.heard
    assert wire.world.belt.speed_mps == pytest.approx(-0.1)
    assert driver.status.value.speed_mps == pytest.approx(-0.1)
    driver.stop()
    wire.run(1.5)
    assert wire.world.belt.speed_mps == 0.0
    assert device.fault == 0


@pytest.mark.parametrize(("settings", "stops"), [({}, False), ({"time_out_s": 0.5, "treatment": 1}, True)])
def test_ms300_goes_on_without_its_master_when_its_time_out_is_as_it_comes(
    wire: Wire, settings: dict[str, Any], stops: bool
) -> None:
    driver, device = ms300(wire, **settings)
    driver.run(0.2)
    wire.run(1.5)
    wire.hall.unplug("line")
    wire.run(5.0)
    assert (wire.world.belt.speed_mps == 0.0) is stops
    assert device.fault == (58 if stops else 0)


def test_ms300_says_why_when_it_was_tripped_and_is_asked_to_run(wire: Wire) -> None:
    driver, device = ms300(wire)
    device.trip(49, wire.now_s)
    wire.run(0.3)
    assert driver.error == "the drive has tripped (code 49: external fault)"
    assert answer(RtuSlave(1, device, baudrate=9600), with_crc(bytes.fromhex("01 06 2000 0012")).hex(), 9.0)[1:3] == (
        b"\x86\x04"
    )


# LS: what differs.


def test_trip_is_named_when_an_ig5a_says_its_bit(wire: Wire) -> None:
    device = LsIg5aDevice(wire.world)
    wire.attach(RtuSlave(1, device, baudrate=9600), 9600)
    driver = wire.open("ls_ig5a", 1, 9600)
    wire.run(0.5)
    device.trip(0x0200 | 0x0100, wire.now_s)
    wire.run(0.5)
    assert driver.error == "the drive has tripped (code 0x0300: overload, hardware)"


def test_trip_is_only_of_a_kind_when_an_s100_says_it(wire: Wire) -> None:
    device = LsS100Device(wire.world, lost_command_s=0.5)
    wire.attach(RtuSlave(1, device, baudrate=9600), 9600)
    driver = wire.open("ls_s100", 1, 9600)
    wire.run(0.5)
    driver.run(0.1)
    wire.run(1.0)
    wire.hall.unplug("line")
    wire.run(3.0)
    wire.hall.plug("line")
    wire.run(1.5)
    assert driver.error == "the drive has tripped (code 0x0001: latched)"


def test_baud_rate_is_refused_when_an_ig5a_does_not_have_it(wire: Wire) -> None:
    wire.attach(RtuSlave(1, LsIg5aDevice(wire.world)), 115200)
    with pytest.raises(InputError, match="115200 is none of a ls_ig5a's"):
        wire.open("ls_ig5a", 1, 115200)


# Eastron.


def test_meter_says_the_manuals_frame_when_its_voltage_is_read(wire: Wire) -> None:
    (voltage_v,) = struct.unpack(">f", bytes.fromhex("43663334"))
    device = EastronSdm120Device(wire.world, lambda now: None, voltage_v=voltage_v)
    wire.world.power_w = 0.0
    slave = RtuSlave(1, device, baudrate=9600)
    assert answer(slave, "01 04 0000 0002 71CB", 1.0) == bytes.fromhex("01 04 04 4366 3334 1B38")


@pytest.mark.parametrize(
    ("model", "kind", "phases"),
    [("eastron_sdm120", EastronSdm120Device, 1), ("eastron_sdm630", EastronSdm630Device, 3)],
)
def test_energy_is_counted_and_read_when_something_draws_power(wire: Wire, model: str, kind: Any, phases: int) -> None:
    wire.world.power_w = 900.0
    device = kind(wire.world, wire.world.advance, voltage_v=230.0, power_factor=0.9, energy_kwh=12.0)
    wire.attach(RtuSlave(1, device, baudrate=9600), 9600)
    meter = wire.open(model, 1, 9600)
    wire.run(40.0)
    if phases == 1:
        assert wire.heard.startswith(bytes.fromhex("01 04 0000 0002 71CB"))
    reading = meter.measured
    assert reading is not None and reading.good
    assert reading.value.power_w == pytest.approx(900.0)
    assert reading.value.voltage_v == pytest.approx(230.0)
    assert reading.value.current_a == pytest.approx(900.0 / 230.0 / 0.9, rel=1e-5)
    # A float has 24 bits: 12 kWh are counted in steps of 3.4 J.
    assert reading.value.energy_j - 12.0 * 3.6e6 == pytest.approx(900.0 * 39.5, abs=900.0 * 1.2)


@pytest.mark.parametrize(("frame", "code"), [("01 04 0001 0002", 3), ("01 04 0000 0003", 3), ("01 03 0000 0002", 2)])
def test_meter_refuses_when_half_a_value_is_asked_for(wire: Wire, frame: str, code: int) -> None:
    slave = RtuSlave(1, EastronSdm120Device(wire.world, lambda now: None), baudrate=9600)
    wire.world.power_w = 0.0
    reply = answer(slave, with_crc(bytes.fromhex(frame)).hex(), 1.0)
    assert (reply[1] & 0x80, reply[2]) == (0x80, code)


# OnRobot.


def rg2(wire: Wire) -> tuple[Any, OnRobotRg2Device]:
    device = OnRobotRg2Device(wire.world)
    wire.hall.attach_tcp("hand", TcpSlave(65, device))
    driver = wire.open("onrobot_rg2", 65, 115200, "sim+tcp:hand")
    wire.run(0.3)
    return driver, device


def test_rg2_feels_a_part_when_it_closes_on_one(wire: Wire) -> None:
    driver, _ = rg2(wire)
    wire.world.gripper.part_m = 0.04
    driver.move(0.0, speed_mps=0.1, force_n=20.0)
    wire.run(2.0)
    assert driver.status.value.object_detected
    assert not driver.status.value.at_request
    assert driver.status.value.width_m == pytest.approx(0.04)
    assert wire.world.gripper.force_n == pytest.approx(20.0)


def test_newest_move_wins_when_an_rg2_is_busy_with_another(wire: Wire) -> None:
    driver, device = rg2(wire)
    driver.move(0.0, speed_mps=0.1, force_n=20.0)
    wire.run(0.2)
    assert driver.status.value.moving
    driver.move(0.07, speed_mps=0.1, force_n=20.0)
    wire.run(0.02)
    assert driver.status.value.moving
    wire.run(2.0)
    assert driver.status.value.at_request
    assert driver.status.value.width_m == pytest.approx(0.07, abs=0.0005)
    # The device ignores commands while it is busy: the driver has sent it none.
    assert device.ignored == 0


def test_rg2_is_refused_when_its_port_is_a_serial_one(wire: Wire) -> None:
    with pytest.raises(InputError, match="speaks Modbus TCP: write tcp://HOST:502"):
        wire.open("onrobot_rg2", 65, 115200, "/dev/ttyUSB0")


# Robotiq.


def test_gripper_opens_slowly_and_has_to_be_activated_anew_when_it_released_by_itself(wire: Wire) -> None:
    device = Robotiq2F85Device(wire.world)
    wire.attach(RtuSlave(9, device), 115200)
    driver = wire.open("robotiq_2f85", 9, 115200)
    driver.activate()
    wire.run(4.0)
    driver.move(0.02, speed_mps=0.15, force_n=60.0)
    wire.run(1.5)
    device.write(16, 0x03E8, (0x3100,), wire.now_s)
    wire.run(1.0)
    assert driver.status.value.fault == 11
    wire.run(5.0)
    assert driver.status.value.fault == 15
    assert wire.world.gripper.width_m == pytest.approx(0.085)
    assert not driver.status.value.activated
    driver.activate()
    wire.run(4.0)
    assert driver.status.value.activated and driver.error is None


# Grbl.


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ok", Answer(0)),
        ("error:9", Answer(9)),
        ("ALARM:1", Alarm(1)),
        ("Grbl 1.1f ['$' for help]", Welcome("1.1f")),
        ("[VER:1.1f.20170131:]", Version("1.1f.20170131:")),
        ("<Idle|MPos:0.000,0.000,0.000|FS:0.0,0>", Report("Idle", 0.0, 0.0)),
        ("<Jog|WPos:-5.529,0.560,7.000|FS:600,0|Ov:100,100,100>", Report("Jog", -5.529, 600.0)),
        ("<Hold:0|MPos:1.000,0.000,0.000|F:500|Pn:P>", Report("Hold", 1.0, 500.0)),
        ("[MSG:'$H'|'$X' to unlock]", None),
        ("<Idle|FS:0,0>", None),
        ("<Idle|MPos:0.000,0.0", None),
        ("error:nine", None),
        ("", None),
    ],
)
def test_line_is_what_the_documentation_says_when_grbl_says_it(line: str, said: Said | None) -> None:
    assert parse(line) == said


def grbl(wire: Wire, **options: object) -> tuple[Any, GrblController]:
    controller = GrblController(wire.world)
    wire.attach(controller, 115200)
    driver = wire.open("grbl_conveyor", 1, 115200, **options)
    wire.run(0.3)
    return driver, controller


def test_grbl_is_only_asked_when_nobody_commands_it(wire: Wire) -> None:
    driver, controller = grbl(wire)
    wire.run(2.0)
    assert driver.connected and driver.error is None
    assert set(controller.lines) == {"$I"}


def test_belt_keeps_its_speed_when_grbl_is_jogged_piece_by_piece(wire: Wire) -> None:
    driver, controller = grbl(wire)
    assert driver.run(0.2) == pytest.approx(0.2)
    wire.run(1.0)
    speeds = set()
    for _ in range(200):
        wire.run(0.013)
        speeds.add(round(wire.world.belt.speed_mps, 6))
    assert speeds == {0.2}
    assert driver.status.value.at_speed
    assert controller.lines[-1] == "$J=G91 G21 X20.0000 F12000"


def test_belt_stands_at_once_and_stays_when_grbl_is_told_to_stop(wire: Wire) -> None:
    driver, controller = grbl(wire)
    driver.run(0.2)
    wire.run(1.0)
    at_mm = controller.position_mm
    driver.stop()
    wire.run(2.0)
    # 0.2 m/s at 0.5 m/s2: 40 mm of braking, and what was on its way to the controller.
    assert wire.world.belt.speed_mps == 0.0
    assert controller.position_mm - at_mm < 65.0
    assert not driver.status.value.running
    assert b"\x85" in wire.heard


def test_belt_runs_out_when_grbls_master_is_gone(wire: Wire) -> None:
    driver, controller = grbl(wire)
    driver.run(0.2)
    wire.run(1.0)
    at_mm = controller.position_mm
    wire.hall.unplug("line")
    wire.run(3.0)
    assert wire.world.belt.speed_mps == 0.0
    # At most what is sent ahead (0.4 s and a piece) and nothing more.
    assert controller.position_mm - at_mm < 0.2 * (0.4 + 0.1) * 1000 + 1.0


def test_belt_stands_when_grbl_was_reset_by_somebody(wire: Wire) -> None:
    driver, controller = grbl(wire)
    driver.run(0.1)
    wire.run(1.0)
    controller.power_off(wire.now_s)
    controller.power_on(wire.now_s)
    wire.run(2.0)
    assert wire.world.belt.speed_mps == 0.0
    assert driver.error == "the controller was reset: the belt stands"
    driver.run(0.1)
    wire.run(1.0)
    assert wire.world.belt.speed_mps == pytest.approx(0.1)
    assert driver.error is None


def test_grbl_is_let_in_when_another_version_is_allowed(wire: Wire) -> None:
    controller = GrblController(wire.world, version="3.4 FluidNC v3.4.2:")
    wire.attach(controller, 115200)
    driver = wire.open("grbl_conveyor", 1, 115200)
    wire.run(0.5)
    assert driver.error == "answers, but is no Grbl 1.1 (version 3.4 FluidNC v3.4.2:)"
    wire.devices.close()
    wire.devices = Devices(lambda: wire.now_s, threaded=False)
    driver = wire.open("grbl_conveyor", 1, 115200, any_version=True)
    wire.run(0.5)
    assert driver.connected


# The I/O block.


def test_lamps_are_lit_and_read_back_when_they_are_shown(bench: Any) -> None:
    from cell.drivers.interfaces import Lights

    block: Any = bench.devices.open(DeviceSpec("io", "modbus_io", "sim:io", unit=2))
    bench.run(0.1)
    assert block.lights.value == Lights()
    assert block.show(Lights(red=True, buzzer=True)) == Lights(red=True, buzzer=True)
    bench.run(0.1)
    assert bench.world.cabinet.lamps == 0b10001
    assert block.lights.value == Lights(red=True, buzzer=True)


def test_lamp_is_left_out_when_the_block_has_none(bench: Any) -> None:
    from cell.drivers.interfaces import Lights

    options = {"bit_blue": -1, "bit_buzzer": -1}
    block: Any = bench.devices.open(DeviceSpec("io", "modbus_io", "sim:io", unit=2, options=options))
    bench.run(0.1)
    assert block.show(Lights(green=True, blue=True, buzzer=True)) == Lights(green=True)


def test_part_is_seen_when_one_stands_before_the_sensor(bench: Any) -> None:
    block: Any = bench.devices.open(DeviceSpec("io", "modbus_io", "sim:io", unit=2))
    bench.run(0.1)
    assert block.part.value.present is False
    bench.world.cabinet.part_present = True
    bench.run(0.05)
    assert block.part.value.present is True


def test_meters_question_is_the_manuals_when_it_looks_who_answers() -> None:
    assert exchange(Request(1, READ_INPUT, 0, 2)).frame == bytes.fromhex("01 04 0000 0002 71CB")
