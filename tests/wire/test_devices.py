"""From a config entry to a driver: what is shared, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cell.drivers import registry
from cell.drivers.registry import Devices, DeviceSpec, process_devices, use_devices
from perception.errors import InputError
from sim import links

GRIPPER = DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9, key="gripper.device")
ENCODER = DeviceSpec("encoder", "modbus_io", "sim:io", unit=2, key="conveyor.encoder")


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"model": "robotiq_3f"}, "model", "no driver for model 'robotiq_3f'"),
        ({"model": ""}, "model", "there are: ls_g100, modbus_io, robotiq_2f85"),
        ({"port": ""}, "port", "names no port"),
        ({"port": "/dev/serial/by-id/none"}, "port", "cannot open /dev/serial/by-id/none"),
        ({"port": "sim:elsewhere"}, "port", "no simulated line 'elsewhere'"),
        ({"port": "tcp:somewhere"}, "port", "no link scheme 'tcp'"),
        ({"unit": 0}, "unit", "not within 1..247"),
        ({"unit": 248}, "unit", "not within 1..247"),
        ({"baudrate": 12345}, "baudrate", "12345 is none of"),
        ({"baudrate": 9600}, "port", "runs at 115200 baud"),
        ({"options": {"periods": 0.02}}, "options.periods", "no such option (it has: period_s"),
        ({"options": {"period_s": 5.0}}, "options.period_s", "5.0 is not a number within 0.005..0.3"),
        ({"options": {"period_s": True}}, "options.period_s", "True is not a number"),
        ({"options": {"spare_registers": 1.5}}, "options.spare_registers", "not a whole number"),
        ({"options": {"parity": "X"}}, "options.parity", "not one of N, E, O"),
        ({"options": {"stopbits": 3}}, "options.stopbits", "not a whole number within 1..2"),
    ],
)
def test_device_is_refused_in_one_line_when_its_entry_is_wrong(bench, changes, key: str, words: str) -> None:
    fields = {name: getattr(GRIPPER, name) for name in DeviceSpec.__dataclass_fields__}
    with pytest.raises(InputError) as caught:
        bench.devices.open(DeviceSpec(**(fields | changes)))
    assert caught.value.key == f"gripper.device.{key}"
    assert "device 'gripper'" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert bench.devices.buses == {}


def test_option_flag_is_refused_when_it_is_no_truth_value(bench) -> None:
    with pytest.raises(InputError, match="neither true nor false"):
        bench.devices.open(DeviceSpec("drive", "ls_g100", "sim:drive", options={"allow_reverse": "yes"}))


def test_second_device_is_refused_when_it_has_the_same_unit_on_the_same_port(bench) -> None:
    bench.devices.open(GRIPPER)
    with pytest.raises(InputError, match=r"unit 9 on port sim:gripper is taken by device 'gripper'") as caught:
        bench.devices.open(DeviceSpec("other", "robotiq_2f85", "sim:gripper", unit=9))
    assert caught.value.key == "other.unit"
    with pytest.raises(InputError, match="is taken by"):
        bench.devices.open(DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9, options={"stroke_m": 0.14}))


def test_second_device_is_refused_when_it_speaks_differently_on_the_same_port(bench) -> None:
    bench.devices.open(GRIPPER)
    with pytest.raises(InputError, match="is spoken to differently by 'gripper'"):
        bench.devices.open(DeviceSpec("other", "robotiq_2f85", "sim:gripper", unit=8, options={"stopbits": 2}))


def test_same_driver_comes_back_when_the_same_device_is_opened_again(bench) -> None:
    assert bench.devices.open(GRIPPER) is bench.devices.open(GRIPPER)


def test_io_block_is_one_driver_when_two_roles_name_it(bench) -> None:
    encoder = bench.devices.open(ENCODER)
    safety = bench.devices.open(DeviceSpec("safety", "modbus_io", "sim:io", unit=2, key="supervisor.safety"))
    assert safety is encoder
    assert list(bench.devices.opened) == ["encoder"]
    assert len(bench.devices.buses) == 1


def test_bus_is_shared_when_two_devices_are_on_one_port(bench) -> None:
    bench.hall.attach("gripper", links_slave(bench, 2))
    bench.devices.open(GRIPPER)
    block = bench.devices.open(DeviceSpec("encoder", "modbus_io", "sim:gripper", unit=2))
    bench.run(0.2)
    assert len(bench.devices.buses) == 1
    assert block.connected
    assert bench.devices.opened["gripper"].connected


def links_slave(bench, unit: int):
    from sim.emulators.slave import RtuSlave

    return RtuSlave(unit, bench.block)


def test_port_is_free_again_when_the_first_device_was_refused(bench) -> None:
    with pytest.raises(InputError):
        bench.devices.open(DeviceSpec("gripper", "robotiq_2f85", "sim:gripper", unit=9, options={"nonsense": 1}))
    bench.devices.open(GRIPPER)
    bench.run(0.1)
    assert bench.devices.opened["gripper"].connected


def test_port_is_refused_when_another_program_has_it(live_bench) -> None:
    path = live_bench.hall.path("gripper")
    live_bench.devices.open(DeviceSpec("gripper", "robotiq_2f85", path, unit=9))
    second = Devices(live_bench.clock, threaded=True, plugins=live_bench.devices._plugins)
    with pytest.raises(InputError, match="cannot open"):
        second.open(DeviceSpec("gripper", "robotiq_2f85", path, unit=9))


def test_port_is_refused_when_the_file_is_no_serial_port(bench, tmp_path: Path) -> None:
    ordinary = tmp_path / "notes.txt"
    ordinary.write_text("no port", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot open .*notes\.txt"):
        bench.devices.open(DeviceSpec("gripper", "robotiq_2f85", str(ordinary), unit=9))


def test_link_is_refused_when_no_simulator_runs(bench) -> None:
    links.use(None)
    with pytest.raises(InputError, match="none runs in this process"):
        bench.devices.open(GRIPPER)


def test_drivers_come_from_entry_points_when_nothing_is_injected(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def __init__(self, name: str, loaded: object) -> None:
            self.name = name
            self._loaded = loaded

        def load(self) -> object:
            return self._loaded

    plugins = bench.devices._plugins

    def entry_points(group: str) -> list[Point]:
        return [Point(name, load()) for name, load in plugins(group).items()]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    devices = Devices(bench.clock, threaded=False)
    assert devices.open(GRIPPER).name == "gripper"
    devices.close()


def test_nodes_of_a_process_share_devices_when_asked_for_them(bench) -> None:
    use_devices(bench.devices)
    try:
        assert process_devices() is bench.devices
    finally:
        use_devices(None)
