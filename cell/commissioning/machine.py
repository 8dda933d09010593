"""Checks of the machine: its clock, its disk, its shared memory, and what this user may open."""

from __future__ import annotations

import ctypes
import grp
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from cell.cli.state import LEDGER
from cell.commissioning.findings import Patient, fault, note, ok, warning
from cell.commissioning.settings import stable_name
from cell.drivers.guide import Judgement
from cell.ledger import ended_badly
from perception.errors import InputError

SHARED_MEMORY: Final = Path("/dev/shm")
LEAST_SHARED_BYTES: Final = 64 << 20
"""A picture of 640x480 takes 1 MB; a few wait for each reader."""

LEAST_DISK_BYTES: Final = 200 << 20
FEW_DISK_BYTES: Final = 2 << 30
"""A ledger grows by about 1 kB a part: 2 GB are two months of thirty parts a minute."""

OLDEST: Final = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""No installation of this version is older; a clock that says so has lost its battery."""

JUMP_S: Final = 0.02
JUMP_LOOK_S: Final = 0.25
BEHIND_S: Final = 5.0
TIME_ERROR: Final = 5
"""What adjtimex(2) returns while nothing disciplines the clock."""


def clock(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """The system's clock: its date, what keeps it right, whether it jumps, and whether it went back."""
    now = datetime.now(timezone.utc)
    words = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < OLDEST:
        yield "date", fault(f"{words} cannot be", "set the clock; the battery of the machine's clock may be empty")
    else:
        yield "date", ok(words)
    yield "synchronised", judge_synchronised(synchronised())
    yield "jumps", judge_jump(watch_jump(time.time, time.monotonic, time.sleep))
    newest_s = _newest_line_s(patient.state / LEDGER)
    if newest_s is not None:
        behind_s = newest_s - now.timestamp()
        if behind_s > BEHIND_S:
            yield (
                "against the ledger",
                fault(f"{behind_s:.0f} s behind the ledger's newest line", "the clock was set back: set it right"),
            )
        else:
            yield "against the ledger", ok("not behind its newest line")


def synchronised() -> tuple[bool, float] | None:
    """Whether the kernel's clock is kept right, and its largest error in s; None where the kernel does not say."""

    class Timex(ctypes.Structure):
        # struct timex of adjtimex(2); only read here (modes 0), the rest is room.
        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("room", ctypes.c_char * 256),
        )

    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    told = Timex()
    state = adjtimex(ctypes.byref(told))
    return None if state < 0 else (state != TIME_ERROR, told.maxerror * 1e-6)


def judge_synchronised(told: tuple[bool, float] | None) -> Judgement:
    """In words."""
    if told is None:
        return note("the system does not say", "see that chrony or systemd-timesyncd runs on the machine")
    if not told[0]:
        return warning("nothing keeps the clock right", "install and start chrony or systemd-timesyncd")
    return ok(f"yes, within {told[1] * 1e3:.0f} ms")


def watch_jump(
    wall: Callable[[], float],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
    look_s: float = JUMP_LOOK_S,
) -> float:
    """By how much the wall clock moved against the monotonic one in a short look, s."""

    # The difference is taken from the nearest pair of readings: a process may be put aside between the two.
    def apart() -> float:
        pairs = []
        for _ in range(5):
            before, there, after = monotonic(), wall(), monotonic()
            pairs.append((after - before, there - 0.5 * (before + after)))
        return min(pairs)[1]

    first = apart()
    sleep(look_s)
    return apart() - first


def judge_jump(jump_s: float) -> Judgement:
    """In words."""
    if abs(jump_s) > JUMP_S:
        return fault(
            f"it moved by {jump_s * 1e3:+.0f} ms in {JUMP_LOOK_S:g} s",
            "let chrony slew and not step (makestep only at the start); look for a second time service",
        )
    return ok(f"none in {JUMP_LOOK_S:g} s")


def _newest_line_s(ledger: Path) -> float | None:
    """The newest stamp of a ledger; None where there is none, or where it is no wall clock's."""
    if not ledger.is_file():
        return None
    try:
        with _reading(ledger) as connection:
            query = "SELECT max(coalesce(closed_s, started_s)) FROM run WHERE seed IS NULL"
            (newest_s,) = connection.execute(query).fetchone()
    except sqlite3.Error:
        return None
    return float(newest_s) if newest_s is not None and newest_s > OLDEST.timestamp() else None


class _reading:  # noqa: N801 (used as a function)
    """A database that is only read, closed at the end."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path.resolve().as_posix().replace('?', '%3f')}?mode=ro", uri=True)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def disk(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """Room for the ledger, and that the state folder can be written."""
    state = patient.state
    home = next(folder for folder in (state, *state.absolute().parents) if folder.exists())
    try:
        usage = shutil.disk_usage(home)
    except OSError as error:
        yield str(state), fault(f"cannot be looked at: {error.strerror}")
        return
    words = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.0f} GB"
    if usage.free < LEAST_DISK_BYTES:
        yield str(home), fault(words, "make room: a full disk suspends the cell")
    elif usage.free < FEW_DISK_BYTES:
        yield str(home), warning(words, "make room: a full disk suspends the cell")
    else:
        yield str(home), ok(words)
    yield str(state), _writable(state, home)


def _writable(state: Path, home: Path) -> Judgement:
    if state.exists() and not state.is_dir():
        return fault("the state folder is a file", "name another one with --state")
    if not state.exists():
        if not os.access(home, os.W_OK | os.X_OK):
            return fault(f"is not there, and {home} cannot be written", "name another one with --state, or make it")
        return ok("is made with the first run")
    try:
        handle, probe = tempfile.mkstemp(prefix=".doctor-", dir=state)
        os.close(handle)
        Path(probe).unlink()
    except OSError as error:
        return fault(f"cannot be written: {error.strerror}", f"chown it to the user that runs the cell: {_user()}")
    return ok("can be written")


def ledger(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """The ledger can be read and is whole, and how the last run ended."""
    path = patient.state / LEDGER
    if not path.exists():
        yield "ledger", note(f"none yet in {patient.state}", "cell run makes it")
        return
    if not path.is_file() or not os.access(path, os.R_OK):
        yield "ledger", fault(f"{path} cannot be read", f"chown it to {_user()}")
        return
    try:
        with _reading(path) as connection:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            parts = int(connection.execute("SELECT count(*) FROM part").fetchone()[0])
        badly = ended_badly(path)
    except (sqlite3.Error, InputError) as error:
        yield "ledger", fault(f"{path}: {error}", "keep the file, and a copy of its -wal, and ask for help")
        return
    words = f"{path}: {parts} parts"
    if verdict != "ok":
        yield "ledger", fault(f"{words}, damaged: {verdict}", "keep the file, and a copy of its -wal, and ask for help")
    elif badly and patient.occupant is None:
        advice = "look at the hand and the belt, then Clear, Reset, Start on the page (or cell run --clear)"
        yield "ledger", warning(f"{words}; the last run had no clean end, the next one stands in Aborted", advice)
    else:
        yield "ledger", ok(words)


def memory(_: Patient) -> Iterator[tuple[str, Judgement]]:
    """Shared memory, in which pictures go from process to process."""
    advice = "mount a tmpfs there (docker: --shm-size=256m); cell run --single-process works without"
    if not SHARED_MEMORY.is_dir():
        yield str(SHARED_MEMORY), fault("is not there", advice)
        return
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        yield str(SHARED_MEMORY), fault("cannot be written", "chmod 1777 /dev/shm")
        return
    usage = shutil.disk_usage(SHARED_MEMORY)
    words = f"{usage.free / 1e6:.0f} MB free of {usage.total / 1e6:.0f} MB"
    yield str(SHARED_MEMORY), ok(words) if usage.free >= LEAST_SHARED_BYTES else warning(words, advice)


def serial(patient: Patient) -> Iterator[tuple[str, Judgement]]:
    """This user may open the serial ports of the config, or those that there are."""
    named = [device.spec.port for device in patient.devices if device.spec.port.startswith("/")]
    ports = list(dict.fromkeys(named)) or [str(path) for path in sorted(Path("/dev/serial/by-id").glob("*"))]
    if not ports:
        yield "permission", note("no serial port is configured or plugged in", "nothing to do for a simulated cell")
        return
    for port in ports:
        stable = stable_name(port)
        if stable is not None:
            yield port, warning("may be another adapter after a restart", f"{stable} in the config")
        if not Path(port).exists():
            continue  # the check of the devices says so
        group = _group_of(port)
        if os.access(port, os.R_OK | os.W_OK):
            yield port, ok(f"{_user()} may read and write it (group {group})")
        else:
            yield port, fault(f"{_user()} may not open it", f"sudo usermod -aG {group} {_user()}, then log in anew")
    groups = {_name_of(number) for number in os.getgroups()}
    if os.geteuid() != 0 and "dialout" not in groups and not any(Path(port).exists() for port in ports):
        yield (
            "permission",
            warning(f"{_user()} is not in the group dialout", f"sudo usermod -aG dialout {_user()}, log in anew"),
        )


def _group_of(path: str) -> str:
    try:
        return _name_of(os.stat(path).st_gid)  # noqa: PTH116 (a string, as it is written)
    except OSError:
        return "dialout"


def _name_of(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user() -> str:
    import getpass  # noqa: PLC0415 (only for words)

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.geteuid()}"
