"""The ROS domain of a cell: the one that ``ROS_DOMAIN_ID`` names, or the first that no other cell on this machine has.

The first cell gets 0, which everybody's tools look into by themselves. Who has a domain holds a socket with its name in
the abstract namespace: it is gone with its process, however that ended, and there is nothing to clear away.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from perception.errors import InputError

VARIABLE: Final = "ROS_DOMAIN_ID"
REACH_VARIABLE: Final = "ROS_AUTOMATIC_DISCOVERY_RANGE"
LAST: Final = 232
"""The highest that DDS has ports for."""
LAST_SAFE: Final = 101
"""The highest whose ports lie below those that Linux gives to clients."""


class Domain:
    """A ROS domain that is this process's until ``close``; its children and their tools find it in the environment.

    Args:
        lent: the domain of hardware that holds it already; None: this process takes one.

    Raises:
        InputError: ``ROS_DOMAIN_ID`` is no domain, or that of another cell, or not ``lent``.
    """

    def __init__(self, lent: int | None = None) -> None:
        self._name: socket.socket | None = None
        self._closed = False
        self._before = os.environ.get(VARIABLE)
        wanted = chosen()
        if reaches_nobody():
            self._take(wanted or 0)
            return
        if lent is not None:
            if wanted not in (None, lent):
                raise InputError(f"the cell sim on this state folder is in {lent}, not in {wanted}", key=VARIABLE)
            self._take(lent)
            return
        for number in range(LAST_SAFE + 1) if wanted is None else (wanted,):
            self._name = _hold(number)
            if self._name is not None:
                break
        else:
            if wanted is None:
                raise InputError(f"every ROS domain from 0 to {LAST_SAFE} has a cell on this machine", key=VARIABLE)
            raise InputError(f"another cell on this machine runs in ROS domain {wanted}; name another", key=VARIABLE)
        self._take(number)

    @property
    def hint(self) -> str | None:
        """What to tell who wants to look into this cell; None where everybody's tools look there by themselves."""
        if self.number == 0 or self._before:
            return None
        return f"In ROS domain {self.number}, as others are taken; look into it with {VARIABLE}={self.number}"

    def _take(self, number: int) -> None:
        self.number = number
        os.environ[VARIABLE] = str(number)

    def close(self) -> None:
        """Let another cell have it. Callable twice."""
        if self._closed:
            return
        self._closed = True
        if self._name is not None:
            self._name.close()
        if self._before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._before


def chosen() -> int | None:
    """The domain that ``ROS_DOMAIN_ID`` names; None where it names none.

    Raises:
        InputError: it is no domain.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdigit() or int(text) > LAST:
        raise InputError(f"must be a whole number from 0 to {LAST}, not {text!r}", key=VARIABLE)
    return int(text)


def reaches_nobody() -> bool:
    """The environment keeps every graph within its process."""
    return os.environ.get(REACH_VARIABLE, "").upper() == "OFF"


def _hold(number: int) -> socket.socket | None:
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0cellwright/domain/{number}")
    except OSError:
        name.close()
        return None
    return name


class Alone:
    """While entered, nothing of this process's graph is seen outside, and nothing comes in. A context manager."""

    def __enter__(self) -> Alone:
        self._before = os.environ.get(REACH_VARIABLE)
        os.environ[REACH_VARIABLE] = "OFF"
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            os.environ.pop(REACH_VARIABLE, None)
        else:
            os.environ[REACH_VARIABLE] = self._before
