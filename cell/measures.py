"""Figures over a run: rates in a sliding window, and percentiles of a latency."""

from __future__ import annotations

from collections import deque


class Rate:
    """Events a minute over a sliding window of ``window_s``; over the time so far while that is shorter."""

    def __init__(self, window_s: float = 60.0) -> None:
        self._window_s = window_s
        self._stamps: deque[float] = deque()
        self._start_s: float | None = None

    def start(self, now_s: float) -> None:
        """Count time from here unless it is counted already."""
        if self._start_s is None:
            self._start_s = now_s

    def add(self, now_s: float) -> None:
        """One event at ``now_s``."""
        self.start(now_s)
        self._stamps.append(now_s)

    def per_minute(self, now_s: float) -> float:
        """Events a minute at ``now_s``; 0 before the first second."""
        while self._stamps and self._stamps[0] <= now_s - self._window_s:
            self._stamps.popleft()
        if self._start_s is None or now_s - self._start_s < 1.0:
            return 0.0
        return 60.0 * len(self._stamps) / min(self._window_s, now_s - self._start_s)


class Percentiles:
    """p50 and p99 of all values so far, kept in a bounded reservoir (the newest ``keep``)."""

    def __init__(self, keep: int = 20_000) -> None:
        self._values: deque[float] = deque(maxlen=keep)

    def add(self, value: float) -> None:
        """One value."""
        self._values.append(value)

    def summary(self) -> dict[str, float]:
        """``{"p50": ..., "p99": ...}`` by the nearest-rank method; empty without a value."""
        if not self._values:
            return {}
        ordered = sorted(self._values)
        last = len(ordered) - 1

        def rank(share: float) -> float:
            return ordered[min(last, int(share * len(ordered)))]

        return {"p50": rank(0.50), "p99": rank(0.99)}
