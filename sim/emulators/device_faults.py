"""Faults of a device itself that any emulator can have, beside those of the line (``line_faults``).

On every slave (``sim.emulators.slave.Slave``): ``delay_s``, ``frozen``, ``power_off``/``power_on``, and ``stranger``,
the wrong identity, for which this module has a device.
"""

from __future__ import annotations

import random
from collections.abc import Sequence


class Stranger:
    """Another make of device under the same unit: it answers every read, with registers of its own, and takes every
    write. ``commands`` are the writes that should never have come: (time, function, address, values).

    Args:
        seed: of its registers.
    """

    functions = frozenset((3, 4, 6, 16, 23))

    def __init__(self, seed: int) -> None:
        self.commands: list[tuple[float, int, int, tuple[int, ...]]] = []
        self._seed = seed

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """The same values each time, none of them 0."""
        places = range(address, address + count)
        return [random.Random(self._seed << 16 | place).randrange(1, 0x10000) for place in places]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Taken, and noted."""
        self.commands.append((now, function, address, tuple(values)))

    def tick(self, now: float) -> float | None:
        """It does nothing by itself."""
        return None
