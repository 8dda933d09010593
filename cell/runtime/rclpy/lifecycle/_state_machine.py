"""The state machine of managed nodes.

States, transitions, their numbers and their order are those of rcl_lifecycle/src/default_state_machine.c and of
lifecycle_msgs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from .._rclpy_errors import RCLError

if TYPE_CHECKING:
    from .._service_handles import ServiceHandle

__all__ = ["LifecycleStateMachine", "StateEntry", "Transition", "TransitionCallbackReturn"]


class TransitionCallbackReturn(Enum):
    """What a transition's callback answers."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99

    def to_label(self) -> str:
        """The label of the transition that follows."""
        return f"transition_{self.name.lower()}"


class StateEntry(NamedTuple):
    id: int
    label: str


class Transition(NamedTuple):
    id: int
    label: str
    start: StateEntry
    goal: StateEntry


_UNKNOWN = StateEntry(0, "unknown")
_UNCONFIGURED = StateEntry(1, "unconfigured")
_INACTIVE = StateEntry(2, "inactive")
_ACTIVE = StateEntry(3, "active")
_FINALIZED = StateEntry(4, "finalized")
_CONFIGURING = StateEntry(10, "configuring")
_CLEANINGUP = StateEntry(11, "cleaningup")
_SHUTTINGDOWN = StateEntry(12, "shuttingdown")
_ACTIVATING = StateEntry(13, "activating")
_DEACTIVATING = StateEntry(14, "deactivating")
_ERRORPROCESSING = StateEntry(15, "errorprocessing")

STATES = (
    *(_UNKNOWN, _UNCONFIGURED, _INACTIVE, _ACTIVE, _FINALIZED),
    *(_CONFIGURING, _CLEANINGUP, _SHUTTINGDOWN, _ACTIVATING, _DEACTIVATING, _ERRORPROCESSING),
)


def _outcomes(
    first_id: int, start: StateEntry, success: StateEntry, failure: StateEntry, error: StateEntry = _ERRORPROCESSING
) -> tuple[Transition, ...]:
    """The three ways out of a transition state; their numbers follow each other."""
    goals = zip(TransitionCallbackReturn, (success, failure, error), strict=True)
    return tuple(
        Transition(first_id + number, outcome.to_label(), start, goal) for number, (outcome, goal) in enumerate(goals)
    )


TRANSITIONS = (
    Transition(1, "configure", _UNCONFIGURED, _CONFIGURING),
    *_outcomes(10, _CONFIGURING, _INACTIVE, _UNCONFIGURED),
    Transition(2, "cleanup", _INACTIVE, _CLEANINGUP),
    *_outcomes(20, _CLEANINGUP, _UNCONFIGURED, _INACTIVE),
    Transition(3, "activate", _INACTIVE, _ACTIVATING),
    *_outcomes(30, _ACTIVATING, _ACTIVE, _INACTIVE),
    Transition(4, "deactivate", _ACTIVE, _DEACTIVATING),
    *_outcomes(40, _DEACTIVATING, _INACTIVE, _ACTIVE),
    Transition(5, "shutdown", _UNCONFIGURED, _SHUTTINGDOWN),
    Transition(6, "shutdown", _INACTIVE, _SHUTTINGDOWN),
    Transition(7, "shutdown", _ACTIVE, _SHUTTINGDOWN),
    *_outcomes(50, _SHUTTINGDOWN, _FINALIZED, _FINALIZED),
    *_outcomes(60, _ERRORPROCESSING, _UNCONFIGURED, _FINALIZED, _FINALIZED),
)

Entry = tuple[int, str, int, str, int, str]


class LifecycleStateMachine:
    """Holds the state, and tells of each transition."""

    def __init__(self, notify: Callable[[Transition], None]) -> None:
        """`notify(transition)` is called after each transition that is to be published."""
        self._notify = notify
        self._state = _UNCONFIGURED
        self._services: dict[str, ServiceHandle] = {}

    @property
    def initialized(self) -> bool:
        return True

    @property
    def current_state(self) -> tuple[int, str]:
        """Number and label."""
        return self._state

    @property
    def available_states(self) -> list[tuple[int, str]]:
        """Numbers and labels of all states."""
        return list(STATES)

    @property
    def available_transitions(self) -> list[Entry]:
        """The transitions that the state allows: number and label of each, of its start and of its goal."""
        return [_entry(transition) for transition in TRANSITIONS if transition.start == self._state]

    @property
    def transition_graph(self) -> list[Entry]:
        """All transitions, as `available_transitions`."""
        return [_entry(transition) for transition in TRANSITIONS]

    def get_transition_by_label(self, label: str) -> int:
        """The number of the transition of that label that the state allows.

        Raises:
            RCLError: there is none.
        """
        return self._find(
            lambda transition: transition.label == label, f"Failed to get transition from label {label}"
        ).id

    def trigger_transition_by_id(self, transition_id: int, publish_update: bool) -> None:
        """Makes a transition; raises RCLError where the state does not allow it."""
        self._trigger(lambda transition: transition.id == transition_id, str(transition_id), publish_update)

    def trigger_transition_by_label(self, label: str, publish_update: bool) -> None:
        """Makes a transition; raises RCLError where the state does not allow it."""
        self._trigger(lambda transition: transition.label == label, label, publish_update)

    @property
    def service_change_state(self) -> ServiceHandle | None:
        return self._services.get("change_state")

    @property
    def service_get_state(self) -> ServiceHandle | None:
        return self._services.get("get_state")

    @property
    def service_get_available_states(self) -> ServiceHandle | None:
        return self._services.get("get_available_states")

    @property
    def service_get_available_transitions(self) -> ServiceHandle | None:
        return self._services.get("get_available_transitions")

    @property
    def service_get_transition_graph(self) -> ServiceHandle | None:
        return self._services.get("get_transition_graph")

    def _trigger(self, matches: Callable[[Transition], bool], name: str, publish_update: bool) -> None:
        transition = self._find(
            matches,
            "Failed to trigger lifecycle state machine transition: Transition is not registered. "
            f"No transition matching {name} found for current state {self._state.label}",
        )
        self._state = transition.goal
        if publish_update:
            self._notify(transition)

    def _find(self, matches: Callable[[Transition], bool], error: str) -> Transition:
        for transition in TRANSITIONS:
            if transition.start == self._state and matches(transition):
                return transition
        raise RCLError(error)


def _entry(transition: Transition) -> Entry:
    return (transition.id, transition.label, *transition.start, *transition.goal)


def event_of(transition: Transition, stamp_ns: int) -> Any:
    """The lifecycle_msgs/TransitionEvent of a transition."""
    from lifecycle_msgs.msg import State, TransitionEvent  # noqa: PLC0415 (message classes load on use)
    from lifecycle_msgs.msg import Transition as TransitionMessage  # noqa: PLC0415 (message classes load on use)

    return TransitionEvent(
        timestamp=stamp_ns,
        transition=TransitionMessage(id=transition.id, label=transition.label),
        start_state=State(id=transition.start.id, label=transition.start.label),
        goal_state=State(id=transition.goal.id, label=transition.goal.label),
    )
