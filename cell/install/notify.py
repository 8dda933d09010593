"""What a process tells the service manager that started it: systemd's notify protocol, sd_notify(3).

Datagrams of ``NAME=VALUE`` lines to the socket that ``NOTIFY_SOCKET`` names. Started by anybody else there is no such
socket, and nobody is told.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping
from typing import Final

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
INTERVAL_VARIABLE: Final = "WATCHDOG_USEC"
WATCHED_VARIABLE: Final = "WATCHDOG_PID"
SHARE: Final = 0.3
"""Of the manager's patience, after which it hears of us again; sd_watchdog_enabled(3) asks for half at most."""


class ServiceManager:
    """The manager that started this process, or nobody. Each message is sent without waiting; a lost one is followed
    by the next.

    Args:
        environment: where the manager left its address; what is read is taken out, so that no child speaks for us.
        clock: seconds, monotonic.
    """

    def __init__(self, environment: MutableMapping[str, str], clock: Callable[[], float]) -> None:
        self._clock = clock
        address = environment.pop(SOCKET_VARIABLE, "")
        interval = environment.pop(INTERVAL_VARIABLE, "")
        watched = environment.pop(WATCHED_VARIABLE, "")
        # "@" stands for the null byte of an abstract name, "/" begins a path; nothing else is defined.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None
        if address[:1] in ("/", "@"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        mine = not watched or watched == str(os.getpid())
        self.patience_s: float | None = int(interval) * 1e-6 if interval.isdigit() and int(interval) and mine else None
        """How long it waits for a sign of life; None where it does not watch."""
        self._told_s = float("-inf")

    @property
    def listens(self) -> bool:
        """Somebody is there."""
        return self._socket is not None

    def ready(self, words: str) -> None:
        """All is up."""
        self._send(f"READY=1\nSTATUS={_line(words)}")

    def status(self, words: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={_line(words)}")

    def stopping(self) -> None:
        """This process ends, by its own will or because it was told to."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def alive(self) -> None:
        """A sign of life; callable as often as one likes, most calls send nothing."""
        if self.patience_s is None:
            return
        now_s = self._clock()
        if now_s - self._told_s >= SHARE * self.patience_s:
            self._told_s = now_s
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Callable twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # the manager is busy or restarts: control goes on, whoever listens
            self._socket.sendto(text.encode(), self._address)


def _line(words: str) -> str:
    return " ".join(words.split())
