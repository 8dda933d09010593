"""A goal at its server: its state, and what its callbacks do with it.

States and transitions: design.ros2.org, "Actions", section "Goal States", and rcl_action/src/rcl_action/
goal_state_machine.c; the numbers are those of action_msgs/GoalStatus and of rcl_action's goal events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .._rclpy_errors import RCLError

if TYPE_CHECKING:
    from unique_identifier_msgs.msg import UUID

    from .server import ActionServer

__all__ = ["CancelResponse", "GoalEvent", "GoalResponse", "GoalStatus", "ServerGoalHandle"]

GoalT = TypeVar("GoalT")
ResultT = TypeVar("ResultT")
FeedbackT = TypeVar("FeedbackT")


class GoalStatus(IntEnum):
    UNKNOWN = 0
    ACCEPTED = 1
    EXECUTING = 2
    CANCELING = 3
    SUCCEEDED = 4
    CANCELED = 5
    ABORTED = 6


class GoalResponse(Enum):
    """What a goal callback answers."""

    REJECT = 1
    ACCEPT = 2


class CancelResponse(Enum):
    """What a cancel callback answers."""

    REJECT = 1
    ACCEPT = 2


class GoalEvent(Enum):
    """What changes a goal's state."""

    EXECUTE = 0
    CANCEL_GOAL = 1
    SUCCEED = 2
    ABORT = 3
    CANCELED = 4


_ACTIVE = (GoalStatus.ACCEPTED, GoalStatus.EXECUTING, GoalStatus.CANCELING)
_TRANSITIONS = {
    (GoalStatus.ACCEPTED, GoalEvent.EXECUTE): GoalStatus.EXECUTING,
    (GoalStatus.ACCEPTED, GoalEvent.CANCEL_GOAL): GoalStatus.CANCELING,
    (GoalStatus.EXECUTING, GoalEvent.CANCEL_GOAL): GoalStatus.CANCELING,
    (GoalStatus.EXECUTING, GoalEvent.SUCCEED): GoalStatus.SUCCEEDED,
    (GoalStatus.EXECUTING, GoalEvent.ABORT): GoalStatus.ABORTED,
    (GoalStatus.CANCELING, GoalEvent.SUCCEED): GoalStatus.SUCCEEDED,
    (GoalStatus.CANCELING, GoalEvent.ABORT): GoalStatus.ABORTED,
    (GoalStatus.CANCELING, GoalEvent.CANCELED): GoalStatus.CANCELED,
}


class ServerGoalHandle(Generic[GoalT, ResultT, FeedbackT]):
    """An accepted goal; what the execute callback gets.

    Once its server is destroyed or its result has expired it takes part in nothing any more: its status is UNKNOWN,
    and feedback and state changes are ignored, so that an execute callback can still run to its end.
    """

    def __init__(
        self, action_server: ActionServer[GoalT, ResultT, FeedbackT], goal_info: Any, goal_request: GoalT
    ) -> None:
        """Made by the action server; raises RCLError where it has a goal of that id already."""
        self._action_server = action_server
        self._goal_info = goal_info
        self._goal_request = goal_request
        self._status = GoalStatus.ACCEPTED
        self._lock = threading.Lock()
        self._destroyed = False
        self._accepted_ns = goal_info.stamp.sec * 10**9 + goal_info.stamp.nanosec
        self._status_message = self._describe()
        action_server._keep(self)

    @property
    def request(self) -> GoalT:
        """The goal that was sent."""
        return self._goal_request

    @property
    def goal_id(self) -> UUID:
        return self._goal_info.goal_id  # type: ignore[no-any-return]

    @property
    def is_active(self) -> bool:
        """True until the goal succeeded, was aborted or was cancelled."""
        return not self._destroyed and self._status in _ACTIVE

    @property
    def is_cancel_requested(self) -> bool:
        return self.status == GoalStatus.CANCELING

    @property
    def status(self) -> int:
        """A number of action_msgs/GoalStatus."""
        return int(GoalStatus.UNKNOWN if self._destroyed else self._status)

    def executing(self) -> None:
        """Says that the goal executes, for servers that run it without an execute callback.

        A goal whose cancellation was asked for before it began stays as it is.
        """
        if not self.is_cancel_requested:
            self._update_state(GoalEvent.EXECUTE)

    def execute(self, execute_callback: Callable[[ServerGoalHandle[Any, Any, Any]], Any] | None = None) -> None:
        """Starts the execute callback (the server's, or another one) as a task of the executor.

        It runs for a goal whose cancellation was asked for before it began too, to clean up.

        Raises:
            RCLError: the goal executes already, or has ended.
        """
        self.executing()
        self._action_server.notify_execute(self, execute_callback)

    def publish_feedback(self, feedback: FeedbackT) -> None:
        """Sends feedback to whoever listens.

        Raises:
            TypeError: not this action's feedback.
        """
        if not isinstance(feedback, self._action_server.action_type.Feedback):
            raise TypeError(f"Expected {self._action_server.action_type.Feedback}, got {type(feedback)}")
        with self._lock:
            if not self._destroyed:
                self._action_server._publish_feedback(self, feedback)

    def succeed(self, response: ResultT | None = None) -> None:
        """Ends the goal; with a result, whoever asks for it gets it now.

        Raises:
            RCLError: the goal does not execute.
        """
        self._update_state(GoalEvent.SUCCEED)
        self._set_result(response)

    def abort(self, response: ResultT | None = None) -> None:
        """Ends the goal without success; otherwise as `succeed`."""
        self._update_state(GoalEvent.ABORT)
        self._set_result(response)

    def canceled(self, response: ResultT | None = None) -> None:
        """Ends the goal because somebody asked for it; otherwise as `succeed`.

        Raises:
            RCLError: nobody asked for the cancellation.
        """
        self._update_state(GoalEvent.CANCELED)
        self._set_result(response)

    def destroy(self) -> None:
        with self._lock:
            self._destroyed = True

    @property
    def _key(self) -> bytes:
        return bytes(self._goal_info.goal_id.uuid)

    @property
    def _is_cancelable(self) -> bool:
        return (self._status, GoalEvent.CANCEL_GOAL) in _TRANSITIONS and not self._destroyed

    def _describe(self) -> Any:
        """The goal's part of the status topic, made once for each state: ended goals stay in it for a while."""
        from action_msgs.msg import GoalStatus as StatusMessage  # noqa: PLC0415 (message classes load on use)

        return StatusMessage(goal_info=self._goal_info, status=int(self._status))

    def _set_result(self, response: ResultT | None) -> None:
        if response is not None:
            self._action_server._set_result(self, response)

    def _update_state(self, event: GoalEvent) -> None:
        with self._lock:
            if self._destroyed:
                return
            following = _TRANSITIONS.get((self._status, event))
            if following is None:
                raise RCLError(
                    "Failed to update goal state: goal_handle attempted invalid transition from state "
                    f"{self._status.name} with event {event.name}"
                )
            self._status = following
            self._status_message = self._describe()
        self._action_server._state_changed(self)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, ServerGoalHandle) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"ServerGoalHandle <id={self._key.hex()}, status={self._status.name}>"
