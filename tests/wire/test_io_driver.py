"""The I/O block's driver against its emulator, on the wire in memory."""

from __future__ import annotations

from typing import cast

import pytest

from cell.drivers.crc import with_crc
from cell.drivers.modbus_io import ModbusIo
from cell.drivers.registry import DeviceSpec
from perception.errors import InputError
from sim.emulators.modbus_io import ModbusIoDevice


def block_of(bench, **options: object) -> ModbusIo:
    block = cast(ModbusIo, bench.devices.open(DeviceSpec("encoder", "modbus_io", "sim:io", unit=2, options=options)))
    bench.wait(lambda: block.encoder is not None)
    return block


def test_one_transaction_reads_everything_when_asked(bench) -> None:
    bench.world.cabinet.encoder_m, bench.world.cabinet.strobe_m = 12.3456, 12.0
    bench.world.cabinet.strobe_count = 70_000
    slave = bench.slaves["io"]
    slave.feed(with_crc(bytes.fromhex("02 04 0000 0008")), 1.0)
    reply = slave.poll(1.01)[0]
    assert reply[3:-2] == bytes.fromhex("0003 0001 E240 0001 D4C0 1170 CE11 0002")


def test_safety_contacts_are_seen_within_a_period_when_they_open(bench) -> None:
    block = block_of(bench)
    assert block.safety is not None
    assert (block.safety.value.estop_ok, block.safety.value.curtain_ok) == (True, True)
    bench.world.cabinet.estop_ok = False
    bench.run(0.03)
    assert (block.safety.value.estop_ok, block.safety.value.curtain_ok) == (False, True)
    bench.world.cabinet.estop_ok, bench.world.cabinet.curtain_ok = True, False
    bench.run(0.03)
    assert (block.safety.value.estop_ok, block.safety.value.curtain_ok) == (True, False)


def test_travel_is_the_counters_and_follows_the_belt_when_it_runs(bench) -> None:
    bench.world.cabinet.encoder_m = 5.0
    block = block_of(bench)
    assert block.encoder is not None
    assert block.encoder.value.travel_m == pytest.approx(5.0)
    bench.world.belt.drive(0.2)
    bench.run(1.0)
    reading = block.encoder
    assert reading.good
    assert reading.value.travel_m == pytest.approx(bench.world.cabinet.encoder_m, abs=0.0051)
    assert bench.now_s - reading.stamp_s <= 0.025


def test_latched_travel_is_that_of_the_strobe_when_the_belt_has_gone_on(bench) -> None:
    block = block_of(bench)
    bench.world.belt.drive(0.2)
    bench.run(0.5)
    bench.world.advance(bench.now_s)
    bench.world.cabinet.strobe()
    latched_m = bench.world.cabinet.encoder_m
    bench.run(0.25)
    assert block.encoder is not None
    value = block.encoder.value
    assert value.strobe_travel_m == pytest.approx(latched_m, abs=0.0001)
    assert value.travel_m == pytest.approx(latched_m + 0.05, abs=0.0051)
    assert value.strobe_count == 1


@pytest.mark.parametrize("speed_mps", [0.2, -0.2])
def test_travel_goes_on_when_the_counter_rolls_over(bench, speed_mps: float) -> None:
    first = -500 if speed_mps > 0 else 500
    bench.slaves["io"].device = ModbusIoDevice(bench.world, first_count=first)
    bench.world.cabinet.strobe_count = 65_535
    block = block_of(bench)
    bench.world.belt.drive(speed_mps)
    bench.run(0.5)
    bench.world.cabinet.strobe()
    bench.run(0.5)
    assert block.encoder is not None
    value = block.encoder.value
    assert value.travel_m == pytest.approx(first * 1e-4 + bench.world.cabinet.encoder_m, abs=0.0051)
    assert value.strobe_travel_m == pytest.approx(first * 1e-4 + bench.world.cabinet.strobe_m, abs=0.0001)
    assert value.strobe_count == 65_536


def test_travel_counts_the_other_way_when_the_encoder_is_inverted(bench) -> None:
    block = block_of(bench, invert_encoder=True, counts_per_m=5000.0)
    bench.world.belt.drive(0.1)
    bench.run(1.0)
    assert block.encoder is not None
    assert block.encoder.value.travel_m == pytest.approx(-2.0 * bench.world.cabinet.encoder_m, abs=0.0051)


def test_readings_are_not_good_when_the_plug_is_out(bench) -> None:
    block = block_of(bench)
    bench.hall.unplug("io")
    bench.run(0.05)
    assert not block.connected
    assert block.safety is not None
    assert block.encoder is not None
    assert not block.safety.good
    assert not block.encoder.good
    assert block.error == "the line is unplugged" or "unplugged" in str(block.error)


def test_registers_can_lie_elsewhere_when_the_config_says_so(bench) -> None:
    class Shifted(ModbusIoDevice):
        def read(self, function: int, address: int, count: int, now: float):
            return [0] * (20 - address) + list(super().read(function, 0, count - (20 - address), now))

    bench.slaves["io"].device = Shifted(bench.world)
    bench.world.cabinet.curtain_ok = False
    block = block_of(
        bench, register_inputs=20, register_counter=21, register_latch=23, register_strobes=25, spare_registers=0
    )
    assert block.safety is not None
    assert not block.safety.value.curtain_ok


def test_map_is_refused_when_it_does_not_fit_into_one_read(bench) -> None:
    with pytest.raises(InputError, match="do not fit into one read"):
        block_of(bench, register_inputs=500)
