"""Which processes of a cell go before others: control before pictures, and both before what only shows.

Where the system lets us (root, ``LimitRTPRIO`` of the unit, ``limits.conf``) control gets a real-time priority, else a
better nice value, else nothing; what judges and shows gives way in any case. Linux puts each session into a group of
its own (autogroup), between which nice values do not count: the group's value is set as well.
"""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path
from typing import Final

CONTROL: Final = 20
HARDWARE: Final = 10
"""Real-time priorities, of 1 to 99: below the threads of the kernel that serve interrupts (50)."""

NICE: Final = -10
"""In place of them where only this is allowed."""

BACKGROUND: Final = 5
"""Nice value of what moves nothing: a third of the time of what does, where both want it."""

PLAIN_VARIABLE: Final = "CELL_PLAIN_PRIORITY"
"""Set to 1: leave all priorities as they are."""


def _wanted() -> bool:
    return os.environ.get(PLAIN_VARIABLE, "") != "1"


def _threads() -> list[int]:
    return [int(entry.name) for entry in Path("/proc/self/task").iterdir()]


def _group(pid: int, nice: int) -> None:
    # Fails without the right, and where the kernel has no autogroups.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def go_before_others(priority: int = CONTROL) -> str:
    """Let this process go before others: all its threads, and those that they will start. Not a part of them: one that
    has to wait for a processor while it holds the interpreter's lock keeps all others waiting.

    Returns what was granted, in words.
    """
    if not _wanted():
        return "priorities are left as they are"
    with contextlib.suppress(OSError, AttributeError):
        for thread in _threads():
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(priority))
        return f"real-time priority {priority}"
    with contextlib.suppress(OSError):
        for thread in _threads():
            os.setpriority(os.PRIO_PROCESS, thread, NICE)
        _group(os.getpid(), NICE)
        return f"nice {NICE}"
    return "no priority of its own"


def give_way(pid: int, nice: int = BACKGROUND) -> None:
    """Let a process that was just started give way, and take no priority from its parent. ``nice`` 0: to nobody."""
    if not _wanted():
        return
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        _group(pid, nice)


def settle() -> None:
    """What is there after the start stays: the collector need not walk through it again and again, for tens of
    milliseconds in which nothing else runs."""
    gc.collect()
    gc.freeze()
