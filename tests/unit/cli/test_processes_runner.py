"""Processes beside a cell: heard, named, started again within a limit, ended in order, never orphaned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cell.cli.processes import Child, Processes, Program
from cell.launching import Respawn
from perception.errors import InputError

TOLD = "import os; tell = lambda line: os.write(int(os.environ['CELL_ANNOUNCE']), line + b'\\n'); "
READY = TOLD + "tell(b'{\"ready\": true}'); "
WAITS = "import time; time.sleep(600)"


def _wait_for(truth: Callable[[], object]) -> None:
    until_s = time.monotonic() + 30.0
    while not truth():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def processes() -> Iterator[Processes]:
    with_time = Processes()
    yield with_time
    with_time.close()


def _program(code: str, **options: object) -> Program:
    return Program("worker", ("node_a", "node_b"), (sys.executable, "-c", code), **options)  # type: ignore[arg-type]


def _ended(processes: Processes, child: Child) -> bool:
    processes.poll()
    return child.trouble is not None


def test_process_is_started_again_up_to_its_limit_when_it_dies(processes: Processes, capfd) -> None:
    child = processes.start(_program(READY + "os.abort()", respawn=Respawn(0.0, 2)))
    _wait_for(lambda: processes.poll() is None or (child.trouble is not None and child.trouble.over))
    assert child.starts == 3
    (trouble,) = processes.troubles()
    assert trouble.nodes == ("node_a", "node_b")
    assert "SIGABRT" in trouble.words
    assert "given up after 3 starts" in trouble.words
    assert "cell: worker: its process ended by SIGABRT, start 2 follows" in capfd.readouterr().err


def test_all_is_well_when_the_process_that_died_is_ready_again(processes: Processes) -> None:
    child = processes.start(_program(READY + WAITS, respawn=Respawn(0.0, -1)))
    _wait_for(lambda: child.ready)
    assert processes.troubles() == ()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    _wait_for(lambda: _ended(processes, child))
    _wait_for(lambda: processes.poll() or child.ready)
    _wait_for(lambda: not processes.troubles())
    assert child.starts == 2


def test_process_stays_away_when_nothing_brings_it_back(processes: Processes) -> None:
    child = processes.start(_program(READY))
    _wait_for(lambda: _ended(processes, child))
    assert child.starts == 1
    assert child.trouble is not None
    assert child.trouble.over


def test_bad_input_of_a_process_is_that_of_the_cell_when_it_cannot_start(processes: Processes) -> None:
    code = TOLD + 'tell(b\'{"error": "model.onnx: no such file"}\'); raise SystemExit(2)'
    child = processes.start(_program(code, respawn=Respawn()))
    with pytest.raises(InputError, match=r"^model\.onnx: no such file$"):
        _wait_for(lambda: _ended(processes, child))


def test_output_bears_the_name_of_its_process(processes: Processes, capfd, tmp_path: Path) -> None:
    code = READY + "import sys; print('one'); print('two', file=sys.stderr); print('no end', end='')"
    piped = processes.start(_program(code))
    log = tmp_path / "log"
    filed = processes.start(Program("other", (), (sys.executable, "-c", READY + "print('three')"), log=log))
    _wait_for(lambda: _ended(processes, piped) and _ended(processes, filed))
    processes.close()
    streams = capfd.readouterr()
    assert {"[worker] one", "[worker] no end"} <= set(streams.out.splitlines())
    assert {"[worker] two", "[other] three"} <= set(streams.err.splitlines())
    assert log.read_text() == "three\n"


def test_who_does_not_listen_is_killed_when_all_are_to_end(processes: Processes, monkeypatch) -> None:
    monkeypatch.setattr("cell.cli.processes.STOP_S", 0.3)
    deaf = processes.start(_program("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + WAITS))
    _wait_for(lambda: deaf.ready)
    pid = deaf.pid
    assert pid is not None
    processes.stop()
    assert not _lives(pid)
    assert processes.children == {}


@pytest.mark.parametrize("outlives", [False, True])
def test_process_ends_with_its_parent_unless_it_is_to_outlive_it(outlives: bool, tmp_path: Path) -> None:
    inner = "from cell.announcing import end_on_signals, end_with_parent; end_on_signals(); end_with_parent(); "
    code = (
        "import sys, time; from cell.cli.processes import Processes, Program\n"
        f"p = Program('w', (), (sys.executable, '-c', {inner + READY + WAITS!r}), outlives={outlives})\n"
        "c = Processes().start(p)\n"
        "while not c.ready: time.sleep(0.005)\n"
        "print(c.pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    if outlives:
        assert _lives(pid)
        os.kill(pid, signal.SIGKILL)
    else:
        _wait_for(lambda: not _lives(pid))
