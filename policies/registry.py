"""Policies by name."""

from __future__ import annotations

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
