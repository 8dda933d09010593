"""What a pip install brings: the wheel's contents, and that everything it registers is there."""

from __future__ import annotations

import argparse
import configparser
import email
import importlib
import re
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from cell.cli.command import Command
from cell.cli.main import Parser

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel_file) as archive:
        yield archive


def text_of(wheel: zipfile.ZipFile, ending: str) -> str:
    (name,) = (name for name in wheel.namelist() if name.endswith(ending))
    return wheel.read(name).decode()


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return email.message_from_string(text_of(wheel, ".dist-info/METADATA"))


@pytest.fixture(scope="module")
def registered(wheel: zipfile.ZipFile) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text_of(wheel, "entry_points.txt"))
    return parser


def test_wheel_holds_four_packages_and_the_finder_and_shadows_nothing_of_ros(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not re.search(r"\.(dist-info|data)$", name)} == {
        "cell",
        "perception",
        "policies",
        "sim",
        "cellwright_rclpy.pth",
    }


def test_wheel_holds_what_is_read_at_run_time(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for wanted in (
        ".data/data/share/cellwright/launch/cell.launch.yaml",
        ".data/data/share/cellwright/launch/cell.params.yaml",
        ".data/data/share/cellwright/launch/hardware.launch.yaml",
        "cell/hmi/static/index.html",
        "cell/interfaces/cell_msgs/msg/PickDecision.msg",
        "cell/interfaces/share/control_msgs/action/FollowJointTrajectory.action",
        "perception/models/sim/model.onnx",
        "perception/models/sim/card.json",
        "perception/models/magnetic_tile/model.onnx",
        ".dist-info/licenses/LICENSE",
        ".dist-info/licenses/perception/models/LICENSE",
    ):
        assert [name for name in names if name.endswith(wanted)], f"{wanted} is not in the wheel"
    assert not [name for name in names if "node_modules" in name or name.endswith(".pyc")]


def test_committed_models_are_at_most_12_mb_each() -> None:
    models = list((ROOT / "perception" / "models").glob("*/*.onnx"))
    assert models
    assert all(model.stat().st_size <= 12_000_000 for model in models)


def test_metadata_names_licences_and_pythons(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0 AND AGPL-3.0-only"
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"openvino", "sim", "train", "bench", "dev"} <= set(metadata.get_all("Provides-Extra", []))


def test_plain_install_brings_neither_torch_nor_ros(metadata: Message) -> None:
    plain = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    names = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower() for line in plain}
    assert not names & {"torch", "ultralytics", "ultralytics-opencv-headless", "rclpy", "opencv-python"}


def test_everything_that_is_registered_can_be_loaded(registered: configparser.ConfigParser) -> None:
    broken = []
    for group in registered.sections():
        for name, value in registered[group].items():
            module, _, attribute = value.partition(":")
            try:
                getattr(importlib.import_module(module), attribute)
            except (ImportError, AttributeError) as error:
                broken.append(f"{group}: {name}: {error}")
    assert broken == []


def test_commands_of_the_contract_are_registered(registered: configparser.ConfigParser) -> None:
    commands = set(registered["cellwright.commands"])
    assert {"run", "node", "config schema", "config check", "train detector", "eval detector"} <= commands
    assert {"models list", "models show", "models verify"} <= commands
    assert set(registered["console_scripts"]) == {"cell"}


def test_every_command_has_help_and_an_example_that_it_accepts(registered: configparser.ConfigParser) -> None:
    for name, value in registered["cellwright.commands"].items():
        module, _, attribute = value.partition(":")
        command: Command = getattr(importlib.import_module(module), attribute)()
        assert command.help and "\n" not in command.help and not command.help.endswith("."), name
        parser = Parser(f"cell {name}", command)
        command.configure(parser)
        text = parser.format_help()
        assert isinstance(parser, argparse.ArgumentParser)
        first = command.example.strip().splitlines()[0].strip()
        assert f"cell {name}" in first, name
        assert text.rstrip().endswith(command.example.strip().splitlines()[-1].strip()), name


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("file", "extras"), [("requirements.lock", "openvino sim bench dev"), ("requirements-train.lock", "train")]
)
def test_lock_names_a_version_of_every_dependency_and_nothing_else(file: str, extras: str, metadata: Message) -> None:
    locked = set()
    for line in (ROOT / file).read_text().splitlines():
        if not line.startswith("#"):
            matched = re.fullmatch(r"([A-Za-z0-9_.-]+)==[A-Za-z0-9_.!]+( ; .+)?", line)
            assert matched, f"{file}: {line}"
            locked.add(normal(matched[1]))
    for line in metadata.get_all("Requires-Dist", []):
        name = normal(re.split(r"[^A-Za-z0-9_.-]", line)[0])
        extra = re.search(r"extra == ['\"]([a-z]+)['\"]", line)
        # torch is chosen by the Makefile: its builds differ by machine.
        if name != "torch" and (extra is None or extra[1] in extras.split()):
            assert name in locked, f"{file} has no {name}; run make lock"
