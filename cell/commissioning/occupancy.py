"""Who uses what on this machine, from /proc alone: nothing is locked or opened to find out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
DOMAIN_NAME: Final = re.compile(r"@cellwright/domain/(\d+)$")


@dataclass(frozen=True, slots=True)
class Occupant:
    """A process that runs a cell on a state folder; ``domain`` is its ROS domain, None where it is not to be found."""

    pid: int
    command: str
    domain: int | None


def occupant_of(state: Path) -> Occupant | None:
    """The cell that runs on a state folder."""
    pid = lock_holder(state / "lock")
    if pid is None:
        return None
    return Occupant(pid, command_of(pid), domain_of(pid))


def lock_holder(path: Path) -> int | None:
    """The process that holds a ``flock`` on a file: its number, 0 where the system does not tell it; None: nobody."""
    try:
        inode = path.stat().st_ino
        lines = (PROC / "locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[3] == "WRITE" and words[5].rpartition(":")[2] == str(inode):
            return max(int(words[4]), 0)
    return None


def command_of(pid: int) -> str:
    """The command line of a process, shortened to what a person recognises."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "a process of somebody else"
    words = [word for word in words if word]
    if "cell.cli.main" in words:
        return " ".join(["cell", *words[words.index("cell.cli.main") + 1 :]][:2])
    names = [Path(word).name for word in words[:3]]
    if "cell" in names:
        return " ".join(names[names.index("cell") :][:2])
    return names[0] if names else f"process {pid}"


def domain_of(pid: int) -> int | None:
    """The ROS domain whose name a process holds."""
    domains = {inode: number for number, inode in _held_domains()}
    for target in _targets(pid):
        inode = target[8:-1] if target.startswith("socket:[") else ""
        if inode in domains:
            return domains[inode]
    return None


def _held_domains() -> Iterator[tuple[int, str]]:
    try:
        lines = (PROC / "net" / "unix").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()
        found = DOMAIN_NAME.search(words[-1]) if len(words) >= 8 else None
        if found is not None:
            yield int(found[1]), words[6]


def holders(path: str) -> list[tuple[int, str]]:
    """Processes that have a file open (a serial port, say), as far as this user may know: number and command."""
    real = os.path.realpath(path)
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and real in _targets(int(folder.name)):
            found.append((int(folder.name), command_of(int(folder.name))))
    return sorted(found)


def _targets(pid: int) -> list[str]:
    folder = PROC / str(pid) / "fd"
    found = []
    try:
        for handle in os.listdir(folder):  # noqa: PTH208 (thousands of names, no Path of each)
            try:
                found.append(os.readlink(folder / handle))  # noqa: PTH115 (thousands of them, see above)
            except OSError:
                continue
    except OSError:
        return []
    return found


def listening_ports(pid: int) -> list[int]:
    """TCP ports on which a process listens."""
    inodes = {target[8:-1] for target in _targets(pid) if target.startswith("socket:[")}
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == LISTENS and words[9] in inodes:
                found.add(int(words[1].rpartition(":")[2], 16))
    return sorted(found)


LISTENS: Final = "0A"
"""TCP_LISTEN in /proc/net/tcp."""
