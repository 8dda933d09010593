"""Bad input of ``cell run``: one line on stderr that names what is wrong, exit 2, and nothing half-written."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cell.cli.main import main
from cell.launching import default_launch
from cell.ledger import ended_badly

LAUNCH = default_launch().parent
Check = Callable[..., str]


@pytest.fixture
def refused(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Check:
    """Runs ``cell run`` in this process, sees that it is refused as bad input, and returns the one line."""

    def run(*words: str | Path, with_model: bool = True) -> str:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        state = tmp_path / "state"
        common = ["--headless", "--report", out / "r.json", "--state", state]
        if with_model:
            common += ["--model", model]
        status = main(["run", *map(str, [*common, *words])])
        streams = capfd.readouterr()
        assert status == 2, streams.err
        lines = streams.err.splitlines()
        assert len(lines) == 1, streams.err
        assert lines[0].startswith("cell: ")
        assert streams.out == ""
        assert list(out.iterdir()) == []
        # Neither does the next run meet a cell that seems to have crashed.
        assert not ended_badly(state / "ledger.sqlite")
        return lines[0]

    return run


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Copies of a launch file and its params file with a piece of text replaced; returns the launch file."""

    def copy(name: str, *, launch: tuple[str, str] = ("", ""), params: tuple[str, str] = ("", "")) -> Path:
        for suffix, (old, new) in (("launch", launch), ("params", params)):
            text = (LAUNCH / f"{name}.{suffix}.yaml").read_text()
            assert old in text
            (tmp_path / f"{name}.{suffix}.yaml").write_text(text.replace(old, new, 1) if old else text)
        return tmp_path / f"{name}.launch.yaml"

    return copy


def _line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def _pictures(folder: Path) -> Path:
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.full((480, 640, 3), (60, 150, 40), np.uint8))
    return folder


def test_file_line_and_key_are_named_when_a_launch_file_has_an_unknown_key(
    refused: Check, files: Callable[..., Path]
) -> None:
    launch = files("cell", launch=("      description: what", "      descriptoin: what"))
    line = refused(launch, "--speed", "0")
    assert f"{launch}:{_line_of(launch, 'descriptoin')}: " in line
    assert "descriptoin" in line
    assert "unknown key" in line


def test_file_line_and_key_are_named_when_a_params_file_has_an_unknown_key(
    refused: Check, files: Callable[..., Path], tmp_path: Path
) -> None:
    launch = files("cell", params=("keep_m: 1.5", "kep_m: 1.5"))
    params = tmp_path / "cell.params.yaml"
    line = refused(launch, "--speed", "0")
    assert f"{params}:{_line_of(params, 'kep_m')}: " in line
    assert "kep_m" in line


def test_file_line_and_key_are_named_when_a_value_is_out_of_range(
    refused: Check, files: Callable[..., Path], tmp_path: Path
) -> None:
    launch = files("cell", params=("    overkill: ", "    overkill: 9"))
    params = tmp_path / "cell.params.yaml"
    line = refused(launch, "--speed", "0")
    assert f"{params}:{_line_of(params, 'overkill: 9')}: " in line
    assert "overkill" in line


def test_policies_are_listed_when_its_name_is_unknown(
    refused: Check, files: Callable[..., Path], tmp_path: Path
) -> None:
    launch = files("cell", params=("name: spt ", "name: sptt "))
    params = tmp_path / "cell.params.yaml"
    line = refused(launch, "--speed", "0")
    assert f"{params}:{_line_of(params, 'sptt')}: " in line
    assert all(word in line for word in ("name", "fifo", "euclid", "spt"))


def test_unknown_launch_argument_is_named_when_it_is_misspelt(refused: Check) -> None:
    line = refused("prams:=x.yaml")
    assert "prams:=" in line
    assert "params" in line


def test_device_and_port_are_named_when_a_serial_port_is_missing(
    refused: Check, files: Callable[..., Path], tmp_path: Path
) -> None:
    pictures = _pictures(tmp_path / "pictures")
    launch = files("hardware", params=('source: "0"', f"source: {pictures}"))
    line = refused(launch)
    assert "gripper" in line
    assert "/dev/serial/by-id/usb-gripper" in line


def test_camera_is_named_when_there_is_no_such_video_device(refused: Check, files: Callable[..., Path]) -> None:
    line = refused(files("hardware", params=('source: "0"', 'source: "63"')))
    assert "/dev/video63" in line
    assert "camera.source" in line


def test_simulated_speed_is_refused_when_the_ports_are_real(refused: Check) -> None:
    assert "--speed" in refused(LAUNCH / "hardware.launch.yaml", "--speed", "0")


def test_source_is_refused_when_the_ports_are_real(refused: Check, tmp_path: Path) -> None:
    line = refused(LAUNCH / "hardware.launch.yaml", "--source", _pictures(tmp_path / "pictures"))
    assert "--source" in line


def test_autostart_is_refused_when_a_port_is_real(refused: Check, files: Callable[..., Path], tmp_path: Path) -> None:
    launch = files("hardware", params=("autostart: false", "autostart: true"))
    params = tmp_path / "hardware.params.yaml"
    line = refused(launch)
    assert f"{params}:{_line_of(params, 'autostart')}: " in line
    assert "/dev/serial/by-id/" in line


def test_model_file_is_named_when_it_is_not_the_file_of_its_card(refused: Check, model: Path, tmp_path: Path) -> None:
    home = tmp_path / "other"
    shutil.copytree(model.parent, home)
    data = bytearray((home / "model.onnx").read_bytes())
    data[-1] ^= 1
    (home / "model.onnx").write_bytes(bytes(data))
    line = refused("--model", home / "model.onnx", "--speed", "0", with_model=False)
    assert str(home / "model.onnx") in line
    assert "SHA-256" in line


def test_model_file_is_named_when_it_is_no_network(refused: Check, model: Path, tmp_path: Path) -> None:
    import hashlib

    home = tmp_path / "other"
    shutil.copytree(model.parent, home)
    (home / "model.onnx").write_bytes(b"no network at all")
    card = json.loads((home / "card.json").read_text())
    card["sha256"] = hashlib.sha256(b"no network at all").hexdigest()
    (home / "card.json").write_text(json.dumps(card))
    line = refused("--model", home / "model.onnx", "--speed", "0", with_model=False)
    assert str(home / "model.onnx") in line


def test_card_is_named_when_it_is_no_json(refused: Check, model: Path, tmp_path: Path) -> None:
    home = tmp_path / "other"
    shutil.copytree(model.parent, home)
    (home / "card.json").write_text('{"id": ')
    line = refused("--model", home / "model.onnx", "--speed", "0", with_model=False)
    assert f"{home / 'card.json'}:1" in line


def test_model_is_named_when_there_is_none_of_that_name(refused: Check) -> None:
    assert "nosuch" in refused("--model", "nosuch", "--speed", "0", with_model=False)


def test_folder_is_named_when_it_holds_no_image(refused: Check, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = refused("--source", tmp_path / "empty", "--speed", "0")
    assert str(tmp_path / "empty") in line
    assert "no images" in line


def test_folder_is_named_when_it_is_missing(refused: Check, tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refused("--source", tmp_path / "nowhere", "--speed", "0")


def test_folder_of_the_report_is_named_when_it_is_missing(refused: Check, tmp_path: Path) -> None:
    line = refused("--report", tmp_path / "nowhere" / "r.json", "--speed", "0")
    assert "--report" in line
    assert str(tmp_path / "nowhere") in line
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--parts", "-3"),
        ("--parts", "0"),
        ("--parts", "2.5"),
        ("--duration", "-1"),
        ("--duration", "nan"),
        ("--speed", "-1"),
        ("--speed", "inf"),
        ("--seed", "-1"),
        ("--port", "-1"),
        ("--port", "70000"),
        ("--overkill", "0"),
        ("--overkill", "0.21"),
        ("--overkill", "-0.05"),
        ("--overkill", "lots"),
    ],
)
def test_flag_is_named_when_its_number_is_out_of_range(refused: Check, flag: str, value: str) -> None:
    line = refused(flag, value)
    assert f"{flag}: " in line
    assert value in line


def test_scenario_is_named_when_it_is_no_yaml(refused: Check, files: Callable[..., Path], tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("feed: [1, 2\nbelt: }")
    sim_camera = ("tracker:\n", f"sim_camera:\n  ros__parameters:\n    scenario: {scenario}\n\ntracker:\n")
    line = refused(files("cell", params=sim_camera), "--speed", "0")
    assert f"{scenario}:2" in line


def test_scenario_line_and_key_are_named_when_it_has_an_unknown_key(
    refused: Check, files: Callable[..., Path], tmp_path: Path
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("feed:\n  rate_per_minute: 36\n")
    sim_camera = ("tracker:\n", f"sim_camera:\n  ros__parameters:\n    scenario: {scenario}\n\ntracker:\n")
    line = refused(files("cell", params=sim_camera), "--speed", "0")
    assert f"{scenario}:2: feed.rate_per_minute: unknown key" in line


def test_state_is_named_when_it_is_a_file(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["run", "--speed", "0", "--headless", "--model", str(model), "--state", str(tmp_path / "file")]
    assert main(words) == 2
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert f"{tmp_path / 'file'}: --state: " in line
    assert (tmp_path / "file").read_text() == "mine"


def test_ledger_is_named_when_it_is_no_ledger(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    ledger = tmp_path / "state" / "ledger.sqlite"
    ledger.write_text("not a database, but long enough to look at " * 50)
    before = ledger.read_bytes()
    words = ["run", "--speed", "0", "--headless", "--model", str(model), "--state", str(tmp_path / "state")]
    assert main(words) == 2
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert str(ledger) in line
    assert ledger.read_bytes() == before


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize("speed", ["0", "1"])
def test_port_is_named_when_it_is_in_use(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], busy_port: int, speed: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words: list[Any] = ["run", "--speed", speed, "--parts", 1, "--port", busy_port, "--model", model]
    assert main([*map(str, words), "--state", str(tmp_path / "state"), "--report", str(out / "r.json")]) == 2
    streams = capfd.readouterr()
    assert streams.err.count("\n") == 1
    assert str(busy_port) in streams.err
    assert list(out.iterdir()) == []
    assert not ended_badly(tmp_path / "state" / "ledger.sqlite")
