"""The services by which others drive a managed node (rcl_lifecycle/src/com_interface.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._rclpy_errors import RCLError
from ._state_machine import Entry, LifecycleStateMachine, TransitionCallbackReturn

if TYPE_CHECKING:
    from ..callback_groups import CallbackGroup
    from ..node import Node
    from ..service import Service


class LifecycleServices:
    """Answers for a state machine."""

    def __init__(
        self, state_machine: LifecycleStateMachine, change_state: Callable[[int], TransitionCallbackReturn]
    ) -> None:
        """`change_state(id)` makes a transition with its callbacks."""
        self._state_machine = state_machine
        self._change_state = change_state

    def create(self, node: Node, callback_group: CallbackGroup | None) -> dict[str, Service[Any, Any]]:
        """The services, by name."""
        from lifecycle_msgs.srv import (  # noqa: PLC0415 (message classes load on use)
            ChangeState,
            GetAvailableStates,
            GetAvailableTransitions,
            GetState,
        )

        callbacks: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
            "change_state": (ChangeState, self._on_change_state),
            "get_state": (GetState, self._on_get_state),
            "get_available_states": (GetAvailableStates, self._on_get_available_states),
            "get_available_transitions": (GetAvailableTransitions, self._on_get_available_transitions),
            "get_transition_graph": (GetAvailableTransitions, self._on_get_transition_graph),
        }
        return {
            name: node.create_service(kind, f"~/{name}", callback, callback_group=callback_group)
            for name, (kind, callback) in callbacks.items()
        }

    def _on_change_state(self, request: Any, response: Any) -> Any:
        """A label counts before a number; a transition that the state does not allow is no success."""
        try:
            transition_id = request.transition.id
            if request.transition.label:
                transition_id = self._state_machine.get_transition_by_label(request.transition.label)
            response.success = self._change_state(transition_id) is TransitionCallbackReturn.SUCCESS
        except RCLError:
            response.success = False
        return response

    def _on_get_state(self, request: Any, response: Any) -> Any:
        response.current_state.id, response.current_state.label = self._state_machine.current_state
        return response

    def _on_get_available_states(self, request: Any, response: Any) -> Any:
        from lifecycle_msgs.msg import State  # noqa: PLC0415 (message classes load on use)

        states = self._state_machine.available_states
        response.available_states = [State(id=state_id, label=label) for state_id, label in states]
        return response

    def _on_get_available_transitions(self, request: Any, response: Any) -> Any:
        response.available_transitions = _descriptions(self._state_machine.available_transitions)
        return response

    def _on_get_transition_graph(self, request: Any, response: Any) -> Any:
        response.available_transitions = _descriptions(self._state_machine.transition_graph)
        return response


def _descriptions(entries: list[Entry]) -> list[Any]:
    from lifecycle_msgs.msg import State, Transition, TransitionDescription  # noqa: PLC0415 (as above)

    return [
        TransitionDescription(
            transition=Transition(id=transition_id, label=label),
            start_state=State(id=start_id, label=start_label),
            goal_state=State(id=goal_id, label=goal_label),
        )
        for transition_id, label, start_id, start_label, goal_id, goal_label in entries
    ]
