"""The cell as a service of systemd: its files, and what the manager hears of a running cell."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cell.cli.main import main
from cell.install import service
from cell.install.notify import ServiceManager
from cell.install.service import quoted, unreadable_by

ROOT = Path(__file__).resolve().parents[2]
UNIT = "etc/systemd/system/cellwright.service"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "my cell"
    folder.mkdir()
    for name in ("hardware.launch.yaml", "hardware.params.yaml"):
        shutil.copy(ROOT / "launch" / name, folder)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def options(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_unit_watches_and_never_restarts_into_motion_when_it_is_installed(config: Path, root: Path) -> None:
    assert main(["install-service", "--config", str(config), "--root", str(root), "--watchdog", "4"]) == 0
    unit = options((root / UNIT).read_text())
    assert unit["Type"] == ["notify"] and unit["WatchdogSec"] == ["4"] and unit["NotifyAccess"] == ["main"]
    assert unit["Restart"] == ["on-failure"] and unit["RestartPreventExitStatus"] == ["2 3"]
    (command,) = unit["ExecStart"]
    assert f'"{config}/hardware.launch.yaml"' in command and "--clear" not in command
    assert unit["User"] == ["cellwright"] and unit["StateDirectory"] == ["cellwright"]
    # Serial ports, cameras and shared memory stay within reach.
    assert "PrivateDevices" not in unit and "PrivateTmp" not in unit and "PrivateIPC" not in unit
    assert {"char-ttyUSB rw", "char-ttyACM rw", "char-ttyS rw", "char-video4linux rw"} <= set(unit["DeviceAllow"])
    journal = options((root / "etc/systemd/journald@cellwright.conf").read_text())
    assert unit["LogNamespace"] == ["cellwright"] and journal["SystemMaxUse"] == ["500M"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze (apt install systemd)")
def test_systemd_accepts_the_unit_when_it_is_installed(config: Path, root: Path) -> None:
    assert main(["install-service", "--config", str(config), "--root", str(root), "--user", "root"]) == 0
    verify = ["systemd-analyze", "verify", "--man=no", str(root / UNIT)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "cellwright" in line]
    assert done.returncode == 0 and said == [], done.stderr
    security = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(root / UNIT)]
    done = subprocess.run(security, capture_output=True, text=True, check=False, timeout=60)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if level is None:
        assert "unrecognized option" in done.stderr or "offline" in done.stderr  # systemd before 250
    else:
        assert float(level[1]) < 4.0


def test_nothing_is_left_when_the_service_is_taken_away(
    config: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["install-service", "--config", str(config), "--root", str(root), "--name", "line-4"]
    assert main(arguments) == 0
    assert len([path for path in root.rglob("*") if path.is_file()]) == 3
    assert main(["install-service", "--uninstall", "--root", str(root), "--name", "line-4"]) == 0
    assert not [path for path in root.rglob("*") if path.is_file()]
    assert main(["install-service", "--uninstall", "--root", str(root), "--name", "line-4"]) == 2
    assert "no service line-4 is installed" in capsys.readouterr().err


def test_nothing_is_written_when_only_shown(config: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install-service", "--config", str(config), "--root", str(root), "--dry-run"]) == 0
    assert "ExecStart=" in capsys.readouterr().out
    assert not list(root.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "No Body"], "--user: must be a lower-case name"),
        (["--name", "../x"], "--name: must be a lower-case name"),
        (["--watchdog", "0"], "--watchdog: must be above 0"),
        (["--config", "/nowhere"], "/nowhere does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(
    arguments: list[str], words: str, config: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--config", str(config), *arguments] if "--config" not in arguments else arguments
    assert main(["install-service", "--root", str(root), *given]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not list(root.iterdir())


def test_file_line_and_key_are_named_when_the_config_is_wrong(
    config: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = config / "hardware.params.yaml"
    params.write_text(params.read_text().replace("baudrate: 9600", "baudrat: 9600"))
    assert main(["install-service", "--config", str(config), "--root", str(root)]) == 2
    assert re.search(r"hardware\.params\.yaml:\d+: .*baudrat", capsys.readouterr().err)
    assert not list(root.iterdir())


def test_group_of_a_port_is_asked_for_when_the_port_is_there(tmp_path: Path) -> None:
    import grp

    group = next(entry for entry in grp.getgrall() if entry.gr_name not in ("root", *service.SERIAL_GROUPS))
    port = tmp_path / "ttyUSB7"
    port.touch(mode=0o660)
    port.chmod(0o660)
    try:
        os.chown(port, -1, group.gr_gid)
    except PermissionError:
        pytest.skip("only root gives files to groups that it is not in")
    groups, notes = service.groups_for([port, tmp_path / "ttyUSB8"], cameras=False)
    assert group.gr_name in groups and "video" not in groups
    assert notes == [f"{tmp_path / 'ttyUSB8'} is not there now"]


def test_folder_is_named_when_the_user_may_not_enter_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "cell").touch(mode=0o755)
    assert unreadable_by("root", closed / "cell") is None
    blocked = unreadable_by("nobody-of-this-name", closed / "cell")
    assert blocked is not None and (closed / "cell").is_relative_to(blocked)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("/opt/cell", "/opt/cell"), ("/a b", '"/a b"'), ("50%", "50%%"), ("$HOME", "$$HOME"), ('a"b', '"a\\"b"')],
)
def test_word_means_itself_when_it_stands_in_a_unit(word: str, expected: str) -> None:
    assert quoted(word) == expected


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(60.0)
        yield heard


def test_sign_of_life_is_sent_well_within_the_managers_patience(listener: socket.socket) -> None:
    now = [100.0]
    environment = {"NOTIFY_SOCKET": str(listener.getsockname()), "WATCHDOG_USEC": "1000000"}
    manager = ServiceManager(environment, lambda: now[0])
    assert environment == {} and manager.patience_s == 1.0
    sent = 0
    listener.setblocking(False)
    for _ in range(100):
        manager.alive()
        try:
            assert listener.recv(100) == b"WATCHDOG=1"
            sent += 1
        except BlockingIOError:
            pass
        now[0] += 0.02
    assert 5 <= sent <= 8
    manager.close()
    manager.alive()


def test_nobody_is_told_when_another_process_is_watched(listener: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": str(listener.getsockname()), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert ServiceManager(environment, time.monotonic).patience_s is None


def test_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0cellwright-test-{os.getpid()}")
        heard.settimeout(10.0)
        manager = ServiceManager({"NOTIFY_SOCKET": f"@cellwright-test-{os.getpid()}"}, time.monotonic)
        manager.ready("all\nis up")
        assert heard.recv(100) == b"READY=1\nSTATUS=all is up"
        manager.close()


def test_manager_hears_ready_life_and_stopping_when_a_cell_runs(
    listener: socket.socket, tmp_path: Path, spots_model: Path
) -> None:
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": str(listener.getsockname()),
        "WATCHDOG_USEC": "300000",
        "ROS_DOMAIN_ID": "61",
    }
    words = [
        sys.executable,
        "-m",
        "cell.cli.main",
        "run",
        "--headless",
        "--single-process",
        "--model",
        str(spots_model),
    ]
    process = subprocess.Popen([*words, "--state", str(tmp_path / "state")], env=environment, stdout=subprocess.DEVNULL)
    try:
        heard = [listener.recv(200).decode()]
        assert heard[0].startswith("READY=1\nSTATUS=the cell stands in ")
        while heard.count("WATCHDOG=1") < 3:
            heard.append(listener.recv(200).decode())
        # A process that does not run gives no sign of life; what was under way is taken out first.
        process.send_signal(signal.SIGSTOP)
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                listener.recv(200)
        listener.settimeout(60.0)
        process.send_signal(signal.SIGCONT)
        while listener.recv(200) != b"WATCHDOG=1":
            pass
        process.send_signal(signal.SIGTERM)
        while not listener.recv(200).startswith(b"STOPPING=1"):
            pass
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)
