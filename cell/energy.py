"""What each part took from the mains: the meter's counter, divided among the parts as they are finished."""

from __future__ import annotations


class EnergyShares:
    """Each finished part is charged with what the counter has gone on by since the part before it was finished.

    Idle time and all else that the cell takes is in it: the shares add up to the counter. A counter that has gone back
    (another meter, or one that was reset) begins anew, and what it counted in between is charged to nobody.
    """

    def __init__(self) -> None:
        self._counter_j: float | None = None
        self._charged_j = 0.0

    def measured(self, counter_j: float) -> None:
        """A reading of the meter's counter, J."""
        if self._counter_j is None or counter_j < self._counter_j:
            self._charged_j = counter_j
        self._counter_j = counter_j

    def take(self) -> float | None:
        """The share of a part that is finished now, J; None where there is no meter."""
        if self._counter_j is None:
            return None
        share_j = self._counter_j - self._charged_j
        self._charged_j = self._counter_j
        return share_j
