"""By what a device's node knows that a goal is the cell's own.

A ROS 2 goal does not say who sends it, and on a graph without access control anybody may send one. The cell's goals
carry what only the processes of one run can make: a keyed digest, in the goal's id (arm) or in the frame of its header
(gripper). It keeps away mistakes, a second controller, somebody's script; not somebody who can read this process.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import deque
from typing import Final

KEY_VARIABLE: Final = "CELL_PASS"
"""The key, for the processes of one run; without it each process has one of its own."""

_PREFIX: Final = "cell:"
_DIGEST: Final = 8
_REMEMBERED: Final = 256


class _Key:
    value: bytes | None = None
    issued = False


_used: deque[str] = deque(maxlen=_REMEMBERED)


def _key() -> bytes:
    if _Key.value is None:
        given = os.environ.get(KEY_VARIABLE, "")
        _Key.value = given.encode() if given else secrets.token_bytes(16)
    return _Key.value


def share_key() -> None:
    """Make one key for this process and for those that it starts."""
    os.environ.setdefault(KEY_VARIABLE, secrets.token_hex(16))
    _Key.value = os.environ[KEY_VARIABLE].encode()


def known() -> bool:
    """Whether this process can tell: it has the key of the run, or made passes itself."""
    return _Key.issued or bool(os.environ.get(KEY_VARIABLE, ""))


def goal_id() -> bytes:
    """A new id of 16 bytes for a goal of ours: half of it is random, half proves it."""
    _Key.issued = True
    nonce = secrets.token_bytes(16 - _DIGEST)
    return nonce + _proof(nonce)


def is_ours(goal: bytes) -> bool:
    """Whether ``goal_id`` made this id, with our key."""
    return len(goal) == 16 and hmac.compare_digest(goal[-_DIGEST:], _proof(goal[:-_DIGEST]))


def issue() -> str:
    """A pass for one command, as text."""
    return _PREFIX + goal_id().hex()


def admits(text: str) -> bool:
    """Whether ``issue`` made this pass, with our key, and nobody has shown it yet."""
    if not text.startswith(_PREFIX) or text in _used:
        return False
    try:
        ours = is_ours(bytes.fromhex(text.removeprefix(_PREFIX)))
    except ValueError:
        return False
    if ours:
        _used.append(text)
    return ours


def _proof(nonce: bytes) -> bytes:
    return hmac.digest(_key(), nonce, "sha256")[:_DIGEST]
