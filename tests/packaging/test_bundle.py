"""The bundle with every wheel: installed and run where there is no network; made for another machine.

Fetches about 200 MB and is run by ``make test-install``; what an installation does without fetching is in the other
files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

OFFLINE = ["unshare", "--net", "--map-root-user"]


@pytest.fixture(scope="module")
def offline() -> list[str]:
    """Words before a command that take the network away."""
    if shutil.which("unshare") is None or subprocess.run([*OFFLINE, "true"], check=False).returncode != 0:
        pytest.fail("unshare --net is not permitted here: the network cannot be taken away")
    ping = [*OFFLINE, sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9), 1)"]
    done = subprocess.run(ping, capture_output=True, text=True, check=False)
    assert "unreachable" in done.stderr, done.stderr
    return OFFLINE


@pytest.mark.install
def test_cell_runs_when_its_bundle_was_installed_with_the_network_off(
    offline: list[str], wheels: ModuleType, wheel_file: Path, tmp_path: Path
) -> None:
    bundle = wheels.make_bundle(wheels.chosen([])[0], [], wheel_file, tmp_path)
    listed = json.loads((bundle / "bundle.json").read_text())
    assert {path.name for path in (bundle / "wheels").iterdir()} == {entry["file"] for entry in listed["wheels"]}
    home, prefix = tmp_path / "home", tmp_path / "opt"
    home.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    install = ["sh", str(bundle / "install.sh"), "--prefix", str(prefix), "--python", sys.executable]
    for words in (
        [*install, "--link", str(tmp_path / "bin")],
        [str(tmp_path / "bin/cell"), "run", "--parts", "3", "--speed", "0", "--headless", "--report", "r.json"],
    ):
        done = subprocess.run(
            [*offline, *words],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((home / "r.json").read_text())["parts"]["entered"] == 3


@pytest.mark.install
def test_bundle_holds_that_machines_wheels_when_it_is_made_for_another(
    wheels: ModuleType, wheel_file: Path, tmp_path: Path
) -> None:
    target = wheels.Target("3.12", "aarch64" if wheels.chosen([])[0].machine == "x86_64" else "x86_64")
    bundle = wheels.make_bundle(target, [], wheel_file, tmp_path)
    names = [path.name for path in (bundle / "wheels").iterdir()]
    native = [name for name in names if not name.endswith("-any.whl")]
    assert any(name.startswith("numpy-") for name in native)
    assert all(name.endswith(f"_{target.machine}.whl") and "manylinux" in name for name in native)
    for line in (bundle / "requirements.txt").read_text().splitlines():
        assert "==" in line and "--hash=sha256:" in line
