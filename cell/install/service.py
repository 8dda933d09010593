"""The files that make a cell a service of systemd, and how they come onto a machine and leave it again.

What is written, all of it below ``/etc``: the unit, the limits of its journal, and what keeps the meeting place of its
processes from being cleared away. Every option is explained where it stands: the unit is the documentation.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cell.install.prefix import Prefix
from perception.errors import InputError

DEFAULT_CONFIG: Final = Path("/etc/cellwright")
DEFAULT_STATE: Final = Path("/var/lib/cellwright")
DEFAULT_USER: Final = "cellwright"
WATCHDOG_S: Final = 5.0
SERIAL_GROUPS: Final = ("dialout", "uucp")
"""Who owns serial ports: on Debian, Ubuntu, Fedora; on Arch, SUSE."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))
_DEVICES: Final = ("ttyS", "ttyUSB", "ttyACM", "ttyAMA", "ttyTHS", "ttymxc", "pts", "video4linux", "usb_device", "drm")
"""As /proc/devices names them: serial ports of PCs, USB adapters, and boards; pseudo-terminals, which simulated
hardware has; cameras of both kinds; graphics, for inference."""


@dataclass(frozen=True, slots=True)
class Service:
    """One cell as a service.

    Attributes:
        name: of the unit, without ``.service``.
        user: runs it.
        groups: it belongs to beside its own.
        cell: the command, a path that an upgrade does not change.
        launch: the launch file.
        config: folder of the launch file and all it refers to.
        state: folder of the ledger.
        watchdog_s: how long control may give no sign of life.
    """

    name: str
    user: str
    groups: tuple[str, ...]
    cell: Path
    launch: Path
    config: Path
    state: Path
    watchdog_s: float = WATCHDOG_S

    def files(self) -> dict[Path, str]:
        """Every file, by its path."""
        return {
            Path(f"/etc/systemd/system/{self.name}.service"): self.unit(),
            Path(f"/etc/systemd/journald@{self.name}.conf"): JOURNAL,
            Path(f"/etc/tmpfiles.d/{self.name}.conf"): TMPFILES,
        }

    def unit(self) -> str:
        """The unit."""
        command = " ".join(
            quoted(word) for word in (str(self.cell), "run", str(self.launch), "--state", str(self.state))
        )
        below_home = any(path.is_relative_to(home) for path in self._paths() for home in _HOMES)
        return UNIT.format(
            name=self.name,
            command=command,
            user=self.user,
            groups=f"SupplementaryGroups={' '.join(self.groups)}\n" if self.groups else "",
            # One path to the end of the line: blanks and quotes mean themselves.
            config=str(self.config).replace("%", "%%"),
            watchdog=f"{self.watchdog_s:g}",
            state=self._state_lines(),
            home="read-only" if below_home else "yes",
            devices="\n".join(f"DeviceAllow=char-{device} rw" for device in _DEVICES),
        )

    def _paths(self) -> tuple[Path, ...]:
        return (self.cell, self.launch, self.config, self.state, Path(os.path.realpath(self.cell)))

    def _state_lines(self) -> str:
        if self.state.parent == Path("/var/lib"):
            return f"StateDirectory={quoted(self.state.name)}\nStateDirectoryMode=0750"
        return f"ReadWritePaths={quoted(str(self.state))}"


UNIT: Final = """\
# Written by cell install-service. Change it with systemctl edit {name}: the next installation keeps that.
[Unit]
Description=cellwright, the controller of a robot cell
# The page and ROS 2 want an address, the ports their names in /dev/serial.
After=network-online.target time-sync.target
Wants=network-online.target
# Five starts in five minutes are no accident any more: then it stays down until somebody looks.
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
# READY=1 comes when the supervisor's word on the state of the cell has gone through the whole graph once.
Type=notify
NotifyAccess=main
ExecStart={command}
WorkingDirectory={config}
User={user}
{groups}UMask=0027
TimeoutStartSec=120

# Control gives a sign of life only while the supervisor's word on the cell's state still arrives. Without one the
# process is ended; SIGABRT makes Python print where each thread stood.
WatchdogSec={watchdog}
Environment=PYTHONFAULTHANDLER=1 PYTHONUNBUFFERED=1
# ROS_DOMAIN_ID, CELL_WIRE and the like, NAME=VALUE.
EnvironmentFile=-/etc/default/{name}

# A new process moves nothing by itself: after anything but a clean end the cell stands in Aborted until somebody gives
# Clear, Reset and Start. A restart brings back the page and the alarms. 2 is wrong input, 3 a cell that ended in
# Aborted with nobody there: neither gets better by trying again.
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2 3
# Stopped by somebody while it stood in Aborted: no fault of the service.
SuccessExitStatus=3

# SIGTERM to control alone, which stops the cell and ends its processes in order; what is left after 30 s is killed.
KillMode=mixed
TimeoutStopSec=30

# Under memory pressure something else goes first.
OOMScoreAdjust=-500

# Control takes a real-time priority for itself (cell.urgency), and leaves what judges and shows below it.
LimitRTPRIO=20
LimitNICE=-10
LimitNOFILE=65536

# The journal of this cell has limits of its own, in /etc/systemd/journald@{name}.conf: journalctl --namespace={name}
LogNamespace={name}
SyslogIdentifier={name}

{state}
# Not PrivateTmp: the processes of a cell, and the tools that look into it, meet in /tmp, and large messages lie in
# /dev/shm, which stays writable.
ProtectSystem=strict
ReadWritePaths=/tmp
ProtectHome={home}
RemoveIPC=no

# Not PrivateDevices: serial ports and cameras are devices. These and no others:
DevicePolicy=closed
{devices}
DeviceAllow=/dev/ptmx rw

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
# Netlink tells ROS 2's wire which network interfaces there are.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: inference engines write their kernels at run time.

[Install]
WantedBy=multi-user.target
"""

JOURNAL: Final = """\
# The journal of the cell alone. The oldest goes first when any of these is reached.
[Journal]
Storage=persistent
SystemMaxUse=500M
SystemKeepFree=1G
SystemMaxFileSize=32M
MaxRetentionSec=90day
RateLimitIntervalSec=10s
RateLimitBurst=5000
"""

TMPFILES: Final = """\
# Where the processes of a cell meet; cleared away under a running cell they would no longer find each other.
x /tmp/cellwright-*
x /tmp/iceoryx2
"""


def quoted(word: str) -> str:
    """A word of a unit file: ``%`` and ``$`` mean themselves, blanks do not part it. systemd.syntax(7)."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[^\s\"'\\;]+", escaped):
        return escaped
    inner = escaped.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def check_name(name: str, key: str) -> str:
    """The name of a unit or a user.

    Raises:
        InputError: systemd or useradd would not have it.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"must be a lower-case name of letters, digits, - and _, not {name!r}", key=key)
    return name


def command() -> Path:
    """The command ``cell`` of this installation, by the path that stays when the version changes."""
    prefix = Prefix.of_this_process()
    return (prefix.current if prefix is not None else Path(sys.prefix)) / "bin" / "cell"


def device_paths(values: Iterable[object]) -> list[Path]:
    """The devices that the values of a configuration name."""
    found = (str(value) for value in values)
    return sorted({Path(text) for text in found if text.startswith("/dev/")})


def groups_for(devices: Sequence[Path], cameras: bool) -> tuple[list[str], list[str]]:
    """The groups that may open these devices, and in words what is in the way of any.

    A device that is not plugged in now will belong to the group that serial ports have on this machine.
    """
    known = {entry.gr_name for entry in grp.getgrall()}
    groups: set[str] = {*[name for name in SERIAL_GROUPS if name in known][:1]}
    if cameras and "video" in known:
        groups.add("video")
    troubles = []
    for path in devices:
        try:
            found = path.stat()
        except OSError:
            troubles.append(f"{path} is not there now")
            continue
        try:
            owner = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            owner = str(found.st_gid)
        if found.st_mode & 0o006 == 0o006:
            continue
        if owner == "root" or found.st_mode & 0o060 != 0o060:
            troubles.append(f"no group but root may open {path}: a udev rule has to give it to dialout")
        else:
            groups.add(owner)
    return sorted(groups), troubles


def unreadable_by(user: str, path: Path) -> Path | None:
    """The first folder or file on the way to ``path`` that others than its owner may not enter or read.

    A user that does not exist yet owns nothing and is in no group.
    """
    try:
        entry = pwd.getpwnam(user)
        uid, gids = entry.pw_uid, set(os.getgrouplist(user, entry.pw_gid))
    except KeyError:
        uid, gids = -1, set()
    if uid == 0:
        return None
    real = Path(os.path.realpath(path))
    for part in (*reversed(real.parents), real):
        try:
            found = part.stat()
        except OSError:
            return part
        wanted = 0o5 if part.is_dir() else 0o4
        shift = 6 if found.st_uid == uid else 3 if found.st_gid in gids else 0
        # To pass through a folder it is enough to be allowed to enter it.
        wanted = 0o1 if part.is_dir() and part != real else wanted
        if (found.st_mode >> shift) & wanted != wanted:
            return part
    return None


def write(files: dict[Path, str], root: Path) -> list[Path]:
    """Write the files below ``root``: all, or none.

    Raises:
        InputError: one cannot be written; those that were there are as they were.
    """
    parts: list[tuple[Path, Path]] = []
    try:
        for path, text in files.items():
            target = root / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}.part")
            parts.append((part, target))
            part.write_text(text, encoding="utf-8")
            part.chmod(0o644)
        for part, target in parts:
            part.replace(target)
    except OSError as error:
        for part, _ in parts:
            part.unlink(missing_ok=True)
        raise InputError(f"cannot be written: {error.strerror}", file=error.filename or root) from None
    return [target for _, target in parts]


def make_user(user: str, home: Path) -> str | None:
    """Make a system user that cannot log in; None where it is there, else what was done.

    Raises:
        InputError: it could not be made.
    """
    try:
        pwd.getpwnam(user)
        return None
    except KeyError:
        pass
    shell = next((path for path in ("/usr/sbin/nologin", "/sbin/nologin") if Path(path).exists()), "/bin/false")
    words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(home), "--shell", shell, user]
    _call(words)
    return f"made the system user {user}"


def tell_systemd(*words: str) -> None:
    """``systemctl`` with these words; nothing where systemd does not run this machine.

    Raises:
        InputError: it refuses.
    """
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        _call(["systemctl", *words])


def _call(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{words[0]}: {error}") from error
    if done.returncode != 0:
        raise InputError(f"{' '.join(words[:2])}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
