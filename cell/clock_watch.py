"""Whether somebody sets the computer's clock. Nothing is controlled by it, but stamps in logs then lie."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

JUMP_S: Final = 0.5
"""NTP slews what is less (128 ms by default), and monotonic time follows its slewing."""

SHOWN_S: Final = 30.0


class ClockWatch:
    """Compares the wall clock with monotonic time.

    Args:
        wall, steady: seconds.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self.wall, self.steady = wall, steady
        self._offset_s = wall() - steady()
        self._jump_s = 0.0
        self._at_s: float | None = None
        self.jumps = 0

    def look(self, now_s: float) -> str | None:
        """What to say about a jump, for a while after it."""
        offset_s = self.wall() - self.steady()
        if abs(offset_s - self._offset_s) > JUMP_S:
            self._jump_s, self._at_s = offset_s - self._offset_s, now_s
            self._offset_s = offset_s
            self.jumps += 1
        if self._at_s is None or now_s - self._at_s > SHOWN_S:
            return None
        return f"the computer's clock was set {abs(self._jump_s):.1f} s {'forward' if self._jump_s > 0.0 else 'back'}"
