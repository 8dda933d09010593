"""How sound the lines to the devices are: corrupt frames, late answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cell.causes import alarm_name

LOOK_S: Final = 0.25
WINDOW_S: Final = 2.0
NOISE_COUNT: Final = 4
NOISE_SHARE: Final = 0.05
"""A line is noisy when in two seconds more than one frame in twenty is corrupt, and at least four are: retries hide so
much, but the line is near to failing. A single disturbance (a contactor that switches) stays below."""
CLEAN_S: Final = 3.0
"""For so long nothing may be corrupt before the line counts as sound again."""
LATE_COUNT: Final = 3
"""Polls give up early and are asked again (``cell.drivers.modbus``), so that now and then a late answer is thrown away;
a device that is slow makes several in two seconds."""
LATE_S: Final = 5.0
"""Slow answers are told for so long."""


class Counted(Protocol):
    """Counts of a line since the start."""

    requests: int
    corrupt: int
    stale: int
    noise_bytes: int


@dataclass(slots=True)
class _Line:
    counts: deque[tuple[float, int, int, int]] = field(default_factory=deque)
    noisy: bool = False
    worse_s: float = 0.0
    late_s: float | None = None


class LineWatch:
    """Looks at the statistics of every line of this process.

    Args:
        devices: with ``buses``, each with ``statistics``.
    """

    def __init__(self, devices: Any) -> None:
        self._devices = devices
        self._lines: dict[str, _Line] = {}
        self._looked_s: float | None = None
        self._found: dict[str, str] = {}

    def look(self, now_s: float) -> dict[str, str]:
        """What is wrong with the lines, by the names of alarms."""
        if self._looked_s is not None and 0.0 <= now_s - self._looked_s < LOOK_S:
            return self._found
        self._looked_s = now_s
        buses: Mapping[str, Any] = getattr(self._devices, "buses", {})
        self._found = {}
        for name, bus in list(buses.items()):
            self._found.update(self._judge(name, bus.statistics, now_s))
        return self._found

    def _judge(self, name: str, counted: Counted, now_s: float) -> dict[str, str]:
        line = self._lines.setdefault(name, _Line())
        line.counts.append((now_s, counted.requests, counted.corrupt, counted.stale))
        while len(line.counts) > 2 and now_s - line.counts[1][0] >= WINDOW_S:
            line.counts.popleft()
        _, requests, corrupt, stale = line.counts[0]
        asked, bad = counted.requests - requests, counted.corrupt - corrupt
        if len(line.counts) > 1 and counted.corrupt > line.counts[-2][2]:
            line.worse_s = now_s
        if bad >= NOISE_COUNT and bad > NOISE_SHARE * asked:
            line.noisy = True
        elif line.noisy and now_s - line.worse_s > CLEAN_S:
            line.noisy = False
        if counted.stale - stale >= LATE_COUNT:
            line.late_s = now_s
        short = name.rpartition("/")[2].rpartition(":")[2] or name
        found = {}
        if line.noisy:
            found[alarm_name("line_noise", short)] = f"{short}: {bad} of {asked} frames were corrupt"
        if line.late_s is not None and now_s - line.late_s <= LATE_S:
            found[alarm_name("line_slow", short)] = f"{short}: late replies, {counted.stale} were discarded so far"
        return found
