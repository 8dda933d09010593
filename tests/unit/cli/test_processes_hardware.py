"""Simulated hardware in a process of its own: where it is found, who may use it, what it tells; the ROS domain."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cell.cli.domain import Domain, chosen
from cell.cli.main import main
from cell.drivers.registry import Devices, DeviceSpec
from cell.sim_channel import RunningSim, SimServer
from cell.simfolder import SimFolder, SimInfo, default_state
from perception.errors import InputError
from sim import links
from sim.bench import SimBench

INFO = SimInfo(pid=1, seed=4, parts=None, source=None, lines={"gripper": 115200})


class Fed:
    """Simulated hardware as the channel sees it."""

    def __init__(self) -> None:
        self.empty = False
        self.entered = 0
        self.fed: list[int | None] = []

    def begin_run(self, parts: int | None) -> None:
        self.fed.append(parts)

    def quality(self) -> dict[str, int] | None:
        return {"defective_in": 1, "escaped": 0, "good_in": self.entered, "false_rejects": 0}

    def source(self) -> dict[str, int]:
        return {"images": 0, "skipped": 0}

    def fates(self) -> list[dict[str, Any]]:
        return []

    def inject(self, file: Path, controller: Any) -> None:
        raise AssertionError("nobody asked for faults")

    def stop_injecting(self) -> None:
        """Nothing is injected."""

    def injected(self) -> list[dict[str, Any]]:
        return []

    def captured(self, first_ns: int, last_ns: int) -> int:
        return last_ns - first_ns


class Hardware:
    """A server on a thread, in a folder of its own."""

    def __init__(self, state: Path) -> None:
        self.folder = SimFolder(state)
        self.folder.take()
        self.fed = Fed()
        self.domains: list[int] = []
        self.left = 0
        self.server = SimServer(self.folder, self.fed, self.domains.append, self._leave)
        self.folder.tell(INFO)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _leave(self) -> None:
        self.left += 1

    def _run(self) -> None:
        while not self.server.stopped:
            self.server.step(0.01)
        self.server.close()
        self.folder.release()

    def end(self) -> None:
        self.server.stopped = True
        self.thread.join()


@pytest.fixture
def hardware(tmp_path: Path) -> Iterator[Hardware]:
    # Deeper than the path of a socket may be long.
    hardware = Hardware(tmp_path / ("deep" * 30) / "state")
    yield hardware
    hardware.end()


def test_controller_hears_the_referee_when_it_has_joined(hardware: Hardware) -> None:
    sim = RunningSim(hardware.folder, INFO)
    sim.join(7, 12)
    assert (hardware.domains, hardware.fed.fed) == ([7], [12])
    assert not sim.empty
    hardware.fed.empty, hardware.fed.entered = True, 5
    assert sim.captured(1_000, 1_040) == 40
    assert sim.empty
    assert sim.quality() == {"defective_in": 1, "escaped": 0, "good_in": 5, "false_rejects": 0}
    assert sim.source() == {"images": 0, "skipped": 0}
    sim.stop()
    assert not hardware.folder.alive
    assert hardware.left == 1
    sim.close()


def test_second_controller_is_refused_until_the_first_has_gone(hardware: Hardware) -> None:
    first, second = RunningSim(hardware.folder, INFO), RunningSim(hardware.folder, INFO)
    first.join(0, None)
    with pytest.raises(InputError, match="another controller"):
        second.join(0, None)
    first.close()
    while not hardware.left:
        pass
    third = RunningSim(hardware.folder, INFO)
    third.join(0, None)
    for sim in (second, third):
        sim.close()


def test_controller_knows_when_the_hardware_is_gone(hardware: Hardware) -> None:
    sim = RunningSim(hardware.folder, INFO)
    sim.join(0, None)
    hardware.end()
    while not sim.gone:
        assert not sim.empty
    sim.close()


def test_folder_belongs_to_one_process_and_holds_nothing_stale(tmp_path: Path) -> None:
    one, other = SimFolder(tmp_path), SimFolder(tmp_path)
    assert not one.alive
    assert other.info() is None
    one.take()
    one.tell(INFO)
    assert other.alive
    assert other.info() == INFO
    with pytest.raises(InputError, match="--state: a cell sim runs on this state folder"):
        other.take()
    # As a killed process leaves it: the files are there, the lock is not held.
    left = (tmp_path / "sim" / "info.json").read_text()
    one.release()
    (tmp_path / "sim" / "info.json").write_text(left)
    (tmp_path / "sim" / "ports" / "gripper").symlink_to("/dev/pts/none")
    assert other.info() is None
    other.take()
    assert list((tmp_path / "sim" / "ports").iterdir()) == []
    other.release()


def test_state_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_state() == tmp_path / "cellwright"
    monkeypatch.setenv("CELL_STATE", str(tmp_path / "own"))
    assert default_state() == tmp_path / "own"


def test_port_of_another_process_is_opened_like_a_serial_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELL_STATE", str(tmp_path))
    folder = SimFolder(tmp_path)
    folder.take()
    bench = SimBench({}, seed=1, parts=None, source=None, lockstep=False)
    bench.start(folder.ports)
    folder.tell(SimInfo(os.getpid(), 1, None, None, bench.lines))
    # What another process sees of it.
    links.use(None)
    devices = Devices(bench.clock, threaded=True)
    devices.start()
    try:
        for spec, words in (
            (DeviceSpec("d", "ls_g100", "sim:drive", 1, 19200), "runs at 9600 baud, not at 19200"),
            (DeviceSpec("d", "ls_g100", "sim:drvie", 1, 9600), "no simulated line 'drvie'"),
        ):
            with pytest.raises(InputError, match=words):
                devices.open(spec)
        drive: Any = devices.open(DeviceSpec("drive", "ls_g100", "sim:drive", 1, 9600))
        ended = threading.Event()
        while not drive.connected:
            ended.wait(0.005)
        assert (folder.ports / "drive").is_symlink()
    finally:
        devices.close()
        bench.close()
        folder.release()
    assert list(folder.ports.iterdir()) == []


@pytest.fixture
def reaching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def test_cells_get_domains_of_their_own_when_nobody_names_one(reaching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    first, second = Domain(), None
    try:
        assert os.environ["ROS_DOMAIN_ID"] == str(first.number)
        monkeypatch.delenv("ROS_DOMAIN_ID")
        second = Domain()
        assert first.number < second.number
        assert second.hint is not None
        assert f"ROS_DOMAIN_ID={second.number}" in second.hint
        number = first.number
        first.close()
        monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
        third = Domain()
        assert third.number == number
        third.close()
    finally:
        first.close()
        if second is not None:
            second.close()


def test_named_domain_is_taken_or_refused_never_another(reaching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "97")
    domain = Domain()
    try:
        assert domain.number == 97
        assert domain.hint is None
        with pytest.raises(InputError, match="another cell on this machine runs in ROS domain 97"):
            Domain()
        with pytest.raises(InputError, match="is in 5, not in 97"):
            Domain(lent=5)
    finally:
        domain.close()
    assert os.environ["ROS_DOMAIN_ID"] == "97"


@pytest.mark.parametrize("text", ["-1", "233", "x", "1.5"])
def test_domain_is_refused_when_there_is_no_such(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(InputError, match="from 0 to 232"):
        chosen()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["node", "tracker", "tracker"], "tracker: this node is named twice"),
        (["node", "tracker", "griper"], "griper: unknown node; did you mean 'gripper'"),
        (["node", "sim_arm", "tracker"], "tracker: simulated hardware has a process of its own"),
        (["sim", "--parts", "0"], "--parts"),
        (["sim", "nothere.yaml"], "nothere.yaml"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], part: str, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cell.cli.node.end_on_signals", lambda: None)
    monkeypatch.setattr("cell.cli.sim.end_on_signals", lambda: None)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert part in err
    assert err.count("\n") == 1


def test_info_is_json_that_people_can_read(tmp_path: Path) -> None:
    folder = SimFolder(tmp_path)
    folder.take()
    folder.tell(INFO)
    assert json.loads((tmp_path / "sim" / "info.json").read_text())["seed"] == 4
    folder.release()
