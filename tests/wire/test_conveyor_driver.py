"""The G100's driver against its emulator, on the wire in memory."""

from __future__ import annotations

from typing import cast

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.interfaces import Conveyor, ConveyorStatus
from cell.drivers.registry import DeviceSpec
from sim.emulators.ls_g100 import TRIP_LOST_COMMAND, LsG100Device


def drive_of(bench, **options: object) -> Conveyor:
    drive = cast(Conveyor, bench.devices.open(DeviceSpec("drive", "ls_g100", "sim:drive", options=options)))
    bench.wait(lambda: drive.status is not None)
    return drive


def value_of(drive: Conveyor) -> ConveyorStatus:
    reading = drive.status
    assert reading is not None
    assert reading.good
    return reading.value


def asked(bench, frame: str) -> bytes:
    slave = bench.slaves["drive"]
    bench.now_s += 0.005  # silence before a frame
    slave.feed(with_crc(bytes.fromhex(frame)), bench.now_s)
    bench.now_s += 0.002
    return slave.poll(bench.now_s)[0][:-2]


def test_belt_runs_at_20_hz_when_a_fifth_of_a_metre_per_second_is_asked(bench) -> None:
    drive = drive_of(bench)
    assert drive.run(0.2) == pytest.approx(0.2)
    bench.wait(lambda: value_of(drive).at_speed)
    assert bench.drive.output_hz == 20.0
    assert bench.world.belt.speed_mps == pytest.approx(0.2)
    assert value_of(drive).speed_mps == pytest.approx(0.2)
    assert value_of(drive).running
    assert value_of(drive).current_a > 0.0


def test_belt_ramps_over_its_times_when_started_and_stopped(bench) -> None:
    drive = drive_of(bench, accel_s=1.2, decel_s=2.4)
    bench.run(0.1)
    drive.run(0.3)
    started_s = bench.now_s
    bench.wait(lambda: bench.world.belt.speed_mps == pytest.approx(0.3))
    # 30 of 60 Hz take half of the ramp time, behind one transaction.
    assert bench.now_s - started_s == pytest.approx(0.6, abs=0.03)
    drive.stop()
    started_s = bench.now_s
    bench.wait(lambda: bench.world.belt.speed_mps == 0.0)
    assert bench.now_s - started_s == pytest.approx(1.2, abs=0.03)
    bench.run(0.2)
    assert not value_of(drive).running


@pytest.mark.parametrize(
    ("asked_mps", "sent_mps"), [(0.123456, 0.1235), (9.0, 0.6), (-0.2, 0.0), (0.00001, 0.0), (0.0, 0.0)]
)
def test_speed_is_clamped_and_rounded_when_asked(bench, asked_mps: float, sent_mps: float) -> None:
    drive = drive_of(bench)
    assert drive.run(asked_mps) == pytest.approx(sent_mps)
    bench.run(1.5)
    assert bench.world.belt.speed_mps == pytest.approx(sent_mps)


def test_belt_runs_backwards_when_the_config_allows_it(bench) -> None:
    drive = drive_of(bench, allow_reverse=True)
    assert drive.run(-0.1) == pytest.approx(-0.1)
    bench.wait(lambda: value_of(drive).at_speed)
    assert bench.world.belt.speed_mps == pytest.approx(-0.1)
    assert value_of(drive).speed_mps == pytest.approx(-0.1)


def test_stop_wins_when_it_follows_a_run_at_once(bench) -> None:
    drive = drive_of(bench)
    bench.run(0.5)
    for _ in range(5):
        drive.run(0.2)
    drive.stop()
    bench.run(1.0)
    assert bench.world.belt.speed_mps == 0.0
    assert bench.drive.output_hz == 0.0


def test_stop_wins_when_the_replies_to_the_run_are_lost(bench) -> None:
    drive = drive_of(bench)
    bench.run(0.5)
    bench.slaves["drive"].fault = lambda reply, now: ()
    drive.run(0.2)
    bench.run(0.05)
    drive.stop()
    bench.run(0.3)
    bench.slaves["drive"].fault = None
    bench.run(1.5)
    assert bench.drive.output_hz == 0.0
    assert drive.error is None


def test_drive_trips_and_stops_when_the_master_falls_silent(bench) -> None:
    drive = drive_of(bench)
    drive.run(0.2)
    bench.wait(lambda: value_of(drive).at_speed)
    bench.hall.unplug("drive")
    bench.run(2.0)
    assert bench.world.belt.speed_mps == 0.0
    assert not drive.connected
    bench.hall.plug("drive")
    bench.wait(lambda: drive.connected)
    assert value_of(drive).fault == TRIP_LOST_COMMAND
    assert drive.error is not None
    assert "tripped" in drive.error


def test_trip_is_cleared_and_the_belt_stands_when_reset(bench) -> None:
    drive = drive_of(bench)
    drive.run(0.2)
    bench.wait(lambda: value_of(drive).at_speed)
    for code in (4, 8):
        bench.drive.trip(code, bench.now_s)
        bench.wait(lambda: value_of(drive).fault == code)  # noqa: B023
        drive.run(0.2)
        bench.run(0.3)
        assert bench.world.belt.speed_mps == 0.0
        drive.reset_fault()
        bench.wait(lambda: value_of(drive).fault == 0)
        bench.run(0.5)
        assert bench.world.belt.speed_mps == 0.0
        assert drive.error is None
        drive.run(0.2)
        bench.wait(lambda: value_of(drive).at_speed)


def test_run_survives_when_it_follows_a_reset_at_once(bench) -> None:
    drive = drive_of(bench)
    drive.reset_fault()
    drive.run(0.2)
    bench.run(1.0)
    assert bench.world.belt.speed_mps == pytest.approx(0.2)


def test_current_rises_and_the_drive_trips_when_the_belt_is_jammed(bench) -> None:
    drive = drive_of(bench)
    drive.run(0.2)
    bench.wait(lambda: value_of(drive).at_speed)
    free_a = value_of(drive).current_a
    bench.world.belt.jammed = True
    bench.world.belt.drive(0.2)
    bench.run(0.3)
    assert value_of(drive).current_a > 2.0 * free_a
    bench.run(4.0)
    assert value_of(drive).fault != 0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("01 17 0004 0001 0004 0001 02 0000", 1),
        ("01 03 0013 0001", 2),
        ("01 06 0008 0001", 2),
        ("01 06 0004 1771", 3),
    ],
)
def test_emulator_refuses_when_the_request_is_not_for_it(bench, frame: str, code: int) -> None:
    reply = asked(bench, frame)
    assert (reply[1] & 0x80, reply[2]) == (0x80, code)


def test_emulator_refuses_with_its_own_code_when_writing_is_locked(bench) -> None:
    bench.slaves["drive"].device = LsG100Device(bench.world, locked=True)
    assert asked(bench, "01 06 0004 0001") == bytes.fromhex("01 86 14")


def test_addresses_are_one_below_the_documented_ones_when_on_the_wire(bench) -> None:
    asked(bench, "01 06 0006 0001")
    asked(bench, "01 06 0004 07D0")
    asked(bench, "01 06 0005 0002")
    bench.run(0.5)
    # Frequency at 4, command at 5, ramp at 6: documented as 0x0005, 0x0006, 0x0007; output frequency at 9.
    assert asked(bench, "01 03 0009 0001")[3:] == bytes.fromhex("07D0")


def test_command_that_is_refused_is_an_error_when_the_drive_is_locked(bench) -> None:
    drive = drive_of(bench)
    bench.drive.locked = True
    drive.run(0.2)
    bench.run(0.1)
    assert drive.error is not None
    assert "code 20" in drive.error
