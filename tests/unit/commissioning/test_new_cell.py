"""``cell init``: a folder that is whole, checked and understood by ros2 launch, for every device that there is."""

from __future__ import annotations

import argparse
import builtins
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cell.cli.init import InitCommand
from cell.cli.main import main
from cell.commissioning.choices import default_model
from cell.commissioning.newcell import LAUNCH, PARAMS, README, SCHEMA
from cell.config import read_params, resolve
from cell.drivers import catalogue
from cell.launching import configure, load_launch
from cell.parameters import OWN

ROS2_KEYS = {
    "arg": {"name", "default", "description", "choice"},
    "executable": {"name", "cmd", "output", "respawn", "respawn_delay", "respawn_max_retries"},
}
"""Of launch_yaml's front end, as far as these files use them."""


def init(folder: Path, *words: str) -> int:
    return main(["init", str(folder), "--defaults", *words])


@pytest.mark.parametrize("words", [(), ("--simulated",)])
def test_folder_passes_the_check_when_it_is_new(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my-cell"
    assert init(folder, *words) == 0
    assert {path.name for path in folder.iterdir()} == {LAUNCH, PARAMS, SCHEMA, README}
    assert main(["config", "check", str(folder / LAUNCH), str(folder / PARAMS)]) == 0
    launch = yaml.safe_load((folder / LAUNCH).read_text())
    for action in launch["launch"]:
        ((kind, body),) = action.items()
        assert set(body) <= ROS2_KEYS[kind]
        assert all(isinstance(body[key], str) for key in ("respawn",) if key in body)
    capsys.readouterr()


def test_params_hold_every_parameter_that_a_run_does_not_set(tmp_path: Path) -> None:
    folder = tmp_path / "my-cell"
    init(folder)
    text = (folder / PARAMS).read_text()
    assert text.startswith("# yaml-language-server: $schema=cell.schema.json\n")
    params = read_params(folder / PARAMS)
    for node, schema in OWN.items():
        config = resolve(node, [params])
        written = {key.partition(".")[0] for key in config.values}
        left = set(schema.model_fields) - written
        # Part types are written as an empty group, which is no parameter.
        assert left <= {"use_sim_time", "after_crash", "clear", "seed", "simulated", "policy", "part_types"}, node
        # What is written is the default of the schema, but for what was chosen.
        for key in written - {"device", "drive", "encoder", "safety", "watched"}:
            assert getattr(config.parameters, key) == schema.model_fields[key].get_default(call_default_factory=True)


def test_choices_are_written_when_flags_name_them(tmp_path: Path) -> None:
    folder = tmp_path / "my-cell"
    words = ["--gripper-port", "/dev/ttyS7", "--gripper-unit", "12", "--io-port", "/dev/ttyS8", "--camera", "2"]
    words += ["--policy", "fifo", "--belt-speed", "0.3", "--drive-baudrate", "19200", "--overkill", "0.1"]
    assert init(folder, *words) == 0
    values = {config.name: config.values for config in configure(load_launch(folder / LAUNCH))}
    assert values["gripper"]["device.port"] == "/dev/ttyS7"
    assert values["gripper"]["device.unit"] == 12
    assert values["conveyor"]["encoder.port"] == values["supervisor"]["safety.port"] == "/dev/ttyS8"
    assert values["conveyor"]["drive.baudrate"] == 19200
    assert (values["camera"]["source"], values["policy"]["name"], values["conveyor"]["speed_mps"]) == ("2", "fifo", 0.3)
    assert values["supervisor"]["autostart"] is False
    readme = (folder / README).read_text()
    for word in ("/dev/ttyS7", "Pr.12", "safety PLC", "cell doctor", "dialout"):
        assert word in readme


@pytest.mark.parametrize(
    ("words", "key", "part"),
    [
        (["--gripper", "robotic_2f85"], "--gripper", "did you mean 'robotiq_2f85'"),
        (["--gripper", "ls_g100"], "--gripper", "cannot be the gripper"),
        (["--drive", "modbus_io"], "--drive", "what can: delta_ms300, grbl_conveyor, ls_g100"),
        (["--policy", "fastest"], "--policy", "known are"),
        (["--model", "nothing"], "nothing", "no model of that name"),
        (["--belt-speed", "2.0"], "/**.speed_mps", "beyond what ls_g100 does"),
        (["--drive-port", "/dev/a", "--io-port", "/dev/a"], "conveyor.encoder.baudrate", "9600 baud"),
        (
            ["--drive-port", "/dev/a", "--io-port", "/dev/a", "--drive-baudrate", "115200"],
            "conveyor.encoder.port",
            "unit 1 on /dev/a is already conveyor.drive",
        ),
        (["--simulated", "--gripper-unit", "3"], "--gripper-unit", "real hardware"),
        (["--gripper-port", "ttyUSB0"], "gripper.device.port", "must be a path"),
        (["--overkill", "0.9"], "--overkill", "fraction"),
    ],
)
def test_nothing_is_written_when_the_choices_do_not_go_together(
    words: list[str], key: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "my-cell", *words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert key in told
    assert part in told
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_when_the_folder_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my-cell"
    folder.mkdir()
    assert init(folder) == 0  # an empty folder is nobody's work
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert init(folder, "--policy", "fifo") == 2
    assert "not empty" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    assert init(tmp_path / "file") == 2
    assert (tmp_path / "file").read_text() == "mine"
    assert init(tmp_path / "no" / "such" / "folder") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "my-cell"]


def test_questions_are_asked_only_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "/dev/ttyS3" if "port of the gripper" in question else ""

    monkeypatch.setattr(builtins, "input", answer)
    assert main(["init", str(tmp_path / "one")]) == 0
    assert asked == []
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert main(["init", str(tmp_path / "two"), "--drive", "ls_g100"]) == 0
    assert any("robotiq_2f85" in question for question in asked)
    assert not any(question.startswith("the belt's drive") for question in asked)
    assert "port: /dev/ttyS3" in (tmp_path / "two" / PARAMS).read_text()
    asked.clear()
    assert main(["init", str(tmp_path / "three"), "--defaults"]) == 0
    assert asked == []


class StrangeGripper:
    """A driver of another package, without a guide."""

    stroke_m = 0.1
    name = "strange"
    status = None
    connected = False
    error = None

    def __init__(self, spec: Any, bus: Any) -> None:
        from cell.drivers.spec import Options

        options = Options(spec)
        options.number("squeeze_n", 5.0, 1.0, 9.0)
        options.choice("jaws", "soft", ("soft", "hard"))
        options.finish()

    def activate(self) -> None: ...

    def move(self, width_m: float, *, speed_mps: float, force_n: float) -> None: ...


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The driver as if it were installed."""
    from cell import plugins, wiring
    from cell.commissioning import settings

    real_installed, real_registered = catalogue.installed, plugins.registered

    def installed(group: str) -> dict[str, Any]:
        extra: dict[str, Any] = {"strange": lambda: StrangeGripper} if group == catalogue.DRIVERS else {}
        return {**real_installed(group), **extra}

    def registered(group: str) -> dict[str, Any]:
        extra: dict[str, Any] = {"strange": None} if group == plugins.DRIVERS else {}
        return {**real_registered(group), **extra}

    monkeypatch.setattr(catalogue, "installed", installed)
    monkeypatch.setattr(wiring, "registered", registered)
    catalogue.model.cache_clear()
    yield settings
    catalogue.model.cache_clear()


def test_new_driver_appears_by_itself_in_init_schema_and_check(
    strange: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my-cell"
    assert main(["init", "x", "--models"]) == 0
    assert "strange" in capsys.readouterr().out
    assert init(folder, "--gripper", "strange") == 0
    text = (folder / PARAMS).read_text()
    assert "model: strange" in text
    assert "#   squeeze_n: 5.0" in text
    assert "1 to 9" in text
    gripper = json.loads((folder / SCHEMA).read_text())["$defs"]["Device_gripper"]
    assert "strange" in gripper["properties"]["model"]["enum"]
    rule = next(rule for rule in gripper["allOf"] if rule["if"]["properties"]["model"]["const"] == "strange")
    options = rule["then"]["properties"]["options"]["properties"]
    assert options["squeeze_n"] == {"type": "number", "default": 5.0, "minimum": 1.0, "maximum": 9.0}
    assert options["jaws"]["enum"] == ["soft", "hard"]
    params = folder / PARAMS
    params.write_text(
        text.replace("      # options:\n      #   parity", "      options.sqeeze_n: 3.0\n      #   parity", 1)
    )
    capsys.readouterr()
    assert main(["config", "check", str(params)]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'squeeze_n'" in told
    assert "gripper.device.options.sqeeze_n" in told


def test_every_role_has_a_default_that_is_installed() -> None:
    for role in catalogue.NEEDED:
        assert default_model(role) in catalogue.models_for(role)


def test_flags_of_every_role_are_understood() -> None:
    parser = argparse.ArgumentParser()
    InitCommand().configure(parser)
    args = parser.parse_args(["f", "--safety", "modbus_io", "--safety-unit", "4", "--encoder-port", "/dev/e"])
    assert (args.safety, args.safety_unit, args.encoder_port) == ("modbus_io", 4, "/dev/e")


def test_catalogue_sends_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(catalogue._Silence, "write", lambda self, data: written.append(data))
    catalogue.model.cache_clear()
    assert set(catalogue.models()) >= {"robotiq_2f85", "ls_g100", "modbus_io"}
    assert written == []
