"""Setting up with make: what a person reads on a machine that lacks something."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(folder: Path, python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make with a stand-in for Python, into a folder of its own."""
    stand_in = folder / "python"
    stand_in.write_text(f"#!/bin/sh\n{python}\n")
    stand_in.chmod(0o755)
    command = ["make", "-C", str(ROOT), f"PYTHON={stand_in}", f"VENV={folder / 'venv'}", *words]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment)


def test_package_is_named_when_the_venv_module_is_missing(tmp_path: Path) -> None:
    done = make(tmp_path, 'case "$2" in *ensurepip*) exit 1;; esac', "install")
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_versions_are_named_when_python_is_too_old(tmp_path: Path) -> None:
    done = make(
        tmp_path, 'case "$2" in *version_info*) exit 1;; esac; [ "$1" = --version ] && echo Python 3.9.2', "install"
    )
    assert done.returncode != 0
    assert "needs Python 3.10 to 3.13" in done.stdout and "Python 3.9.2" in done.stdout


def test_targets_are_listed_when_none_is_named(tmp_path: Path) -> None:
    done = make(tmp_path, "exit 1")
    assert done.returncode == 0
    for target in ("run", "test", "check", "test-train", "lock", "clean"):
        assert f"make {target}" in done.stdout


def test_ci_runs_the_tests_and_then_training() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-2:] == ["make test", "make test-train"]
