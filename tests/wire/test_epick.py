"""The EPick's driver against its emulator on a wire in memory, and both against frames of a public driver."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.interfaces import Vacuum, VacuumStatus
from cell.drivers.registry import Devices
from cell.drivers.spec import DeviceSpec
from perception.errors import InputError
from sim import links
from sim.emulators.robotiq_epick import RobotiqEPickDevice
from sim.emulators.slave import RtuSlave

SPEC = DeviceSpec("gripper", "robotiq_epick", "sim:gripper", unit=9)
GRIP = {"hold_pressure_pa": 60_000.0, "stop_pressure_pa": 40_000.0, "timeout_s": 0.5}


class Cup:
    """A ``sim.plant.CupPlant``: ``reaches_pa`` is what the pump comes to on what it is on."""

    def __init__(self) -> None:
        self.pressure_pa = 101_000.0
        self.reaches_pa = 97_000.0
        self.pumps = False
        self.state = "closed"

    def pump(self, on: bool) -> None:
        self.pumps = on

    def valve(self, state: str) -> None:
        self.state = state

    def time_at(self, pressure_pa: float) -> float:
        return math.inf

    def advance(self, passed_s: float) -> None:
        target_pa, tau_s = (self.reaches_pa, 0.05) if self.pumps else (self.pressure_pa, 1.0)
        if self.state != "closed" or (not self.pumps and self.reaches_pa > 90_000.0):
            target_pa, tau_s = 101_000.0, 0.02
        self.pressure_pa = target_pa + (self.pressure_pa - target_pa) * math.exp(-passed_s / tau_s)


class Plant:
    """A ``sim.plant.SuctionPlant``."""

    def __init__(self) -> None:
        self.cup = Cup()
        self.now_s: float | None = None

    def advance(self, now_s: float) -> None:
        if self.now_s is not None and now_s > self.now_s:
            self.cup.advance(now_s - self.now_s)
        self.now_s = now_s


class Line:
    """Driver, line and emulator in simulated time."""

    def __init__(self) -> None:
        self.now_s = 1.0
        self.plant = Plant()
        self.device = RobotiqEPickDevice(self.plant)
        self.slave = RtuSlave(9, self.device)
        self.hall = links.LinkHall(lambda: self.now_s, threaded=False)
        self.hall.attach("gripper", self.slave)
        links.use(self.hall)
        self.devices = Devices(lambda: self.now_s, threaded=False)
        self.sent: list[bytes] = []
        taken = self.slave.feed

        def feed(data: bytes, now: float) -> None:
            self.sent.append(bytes(data))
            taken(data, now)

        self.slave.feed = feed  # type: ignore[method-assign]

    @property
    def cup(self) -> Cup:
        return self.plant.cup

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            for _ in range(100):
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

    def opened(self, spec: DeviceSpec = SPEC, *, ready: bool = True) -> Vacuum:
        vacuum = cast(Vacuum, self.devices.open(spec))
        if ready:
            self.run(0.05)
            vacuum.activate()
            self.run(0.6)
            assert value(vacuum).activated
        return vacuum

    def asked(self, frame: str) -> bytes:
        """What the emulator answers to raw bytes, checksum included on both sides."""
        self.now_s += 0.01
        self.slave.feed(bytes.fromhex(frame), self.now_s)
        self.now_s += 0.005
        return self.slave.poll(self.now_s)[0]


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.devices.close()
    line.hall.close()
    links.use(None)


def value(vacuum: Vacuum) -> VacuumStatus:
    reading = vacuum.status
    assert reading is not None
    assert reading.good
    return reading.value


# Frames: PickNikRobotics/ros2_epick_gripper, epick_driver/tests/test_default_driver.cpp.
ACTIVATE, DEACTIVATE = "09 10 03E8 0003 06 03 00 00 64 32 64 26 57", "09 10 03E8 0003 06 00 00 00 00 00 00 73 30"
WRITTEN = "09 10 03E8 0003 01 30"


def test_emulator_takes_the_public_drivers_frames_when_it_is_activated_and_reset(line: Line) -> None:
    assert line.asked(ACTIVATE) == bytes.fromhex(WRITTEN)
    line.now_s += 0.5
    line.slave.poll(line.now_s)
    assert line.device.state == 3
    # As that driver reads it: 09 04 07D0 0003 asked, activated in advanced mode, told 100 kPa, at the open air.
    reply = line.asked("09 04 07D0 0003 B1CE")
    assert reply == with_crc(bytes.fromhex("09 04 06 3300 0064 6500"))
    assert line.asked(DEACTIVATE) == bytes.fromhex(WRITTEN)
    assert line.device.state == 0


def test_driver_sends_frames_of_the_map_when_it_asks_grips_and_lets_go(line: Line) -> None:
    vacuum = line.opened()
    assert line.sent[0] == bytes.fromhex("09 04 07D0 0003 B1CE")
    sent = vacuum.grip(**GRIP)
    assert (sent.hold_pressure_pa, sent.stop_pressure_pa, sent.timeout_s) == (60_000.0, 40_000.0, 0.5)
    vacuum.release()
    line.run(0.05)
    vacuum.grip(**GRIP)
    line.run(0.05)
    # Advanced mode, follow: maximum vacuum 40 kPa, half a second, minimum vacuum 60 kPa; then vent at 100.
    assert with_crc(bytes.fromhex("09 10 03E8 0003 06 0B00 0028 053C")) in line.sent
    assert with_crc(bytes.fromhex("09 10 03E8 0003 06 0B00 0064 053C")) in line.sent


def test_part_is_detected_at_minimum_and_the_pump_rests_at_maximum_vacuum(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.03)
    assert value(vacuum).regulating
    assert not value(vacuum).object_detected
    line.run(0.2)
    status = value(vacuum)
    assert status.gripping and status.object_detected and not status.no_object
    assert status.pressure_pa <= 40_000.0
    assert not line.cup.pumps
    assert vacuum.error is None
    line.cup.pressure_pa = 61_000.0
    line.run(0.03)
    assert line.cup.pumps
    line.run(0.2)
    assert value(vacuum).object_detected


def test_grip_times_out_with_fault_6_when_there_is_no_part(line: Line) -> None:
    vacuum = line.opened()
    vacuum.grip(**GRIP)
    line.run(0.45)
    assert not value(vacuum).no_object
    line.run(0.15)
    status = value(vacuum)
    assert status.no_object and status.gripping and not status.object_detected
    assert status.fault == 6
    assert not line.cup.pumps
    # It speaks of the part, not of the device.
    assert vacuum.error is None
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    assert value(vacuum).object_detected
    assert value(vacuum).fault == 0


def test_fault_3_says_porous_when_the_pump_never_comes_to_maximum_vacuum(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 50_000.0
    vacuum.grip(**GRIP)
    line.run(0.4)
    assert value(vacuum).object_detected
    assert value(vacuum).fault == 0
    line.run(0.5)
    assert value(vacuum).object_detected
    assert value(vacuum).fault == 3
    assert line.cup.pumps
    assert vacuum.error is None


def test_part_counts_as_lost_when_the_pressure_is_back(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    line.cup.reaches_pa = 97_000.0
    line.run(0.15)
    status = value(vacuum)
    assert status.no_object and not status.object_detected


def test_hold_is_regulating_and_then_given_up_when_the_cup_leaks(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    line.cup.reaches_pa = line.cup.pressure_pa = 70_000.0
    line.run(0.1)
    status = value(vacuum)
    assert status.regulating and not status.object_detected and not status.no_object
    # What is left is asked for in time: it is held again, and not given up.
    vacuum.grip(hold_pressure_pa=80_000.0, stop_pressure_pa=60_000.0, timeout_s=0.5)
    line.run(0.8)
    assert value(vacuum).object_detected
    vacuum.grip(**GRIP)
    line.run(0.8)
    assert value(vacuum).no_object
    assert value(vacuum).fault == 6


@pytest.mark.parametrize(("blow", "pressure", "state"), [(False, "0064", "vents"), (True, "0096", "blows")])
def test_valve_opens_for_the_time_out_when_it_lets_go(line: Line, blow: bool, pressure: str, state: str) -> None:
    vacuum = line.opened(DeviceSpec("gripper", "robotiq_epick", "sim:gripper", unit=9, options={"blow": blow}))
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    vacuum.release()
    line.run(0.1)
    assert any(pressure in frame.hex() for frame in line.sent)
    assert line.cup.state == state
    assert not line.cup.pumps
    status = value(vacuum)
    assert not status.gripping and not status.object_detected and not status.no_object
    assert status.pressure_pa >= 99_000.0
    line.run(0.6)
    assert line.cup.state == "closed"
    assert not value(vacuum).regulating


def test_status_from_before_the_command_is_not_its_answer(line: Line) -> None:
    vacuum = line.opened()
    vacuum.grip(**GRIP)
    line.run(0.7)
    assert value(vacuum).no_object
    vacuum.grip(**GRIP)
    assert value(vacuum).regulating
    assert not value(vacuum).no_object


def test_hold_is_kept_and_fault_9_goes_with_the_next_command_when_the_master_was_silent(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    line.hall.unplug("gripper")
    line.run(1.5)
    assert vacuum.status is not None and not vacuum.status.good
    line.hall.plug("gripper")
    reply = b""
    frames = len(line.sent)
    line.run(1.2)
    assert len(line.sent) > frames
    assert value(vacuum).object_detected
    assert value(vacuum).fault == 0
    assert line.cup.pressure_pa <= 60_000.0
    del reply


def test_emulator_says_fault_9_when_it_has_heard_nothing_for_a_second(line: Line) -> None:
    line.asked(ACTIVATE)
    line.now_s += 0.5
    line.slave.poll(line.now_s)
    line.asked("09 04 07D0 0003 B1CE")
    line.now_s += 1.1
    assert line.asked("09 04 07D0 0003 B1CE")[5] == 9


def test_hold_is_kept_when_an_active_device_is_activated_again(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    written = sum(frame[1] == 16 for frame in line.sent)
    vacuum.activate()
    line.run(0.5)
    assert sum(frame[1] == 16 for frame in line.sent) == written
    assert value(vacuum).object_detected


def test_nothing_is_sent_later_when_a_command_comes_without_activation(line: Line) -> None:
    vacuum = line.opened(ready=False)
    line.run(0.1)
    vacuum.grip(**GRIP)
    line.run(0.1)
    assert vacuum.error is not None
    assert "not activated" in vacuum.error
    assert not any(frame[1] == 16 for frame in line.sent)


def test_major_fault_is_told_and_left_by_a_new_activation(line: Line) -> None:
    vacuum = line.opened()
    line.device.break_down(12, line.now_s)
    line.run(0.1)
    assert vacuum.error == "internal fault"
    assert not value(vacuum).activated
    vacuum.activate()
    line.run(1.0)
    assert vacuum.error is None
    assert value(vacuum).activated


def test_other_device_is_not_commanded_when_its_status_cannot_be_an_epicks(line: Line) -> None:
    vacuum = line.opened()
    line.device.read = lambda function, address, count, now: [0xFFFF] * count  # type: ignore[method-assign]
    line.run(0.1)
    assert not vacuum.connected
    frames = sum(frame[1] == 16 for frame in line.sent)
    vacuum.grip(**GRIP)
    line.run(0.1)
    assert sum(frame[1] == 16 for frame in line.sent) == frames


def test_device_knows_nothing_of_before_when_its_power_was_gone(line: Line) -> None:
    vacuum = line.opened()
    line.cup.reaches_pa = 20_000.0
    vacuum.grip(**GRIP)
    line.run(0.3)
    line.device.power_cycle(line.now_s)
    line.run(0.1)
    status = value(vacuum)
    assert not status.activated and not status.object_detected and not status.gripping
    assert not line.cup.pumps


def test_time_out_counts_hundredths_when_the_option_says_so(line: Line) -> None:
    spec = DeviceSpec("gripper", "robotiq_epick", "sim:gripper", unit=9, options={"timeout_step_s": 0.01})
    vacuum = line.opened(spec)
    sent = vacuum.grip(**GRIP)
    line.run(0.05)
    assert sent.timeout_s == pytest.approx(0.5)
    assert with_crc(bytes.fromhex("09 10 03E8 0003 06 0B00 0028 323C")) in line.sent


def test_pressures_are_clamped_and_in_order_when_they_are_out_of_range(line: Line) -> None:
    vacuum = line.opened()
    sent = vacuum.grip(hold_pressure_pa=150_000.0, stop_pressure_pa=120_000.0, timeout_s=99.0)
    assert (sent.hold_pressure_pa, sent.stop_pressure_pa, sent.timeout_s) == (99_000.0, 98_000.0, 25.5)


def test_unknown_option_is_refused_with_its_key(line: Line) -> None:
    with pytest.raises(InputError, match="stroke_m") as caught:
        line.devices.open(DeviceSpec("gripper", "robotiq_epick", "sim:gripper", unit=9, options={"stroke_m": 0.1}))
    assert caught.value.key == "gripper.options.stroke_m"


def test_command_changes_nothing_when_it_comes_twice(line: Line) -> None:
    vacuum = line.opened()
    vacuum.grip(**GRIP)
    line.run(0.4)
    vacuum.grip(**GRIP)
    # The time-out runs from the first one.
    line.run(0.15)
    assert value(vacuum).no_object


def test_pymodbus_holds_a_part_and_lets_it_go_when_it_is_the_master() -> None:
    module = pytest.importorskip("pymodbus.client", reason="pymodbus comes with the extra 'dev'")
    plant, lock = Plant(), threading.RLock()
    hall = links.LinkHall(time.monotonic, threaded=True, lock=lock)
    hall.attach("gripper", RtuSlave(9, RobotiqEPickDevice(plant)))
    hall.start()
    client = module.ModbusSerialClient(hall.path("gripper"), baudrate=115200, timeout=2.0)

    def status() -> list[int]:
        reply = client.read_input_registers(0x07D0, count=3, device_id=9)
        return [] if reply.isError() else list(reply.registers)

    def until(truth: Callable[[list[int]], bool]) -> list[int]:
        end_s = time.monotonic() + 30.0
        while time.monotonic() < end_s:
            found = status()
            if found and truth(found):
                return found
        raise AssertionError("not within 30 s")

    try:
        assert client.connect()
        assert not client.write_registers(0x03E8, [0x0300, 0x0064, 0x3264], device_id=9).isError()
        until(lambda found: found[0] >> 12 & 3 == 3)
        with lock:
            plant.cup.reaches_pa = 20_000.0
        assert not client.write_registers(0x03E8, [0x0B00, 0x0028, 0x053C], device_id=9).isError()
        held = until(lambda found: found[0] >> 14 == 2)
        assert held[1] & 0xFF == 40
        assert held[2] >> 8 <= 41
        # Function 23: let go and look, in one.
        reply = client.readwrite_registers(
            read_address=0x07D0, read_count=3, write_address=0x03E8, values=[0x0B00, 0x0064, 0x053C], device_id=9
        )
        assert not reply.isError()
        assert reply.registers[0] & 3 == 2
        until(lambda found: found[2] >> 8 >= 98)
        assert client.read_holding_registers(0x03E8, count=3, device_id=9).registers == [0x0B00, 0x0064, 0x053C]
        assert client.read_input_registers(0x0800, count=1, device_id=9).isError()
    finally:
        client.close()
        hall.close()
