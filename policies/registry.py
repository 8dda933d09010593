"""Policies by name."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception.errors import InputError
from policies.planner import DP
from policies.rollout import ROLLOUT
from policies.rules import EUCLID, FIFO, LIFO, RANDOM, SPT, SPT_UPSTREAM
from policies.types import Policy

POLICIES: dict[str, Policy] = {rule.name: rule for rule in (RANDOM, FIFO, LIFO, EUCLID, SPT, SPT_UPSTREAM, DP, ROLLOUT)}


def make(name: str) -> Policy:
    """The policy of that name.

    Raises:
        InputError: there is none; the message names those there are.
    """
    policy = POLICIES.get(name)
    if policy is None:
        raise InputError(f"there is no policy {name!r}; known are {', '.join(sorted(POLICIES))}", key="policy")
    return policy


def from_source(file: Path) -> Policy:
    """The policy that a Python file calls ``POLICY``; running the file is the caller's decision.

    Raises:
        InputError: it cannot be run, or has no such policy.
    """
    found: Any
    try:
        found = runpy.run_path(str(file)).get("POLICY")
    except Exception as error:  # whatever the file raises is wrong input
        raise InputError(f"cannot be run ({type(error).__name__}: {error})", file=file) from None
    if not callable(getattr(found, "decide", None)) or not isinstance(getattr(found, "name", None), str):
        raise InputError("has no POLICY with a name and decide(view)", file=file)
    policy: Policy = found
    return policy


FILES: dict[str, Callable[[Path], Policy]] = {".py": from_source}
"""How a policy is read from a file, by the file's suffix."""


def find(name_or_file: str) -> Policy:
    """A policy by its name or from a file.

    Raises:
        InputError: there is none of that name, or the file is none.
    """
    read = FILES.get(Path(name_or_file).suffix)
    if read is None:
        return make(name_or_file)
    if not Path(name_or_file).is_file():
        raise InputError("does not exist", file=name_or_file, key="policy")
    return read(Path(name_or_file))
