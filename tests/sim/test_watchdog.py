"""The watchdog of lockstep: it ends what hangs and says where, and leaves alone what goes on."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from sim.watchdog import Watchdog


def test_main_thread_is_interrupted_when_time_stands_still() -> None:
    watchdog = Watchdog(lambda: 1.0, stall_s=0.05)
    with watchdog, pytest.raises(KeyboardInterrupt):
        for _ in range(400):  # an interrupt falls between two waits
            threading.Event().wait(0.01)
    assert watchdog.stalled is not None


def test_culprit_is_our_own_function_when_it_hangs_in_one() -> None:
    from sim.conductor import Conductor, SimTime

    class Hanging:
        def spin_until_idle(self) -> int:
            until_s = time.monotonic() + 10.0
            while time.monotonic() < until_s:
                threading.Event().wait(0.01)
            return 0

        def next_timer_ns(self) -> int | None:
            return None

        def has_ready(self) -> bool:
            return False

    clock = SimTime()
    watchdog = Watchdog(clock, stall_s=0.05)
    with watchdog, pytest.raises(KeyboardInterrupt):
        Conductor(Hanging(), {}, lambda _ns: None, clock).run(lambda: False)
    assert watchdog.stalled is not None
    # The test itself lies in a folder called sim, so its own function is the innermost.
    assert watchdog.stalled.startswith("spin_until_idle (sim/test_watchdog.py:")


def test_nothing_happens_when_time_goes_on() -> None:
    steps = itertools.count()
    watchdog = Watchdog(lambda: float(next(steps)), stall_s=0.01)
    with watchdog:
        threading.Event().wait(0.1)
    assert watchdog.stalled is None
    assert next(steps) > 2


def test_thread_ends_at_once_when_the_run_is_over_before_the_first_look() -> None:
    began_s = time.monotonic()
    with Watchdog(lambda: 0.0, stall_s=60.0):
        pass
    assert time.monotonic() - began_s < 5.0
    assert not any(thread.name == "lockstep-watchdog" for thread in threading.enumerate())
