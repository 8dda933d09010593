"""What a fault file can do to the controller itself: a node that dies, a full disk, a clock that is set, a lost power.

For tests of the cell by its own people; nothing here is reached without ``--faults``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class _Executor(Protocol):
    def remove_node(self, node: Any) -> None: ...


class Casualties:
    """Does to the controller of this process what it is told; faults come as plain values (docs/faults.md).

    Args:
        nodes: by name, as far as they live in this process.
        executor: runs them; a node that dies is taken off it.
        die: ends the controller at once, without a last word.
        kill: ends the process of a node that lives elsewhere; False where there is none.
    """

    def __init__(
        self,
        nodes: Mapping[str, Any],
        executor: _Executor,
        die: Callable[[], None],
        kill: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._nodes = nodes
        self._executor = executor
        self._die = die
        self._kill = kill
        self._clock = WallClock()

    def begin(self, fault: dict[str, Any]) -> None:
        """A fault begins."""
        what = fault["what"]
        if what == "power_loss":
            self._die()
        elif what == "node_crash":
            self._crash(str(fault["node"]))
        elif what == "disk_full":
            self._nodes["picker"].books.ledger.fill_disk(True)
        elif what == "clock_jump":
            self._clock.jump(float(fault["by_s"]))
            watch = getattr(self._nodes.get("supervisor"), "clock_watch", None)
            if watch is not None:
                watch.wall = self._clock.now

    def end(self, fault: dict[str, Any]) -> None:
        """A fault that lasts is over."""
        if fault["what"] == "disk_full":
            self._nodes["picker"].books.ledger.fill_disk(False)

    def close(self) -> None:
        """Give the clock back. Callable twice."""
        self._clock.close()

    def _crash(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is None:
            self._kill(name)
            return
        # It neither hears nor says anything any more; what it had asked others to do goes on.
        self._executor.remove_node(node)


class WallClock:
    """The wall clock of this process, as every ``time.time`` of Python code reads it; set by ``jump``."""

    def __init__(self) -> None:
        self._genuine: tuple[Callable[[], float], Callable[[], int]] | None = None

    def jump(self, by_s: float) -> None:
        """Set it by so many seconds."""
        if self._genuine is None:
            self._genuine = time.time, time.time_ns
        seconds, nanoseconds = time.time, time.time_ns
        by_ns = round(by_s * 1e9)
        time.time = lambda: seconds() + by_s
        time.time_ns = lambda: nanoseconds() + by_ns

    @staticmethod
    def now() -> float:
        """What it shows."""
        return time.time()

    def close(self) -> None:
        """Set it right. Callable twice."""
        if self._genuine is not None:
            time.time, time.time_ns = self._genuine
            self._genuine = None
