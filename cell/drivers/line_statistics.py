"""What a line has done: counts since the start, and the latency and rate of its newest transactions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

RECENT = 1000


@dataclass(slots=True)
class LineStatistics:
    """Counts since the start. ``noise_bytes``: thrown away; ``stale``: times a sound reply was among them.

    ``recent``: of the newest answered transactions, when each ended and how long it took from its first byte out, s.
    """

    requests: int = 0
    answered: int = 0
    timeouts: int = 0
    corrupt: int = 0
    exceptions: int = 0
    retries: int = 0
    failed: int = 0
    stale: int = 0
    noise_bytes: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def latency_s(self, share: float) -> float | None:
        """The latency that this share (0..1) of the newest transactions does not exceed; None before the first."""
        ordered = sorted(took_s for _, took_s in list(self.recent))
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None

    def rate_hz(self, now: float) -> float:
        """Answered transactions a second, over the newest ones and the pause since the last."""
        recent = list(self.recent)
        if not recent or now <= recent[0][0]:
            return 0.0
        return len(recent) / (now - recent[0][0])

    def summary(self, now: float) -> dict[str, float]:
        """Everything as plain numbers: counts, ``rate_hz``, ``latency_p50_s``, ``latency_p99_s``."""
        counts = {name: float(getattr(self, name)) for name in COUNTS}
        p50_s, p99_s = self.latency_s(0.5), self.latency_s(0.99)
        return {**counts, "rate_hz": self.rate_hz(now), "latency_p50_s": p50_s or 0.0, "latency_p99_s": p99_s or 0.0}


COUNTS = (
    "requests",
    "answered",
    "timeouts",
    "corrupt",
    "exceptions",
    "retries",
    "failed",
    "stale",
    "noise_bytes",
    "bytes_out",
    "bytes_in",
)
