"""The cell as several processes: what happens to the others when one of them dies."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cell.simfolder import SimFolder

FATES = ("sorted", "passed", "missed", "dropped", "rejected", "unknown")
LIMIT_S = 90.0
# A cell that gets no processor for half a second aborts, as it should; here it shares one with other tests.
STARVED = re.compile("not read|silent|within|does not answer")

Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., "tuple[int, dict[str, Any], str, str]"]


def _wait_for(truth: Callable[[], Any], what: str) -> Any:
    until_s = time.monotonic() + LIMIT_S
    while not (found := truth()):
        assert time.monotonic() < until_s, f"never: {what}"
        time.sleep(0.02)
    return found


def _children(parent: int) -> dict[str, int]:
    """Processes that a process has started, by what follows ``cell`` on their command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent and "cell.cli.main" in words:
            first = words.index("cell.cli.main") + 1
            name = words[first + 1] if words[first] == "node" else words[first]
            found[name] = int(entry.name)
    return found


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _parts(state: Path) -> int:
    try:
        with sqlite3.connect(f"file:{state / 'ledger.sqlite'}?mode=ro", uri=True, timeout=5.0) as connection:
            return int(connection.execute("SELECT count(*) FROM part").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def _balanced(report: dict[str, Any]) -> bool:
    parts = report["parts"]
    return bool(parts["entered"] == sum(parts[fate] for fate in FATES) + parts["in_flight"])


class Cell:
    """``cell run`` with its page: what it said, what the page shows, its processes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=self._listen, args=(stream,), daemon=True).start()
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        _wait_for(lambda: self.links("login") or process.poll() is not None, "the page's address")
        assert process.poll() is None, self.lines

    def _listen(self, stream: Any) -> None:
        for line in stream:
            self.lines.append(line)

    def links(self, part: str) -> list[str]:
        return [
            found[0]
            for line in list(self.lines)
            for found in [re.search(r"http://\S+", line)]
            if found and part in line
        ]

    def state(self) -> dict[str, Any]:
        """What the page shows; {} while nobody answers."""
        address = self.links("cell's page")[0]
        try:
            with self._opener.open(f"{address}/api/v1/state", timeout=10) as answer:
                whole = json.load(answer)
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            return {}
        return dict(whole.get("data", whole))

    def stands_in(self, name: str) -> bool:
        return bool(self.state().get("state", {}).get("name") == name)

    def device(self, name: str) -> dict[str, Any]:
        return next((device for device in self.state().get("devices", []) if device["name"] == name), {})

    def command(self, name: str) -> int:
        address = self.links("cell's page")[0]
        body = json.dumps({"command": name}).encode()
        request = urllib.request.Request(
            f"{address}/api/v1/command", body, {"Content-Type": "application/json", "Origin": address}
        )
        try:
            with self._opener.open(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def log_in(self) -> None:
        with self._opener.open(self.links("login")[-1], timeout=10) as answer:
            assert answer.status == 200

    def produce(self) -> None:
        """Until it is in Execute, by an operator's commands."""
        words = {"Aborted": "clear", "Stopped": "reset", "Idle": "start"}

        def produces() -> bool:
            name = self.state().get("state", {}).get("name", "")
            if name in words:
                self.command(words[name])
            return bool(name == "Execute")

        _wait_for(produces, "Execute")


@pytest.fixture
def cell(start: Start) -> Iterator[Cell]:
    cell = Cell(start("--speed", "1", "--port", "0"))
    _wait_for(cell.state, "the page")
    cell.log_in()
    # It starts by itself; only a busy machine, on which it has aborted, asks for an operator.
    _wait_for(lambda: cell.stands_in("Execute") or cell.stands_in("Aborted"), "Execute")
    cell.produce()
    yield cell
    if cell.process.poll() is None:
        cell.process.send_signal(signal.SIGTERM)
        cell.process.wait(60)


def test_every_part_is_accounted_for_when_the_cell_runs_in_processes(run: Run, tmp_path: Path) -> None:
    status, report, _, err = run("--parts", "6", "--seed", "1", speed="1")
    if status == 3 and STARVED.search(report["packml"]["history"][-1]["reason"] + err):
        status, report, _, err = run("--parts", "6", "--seed", "1", "--clear", speed="1")
    assert status == 0, err
    assert report["parts"]["entered"] == 6
    assert report["parts"]["in_flight"] == 0
    assert _balanced(report)
    # The referee's word and the camera's own count, from the hardware's process.
    assert report["quality"]["defective_in"] + report["quality"]["good_in"] == 6
    assert 0.9 * report["frames"]["captured"] < report["frames"]["judged"] <= report["frames"]["captured"]
    assert report["seed"] == 1
    assert report["latency_ms"]["frame_to_decision"]["p50"] > 0.0
    # Nothing stays behind a clean end.
    assert not SimFolder(tmp_path / "state").alive


def test_next_run_meets_the_same_belt_when_the_controller_was_killed(start: Start, run: Run, tmp_path: Path) -> None:
    state = tmp_path / "state"
    killed = start("--speed", "1", "--headless", "--parts", "6", "--seed", "3")
    _wait_for(lambda: killed.poll() is not None or _parts(state) >= 2, "two parts")
    children = _children(killed.pid)
    assert set(children) == {"sim", "detector"}
    killed.kill()
    killed.wait(30)
    _wait_for(lambda: not _lives(children["detector"]), "the end of the detector")
    hardware = SimFolder(state)
    assert hardware.alive
    entered = _parts(state)

    status, report, _, err = run("--parts", "6", "--clear", speed="1")
    assert f"process {children['sim']}" in err
    assert report["seed"] == 3
    assert _balanced(report)
    if status == 3 and STARVED.search(report["packml"]["history"][-1]["reason"]):
        return
    assert status == 0, err
    assert report["packml"]["history"][0]["from"] == "Aborted"
    assert report["parts"]["in_flight"] == 0
    # The feed goes on where it was: what the camera had not seen yet, and no more than six in all.
    assert 0 < report["parts"]["entered"] <= 6
    assert report["parts"]["entered"] + entered <= 6 + 3  # parts in the picture are seen by both
    quality = report["quality"]
    assert report["parts"]["entered"] <= quality["defective_in"] + quality["good_in"] <= 6
    assert not hardware.alive
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        query = "SELECT count(*) FROM part LEFT JOIN fate USING (run_id, part_id) WHERE fate.fate IS NULL"
        assert connection.execute(query).fetchone() == (0,)


def test_detector_comes_back_and_the_operator_goes_on_when_it_was_killed(cell: Cell) -> None:
    first = _children(cell.process.pid)
    os.kill(first["detector"], signal.SIGKILL)
    # What was on the belt goes by unjudged: the cell aborts, as for every node that crashes.
    state = _wait_for(lambda: cell.stands_in("Aborted") and cell.state()["state"], "Aborted")
    assert "detector" in state["reason"]
    assert cell.process.poll() is None
    _wait_for(lambda: cell.device("detector").get("ok"), "the detector is well again")
    second = _children(cell.process.pid)
    assert second["detector"] != first["detector"]
    assert {**second, "detector": 0} == {**first, "detector": 0}
    # Nothing restarts by itself.
    assert cell.stands_in("Aborted")
    cell.produce()
    judged = cell.device("detector")
    assert judged["ok"]
    assert any("detector: its process ended by SIGKILL" in line for line in cell.lines)


def test_control_goes_on_when_the_page_was_killed(cell: Cell) -> None:
    first = _children(cell.process.pid)
    travel_m = cell.state()["belt"]["travel_m"]
    os.kill(first["status"], signal.SIGKILL)
    _wait_for(lambda: len(cell.links("login")) == 2, "a new link")
    state = _wait_for(cell.state, "the page at its old address")
    _wait_for(lambda: cell.state().get("belt", {}).get("travel_m", 0.0) > travel_m, "the belt")
    assert cell.links("cell's page")[0] == cell.links("cell's page")[1]
    assert cell.process.poll() is None
    second = _children(cell.process.pid)
    assert {**second, "status": 0} == {**first, "status": 0}
    if not cell.stands_in("Execute"):
        assert STARVED.search(state["state"]["reason"]), state["state"]
    cell.log_in()


def test_processes_end_in_order_when_the_cell_is_interrupted(cell: Cell) -> None:
    children = _children(cell.process.pid)
    assert set(children) == {"sim", "detector", "status"}
    cell.process.send_signal(signal.SIGINT)
    assert cell.process.wait(60) in (0, 3)
    assert not any(_lives(pid) for pid in children.values())


def test_nothing_stays_when_the_cell_is_told_to_end_before_it_is_up(start: Start, tmp_path: Path) -> None:
    process = start("--speed", "1", "--headless")
    children = _wait_for(lambda: len(found := _children(process.pid)) == 2 and found, "the processes")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    assert "0 parts" in out
    assert not any(_lives(pid) for pid in children.values())
    assert not SimFolder(tmp_path / "state").alive


def test_second_run_is_refused_in_one_line_when_one_is_on_the_state_folder(cell: Cell, start: Start) -> None:
    second = start("--speed", "1", "--headless", "--parts", "1")
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert "--state" in err
    assert cell.process.poll() is None


def test_runs_use_the_cell_sim_that_is_there_and_leave_it_there(
    start: Start, run: Run, tmp_path: Path, sim: Callable[..., subprocess.Popen[str]]
) -> None:
    state = tmp_path / "state"
    hardware = sim("--seed", "2")
    _wait_for(lambda: hardware.poll() is not None or (SimFolder(state).info() is not None), "the hardware")
    second = sim("--seed", "2")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert err.count("\n") == 1
    entered = 0
    for words in ((), ("--clear",)):
        status, report, _, err = run("--parts", "2", *words, speed="1")
        assert report, err
        assert status == 0 or STARVED.search(report["packml"]["history"][-1]["reason"] + err), err
        assert report["seed"] == 2
        assert f"process {hardware.pid}" in err
        entered += report["parts"]["entered"]
    assert entered >= 2
    status, _, _, err = run("--parts", "2", "--seed", "5", "--clear", speed="1")
    assert status == 2
    assert "--seed" in err
    assert hardware.poll() is None


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``cell sim`` on the test's state folder."""
    import sys

    processes: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cell.cli.main", "sim", *words, "--state", str(tmp_path / "state")]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.terminate()
        process.communicate(timeout=30)
