"""How often something comes, and how much it carries, over a window."""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise

_UNITS = ("B", "KB", "MB", "GB")


class Rate:
    """The times and sizes of the last messages."""

    def __init__(self, window: int) -> None:
        self._entries: deque[tuple[float, int]] = deque(maxlen=window)
        self.count = 0

    def add(self, now_s: float, size: int = 0) -> None:
        self._entries.append((now_s, size))
        self.count += 1

    def intervals_s(self) -> list[float]:
        times = [entry[0] for entry in self._entries]
        return [later - earlier for earlier, later in pairwise(times)]

    def frequency(self) -> str:
        """One line: the mean rate, the shortest and the longest interval, their deviation."""
        gaps = self.intervals_s()
        if not gaps:
            return "no new messages" if not self._entries else "one message so far"
        mean = sum(gaps) / len(gaps)
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
        rate = 1.0 / mean if mean else math.inf
        return (
            f"{rate:.3f} Hz  (interval min {min(gaps) * 1e3:.1f} ms, max {max(gaps) * 1e3:.1f} ms, "
            f"deviation {deviation * 1e3:.2f} ms, {len(gaps) + 1} messages)"
        )

    def bandwidth(self) -> str:
        """One line: bytes a second, and the mean, least and greatest size of a message."""
        if len(self._entries) < 2:
            return "no new messages" if not self._entries else "one message so far"
        span_s = self._entries[-1][0] - self._entries[0][0]
        sizes = [size for _, size in self._entries]
        # The first message opens the span: its bytes came before it.
        per_s = sum(sizes[1:]) / span_s if span_s else math.inf
        mean = sum(sizes) / len(sizes)
        return (
            f"{with_unit(per_s)}/s  (message mean {with_unit(mean)}, min {with_unit(min(sizes))}, "
            f"max {with_unit(max(sizes))}, {len(sizes)} messages)"
        )


def with_unit(size: float) -> str:
    """Bytes in the unit that suits (1 KB = 1000 B)."""
    for unit in _UNITS:
        if size < 1000.0 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1000.0
    raise AssertionError("the last unit always suits")
