"""A disturbed line whose disturbances are spread evenly: what is asked again is answered, unless the share is high."""

from __future__ import annotations

import random
from collections.abc import Sequence

from sim.emulators.slave import Delivery


class EvenlyDisturbed:
    """A ``LineFault``: of a hundred replies so many are corrupt, or late.

    Args:
        corrupt, late: shares of the replies, 0..1.
        late_s: how late.
        seed: of the bits that are flipped, and of the first reply that is disturbed.
    """

    def __init__(self, *, corrupt: float = 0.0, late: float = 0.0, late_s: float = 0.0, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._shares = {"corrupt": corrupt, "late": late}
        self._late_s = late_s
        self._sums = {kind: self._random.random() for kind in self._shares}
        self.counts = dict.fromkeys(self._shares, 0)

    def __call__(self, reply: bytes, now: float) -> Sequence[Delivery]:
        delay_s = self._late_s if self._turn("late") else 0.0
        if self._turn("corrupt"):
            bit = self._random.randrange(8 * len(reply))
            flipped = bytearray(reply)
            flipped[bit // 8] ^= 1 << bit % 8
            reply = bytes(flipped)
        return (Delivery(delay_s, reply),)

    def _turn(self, kind: str) -> bool:
        self._sums[kind] += self._shares[kind]
        turn = self._sums[kind] >= 1.0
        if turn:
            self._sums[kind] -= 1.0
            self.counts[kind] += 1
        return turn
