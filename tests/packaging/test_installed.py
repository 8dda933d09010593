"""The wheel in an empty environment, used from another folder."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

TOP_LEVEL = {"cell", "perception", "policies", "sim", "cellwright_rclpy.pth"}
SCRIPT = """
import importlib.metadata as metadata, importlib.util, json, sys
from pathlib import PurePosixPath
own = metadata.distribution("cellwright")
files = {str(file) for file in own.files}
clashes, tops = [], {}
for other in metadata.distributions():
    if other.metadata["Name"] == "cellwright":
        continue
    for file in other.files or ():
        if str(file) in files:
            clashes.append(f"{other.metadata['Name']}: {file}")
        tops.setdefault(PurePosixPath(str(file)).parts[0].partition(".")[0], other.metadata["Name"])
mine = {PurePosixPath(f).parts[0] for f in files if not f.startswith("..")} - {f"cellwright-{own.version}.dist-info"}
print(json.dumps({
    "top": sorted(mine),
    "outside": sorted(f for f in files if f.startswith("..")),
    "clashes": clashes,
    "others": len(tops),
    "shadowed": sorted(n for n in mine if n.partition(".")[0] in tops or n in sys.stdlib_module_names),
    "launch": importlib.util.find_spec("launch") is not None,
    "cell": importlib.util.find_spec("cell").origin,
    "rclpy": importlib.util.find_spec("rclpy").origin,
}))
"""


@pytest.fixture(scope="module")
def environment(installed: Path) -> Path:
    """An environment that had nothing in it, with our wheel."""
    return (installed / "current").resolve()


@pytest.fixture(scope="module")
def found(
    environment: Path, clean_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    words = [str(environment / "bin" / "python"), "-c", SCRIPT]
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        words, env=clean_environment, cwd=elsewhere, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout)


def test_install_brings_these_top_level_names_and_no_other_when_environment_is_empty(found: dict[str, Any]) -> None:
    assert set(found["top"]) == TOP_LEVEL
    outside = {name.split("/lib/")[-1].lstrip("./") for name in found["outside"]}
    assert {name for name in outside if not name.startswith("share/cellwright/")} == {"bin/cell"}


def test_no_file_of_ours_is_another_packages_when_all_dependencies_are_there(found: dict[str, Any]) -> None:
    assert found["others"] > 20
    assert found["clashes"] == []
    assert found["shadowed"] == []


def test_launch_stays_ros_2s_name_when_the_wheel_is_installed(found: dict[str, Any], environment: Path) -> None:
    assert found["launch"] is False
    assert found["cell"].startswith(str(environment))
    assert found["rclpy"].endswith("cell/runtime/rclpy/__init__.py")


def test_cell_runs_from_another_folder_when_only_the_wheel_is_installed(
    environment: Path, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    words = [str(environment / "bin" / "cell"), "run", "--parts", "3", "--speed", "0", "--headless"]
    done = subprocess.run(
        [*words, "--report", "r.json"],
        env=clean_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["parts"]["entered"] == 3 and report["parts"]["in_flight"] == 0
    assert (Path(clean_environment["HOME"]) / ".local/state/cellwright/ledger.sqlite").is_file()
    verified = subprocess.run(
        [words[0], "models", "verify"],
        env=clean_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_page_and_its_font_are_installed_when_the_wheel_is(environment: Path) -> None:
    (static,) = environment.glob("lib/python*/site-packages/cell/hmi/static")
    text = "".join(path.read_text() for path in static.rglob("*.css")) + (static / "index.html").read_text()
    fonts = list(static.rglob("*.woff2"))
    assert fonts
    assert any(font.name in text for font in fonts)
