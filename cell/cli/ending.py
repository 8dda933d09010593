"""When a run is over: all parts through, the time up, or the cell aborted with nobody there to clear it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cell.cli.simulator import Hardware
from cell.packml import Event, State

# The controller's books close within a second after the belt is empty; longer means that it lost a part.
BOOKS_S = 5.0
# Devices answer within a second; a start-up that cannot clear the abort by then will not.
CLEAR_S = 10.0
# A cell that waits for an operator waits for ever where there is none.
HELD_S = 5.0
# ... but a full disk is somebody else's, who may well see to it.
SUSPENDED_S = 120.0
# Everything answers within seconds, on a loaded machine within many; what has not come up by then does not.
START_S = 60.0


class Ending:
    """Asked again and again whether the run is over; gives Complete, or Stop, when its work is done.

    Args:
        graph: the nodes ``supervisor`` and ``picker`` by name.
        simulator: the simulated hardware, or None.
        settled: every picture that was taken is judged.
        parts: end after so many parts.
        duration_s: end after so many seconds of the cell's clock.
        unattended: nobody is there to clear an abort.
    """

    def __init__(
        self,
        graph: Any,
        simulator: Hardware | None,
        *,
        settled: Callable[[], bool],
        parts: int | None,
        duration_s: float | None,
        unattended: bool,
    ) -> None:
        self._supervisor = graph["supervisor"]
        self._picker = graph["picker"]
        self._settled = settled
        self._simulator = simulator
        self._parts = parts
        self._duration_s = duration_s
        self._unattended = unattended
        self._began_s: float | None = None
        self._empty_s: float | None = None
        self._held_s: float | None = None
        self._closing = False
        self._looked_s = -1.0

    @property
    def state(self) -> State:
        """Of the cell."""
        return State(self._supervisor.machine.state)

    def __call__(self) -> bool:
        """Look, act, and say whether the run is over. Cheap: looks ten times a second of the cell's clock."""
        now_s = self._supervisor.now_s
        if now_s - self._looked_s < 0.1 and now_s >= self._looked_s:
            return False
        self._looked_s = now_s
        if self._began_s is None:
            self._began_s = now_s
        state = self.state
        if state is State.ABORTED and self._unattended:
            return not self._supervisor.starting or now_s - self._began_s > CLEAR_S
        if self._unattended and self._given_up(state, now_s):
            return False
        if self._closing:
            return state in (State.COMPLETE, State.STOPPED) and self._settled()
        if self._duration_s is not None and now_s - self._began_s >= self._duration_s:
            self._close(Event.STOP if state is not State.EXECUTE else Event.COMPLETE, now_s)
        elif self._all_through(now_s):
            self._close(Event.COMPLETE, now_s)
        return False

    def _given_up(self, state: State, now_s: float) -> bool:
        """Held, suspended, or never ready, with nobody there to go on: abort, so that somebody looks at it."""
        if state is State.STOPPED and self._supervisor.starting and now_s - (self._began_s or now_s) > START_S:
            waits = ", ".join(self._supervisor.waits_for) or "something"
            self._supervisor.give(Event.ABORT, f"the run's end, {START_S:.0f} s for {waits}")
            return True
        if state not in (State.HELD, State.SUSPENDED):
            self._held_s = None
            return False
        if self._held_s is None:
            self._held_s = now_s
        if now_s - self._held_s > (SUSPENDED_S if self._supervisor.goes_on_by_itself else HELD_S):
            self._supervisor.give(Event.ABORT, f"the run's end, {state.title} with nobody there")
        return True

    def _all_through(self, now_s: float) -> bool:
        tally = self._picker.books.accounts.tally()
        if self._simulator is None:
            return self._parts is not None and tally.entered >= self._parts and tally.in_flight == 0
        if not self._simulator.empty:
            self._empty_s = None
            return False
        if self._empty_s is None:
            self._empty_s = now_s
        return tally.in_flight == 0 or now_s - self._empty_s > BOOKS_S

    def _close(self, event: Event, now_s: float) -> None:
        state = self.state
        if state in (State.STOPPED, State.COMPLETE):
            self._closing = True
            return
        if self._supervisor.machine.accepts(event):
            self._supervisor.give(event, "the run's end")
            self._closing = True
