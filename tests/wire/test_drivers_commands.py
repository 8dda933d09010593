"""``cell drivers``: what it says of models, of one device, and of who is on a port; over ptys in real time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cell.cli.main import main
from cell.drivers import catalogue
from sim.emulators.eastron_sdm import EastronSdm120Device
from sim.emulators.grbl import GrblController
from sim.emulators.slave import RtuSlave

Said = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Said:
    def run(*words: str) -> tuple[int, str, str]:
        try:
            status = main(["drivers", *words])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def writes(live_bench: Any) -> list[tuple[str, int]]:
    """Every write that reaches a device: its line and first register."""
    seen: list[tuple[str, int]] = []
    for name, slave in live_bench.slaves.items():
        taken = slave.device.write

        def write(*request: Any, name: str = name, taken: Any = taken) -> None:
            seen.append((name, request[1]))
            taken(*request)

        slave.device.write = write
    return seen


def test_every_model_is_listed_with_its_tiers_when_asked(say: Said) -> None:
    status, out, _ = say("list", "--json")
    assert status == 0
    rows = {row["model"]: row for row in json.loads(out)}
    assert set(rows) == set(catalogue.models())
    assert rows["robotiq_2f85"]["verified"] == ["manual", "client"]
    assert rows["onrobot_rg2"]["link"] == "Modbus TCP"
    assert rows["grbl_conveyor"]["link"] == "serial lines"
    assert rows["ur"]["verified"] == ["client"]
    assert not any("hardware" in row["verified"] for row in rows.values())
    status, out, _ = say("list", "--role", "meter")
    assert [line.split()[0] for line in out.splitlines()[::2]] == ["eastron_sdm120", "eastron_sdm230", "eastron_sdm630"]
    assert say("list", "--role", "metre")[0] == 2


def test_device_shows_itself_and_is_not_written_to_when_probed(
    say: Said, live_bench: Any, writes: list[tuple[str, int]]
) -> None:
    port = live_bench.hall.path("drive")
    words = ("probe", "--model", "ls_g100", "--port", port, "--baudrate", "9600", "--seconds", "0.6")
    # The bench's line runs at 115200 whatever a pty is told.
    status, out, err = say(*words)
    assert status == 0, out + err
    assert "ok       identity: answers as an LS inverter does, stopped" in out
    assert "time-out: when the controller is gone: decelerate" in out
    assert "  connected\n" in out
    assert "status.running               False\n" in out
    assert "requests answered" in out
    # Its driver sets ramps as soon as it hears the drive: not here.
    assert writes == []


def test_probe_is_one_object_when_json_is_asked_for(say: Said, live_bench: Any) -> None:
    live_bench.world.cabinet.estop_ok = False
    words = ("--model", "modbus_io", "--port", live_bench.hall.path("io"), "--unit", "2", "--seconds", "0.3")
    status, out, err = say("probe", *words, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["connected"] is True
    assert found["values"]["safety.estop_ok"] == {"value": False, "good": True}
    assert [check["grade"] for check in found["checks"]] == ["ok", "warning"]
    assert found["statistics"]["answered"] > 3


def test_probe_fails_when_another_device_has_the_unit(say: Said, live_bench: Any) -> None:
    words = ("--model", "modbus_io", "--port", live_bench.hall.path("gripper"), "--unit", "9", "--seconds", "0.3")
    status, out, _ = say("probe", *words)
    assert status == 1
    assert "NOT connected" in out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("probe",), "name a device of the config"),
        (("probe", "--model", "ls_g1000", "--port", "/dev/x"), "did you mean 'ls_g100'"),
        (("probe", "--model", "ls_g100"), "needs a port"),
        (("probe", "griper.device"), "did you mean 'gripper.device'"),
        (("probe", "--model", "ls_g100", "--port", "/dev/nowhere"), "the port is not there"),
        (("probe", "--model", "onrobot_rg2", "--port", "/dev/full"), "speaks Modbus TCP"),
        (("scan", "/dev/nowhere"), "/dev/nowhere"),
        (("scan", "/dev/null", "--units", "0-3"), "must be units within 1..247"),
        (("scan", "/dev/null", "--baudrates", "9601"), "must be of"),
    ],
)
def test_input_is_refused_in_one_line_when_it_is_wrong(say: Said, words: tuple[str, ...], part: str) -> None:
    status, out, err = say(*words)
    assert status == 2, out + err
    assert part in err
    assert err.count("\n") == 1 and out == ""


def test_device_is_found_and_named_when_a_port_is_scanned(
    say: Said, live_bench: Any, writes: list[tuple[str, int]]
) -> None:
    port = live_bench.hall.path("gripper")
    status, out, err = say("scan", port, "--units", "8-10", "--baudrates", "115200", "--json")
    assert status == 0, err
    (found,) = json.loads(out)
    assert (found["baudrate"], found["unit"]) == (115200, 9)
    # By its registers alone a 2F-85 is a Hand-E as well; it is nothing else.
    assert set(found["models"]) - {"robotiq_epick"} == {"robotiq_2f85", "robotiq_2f140", "robotiq_hand_e"}
    assert writes == []


def test_nobody_is_found_when_a_port_is_empty(say: Said, live_bench: Any) -> None:
    status, out, _ = say("scan", live_bench.hall.path("io"), "--units", "7", "--baudrates", "9600")
    assert status == 1
    assert "nobody answers" in out


def test_meter_and_serial_conveyor_are_found_when_their_ports_are_scanned(say: Said, live_bench: Any) -> None:
    live_bench.world.power_w = 100.0
    hall = type(live_bench.hall)(live_bench.clock, True, lock=live_bench.lock)
    hall.attach("meter", RtuSlave(3, EastronSdm120Device(live_bench.world, lambda now: None)))
    hall.attach("belt", GrblController(live_bench.world))
    hall.start()
    try:
        status, out, err = say("scan", hall.path("meter"), "--units", "3", "--baudrates", "9600")
        assert status == 0, err
        assert "9600 baud, unit 3: eastron_sdm120, eastron_sdm230: answers as an energy meter does, 230.0 V" in out
        status, out, err = say("scan", hall.path("belt"), "--units", "1", "--baudrates", "115200")
        assert status == 0, out + err
        assert "grbl_conveyor: reports as Grbl 1.1 does" in out
    finally:
        hall.close()
