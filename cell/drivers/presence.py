"""Whether a device is there: what every driver keeps of its cyclic read."""

from __future__ import annotations

import math

from cell.drivers.bus import Bus
from cell.drivers.modbus import Failure, Reply

# A status is old when several turns of its cycle have passed, and in no case before this: one time-out with its resync.
LEAST_STALE_S = 0.3
STALE_PERIODS = 5
# Corrupt replies prove that somebody is there; without a sound one for so long he counts as lost all the same.
CORRUPT_LOST_S = 0.3


class Presence:
    """Follows the replies of one cyclic read.

    Args:
        bus: the device's bus, for its clock and its own state.
        period_s: of the cyclic read.
    """

    def __init__(self, bus: Bus, period_s: float) -> None:
        self._bus = bus
        self._stale_s = max(LEAST_STALE_S, STALE_PERIODS * period_s)
        self._answers = False
        self._sound_s = -math.inf
        self._reason = "has not answered yet"

    @property
    def connected(self) -> bool:
        """It answered its last cyclic request, if only by noise for a short while, and the port is open."""
        return self._answers and self._bus.connected

    @property
    def error(self) -> str | None:
        """Why it is not connected."""
        if self.connected:
            return None
        return self._bus.error or self._reason

    def heard(self, reply: Reply) -> bool:
        """Take a reply of the cyclic read; True when the device is back after it was away."""
        was = self._answers
        if reply.ok:
            self._sound_s = reply.stamp_s
        noise = reply.failure is Failure.CORRUPT and reply.stamp_s - self._sound_s <= CORRUPT_LOST_S
        self._answers = reply.ok or (was and noise)
        self._reason = reply.reason
        return reply.ok and not was

    def doubt(self, reason: str) -> None:
        """What answered is not the device that it should be: take back that it was heard."""
        self._answers = False
        self._reason = reason

    def fresh(self, stamp_s: float) -> bool:
        """Whether a reading of this time still stands for the device's present state."""
        return self.connected and self._bus.clock() - stamp_s <= self._stale_s
