"""The driver that `docs/drivers.md` builds up: its files as they stand there, tested and found by the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT, Page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LINE = "    drive:\n      model: ls_g100\n      port: sim:drive\n      unit: 1\n      baudrate: 9600\n"


@pytest.fixture(scope="module")
def package(page: dict[str, Page], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's files, installed as far as entry points are concerned."""
    folder = tmp_path_factory.mktemp("vfd_e")
    for block in page["drivers.md"].blocks:
        if block.title is not None and "." in block.title:
            (folder / block.title).write_text(block.text)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    sections = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections))
    return folder


def python(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=package,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def config(page: Page, options: str) -> str:
    """The params file of the simulated cell with the section that the page shows."""
    section = next(block.text for block in page.blocks if block.title == "conveyor")
    drive = section.split("ros__parameters:\n")[1].replace("/dev/serial/by-id/usb-drive", "sim:drive")
    text = (ROOT / "launch" / "cell.params.yaml").read_text()
    assert LINE in text
    return text.replace(LINE, drive.replace("max_hz: 50", options))


def test_its_own_test_passes_when_the_page_is_followed(package: Path) -> None:
    assert sorted(path.name for path in package.glob("*.*")) == [
        "cell_vfd_e-0.1.0.dist-info",
        "cell_vfd_e.py",
        "pyproject.toml",
        "test_cell_vfd_e.py",
    ]
    tested = python(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cell_vfd_e.py")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "5 passed" in tested.stdout


FAULTS = {
    "self._max_hz)\n": "9e9)\n",
    "STOP, FORWARD, RESET_BIT = 0x01, 0x12, 0x02": "STOP, FORWARD, RESET_BIT = 0x01, 0x22, 0x02",
    "        self.stop()  # a reset never starts the belt\n": "",
}
CAUGHT = {
    "test_speed_is_clamped_when_it_is_beyond_the_drive",
    "test_frame_is_that_of_the_manual_when_the_belt_is_to_run",
    "test_belt_stands_after_a_reset_when_the_drive_has_tripped",
}


def test_its_own_test_fails_when_the_driver_is_wrong(package: Path, tmp_path: Path) -> None:
    faulty = shutil.copytree(package, tmp_path / "faulty")
    driver = faulty / "cell_vfd_e.py"
    text = driver.read_text()
    for right, wrong in FAULTS.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    driver.write_text(text)
    tested = python(faulty, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_cell_vfd_e.py")
    assert set(re.findall(r"FAILED test_cell_vfd_e.py::(\w+)", tested.stdout)) == CAUGHT, tested.stdout


def test_list_names_it_when_it_is_installed(package: Path) -> None:
    listed = python(package, "-m", "cell.cli.main", "drivers", "list", "--role", "drive", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["model"]: row for row in json.loads(listed.stdout)}
    assert rows["vfd_e"]["roles"] == ["drive"]
    assert rows["vfd_e"]["link"] == "Modbus RTU"
    # It says nothing of how far it is verified, and so does the list.
    assert rows["vfd_e"]["verified"] == []


def test_command_line_finds_it_when_it_is_installed(package: Path, page: dict[str, Page], tmp_path: Path) -> None:
    good, bad = tmp_path / "cell.params.yaml", tmp_path / "wrong.params.yaml"
    good.write_text(config(page["drivers.md"], "max_hz: 50"))
    bad.write_text(config(page["drivers.md"], "max_Hz: 50"))
    accepted = python(package, "-m", "cell.cli.main", "config", "check", str(good))
    assert accepted.returncode == 0, accepted.stderr
    refused = python(package, "-m", "cell.cli.main", "config", "check", str(bad))
    assert refused.returncode == 2
    # The page shows this very line, for its own file.
    shown = next(block.text for block in page["drivers.md"].blocks if "max_Hz" in block.text)
    assert refused.stderr.replace(str(bad), "cell.params.yaml") == shown
