"""The PackML state machine (ISA-TR88.00.02, 2022 edition with Complete) as a table: 17 states, 10 commands, state
complete.

46 edges between states; 6 -> 16 has two causes, so 47 of the 187 cells of the table are accepted and 140 refused with
a reason. Nothing resets or restarts by itself: only whoever owns the machine's work reports an acting state complete.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass


class State(enum.IntEnum):
    """Numbers of the standard."""

    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETE = 17

    @property
    def title(self) -> str:
        """As the standard writes it, for example ``Execute``."""
        return self.name.capitalize()


class Event(enum.IntEnum):
    """The ten commands by the numbers of the standard, and state complete (SC), which is no command, as 0."""

    STATE_COMPLETE = 0
    RESET = 1
    START = 2
    STOP = 3
    HOLD = 4
    UNHOLD = 5
    SUSPEND = 6
    UNSUSPEND = 7
    ABORT = 8
    CLEAR = 9
    COMPLETE = 10

    @property
    def title(self) -> str:
        return "state complete" if self is Event.STATE_COMPLETE else self.name.capitalize()


class Mode(enum.IntEnum):
    """Unit modes of the standard; numbers from 4 on are a user's own."""

    PRODUCE = 1
    MAINTENANCE = 2
    MANUAL = 3


COMMANDS: dict[Event, str] = {event: event.title for event in Event if event is not Event.STATE_COMPLETE}
"""The commands, in the order of their numbers, with their names."""

STATE_NAMES: dict[State, str] = {state: state.title for state in State}

ACTING = frozenset(
    {
        State.CLEARING,
        State.STARTING,
        State.EXECUTE,
        State.STOPPING,
        State.ABORTING,
        State.HOLDING,
        State.UNHOLDING,
        State.SUSPENDING,
        State.UNSUSPENDING,
        State.RESETTING,
        State.COMPLETING,
    }
)
"""States that end by state complete; the others wait for a command."""

MODE_CHANGE_STATES = frozenset({State.STOPPED, State.IDLE, State.ABORTED})
"""Where the mode may change: the wait states in which nothing is in production."""

_STOPPABLE = (
    State.STARTING,
    State.IDLE,
    State.SUSPENDED,
    State.EXECUTE,
    State.HOLDING,
    State.HELD,
    State.UNHOLDING,
    State.SUSPENDING,
    State.UNSUSPENDING,
    State.RESETTING,
    State.COMPLETING,
    State.COMPLETE,
)


def _edges() -> dict[tuple[State, Event], State]:
    edges = {
        (State.ABORTED, Event.CLEAR): State.CLEARING,
        (State.STOPPED, Event.RESET): State.RESETTING,
        (State.COMPLETE, Event.RESET): State.RESETTING,
        (State.IDLE, Event.START): State.STARTING,
        (State.EXECUTE, Event.HOLD): State.HOLDING,
        (State.HELD, Event.UNHOLD): State.UNHOLDING,
        (State.EXECUTE, Event.SUSPEND): State.SUSPENDING,
        (State.SUSPENDED, Event.UNSUSPEND): State.UNSUSPENDING,
        (State.EXECUTE, Event.COMPLETE): State.COMPLETING,
    }
    done = {
        State.ABORTING: State.ABORTED,
        State.CLEARING: State.STOPPED,
        State.STOPPING: State.STOPPED,
        State.RESETTING: State.IDLE,
        State.STARTING: State.EXECUTE,
        State.EXECUTE: State.COMPLETING,
        State.COMPLETING: State.COMPLETE,
        State.HOLDING: State.HELD,
        State.UNHOLDING: State.EXECUTE,
        State.SUSPENDING: State.SUSPENDED,
        State.UNSUSPENDING: State.EXECUTE,
    }
    edges.update({(state, Event.STATE_COMPLETE): target for state, target in done.items()})
    edges.update({(state, Event.STOP): State.STOPPING for state in _STOPPABLE})
    edges.update(
        {(state, Event.ABORT): State.ABORTING for state in State if state not in (State.ABORTING, State.ABORTED)}
    )
    return edges


EDGES = _edges()
"""Every accepted cell: (state, event) -> next state."""


def allowed_commands(state: State) -> tuple[Event, ...]:
    """The commands that a state accepts, in the order of their numbers."""
    return tuple(command for command in COMMANDS if (state, command) in EDGES)


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state: ``at_s`` on the owner's clock, ``reason`` in the words of whoever caused it."""

    source: State
    target: State
    event: Event
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that this state does not take."""

    state: State
    event: Event
    reason: str


class Machine:
    """One unit's state and mode.

    Args:
        state, mode: to begin with; after a crash a cell begins in Aborted.
        keep: how many transitions ``history`` keeps.
    """

    def __init__(self, state: State = State.STOPPED, mode: int = Mode.PRODUCE, *, keep: int = 1000) -> None:
        self._state = State(state)
        self._mode = int(mode)
        self._reason = ""
        self._history: deque[Transition] = deque(maxlen=keep)

    @property
    def state(self) -> State:
        return self._state

    @property
    def mode(self) -> int:
        return self._mode

    @property
    def reason(self) -> str:
        """Of the last transition."""
        return self._reason

    @property
    def history(self) -> tuple[Transition, ...]:
        """The newest transitions, oldest first."""
        return tuple(self._history)

    def accepts(self, event: Event) -> bool:
        return (self._state, event) in EDGES

    def handle(self, event: Event, reason: str = "", at_s: float = 0.0) -> Transition | Refusal:
        """Takes an event, or says why not; a refused one changes nothing."""
        target = EDGES.get((self._state, event))
        if target is None:
            return Refusal(self._state, event, self._why_not(event))
        transition = Transition(self._state, target, event, reason, at_s)
        self._state, self._reason = target, reason
        self._history.append(transition)
        return transition

    def set_mode(self, mode: int) -> str | None:
        """Changes the unit mode; returns None, or the reason why it stays."""
        if mode < 1:
            return f"there is no mode {mode}"
        if mode != self._mode and self._state not in MODE_CHANGE_STATES:
            names = ", ".join(sorted(state.title for state in MODE_CHANGE_STATES))
            return f"the mode changes only in {names}, the cell is in {self._state.title}"
        self._mode = int(mode)
        return None

    def _why_not(self, event: Event) -> str:
        if event is Event.STATE_COMPLETE:
            return f"{self._state.title} waits for a command and does not complete"
        sources = [state.title for state, accepted in EDGES if accepted is event]
        if len(sources) > 3:
            return f"{event.title} is not possible in {self._state.title}"
        return f"{event.title} is possible only in {' or '.join(sources)}, the cell is in {self._state.title}"
