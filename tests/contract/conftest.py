"""The command line as a process of its own, with a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cell.simfolder import SimFolder

COMMAND = (sys.executable, "-m", "cell.cli.main")


@pytest.fixture(scope="session")
def model(spots_model: Path) -> Path:
    return spots_model


Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Starter]:
    """Starts ``cell run`` with the tiny model and a state folder of the test's own; ends it with the test."""
    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_STATE_HOME": str(tmp_path / "xdg")}
    # A cell in real time is several processes, which have to reach each other.
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    states: set[Path] = set()

    def begin(*words: str | Path, state: Path | None = None) -> subprocess.Popen[str]:
        states.add(state or tmp_path / "state")
        command = [
            *COMMAND,
            "run",
            *map(str, words),
            "--model",
            str(model),
            "--state",
            str(state or tmp_path / "state"),
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes)  # type: ignore[call-overload]
        processes.append(process)
        return process  # type: ignore[no-any-return]

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)
    for folder in states:
        end_hardware(folder)


def end_hardware(state: Path) -> None:
    """End the simulated hardware that a killed cell has left."""
    info = SimFolder(state).info() if (state / "sim").exists() else None
    if info is not None:
        os.kill(info.pid, signal.SIGTERM)


@pytest.fixture
def run(start: Starter, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any], str, str]]:
    """Runs it to its end in lockstep without a page: exit status, report ({} without one), stdout, stderr."""

    def finish(*words: str | Path, speed: str = "0", **options: Any) -> tuple[int, dict[str, Any], str, str]:
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        process = start("--speed", speed, "--headless", "--report", report, *words, **options)
        out, err = process.communicate(timeout=180)
        return process.returncode, json.loads(report.read_text()) if report.exists() else {}, out, err

    return finish
