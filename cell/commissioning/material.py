"""What a bundle is made of: each piece with its name in the bundle and its text, read and never changed.

Everything is text. A database is asked for rows, a packed log is unpacked, pictures and models stay where they are.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import yaml

from cell.cli.state import LEDGER
from cell.commissioning.findings import Patient
from cell.commissioning.occupancy import listening_ports
from cell.versions import versions

TAIL_BYTES: Final = 1 << 20
"""Of each file at most: what happened last stands at its end."""

LOG_AGE_S: Final = 86_400.0
LOG_FILES: Final = 30
JOURNAL_LINES: Final = 5000
ROWS: Final = 500
TEXT_ENDINGS: Final = (".log", ".txt", ".json", ".jsonl", ".yaml", ".yml", ".csv", ".md", ".conf", ".ini", ".env")
SHOWN_VARIABLES: Final = (
    "CELL_", "ROS_", "RMW_", "AMENT_", "CYCLONEDDS_", "FASTRTPS_", "FASTDDS_", "RCUTILS_", "XDG_", "PYTHON", "LANG",
    "LC_", "PATH", "VIRTUAL_ENV", "SHELL", "TERM", "TZ", "OMP_", "LD_LIBRARY_PATH", "INVOCATION_ID", "NOTIFY_SOCKET",
)  # fmt: skip
"""Beginnings of the environment's variables whose values say something of a cell; of all others only the names go."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a bundle.

    Attributes:
        name: its path in the bundle.
        text: before anything is taken out of it.
        source: where it comes from.
        cut: bytes at its beginning that are left out.
    """

    name: str
    text: str
    source: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """Something that stays where it is, and why."""

    source: str
    why: str


def pieces(patient: Patient, *, parts: int, listen_s: float) -> Iterator[Piece | Left]:
    """Everything, the most telling first."""
    yield from _doctor(patient)
    yield from _versions()
    yield from _config(patient)
    yield from _environment(os.environ)
    yield from _ledger(patient.state / LEDGER, parts)
    yield from _live(patient, listen_s)
    yield from _state(patient.state)
    yield from _ros_logs()
    yield from _journal()
    yield from _machine()


def _doctor(patient: Patient) -> Iterator[Piece]:
    found = [finding.as_dict() for finding in patient.found]
    yield Piece("doctor.json", json.dumps(found, indent=1, ensure_ascii=False), "cell doctor")
    lines = [f"{f['grade']:8} {f['check']:12} {f['subject']}: {f['words']}  {f['advice']}".rstrip() for f in found]
    yield Piece("doctor.txt", "\n".join(lines) + "\n", "cell doctor")


def _versions() -> Iterator[Piece]:
    installed = sorted(f"{found.metadata['Name']}=={found.version}" for found in metadata.distributions())
    content = {
        **versions(),
        "executable": sys.executable,
        "system": platform.platform(),
        "machine": platform.machine(),
        "c_library": " ".join(platform.libc_ver()),
        "installed": list(dict.fromkeys(installed)),
    }
    yield Piece("versions.json", json.dumps(content, indent=1), "this installation")


def _config(patient: Patient) -> Iterator[Piece | Left]:
    files = [patient.launch_file]
    if patient.launch is not None:
        for node in patient.launch.nodes:
            files += [node.file, *node.params_files]
    folder = patient.launch_file.absolute().parent
    for file in list(dict.fromkeys(path.absolute() for path in files)):
        inside = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        yield from _file(file, f"config/{inside}")
    resolved = {
        config.name: {"ros__parameters": {key: _plain(value) for key, value in config.values.items()}}
        for config in patient.configs
    }
    yield Piece("config/resolved.yaml", yaml.safe_dump(resolved, sort_keys=False), "what every node gets")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _environment(variables: Mapping[str, str]) -> Iterator[Piece]:
    lines = [
        f"{name}={value}" if name.startswith(SHOWN_VARIABLES) else f"{name}  (its value stays here)"
        for name, value in sorted(variables.items())
    ]
    yield Piece("environment.txt", "\n".join(lines) + "\n", "the environment of cell doctor")


def _ledger(path: Path, parts: int) -> Iterator[Piece | Left]:
    if not path.is_file() or path.is_symlink():
        return
    queries = {
        "runs": ("SELECT * FROM run ORDER BY run_id DESC LIMIT ?", ROWS),
        "parts": (
            "SELECT part.*, picked.at_s AS picked_s, picked.grip_width_m, fate.fate, fate.at_s AS fate_s,"
            " fate.bin, fate.reason FROM part LEFT JOIN picked USING (run_id, part_id)"
            " LEFT JOIN fate USING (run_id, part_id) ORDER BY run_id DESC, part_id DESC LIMIT ?",
            parts,
        ),
        "decisions": ("SELECT * FROM decision ORDER BY decision_id DESC LIMIT ?", 3 * parts),
    }
    for name, (query, limit) in queries.items():
        try:
            text = _rows(path, query, limit)
        except sqlite3.Error as error:
            yield Left(str(path), f"{name}: {error}")
            continue
        yield Piece(f"ledger/{name}.jsonl", text, f"{path}, the newest first")


def _rows(path: Path, query: str, limit: int) -> str:
    # Read-only, and on a copy of the connection's own: a running cell is not held up.
    connection = sqlite3.connect(f"file:{path.resolve().as_posix().replace('?', '%3f')}?mode=ro", uri=True, timeout=2.0)
    try:
        cursor = connection.execute(query, (limit,))
        names = [column[0] for column in cursor.description]
        lines = (json.dumps(dict(zip(names, map(_value, row), strict=True)), ensure_ascii=False) for row in cursor)
        return "".join(f"{line}\n" for line in lines)
    finally:
        connection.close()


def _value(value: Any) -> Any:
    return f"({len(value)} bytes)" if isinstance(value, bytes) else value


def _live(patient: Patient, listen_s: float) -> Iterator[Piece | Left]:
    """States, alarms and figures of the running cell: the page's last half hour, and a few seconds of its topics."""
    occupant = patient.occupant
    if occupant is None:
        yield Left("live", "no cell runs on this state folder")
        return
    snapshot = _snapshot(occupant.pid)
    if snapshot is not None:
        yield Piece("live/page.json", snapshot, "the operator's page")
    if occupant.domain is None:
        yield Left("live", "the cell has no graph that others may see")
        return
    from cell.commissioning.freshness import Look, out_of_reach  # noqa: PLC0415 (loads rclpy)

    if out_of_reach():
        yield Left("live", "this shell keeps its graph to itself")
        return
    topics = ("/cell/state", "/alarms", "/diagnostics", "/conveyor/state", "/gripper/state", "/decisions", "/outcomes")
    with Look(occupant.domain, topics, keep=400) as look:
        look.spin(listen_s)
        for topic, heard in look.heard.items():
            lines = [json.dumps(_message(message), ensure_ascii=False) for message in heard.kept]
            name = topic.strip("/").replace("/", "_")
            yield Piece(f"live/{name}.jsonl", "".join(f"{line}\n" for line in lines), f"{topic}, {listen_s:g} s")


def _message(message: Any) -> Any:
    if hasattr(message, "get_fields_and_field_types"):
        return {name: _message(getattr(message, name)) for name in message.get_fields_and_field_types()}
    if isinstance(message, str | bool | int | float):
        return message if not isinstance(message, float) or message == message else None  # noqa: PLR0124 (NaN)
    if isinstance(message, bytes):
        return message.hex()
    return [_message(item) for item in message] if hasattr(message, "__iter__") else str(message)


def _snapshot(pid: int) -> str | None:
    for port in listening_ports(pid):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/state", timeout=2.0) as answer:
                return str(answer.read(TAIL_BYTES).decode("utf-8", "replace"))
        except (OSError, ValueError):
            continue
    return None


def _state(state: Path) -> Iterator[Piece | Left]:
    """Texts of the state folder, and the newest rows of its databases but the ledger's."""
    if not state.is_dir():
        yield Left(str(state), "the state folder is not there")
        return
    for path in sorted(state.rglob("*"), key=lambda entry: entry.as_posix()):
        name = path.relative_to(state).as_posix()
        if path.is_symlink() or not path.is_file() or path.parent.is_symlink() or path.name == "lock":
            continue
        if path.suffix in (".sqlite", ".db") and name != LEDGER:
            yield from _database(path, name)
        elif _is_text(path):
            yield from _file(path, f"state/{name}")
        elif not path.name.startswith(LEDGER):
            yield Left(str(path), "no text")


def _database(path: Path, name: str) -> Iterator[Piece | Left]:
    try:
        tables = [json.loads(line)["name"] for line in _rows(path, TABLES, 50).splitlines()]
        for table in tables:
            quoted = table.replace('"', '""')
            text = _rows(path, f'SELECT * FROM "{quoted}" ORDER BY rowid DESC LIMIT ?', ROWS)
            yield Piece(f"state/{name}/{table}.jsonl", text, f"{path}, the newest first")
    except (sqlite3.Error, ValueError) as error:
        yield Left(str(path), str(error))


TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' LIMIT ?"


def _ros_logs() -> Iterator[Piece | Left]:
    """The newest logs of ROS 2 and of our runtime, which keep them in one place."""
    base = os.environ.get("ROS_LOG_DIR") or str(Path(os.environ.get("ROS_HOME") or Path.home() / ".ros") / "log")
    folder = Path(base).expanduser()
    since_s = time.time() - LOG_AGE_S
    found = []
    for path in folder.rglob("*") if folder.is_dir() else ():
        try:
            about = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode) and about.st_mtime >= since_s and _is_text(path):
            found.append((about.st_mtime, path))
    for _, path in sorted(found, reverse=True)[:LOG_FILES]:
        yield from _file(path, f"logs/{path.relative_to(folder).as_posix()}")
    for _, path in sorted(found, reverse=True)[LOG_FILES:]:
        yield Left(str(path), f"only the newest {LOG_FILES} logs go")


def _journal() -> Iterator[Piece | Left]:
    """The last half hour of the service, where there is one."""
    tool = shutil.which("journalctl")
    if tool is None:
        return
    words = [tool, "--no-pager", "--unit=cell*", "--since=-30min", f"--lines={JOURNAL_LINES}", "--output=short-iso"]
    try:
        done = subprocess.run(words, capture_output=True, timeout=20.0, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Left("journal", str(error))
        return
    if done.returncode == 0 and done.stdout:
        yield Piece("logs/journal.txt", done.stdout.decode("utf-8", "replace"), "journalctl, the last half hour")


def _machine() -> Iterator[Piece | Left]:
    for name in ("meminfo", "loadavg", "uptime", "version"):
        yield from _file(Path("/proc") / name, f"machine/{name}.txt")
    ports = [f"{path} -> {os.path.realpath(path)}" for path in sorted(Path("/dev/serial/by-id").glob("*"))]
    yield Piece("machine/serial.txt", "\n".join(ports) + "\n", "/dev/serial/by-id")


def _is_text(path: Path) -> bool:
    names = [path.suffix, *path.suffixes[-2:-1]]
    return any(name in TEXT_ENDINGS for name in names) and path.suffix in (
        *TEXT_ENDINGS,
        ".gz",
        ".1",
        ".2",
        ".3",
        ".4",
        ".5",
    )


def _file(path: Path, name: str) -> Iterator[Piece | Left]:
    """The end of a text file. A link is not followed: it may lead out of the cell's folders."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        yield Left(str(path), error.strerror or str(error))
        return
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            yield Left(str(path), "no plain file")
            return
        try:
            if path.suffix == ".gz":
                raw, cut = _unpacked(stream)
                name = name.removesuffix(".gz")
            else:
                size = os.fstat(handle).st_size
                cut = max(0, size - TAIL_BYTES)
                stream.seek(cut)
                raw = stream.read(TAIL_BYTES)
        except (OSError, EOFError) as error:
            yield Left(str(path), str(error))
            return
    if b"\0" in raw[:8192]:
        yield Left(str(path), "no text")
        return
    if cut:
        # A name that was cut from its value could not be recognised: begin with a whole line.
        end = raw.find(b"\n") + 1
        raw, cut = raw[end:], cut + end
    yield Piece(name, raw.decode("utf-8", "replace"), str(path), cut)


def _unpacked(stream: Any) -> tuple[bytes, int]:
    """The end of a packed file, which is unpacked piece by piece: a small one may hold a huge one."""
    kept, seen = b"", 0
    with gzip.GzipFile(fileobj=stream) as packed:
        while seen < 64 * TAIL_BYTES:
            block = packed.read(1 << 16)
            if not block:
                break
            seen += len(block)
            kept = (kept + block)[-TAIL_BYTES:]
    return kept, seen - len(kept)
