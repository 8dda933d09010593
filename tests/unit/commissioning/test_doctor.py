"""``cell doctor``: each line against a machine and a cell that are made so."""

from __future__ import annotations

import json
import os
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cell.cli.main import main
from cell.cli.state import StateFolder
from cell.commissioning import devices, freshness, machine, occupancy, software
from cell.commissioning.doctor import CHECKS, examine, patient_of
from cell.commissioning.findings import Finding, Grade, Patient
from cell.commissioning.freshness import Heard, judge_topic
from cell.drivers import catalogue
from cell.drivers.frames import WRITE_MANY, Request
from cell.drivers.guide import Check, Judgement
from cell.launching import share_folder
from cell.ledger import Ledger
from cell.runtime.presence import RosPresence
from cell.simfolder import SimFolder, SimInfo

LAUNCH = share_folder() / "launch"


def hardware(folder: Path, ports: Path) -> Path:
    """The shipped launch file of real hardware, at these ports."""
    text = (LAUNCH / "hardware.params.yaml").read_text()
    for name in ("gripper", "drive", "cabinet"):
        text = text.replace(f"/dev/serial/by-id/usb-{name}", str(ports / name))
    (folder / "hardware.params.yaml").write_text(text)
    path = folder / "hardware.launch.yaml"
    path.write_text((LAUNCH / "hardware.launch.yaml").read_text())
    return path


def look(folder: Path, launch: Path | None, *only: str, state: Path | None = None) -> list[Finding]:
    return list(examine(patient_of(launch, {}, state or folder / "state"), only))


def graded(findings: list[Finding], words: str) -> Grade:
    """The grade of the one line that says this."""
    (found,) = [finding for finding in findings if words in f"{finding.subject} {finding.words}"]
    return found.grade


def test_plain_install_has_no_fault_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "synchronised", lambda: None)
    monkeypatch.setattr(machine, "watch_jump", lambda *_: 0.0)
    assert main(["doctor", "--state", str(tmp_path / "state"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faults"] == 0
    assert {finding["check"] for finding in report["findings"]} == set(CHECKS)
    notes = [finding for finding in report["findings"] if finding["grade"] == "note"]
    assert {"devices", "freshness", "ledger"} <= {finding["check"] for finding in notes}
    assert all(finding["advice"] for finding in notes if finding["check"] in ("devices", "freshness", "ledger"))
    assert not (tmp_path / "state").exists()


def test_devices_answer_with_their_identity_and_nothing_is_written(
    tmp_path: Path, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(type(lines.drive), "write", lambda *args: written.append(args))
    found = look(tmp_path, hardware(tmp_path, tmp_path / "ports"), "devices")
    assert [finding.grade for finding in found] == [Grade.OK] * 5, found
    assert graded(found, "Robotiq gripper") is Grade.OK
    assert graded(found, "decelerate after 1.0 s") is Grade.OK
    assert graded(found, "version 2 of its map") is Grade.OK
    assert written == []


def test_drive_is_a_fault_when_its_time_out_is_off(tmp_path: Path, unguarded: Any) -> None:
    found = look(tmp_path, hardware(tmp_path, tmp_path / "ports"), "devices")
    assert graded(found, "time-out is off") is Grade.FAULT
    (line,) = [finding for finding in found if "time-out is off" in finding.words]
    assert "Pr.12" in line.advice


def test_answers_are_judged_by_what_the_device_is() -> None:
    spec = SimpleNamespace(unit=1, options={}, baudrate=115200)
    guide = catalogue.model("modbus_io").guide
    check = guide.checks(spec)[0]  # type: ignore[arg-type]
    assert check.judge((0x1234, 1)).grade is Grade.FAULT
    assert check.judge((0xCE11, 9)).grade is Grade.FAULT
    gripper = catalogue.model("robotiq_2f85").guide.checks(spec)[0]  # type: ignore[arg-type]
    assert gripper.judge((0x0300, 0, 0)).grade is Grade.FAULT
    assert gripper.judge((0x3100, 0x0C00, 0)).grade is Grade.FAULT
    drive = catalogue.model("ls_g100").guide.checks(spec)  # type: ignore[arg-type]
    assert drive[0].judge((0x0000, 0)).grade is Grade.FAULT
    assert drive[0].judge((0x0009, 0x10)).grade is Grade.WARNING
    assert [drive[1].judge((mode, 10)).grade for mode in (0, 1, 2, 3, 4, 5)] == [
        Grade.FAULT, Grade.OK, Grade.OK, Grade.FAULT, Grade.FAULT, Grade.FAULT,
    ]  # fmt: skip
    assert drive[1].judge((2, 200)).grade is Grade.WARNING


def test_wrong_device_is_a_fault_when_cables_are_swapped(tmp_path: Path, lines: Any) -> None:
    ports = tmp_path / "ports"
    launch = hardware(tmp_path, ports)
    params = launch.with_name("hardware.params.yaml")
    gripper, cabinet = str(ports / "gripper"), str(ports / "cabinet")
    text = params.read_text().replace(gripper, "@").replace(cabinet, gripper).replace("@", cabinet)
    params.write_text(text.replace("unit: 9", "unit: 1"))
    found = look(tmp_path, launch, "devices")
    by_name = {finding.subject.partition(" ")[0]: finding for finding in found}
    assert by_name["gripper.device"].grade is Grade.FAULT
    assert "no registers at 0x07D0" in by_name["gripper.device"].words


def test_device_is_a_fault_when_it_does_not_answer(tmp_path: Path, lines: Any) -> None:
    launch = hardware(tmp_path, tmp_path / "ports")
    params = launch.with_name("hardware.params.yaml")
    params.write_text(params.read_text().replace("unit: 9", "unit: 11"))
    found = look(tmp_path, launch, "devices")
    assert graded(found, "does not answer") is Grade.FAULT


def test_port_is_a_fault_when_it_is_not_there(tmp_path: Path) -> None:
    found = look(tmp_path, hardware(tmp_path, tmp_path / "nowhere"), "devices")
    assert {finding.grade for finding in found} == {Grade.FAULT}
    assert len(found) == 3  # the I/O block once, though it has two roles


def test_check_is_refused_when_it_would_write() -> None:
    with pytest.raises(ValueError, match="would write"):
        Check("x", Request(1, WRITE_MANY, 0, values=(1,)), lambda _: Judgement(Grade.OK, ""), Judgement(Grade.OK, ""))


def test_devices_are_left_alone_when_a_cell_runs(tmp_path: Path, lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = hardware(tmp_path, tmp_path / "ports")
    monkeypatch.setattr(devices, "ask", lambda *_: pytest.fail("a device was asked"))
    held = StateFolder(tmp_path / "state")
    try:
        found = look(tmp_path, launch, "devices", "ledger", "freshness")
    finally:
        held.close()
    mine = [finding for finding in found if finding.check == "devices"]
    assert len(mine) == 3
    assert all(finding.grade is Grade.NOTE and "in use by" in finding.words for finding in mine)
    assert str(os.getpid()) in mine[0].words
    assert occupancy.lock_holder(tmp_path / "state" / "lock") is None


def test_port_is_left_alone_when_another_program_has_it_open(
    tmp_path: Path, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "holders", lambda port: [(77, "mbpoll")] if port.endswith("gripper") else [])
    found = look(tmp_path, hardware(tmp_path, tmp_path / "ports"), "devices")
    assert graded(found, "in use by mbpoll (process 77)") is Grade.NOTE


def test_simulated_devices_are_asked_when_a_cell_sim_runs(
    tmp_path: Path, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("CELL_STATE", str(state))
    folder = SimFolder(state)
    folder.take()
    try:
        for name in lines.hall.names:
            (folder.ports / name).symlink_to(lines.hall.path(name))
        folder.tell(SimInfo(pid=os.getpid(), seed=0, parts=None, source=None, lines=lines.hall.baudrates))
        found = look(tmp_path, None, "devices", state=state)
    finally:
        folder.release()
    assert [finding.grade for finding in found] == [Grade.OK] * 5, found


def test_exit_status_is_one_only_when_there_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert main(["doctor", *state, "--only", "python"]) == 0
    assert main(["doctor", str(tmp_path / "none.yaml"), *state, "--only", "config"]) == 1
    assert "does not exist" in capsys.readouterr().out
    assert main(["doctor", *state, "--only", "pyton"]) == 2
    assert "did you mean 'python'" in capsys.readouterr().err


def test_one_line_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--state", str(tmp_path / "state"), "--only", "licences"])
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == int(told.err.split()[0])
    assert "AGPL-3.0" in told.out
    assert "Apache-2.0" in told.out


@pytest.mark.parametrize(
    ("kind", "grade"),
    [("embedded", Grade.OK), ("real", Grade.OK), ("intellisense", Grade.FAULT), ("shadowed", Grade.FAULT)],
)
def test_rclpy_is_judged_by_its_kind(kind: Any, grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "describe", lambda: RosPresence(kind, "/there", "a note"))
    found = list(software.ros(Patient(Path("x"), Path("y"))))
    assert found[0][1].grade is grade
    if kind == "intellisense":
        assert "harmful" in found[0][1].words
        assert "pip uninstall rclpy-intellisense" in found[0][1].advice


def test_intellisense_is_harmful_also_beside_another_rclpy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.2" if name == "rclpy-intellisense" else real(name))
    found = dict(software.ros(Patient(Path("x"), Path("y"))))
    assert found["rclpy-intellisense"].grade is Grade.FAULT


def test_versions_differ_from_the_lock_as_a_warning_and_from_the_need_as_a_fault() -> None:
    there = metadata.version("numpy")
    assert software._compare(["numpy>=1.26"], {"numpy": [(there, "")]}) == ([], [], 1)
    assert software._compare(["numpy>=1.26"], {"numpy": [("0.1", ""), (there, "python_version < '3'")]})[1]
    missing, _, _ = software._compare(["numpy<1.0", "no-such-thing>1", "x; extra == 'dev'"], {})
    assert [words.split()[0] for words in missing] == ["numpy", "no-such-thing"]
    found = dict(software.versions(Patient(Path("x"), Path("y"))))
    assert found["cellwright"].grade is Grade.OK
    assert found["dependencies"].grade in (Grade.OK, Grade.WARNING)


def test_model_is_a_fault_when_its_file_is_another(tmp_path: Path, spots_model: Path) -> None:
    home = tmp_path / "model"
    home.mkdir()
    (home / "card.json").write_text(spots_model.with_name("card.json").read_text())
    (home / "model.onnx").write_bytes(spots_model.read_bytes() + b"!")
    params = (LAUNCH / "cell.params.yaml").read_text().replace("model: sim ", f"model: {home / 'model.onnx'} ")
    (tmp_path / "cell.params.yaml").write_text(params)
    launch = tmp_path / "cell.launch.yaml"
    launch.write_text((LAUNCH / "cell.launch.yaml").read_text())
    found = look(tmp_path, launch, "models", "licences")
    assert graded(found, "is not the file of its card") is Grade.FAULT
    assert any("this cell's" not in finding.words and finding.subject == "sim" for finding in found)


@pytest.mark.parametrize(
    ("old", "new", "words", "grade"),
    [
        ("px_per_m: 2000.0", "px_per_m: 2000.0", "calibration", Grade.OK),
        ("    px_per_m: 2000.0", "    # nothing", "nobody has measured it", Grade.WARNING),
        ("px_per_m: 2000.0", "px_per_m: 20.0", "no belt has", Grade.FAULT),
        ("px_per_m: 2000.0", "px_per_m: 400.0", "inside the picture", Grade.FAULT),
        ("px_per_m: 2000.0", "px_per_m: 30000.0", "moves by more than", Grade.FAULT),
    ],
)
def test_calibration_is_plausible_or_not(old: str, new: str, words: str, grade: Grade, tmp_path: Path) -> None:
    text = (LAUNCH / "cell.params.yaml").read_text()
    assert old in text
    (tmp_path / "cell.params.yaml").write_text(text.replace(old, new))
    launch = tmp_path / "cell.launch.yaml"
    launch.write_text((LAUNCH / "cell.launch.yaml").read_text())
    assert graded(look(tmp_path, launch, "calibration"), words) is grade


def test_clock_is_judged_by_what_it_does() -> None:
    assert machine.judge_synchronised(None).grade is Grade.NOTE
    assert machine.judge_synchronised((False, 16.0)).grade is Grade.WARNING
    assert machine.judge_synchronised((True, 0.004)).grade is Grade.OK
    now = [100.0]
    step = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        step[0] = 0.5

    jump_s = machine.watch_jump(lambda: 1.8e9 + now[0] + step[0], lambda: now[0], sleep)
    assert jump_s == pytest.approx(0.5, abs=1e-5)
    assert machine.judge_jump(jump_s).grade is Grade.FAULT
    assert machine.judge_jump(0.001).grade is Grade.OK
    told = machine.synchronised()
    assert told is None or told[1] >= 0.0


def test_clock_is_a_fault_when_it_is_behind_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state.mkdir()
    ledger, _ = Ledger.open(state / "ledger.sqlite", started_s=time.time() + 3600.0)
    del ledger
    monkeypatch.setattr(machine, "watch_jump", lambda *_: 0.0)
    assert graded(look(tmp_path, None, "clock"), "behind the ledger's newest line") is Grade.FAULT


def test_disk_and_ledger_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state.mkdir()
    ledger, _ = Ledger.open(state / "ledger.sqlite", started_s=1.0)
    del ledger
    found = look(tmp_path, None, "disk", "ledger")
    assert graded(found, "can be written") is Grade.OK
    assert graded(found, "no clean end") is Grade.WARNING
    usage = SimpleNamespace(free=50 << 20, total=1 << 40, used=0)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert graded(look(tmp_path, None, "disk"), "GB free") is Grade.FAULT
    assert {finding.grade for finding in look(tmp_path, None, "memory")} == {Grade.WARNING}
    (state / "ledger.sqlite").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (state / name).unlink(missing_ok=True)
    assert look(tmp_path, None, "ledger")[0].grade is Grade.FAULT
    # Looking leaves nothing behind.
    assert [path.name for path in state.iterdir() if path.name.startswith(".doctor")] == []


def test_serial_port_is_a_fault_when_this_user_may_not_open_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = tmp_path / "ports"
    ports.mkdir()
    for name in ("gripper", "drive", "cabinet"):
        (ports / name).write_text("")
    launch = hardware(tmp_path, ports)
    assert {finding.grade for finding in look(tmp_path, launch, "serial")} == {Grade.OK}
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    found = look(tmp_path, launch, "serial")
    assert {finding.grade for finding in found} == {Grade.FAULT}
    assert "usermod -aG" in found[0].advice


@pytest.mark.parametrize(
    ("count", "age_s", "grade"),
    [(0, None, Grade.FAULT), (25, 0.05, Grade.OK), (8, 0.05, Grade.WARNING), (25, 3.0, Grade.FAULT)],
)
def test_topics_are_judged_by_rate_and_age(count: int, age_s: float | None, grade: Grade) -> None:
    assert judge_topic("/camera/camera_info", Heard(count, None, age_s), 10.0, 2.5).grade is grade


def test_running_cell_is_looked_at_through_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = {name: Heard(200, None, 0.01) for name in (*freshness.WATCHED, *freshness.EVENTS)}
    heard["/conveyor/state"] = Heard(0)
    heard["/cell/state"].newest = SimpleNamespace(
        state_name="Aborted", reason="the drive is gone", entered=12, in_flight=1
    )
    alarm = SimpleNamespace(active=True, priority=4, HIGH=3, key="abort", message="the drive is gone")
    heard["/alarms"].newest = SimpleNamespace(alarms=[alarm])

    class Looked:
        def __init__(self, domain: int | None) -> None:
            assert domain == 7
            self.heard = heard

        def __enter__(self) -> Looked:
            return self

        def __exit__(self, *_: object) -> None: ...

        def spin(self, seconds: float) -> None: ...

    monkeypatch.setattr(freshness, "Look", Looked)
    monkeypatch.setattr(freshness, "out_of_reach", lambda: False)
    patient = patient_of(None, {}, tmp_path / "state")
    patient.__dict__["occupant"] = occupancy.Occupant(1, "cell run", 7)
    found = list(examine(patient, ["freshness"]))
    assert graded(found, "silent for") is Grade.FAULT
    assert graded(found, "Aborted: the drive is gone; 12 parts entered") is Grade.WARNING
    assert graded(found, "alarm abort") is Grade.FAULT


def test_check_that_fails_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: 1 / 0)
    found = look(tmp_path, None, "memory", "python")
    assert graded(found, "the check itself failed: ZeroDivisionError") is Grade.FAULT
    assert any(finding.check == "python" and finding.grade is not Grade.FAULT for finding in found)


def test_ledger_of_a_simulated_run_says_nothing_about_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger, _ = Ledger.open(path, started_s=time.time() + 1e6, seed=4)
    del ledger
    assert machine._newest_line_s(path) is None
