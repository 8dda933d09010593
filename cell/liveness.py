"""Who still gives signs of life: silence, judged only by time in which the judge himself was running.

A machine that stands still for a second (suspended, starved, stopped in a debugger) makes everybody silent, and nobody
is to blame: time counts against a node only as far as somebody looked. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOVERS: Final = ("picker", "gripper", "conveyor")
"""Nodes of ours by which something moves; each gives a sign of life every ``BEAT_S``."""

BEAT_S: Final = 0.025
"""Between two signs of life of a mover."""

MOVER_LIMIT_S: Final = 0.08
"""A mover's silence that aborts: three signs missed in a row. The first of them is due up to 25 ms after a node hangs,
and the supervisor looks every 10 ms."""

ARM_LIMIT_S: Final = 0.12
"""The arm's joints come fifty times a second or more often, from another process or another machine."""

JUDGE_BEAT_S: Final = 0.05
"""Between two signs of life of a node whose word decides on motions."""

JUDGES: Final = {"tracker": 0.15, "policy": 0.15}
"""Those nodes of control, and how long each may be silent."""

DETECTOR_LIMIT_S: Final = 0.25
"""Of the detector, where computing takes no time. In real time it gives way to control and gives no sign while it works
on a picture: there its process's end is told at once by whoever started it, and ``LIMIT_S`` holds for a hang."""

LIMIT_S: Final = 3.0
"""Of all others, which report five times a second: they move nothing, may compute for long, and give way."""

LOOK_S: Final = 0.03
"""More than this between two looks was not the nodes' silence but the judge's own."""


@dataclass(slots=True)
class _Watched:
    limit_s: float
    silent_s: float = 0.0
    heard_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Silent:
    """Somebody who has given no sign of life for longer than he may, s."""

    name: str
    silent_s: float


class Liveness:
    """Signs of life by name. Whoever was never heard is not silent: he has not come up yet.

    Args:
        limits: how long each may be silent, s.
        limit_s: of all others.
    """

    def __init__(self, limits: Mapping[str, float], limit_s: float = LIMIT_S) -> None:
        self._limits = dict(limits)
        self._limit_s = limit_s
        self._watched: dict[str, _Watched] = {}
        self._looked_s: float | None = None
        self.own_silence_s = 0.0
        """The longest time between two looks so far, s."""

    def heard(self, name: str, now_s: float) -> None:
        """A sign of life."""
        watched = self._watched.get(name)
        if watched is None:
            watched = self._watched[name] = _Watched(self._limits.get(name, self._limit_s))
        watched.silent_s, watched.heard_s = 0.0, now_s

    def forget(self, name: str) -> None:
        """He has gone in order."""
        self._watched.pop(name, None)

    def look(self, now_s: float) -> tuple[Silent, ...]:
        """Let time pass until ``now_s``; who has been silent for too long by now."""
        since_s = 0.0 if self._looked_s is None else max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        self.own_silence_s = max(self.own_silence_s, since_s)
        passed_s = min(since_s, LOOK_S)
        found = []
        for name, watched in self._watched.items():
            watched.silent_s += min(passed_s, max(0.0, now_s - watched.heard_s))
            if watched.silent_s > watched.limit_s:
                found.append(Silent(name, watched.silent_s))
        return tuple(found)
