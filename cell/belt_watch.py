"""Whether the belt does what its drive does, and its encoder what the belt does. Pure.

A jam: the drive works harder and the encoder stands. A slip: the pictures show the parts go farther, or less far, than
the encoder counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from perception.types import PartView

MOVING_MPS: Final = 0.02
"""A drive that is asked for less moves nothing that could jam."""
STANDS_SHARE: Final = 0.25
"""The belt stands where the encoder shows less than this share of the drive's speed."""
HARD_SHARE: Final = 1.3
"""The drive works hard from this multiple of its usual current on."""
HARD_S: Final = 0.25
"""For so long both together are a jam; the encoder's speed is a mean over 60 ms, the drive's current comes ten times a
second."""
STANDS_S: Final = 1.0
"""A belt that stands for so long under a drive that runs is jammed, or torn, whatever the current."""
LEARN: Final = 0.05

SLIP_WINDOW_S: Final = 1.5
SLIP_M: Final = 0.008
SLIP_SHARE: Final = 0.08
"""Pictures and encoder have to differ by both in a window: a view's centre is uncertain by half a millimetre, the
latched travel by a tenth, and a part gives some ten views."""
SLIP_PAIRS: Final = 2
SIZE_SHARE: Final = 0.12
ACROSS_M: Final = 0.003
FARTHEST: Final = 2.5
"""A view is that of a part in the picture before if it has its size and its place across the belt, and lies downstream
of it by at most so many times what the encoder says."""
LEAST_M: Final = 0.004


class JamWatch:
    """Drive against encoder. Once jammed it stays so until ``reset``."""

    def __init__(self) -> None:
        self.words: str | None = None
        self._usual_a: float | None = None
        self._hard_since_s: float | None = None
        self._still_since_s: float | None = None

    def reset(self) -> None:
        """Somebody has put it right."""
        self.words = None
        self._hard_since_s = self._still_since_s = None

    def step(self, drive_mps: float, current_a: float, belt_mps: float, now_s: float) -> bool:
        """One look; True where the belt has just been found jammed.

        Args:
            drive_mps: what the drive's output turns at, as belt speed; 0 while it is off.
            current_a: of the drive; 0 where it does not say.
            belt_mps: by the encoder.
            now_s: monotonic.
        """
        if self.words is not None:
            return False
        if abs(drive_mps) < MOVING_MPS or abs(belt_mps) >= STANDS_SHARE * abs(drive_mps):
            self._hard_since_s = self._still_since_s = None
            if abs(belt_mps) > MOVING_MPS and current_a > 0.0:
                before = current_a if self._usual_a is None else self._usual_a
                self._usual_a = before + LEARN * (current_a - before)
            return False
        if self._still_since_s is None:
            self._still_since_s = now_s
        hard = self._usual_a is not None and current_a >= HARD_SHARE * self._usual_a
        if not hard:
            self._hard_since_s = None
        elif self._hard_since_s is None:
            self._hard_since_s = now_s
        jammed = self._hard_since_s is not None and now_s - self._hard_since_s >= HARD_S
        if jammed or now_s - self._still_since_s >= STANDS_S:
            load = f" at {current_a:.1f} A" if current_a > 0.0 else ""
            self.words = f"the drive turns at {drive_mps:.2f} m/s{load} and the belt stands"
            return True
        return False


@dataclass(frozen=True, slots=True)
class _Seen:
    x_m: float
    y_m: float
    long_m: float
    short_m: float


class SlipWatch:
    """Pictures against encoder. Once slipped it stays so until ``reset``.

    Args:
        px_per_m: of the picture, whose y runs with the belt.
    """

    def __init__(self, px_per_m: float) -> None:
        self.words: str | None = None
        self._px_per_m = px_per_m
        self._before: tuple[float, tuple[_Seen, ...]] | None = None
        self._pairs: deque[tuple[float, float, float]] = deque()

    def reset(self) -> None:
        """Begin anew."""
        self.words = None
        self._before = None
        self._pairs.clear()

    def skip(self) -> None:
        """A picture for which nobody knows the travel."""
        self._before = None

    def step(self, views: Sequence[PartView], travel_m: float, stamp_s: float) -> bool:
        """One picture, with the encoder's travel at its exposure; True where a slip has just been found."""
        now = travel_m, tuple(self._place(view) for view in views if view.whole)
        before, self._before = self._before, now
        if before is None or self.words is not None:
            return False
        counted_m = travel_m - before[0]
        for seen in now[1]:
            went_m = [seen.x_m - old.x_m for old in before[1] if self._same(old, seen)]
            went_m = [way_m for way_m in went_m if -LEAST_M <= way_m <= FARTHEST * abs(counted_m) + 0.02]
            if len(went_m) == 1 and max(abs(went_m[0]), abs(counted_m)) >= LEAST_M:
                self._pairs.append((stamp_s, went_m[0], counted_m))
        while self._pairs and stamp_s - self._pairs[0][0] > SLIP_WINDOW_S:
            self._pairs.popleft()
        if len(self._pairs) < SLIP_PAIRS:
            return False
        went, counted = sum(pair[1] for pair in self._pairs), sum(pair[2] for pair in self._pairs)
        off_m = went - counted
        if abs(off_m) >= SLIP_M and abs(off_m) >= SLIP_SHARE * max(abs(went), abs(counted)):
            self.words = f"parts went {went * 1e3:.0f} mm where the encoder counted {counted * 1e3:.0f} mm"
            return True
        return False

    def _place(self, view: PartView) -> _Seen:
        sides = sorted((view.w_px / self._px_per_m, view.h_px / self._px_per_m))
        return _Seen(view.y_px / self._px_per_m, view.x_px / self._px_per_m, sides[1], sides[0])

    @staticmethod
    def _same(old: _Seen, new: _Seen) -> bool:
        alike = abs(old.long_m - new.long_m) <= SIZE_SHARE * old.long_m
        alike = alike and abs(old.short_m - new.short_m) <= SIZE_SHARE * old.long_m
        return alike and abs(old.y_m - new.y_m) <= ACROSS_M
