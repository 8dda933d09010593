"""What our nodes use of rclpy, held against a published description of the real one (rclpy-intellisense).

The description must never lie in the environment that runs (it would stand in the way of every rclpy): it is unpacked
into a folder of its own, where only mypy sees it, beside our stubs of the message packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DESCRIPTION = "rclpy-intellisense==1.2.0"
# Its annotations are older than its code: the values that this method gives are parameters, as newer ones say.
KNOWN = ('of "bool | int | float | str | bytes', "cell/nodes/node.py")


@pytest.fixture(scope="module")
def description(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the described rclpy and our message packages."""
    folder = tmp_path_factory.mktemp("description")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), DESCRIPTION]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"{DESCRIPTION} cannot be installed here")
    for stubs in (ROOT / "cell/runtime/stubs").iterdir():
        if stubs.name != "rclpy":
            (folder / stubs.name).symlink_to(stubs)
    return folder


def check(description: Path, *what: str, cache: Path) -> list[str]:
    """What mypy says with the described rclpy in the place of ours."""
    command = [sys.executable, "-m", "mypy", "--config-file", os.devnull, "--cache-dir", str(cache)]
    command += ["--ignore-missing-imports", "--follow-imports=silent", "--disable-error-code=type-arg", *what]
    environment = {**os.environ, "MYPYPATH": str(description)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment)
    return [line for line in done.stdout.splitlines() if ": error:" in line]


def test_every_use_fits_when_nodes_meet_the_described_rclpy(description: Path, tmp_path: Path) -> None:
    found = check(description, "-p", "cell.nodes", "-p", "sim.nodes", cache=tmp_path)
    assert [line for line in found if not all(part in line for part in KNOWN)] == []


def test_a_fault_is_found_when_a_node_uses_what_is_not_there(description: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "from rclpy.node import Node\n"
        "def make(node: Node) -> None:\n"
        "    node.create_publishr(int, 'topic', 1)\n"
        "    node.create_timer(0.1, print, periode=3)\n"
    )
    found = check(description, str(file), cache=tmp_path / "cache")
    assert len(found) == 2
