"""What every driver owes its cell, each against its own emulator (``device_pairs``)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from device_pairs import LINE, PAIRS, PairBench

from cell.drivers import catalogue
from cell.drivers.guide import Grade

MOVERS = [pair for pair in PAIRS if pair.kind in ("gripper", "drive")]
DRIVES = [pair for pair in PAIRS if pair.kind == "drive"]
FAULTY = [pair for pair in PAIRS if pair.break_down is not None]
MODBUS = [pair for pair in PAIRS if not pair.serial]

every = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.model, indirect=True)
every_mover = pytest.mark.parametrize("pair", MOVERS, ids=lambda pair: pair.model, indirect=True)
every_drive = pytest.mark.parametrize("pair", DRIVES, ids=lambda pair: pair.model, indirect=True)
every_faulty = pytest.mark.parametrize("pair", FAULTY, ids=lambda pair: pair.model, indirect=True)
every_modbus = pytest.mark.parametrize("pair", MODBUS, ids=lambda pair: pair.model, indirect=True)


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[PairBench]:
    bench = PairBench(request.param)
    yield bench
    bench.close()


def test_every_driver_is_in_the_suite_when_it_is_installed() -> None:
    ours = {name for name, model in catalogue.models().items() if model.guided}
    # These have tests of their own of the same demands: the pump needs a world with a cup, an arm is no bus device.
    assert ours - {pair.model for pair in PAIRS} <= {"robotiq_epick", "ur"}


@every
def test_nothing_is_read_and_no_fault_invented_when_it_was_not_heard_yet(pair: PairBench) -> None:
    assert pair.reading is None
    assert not pair.driver.connected
    assert pair.driver.error


@every
def test_values_are_good_and_young_when_the_device_answers(pair: PairBench) -> None:
    pair.ready()
    pair.run(2.0)
    reading = pair.reading
    assert reading.good
    assert 0.0 <= pair.now_s - reading.stamp_s <= 1.0
    assert pair.driver.error is None
    before_s = reading.stamp_s
    pair.run(1.2)
    assert pair.reading.stamp_s > before_s


@every_mover
def test_command_is_done_once_when_it_is_given_twice(pair: PairBench) -> None:
    pair.ready()
    first = pair.command()
    pair.run(0.05)
    assert pair.command() == first
    pair.run(3.0)
    if pair.pair.kind == "gripper":
        status = pair.reading.value
        assert not status.moving
        assert status.at_request
        assert status.width_m == pytest.approx(first.width_m, abs=0.001)
    else:
        assert pair.world.belt.speed_mps == pytest.approx(first, rel=0.01)
        assert pair.reading.value.at_speed
        assert pair.reading.value.speed_mps == pytest.approx(first, rel=0.02)
    assert pair.driver.error is None


@every_mover
def test_what_is_commanded_comes_back_clamped_when_more_is_asked_for(pair: PairBench) -> None:
    pair.ready()
    if pair.pair.kind == "gripper":
        sent = pair.driver.move(9.0, speed_mps=99.0, force_n=9e9)
        assert (sent.width_m, sent.force_n) == pytest.approx(pair.pair.most)
        least = pair.driver.move(-1.0, speed_mps=0.0, force_n=0.0)
        assert least.width_m == 0.0
        assert 0.0 <= least.force_n < sent.force_n
    else:
        assert pair.driver.run(99.0) == pytest.approx(pair.pair.most[0])
        assert pair.driver.run(-99.0) == 0.0
    pair.run(0.5)
    assert pair.driver.error is None


@every
def test_value_is_kept_and_not_good_when_the_device_falls_silent(pair: PairBench) -> None:
    pair.ready()
    value = pair.reading.value
    pair.mute()
    pair.run(4.0 if pair.pair.kind == "meter" else 1.0)
    assert not pair.driver.connected
    assert pair.driver.error
    assert pair.reading is not None and not pair.reading.good
    assert type(pair.reading.value) is type(value)
    pair.mute(False)
    pair.wait(lambda: pair.driver.connected, within_s=1.5)
    assert pair.reading.good or pair.pair.kind == "meter"


@every_faulty
def test_fault_of_the_device_is_said_when_it_has_one(pair: PairBench) -> None:
    pair.ready()
    assert pair.pair.break_down is not None
    pair.pair.break_down(pair.device, pair.now_s)
    pair.run(0.5)
    assert pair.driver.connected
    assert pair.driver.error
    assert pair.reading.value.fault != 0


@every_drive
def test_belt_stands_after_a_reset_when_the_drive_had_tripped(pair: PairBench) -> None:
    pair.ready()
    pair.command()
    pair.run(1.0)
    assert pair.pair.break_down is not None
    pair.pair.break_down(pair.device, pair.now_s)
    pair.run(1.0)
    assert pair.world.belt.speed_mps == 0.0
    pair.driver.reset_fault()
    pair.run(1.0)
    assert pair.driver.error is None
    assert pair.reading.value.fault == 0
    assert pair.world.belt.speed_mps == 0.0
    pair.command()
    pair.run(1.0)
    assert pair.world.belt.speed_mps > 0.0


@every_mover
def test_command_is_an_error_and_does_not_come_later_when_nobody_takes_it(pair: PairBench) -> None:
    pair.ready()
    pair.slave.power_off(pair.now_s)
    pair.command()
    pair.run(2.0)
    assert pair.driver.error
    pair.slave.power_on(pair.now_s)
    pair.run(2.0)
    assert pair.driver.connected
    assert not pair.moves


@every
def test_port_is_missed_and_found_again_when_it_is_unplugged(pair: PairBench) -> None:
    pair.ready()
    pair.hall.unplug(LINE)
    pair.run(0.1)
    assert not pair.driver.connected
    assert not pair.reading.good
    pair.run(7.3)
    pair.hall.plug(LINE)
    pair.wait(lambda: pair.driver.connected, within_s=1.0)


@every_mover
def test_nothing_moves_by_itself_when_the_port_is_back(pair: PairBench) -> None:
    pair.ready()
    pair.command()
    pair.run(1.0)
    pair.hall.unplug(LINE)
    # The drive stops by its own time-out: this controller is gone for it.
    pair.command(less=True)
    pair.run(5.0)
    assert not pair.moves
    fingers = list(pair.world.gripper.commands)
    pair.hall.plug(LINE)
    pair.run(3.0)
    assert pair.driver.connected
    assert not pair.moves
    # A frame that clears the gripper's flag of a silent master says what it does anyhow.
    assert set(pair.world.gripper.commands[len(fingers) :]) <= set(fingers[-1:])


@every_drive
def test_stop_goes_first_when_a_run_waits(pair: PairBench) -> None:
    pair.ready()
    pair.command()
    pair.run(1.0)
    pair.driver.run(0.08)
    pair.driver.stop()
    pair.run(2.0)
    assert pair.world.belt.speed_mps == 0.0
    pair.run(2.0)
    assert pair.world.belt.speed_mps == 0.0
    assert not pair.reading.value.running


@every
def test_another_device_is_refused_and_not_commanded_when_it_answers_instead(pair: PairBench) -> None:
    pair.ready()
    pair.run(1.0)
    pair.hall.unplug(LINE)
    pair.run(0.5)
    commands = pair.exchange()
    pair.hall.plug(LINE)
    pair.run(2.0)
    assert not pair.driver.connected
    assert pair.driver.error
    assert not pair.reading.good
    if pair.pair.kind in ("gripper", "drive"):
        pair.command()
        pair.run(1.0)
        assert [command for command in commands if "$I" not in str(command)] == []


@every_modbus
def test_guide_knows_its_device_from_another_when_doctor_asks(pair: PairBench) -> None:
    pair.ready()
    check = catalogue.model(pair.pair.model).guide.checks(next(spec for spec, _ in pair.devices._opened.values()))[0]

    def grade(device: object) -> Grade:
        request = check.request
        return check.judge(device.read(request.function, request.address, request.count, pair.now_s)).grade  # type: ignore[attr-defined]

    assert grade(pair.device) is not Grade.FAULT
    pair.exchange()
    assert grade(pair.slave.stranger) is Grade.FAULT


def test_pairs_are_those_that_a_cell_can_name_when_it_is_configured() -> None:
    roles = {"gripper": "gripper", "drive": "drive", "block": "safety", "meter": "meter"}
    for pair in PAIRS:
        assert roles[pair.kind] in catalogue.model(pair.model).roles, pair.model
