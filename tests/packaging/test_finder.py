"""The finder serves rclpy where nothing else does, and never stands before a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PTH = ROOT / "cellwright_rclpy.pth"

LOOK = """
import json, sys
said = {}
for name in ("rclpy", "std_msgs", "std_msgs.msg"):
    try:
        module = __import__(name, fromlist=["x"])
        said[name] = getattr(module, "MARK", None) or "embedded"
    except ImportError as error:
        said[name] = type(error).__name__
try:
    import cell.runtime.finder as finder
    said["describe"] = finder.describe().kind
    said["last"] = type(sys.meta_path[-1]).__name__
except ImportError:
    pass
print(json.dumps(said))
"""

# `site` handles a folder as it does site-packages; the order of the arguments is that of sys.path.
START = """
import site, sys
for folder in sys.argv[1:]:
    site.addsitedir(folder)
"""


def stand_in(folder: Path) -> Path:
    """A package that looks like an installed real rclpy."""
    package = folder / "rclpy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("MARK = 'real'\n")
    return folder


def site_packages(folder: Path) -> Path:
    """A folder with the .pth, and the project as an editable install puts it on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PTH.name).write_text(PTH.read_text())
    (folder / "_cellwright.pth").write_text(f"{ROOT}\n")
    return folder


def run(script: str, *folders: Path, python_path: Path | None = None) -> str:
    """The output of a fresh interpreter; `-S` keeps this environment's own site-packages out."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment.pop("AMENT_PREFIX_PATH", None)
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    command = [sys.executable, "-S", "-c", script, *map(str, folders)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def look(*folders: Path, python_path: Path | None = None) -> dict[str, Any]:
    """What imports give there."""
    said: dict[str, Any] = json.loads(run(START + LOOK, *folders, python_path=python_path))
    return said


def test_embedded_rclpy_is_served_when_there_is_no_other(tmp_path: Path) -> None:
    assert look(site_packages(tmp_path / "site")) == {
        "rclpy": "embedded",
        "std_msgs": "embedded",
        "std_msgs.msg": "embedded",
        "describe": "embedded",
        "last": "RclpyFinder",
    }


@pytest.mark.parametrize("position", ["PYTHONPATH", "same", "later"])
def test_real_rclpy_wins_when_it_is_anywhere_on_the_path(tmp_path: Path, position: str) -> None:
    site = site_packages(tmp_path / "site")
    if position == "PYTHONPATH":
        said = look(site, python_path=stand_in(tmp_path / "ros"))
    elif position == "same":
        said = look(stand_in(site))
    else:
        said = look(site, stand_in(tmp_path / "later"))
    # All or nothing: the stand-in has no std_msgs, and ours are not mixed with it.
    assert said["rclpy"] == "real"
    assert said["std_msgs"] == "ModuleNotFoundError"
    assert said["describe"] == "real"


def test_real_messages_stay_whole_when_a_real_rclpy_has_them(tmp_path: Path) -> None:
    ros = stand_in(tmp_path / "ros")
    (ros / "std_msgs" / "msg").mkdir(parents=True)
    (ros / "std_msgs" / "__init__.py").write_text("MARK = 'real'\n")
    (ros / "std_msgs" / "msg" / "__init__.py").write_text("MARK = 'real'\n")
    said = look(site_packages(tmp_path / "site"), ros)
    assert (said["std_msgs"], said["std_msgs.msg"]) == ("real", "real")


def test_folder_is_named_when_it_hides_every_rclpy(tmp_path: Path) -> None:
    (tmp_path / "work" / "rclpy").mkdir(parents=True)
    said = look(site_packages(tmp_path / "site"), tmp_path / "work")
    assert (said["describe"], said["std_msgs"]) == ("shadowed", "ModuleNotFoundError")


def test_intellisense_is_recognised_when_it_is_installed(tmp_path: Path) -> None:
    site = stand_in(site_packages(tmp_path / "site"))
    info = site / "rclpy_intellisense-1.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rclpy-intellisense\nVersion: 1.2.0\n")
    (info / "RECORD").write_text("rclpy/__init__.py,,\n")
    said = look(site)
    assert (said["rclpy"], said["describe"]) == ("real", "intellisense")


def test_interpreter_starts_quietly_when_cellwright_is_gone(tmp_path: Path) -> None:
    site = site_packages(tmp_path / "site")
    (site / "_cellwright.pth").unlink()
    assert run(START + "print('up')", site) == "up\n"


def test_nothing_else_is_imported_when_interpreter_starts(tmp_path: Path) -> None:
    script = "import sys; before = set(sys.modules)\n" + START + "print(*sorted(set(sys.modules) - before))"
    loaded = set(run(script, site_packages(tmp_path / "site")).split())
    assert {name for name in loaded if name.startswith("cell")} == {"cell", "cell.runtime", "cell.runtime.finder"}
    assert not loaded & {"re", "typing", "dataclasses", "importlib.util", "pathlib"}


@pytest.mark.parametrize("kind", ["standard", "editable"])
def test_wheel_holds_the_pth_at_its_root_when_built(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hatchling")
    if kind == "editable":
        pytest.importorskip("editables")
    project = tmp_path / "project"
    (project / "cell" / "runtime").mkdir(parents=True)
    for name in ("cell/__init__.py", "cell/runtime/__init__.py", "cell/runtime/finder.py", "hatch_build.py", PTH.name):
        (project / name).write_text((ROOT / name).read_text())
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "cellwright"\nversion = "0"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["cell"]\n'
        '[tool.hatch.build.targets.wheel.hooks.custom]\npath = "hatch_build.py"\n'
    )
    monkeypatch.chdir(project)
    from hatchling import build

    make = build.build_wheel if kind == "standard" else build.build_editable
    wheel = tmp_path / make(str(tmp_path))
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert PTH.name in archive.namelist()
        archive.extractall(site)
    assert run(START + "print(type(sys.meta_path[-1]).__name__)", site) == "RclpyFinder\n"


def test_project_uses_the_hook_when_it_is_built() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert "[tool.hatch.build.targets.wheel.hooks.custom]" in text


def test_launch_folder_is_no_package_when_ros_owns_the_name() -> None:
    assert not list((ROOT / "launch").rglob("__init__.py"))
