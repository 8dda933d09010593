"""Lockstep: one thread, simulated time, and no step forward before everybody is idle.

The conductor owns the clock. At one instant it lets every ready callback run and every bus and emulator exchange what
is due; when nothing is left to do at that instant it jumps to the earliest time at which somebody has something to do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol


class LockstepStalled(RuntimeError):
    """Simulated time cannot go on; the message names who is not idle."""


class LockstepExecutor(Protocol):
    """The part of the embedded executor that lockstep needs."""

    def spin_until_idle(self) -> int: ...

    def next_timer_ns(self) -> int | None: ...

    def has_ready(self) -> bool: ...


class Polled(Protocol):
    """A bus, or the hall of emulators: does what is due and says when it wants to be called again."""

    def poll(self, now: float) -> float | None: ...


class SimTime:
    """Simulated time in seconds, a clock that can be handed to every bus and emulator before there is a conductor."""

    def __init__(self, start_s: float = 1.0) -> None:
        self.seconds = start_s

    def __call__(self) -> float:
        return self.seconds


class Conductor:
    """Advances simulated time over an executor and everything that is polled.

    Args:
        executor: holds every node of the graph.
        polled: buses and emulators by the name that a stall report shows.
        tell_time: publishes /clock (nanoseconds).
        pace: called with the simulated time (s) after each step; sleeps where the run is to be slower than it can.
        clock: the simulated time that it moves.
    """

    # At one instant a bus and its emulator answer each other a handful of times; more means that a pair never settles.
    MAX_ROUNDS = 10_000

    def __init__(
        self,
        executor: LockstepExecutor,
        polled: Mapping[str, Polled],
        tell_time: Callable[[int], None],
        clock: SimTime,
        *,
        pace: Callable[[float], None] | None = None,
    ) -> None:
        self._executor = executor
        self._polled = dict(polled)
        self._tell_time = tell_time
        self._pace = pace
        self._clock = clock
        self._now_ns = round(clock.seconds * 1e9)
        self._told_ns = -1

    def run(self, finished: Callable[[], bool]) -> None:
        """Go on until ``finished()``, which is asked after every instant at which a node ran.

        Raises:
            LockstepStalled: nobody has anything left to do, or somebody never becomes idle.
        """
        self._tell()
        while True:
            deadline_s = self._settle()
            if finished():
                return
            self._advance(deadline_s)

    def _settle(self) -> float:
        """Let everything at this instant happen; returns the earliest deadline of the polled (inf without one)."""
        for _ in range(self.MAX_ROUNDS):
            self._executor.spin_until_idle()
            deadline_s = math.inf
            busy = []
            for name, polled in self._polled.items():
                wanted = polled.poll(self._clock.seconds)
                if wanted is not None:
                    deadline_s = min(deadline_s, wanted)
                    if wanted <= self._clock.seconds:
                        busy.append(name)
            if not busy and not self._executor.has_ready():
                return deadline_s
        raise LockstepStalled(f"at {self._clock.seconds:.6f} s never idle: {', '.join(busy) or 'the node graph'}")

    def _advance(self, deadline_s: float) -> None:
        timer_ns = self._executor.next_timer_ns()
        if timer_ns is None and deadline_s == math.inf:
            names = ", ".join(self._polled) or "nothing"
            raise LockstepStalled(
                f"at {self._clock.seconds:.6f} s nobody waits for anything (no timer; polled: {names})"
            )
        if timer_ns is not None and timer_ns * 1e-9 <= deadline_s:
            self._now_ns = max(timer_ns, self._now_ns)
            self._clock.seconds = self._now_ns * 1e-9
            self._tell()
        else:
            self._clock.seconds = deadline_s
            self._now_ns = max(self._now_ns, int(deadline_s * 1e9))
        if self._pace is not None:
            self._pace(self._clock.seconds)

    def _tell(self) -> None:
        if self._now_ns != self._told_ns:
            self._told_ns = self._now_ns
            self._tell_time(self._now_ns)
