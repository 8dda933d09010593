"""What every figure of ``cell bench drivers`` is given. (The table of figures itself is in ``command``.)"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from cell.cli.bench.figures import Figure


@dataclass(frozen=True, slots=True)
class Setup:
    """How thoroughly to measure.

    Attributes:
        rounds: of each measurement, ours and the peers' by turns.
        short: a hundredth of the work or so, to see that everything works; its figures mean little.
    """

    rounds: int = 3
    short: bool = False

    def tell(self, words: str) -> None:
        """Progress, for people."""
        sys.stderr.write(f"{words}\n")
        sys.stderr.flush()

    def amount(self, full: int) -> int:
        """How many of something."""
        return max(full // 100, 1) if self.short else full

    def seconds(self, full_s: float) -> float:
        """How long, s."""
        return min(full_s, 0.3) if self.short else full_s

    def leave_out(self, name: str, error: Exception) -> None:
        """Say which peer is missing, and why."""
        self.tell(f"{name} is left out: {error} (the peers come with the extra bench)")


Measure = Callable[[Setup], list[Figure]]
