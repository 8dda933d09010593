"""Lockstep: time moves only when everybody is idle, to whoever is due first; who never settles is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from sim.conductor import Conductor, LockstepStalled, SimTime


class FakeExecutor:
    """Timers at given nanoseconds; ``log`` keeps at what time (ns) each ran."""

    def __init__(self, clock: SimTime, *due_ns: int) -> None:
        self._clock = clock
        self._due = sorted(due_ns)
        self.log: list[int] = []
        self.busy = False

    def spin_until_idle(self) -> int:
        ran = 0
        while self._due and self._due[0] <= round(self._clock.seconds * 1e9):
            self.log.append(self._due.pop(0))
            ran += 1
        return ran

    def next_timer_ns(self) -> int | None:
        return self._due[0] if self._due else None

    def has_ready(self) -> bool:
        return self.busy


class FakePolled:
    """Wants to be called at given seconds; ``log`` keeps when it was."""

    def __init__(self, *due_s: float) -> None:
        self._due = sorted(due_s)
        self.log: list[float] = []

    def poll(self, now: float) -> float | None:
        while self._due and self._due[0] <= now:
            self.log.append(self._due.pop(0))
        return self._due[0] if self._due else None


def _never() -> bool:
    return False


def _from(clock: SimTime, until_s: float) -> Callable[[], bool]:
    return lambda: clock.seconds >= until_s


def test_time_goes_to_whoever_is_due_first_when_timers_and_buses_wait() -> None:
    clock = SimTime(1.0)
    executor, bus = FakeExecutor(clock, 1_200_000_000, 1_500_000_000), FakePolled(1.1, 1.3)
    seen: list[float] = []
    conductor = Conductor(executor, {"bus": bus}, lambda _ns: None, clock, pace=seen.append)
    conductor.run(_from(clock, 1.5))
    assert seen == pytest.approx([1.1, 1.2, 1.3, 1.5])
    assert executor.log == [1_200_000_000, 1_500_000_000]
    assert bus.log == [1.1, 1.3]


def test_clock_is_told_once_an_instant_and_never_goes_back_when_time_moves() -> None:
    clock = SimTime(1.0)
    told: list[int] = []
    executor = FakeExecutor(clock, *(1_000_000_000 + 10_000_000 * step for step in range(20)))
    Conductor(executor, {"bus": FakePolled(1.005, 1.1)}, told.append, clock).run(_from(clock, 1.15))
    assert told[0] == 1_000_000_000
    assert all(later > earlier for earlier, later in itertools.pairwise(told))
    assert executor.log[:3] == [1_000_000_000, 1_010_000_000, 1_020_000_000]


def test_timer_is_told_its_exact_time_when_a_bus_is_due_at_the_same_instant() -> None:
    clock = SimTime(1.0)
    told: list[int] = []
    executor = FakeExecutor(clock, 1_700_000_001)
    Conductor(executor, {"bus": FakePolled(1.700000001)}, told.append, clock).run(lambda: bool(executor.log))
    assert told[-1] == 1_700_000_001


def test_stall_names_the_polled_when_nobody_waits_for_anything() -> None:
    clock = SimTime(1.0)
    conductor = Conductor(FakeExecutor(clock), {"the lines": FakePolled()}, lambda _ns: None, clock)
    with pytest.raises(LockstepStalled, match=r"nobody waits.*the lines"):
        conductor.run(_never)


def test_stall_names_who_never_settles_when_a_bus_wants_now_for_ever() -> None:
    class Restless:
        def poll(self, now: float) -> float | None:
            return now

    clock = SimTime(1.0)
    polled = {"quiet": FakePolled(9.0), "restless": Restless()}
    conductor = Conductor(FakeExecutor(clock), polled, lambda _ns: None, clock)
    with pytest.raises(LockstepStalled, match=r"never idle: restless$"):
        conductor.run(_never)
    assert clock.seconds == 1.0


def test_stall_names_the_graph_when_a_node_is_never_idle() -> None:
    clock = SimTime(1.0)
    executor = FakeExecutor(clock)
    executor.busy = True
    with pytest.raises(LockstepStalled, match="the node graph"):
        Conductor(executor, {}, lambda _ns: None, clock).run(_never)
