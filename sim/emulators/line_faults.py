"""What a bad line does to frames, seeded: late, lost, preceded by noise, with flipped bits, cut short, doubled.

For ``Slave.fault`` (replies) and ``Slave.request_fault`` (requests). TCP loses and delays, but never damages: behind a
``TcpSlave`` only ``late`` and ``lost`` are true to life.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sim.emulators.slave import Delivery


@dataclass(frozen=True, slots=True)
class LineQuality:
    """Shares of replies (0..1) that are disturbed, each for itself; ``late_s`` = (least, most) of a late one."""

    late: float = 0.0
    late_s: tuple[float, float] = (0.15, 0.3)
    lost: float = 0.0
    noisy: float = 0.0
    flipped: float = 0.0
    cut: float = 0.0
    doubled: float = 0.0


class NoisyLine:
    """A ``LineFault`` that disturbs frames at random; ``counts`` says how many of each kind, ``disturbed`` how many at
    all."""

    def __init__(self, quality: LineQuality, seed: int) -> None:
        self.counts = dict.fromkeys(("late", "lost", "noisy", "flipped", "cut", "doubled"), 0)
        self.disturbed = 0
        self._quality = quality
        self._random = random.Random(seed)

    def __call__(self, reply: bytes, now: float) -> Sequence[Delivery]:
        """What arrives of a frame."""
        before = sum(self.counts.values())
        deliveries = self._disturb(reply)
        self.disturbed += sum(self.counts.values()) > before
        return deliveries

    def _disturb(self, reply: bytes) -> Sequence[Delivery]:
        quality, draw = self._quality, self._random
        delay_s = 0.0
        if self._happens("lost", quality.lost):
            return ()
        if self._happens("late", quality.late):
            delay_s = draw.uniform(*quality.late_s)
        if self._happens("flipped", quality.flipped):
            bit = draw.randrange(8 * len(reply))
            flipped = bytearray(reply)
            flipped[bit // 8] ^= 1 << bit % 8
            reply = bytes(flipped)
        if self._happens("noisy", quality.noisy):
            reply = draw.randbytes(draw.randint(1, 6)) + reply
        if self._happens("cut", quality.cut):
            reply = reply[: draw.randrange(len(reply))]
        if self._happens("doubled", quality.doubled):
            return (Delivery(delay_s, reply), Delivery(delay_s, reply))
        return (Delivery(delay_s, reply),)

    def _happens(self, kind: str, share: float) -> bool:
        # A share of 0 draws nothing, so that a fault that is added leaves the others as they were.
        happens = share > 0.0 and self._random.random() < share
        self.counts[kind] += happens
        return happens
