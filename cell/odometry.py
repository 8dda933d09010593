"""How far the belt had travelled when a picture was taken.

The encoder is polled, the camera fires between two polls. Between two samples the belt's travel is interpolated; where
the I/O block latched the counter at the strobe, the latched value replaces the estimate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

# A latch first read at one poll was set after the poll before; a reading is stamped when its reply is in, some
# milliseconds after the device took it.
STROBE_SLACK_S = 0.006
# Beyond the newest sample the belt goes on at its speed for so long; a belt that brakes is then 4 mm from there.
# Without an encoder nobody knows where it is, and a part would be taken for another one.
AHEAD_S = 0.1
# A latch farther from the interpolated travel than this is not to be believed.
STROBE_GATE_M = 0.008


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: time (s), travel (m), speed (m/s), travel latched by the newest strobe (m; None without a latch)."""

    stamp_s: float
    travel_m: float
    speed_mps: float
    strobe_m: float | None


class Odometry:
    """Belt travel over time from the encoder's samples, the newest ``keep`` of them."""

    def __init__(self, keep: int = 256) -> None:
        self._samples: deque[Sample] = deque(maxlen=keep)
        # Each latch with the times of the poll before it and of the first that showed it.
        self._strobes: deque[tuple[float, float, float]] = deque(maxlen=keep)

    @property
    def latest(self) -> Sample | None:
        """The newest sample, None before the first."""
        return self._samples[-1] if self._samples else None

    def add(self, sample: Sample) -> None:
        """Take a sample; one that is not newer than the last is dropped (a device that repeats itself)."""
        if self._samples and sample.stamp_s <= self._samples[-1].stamp_s:
            return
        before = self._samples[-1] if self._samples else None
        self._samples.append(sample)
        if before is not None and sample.strobe_m is not None and sample.strobe_m != before.strobe_m:
            self._strobes.append((before.stamp_s, sample.stamp_s, sample.strobe_m))

    def travel_at(self, stamp_s: float) -> float | None:
        """Belt travel in metres at a time (s); beyond the newest sample it goes on at its speed for ``AHEAD_S``.

        Returns None when there is no sample, or the time is later than that, or older than the oldest sample by more
        than its neighbours' gap.
        """
        if not self._samples:
            return None
        estimate = self._interpolate(stamp_s)
        if estimate is None:
            return None
        for after_s, before_s, strobe_m in reversed(self._strobes):
            within = after_s - STROBE_SLACK_S <= stamp_s <= before_s
            if within and abs(strobe_m - estimate) <= STROBE_GATE_M:
                return strobe_m
        return estimate

    def _interpolate(self, stamp_s: float) -> float | None:
        newest = self._samples[-1]
        if stamp_s - newest.stamp_s > AHEAD_S + 1e-9:
            return None
        if stamp_s >= newest.stamp_s:
            return newest.travel_m + newest.speed_mps * (stamp_s - newest.stamp_s)
        later = newest
        for sample in reversed(self._samples):
            if sample.stamp_s <= stamp_s:
                share = (stamp_s - sample.stamp_s) / (later.stamp_s - sample.stamp_s)
                return sample.travel_m + share * (later.travel_m - sample.travel_m)
            later = sample
        oldest = self._samples[0]
        if oldest.stamp_s - stamp_s > 0.1:
            return None
        return oldest.travel_m - oldest.speed_mps * (oldest.stamp_s - stamp_s)
