"""A goal at its server: its state, and what its callbacks do with it.

States and transitions: design.ros2.org, "Actions", section "Goal States"; the numbers are those of
action_msgs/GoalStatus.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..exceptions import InvalidHandle

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

    EXECUTE = 1
    CANCEL_GOAL = 2
    SUCCEED = 3
    ABORT = 4
    CANCELED = 5


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
    """An accepted goal; what the execute callback gets."""

    def __init__(
        self, action_server: ActionServer[GoalT, ResultT, FeedbackT], goal_info: Any, goal_request: GoalT
    ) -> None:
        self._action_server = action_server
        self._goal_info = goal_info
        self._goal_request = goal_request
        self._status = GoalStatus.ACCEPTED
        self._lock = threading.Lock()
        self._destroyed = False

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
        return self._status == GoalStatus.CANCELING

    @property
    def status(self) -> int:
        """A number of action_msgs/GoalStatus."""
        return int(GoalStatus.UNKNOWN if self._destroyed else self._status)

    def execute(self, execute_callback: Callable[[ServerGoalHandle[Any, Any, Any]], Any] | None = None) -> None:
        """Starts the execute callback (the server's, or another one) as a task of the executor."""
        # A goal whose cancellation was asked for before it began runs too, to clean up.
        if not self.is_cancel_requested:
            self._update(GoalEvent.EXECUTE)
        self._action_server.notify_execute(self, execute_callback)

    def publish_feedback(self, feedback: FeedbackT) -> None:
        """Sends feedback to whoever listens.

        Raises:
            TypeError: not this action's feedback.
        """
        if self._destroyed:
            raise InvalidHandle("the goal is gone")
        self._action_server._publish_feedback(self, feedback)

    def succeed(self, response: ResultT | None = None) -> None:
        """Raises RuntimeError where the goal is no longer active."""
        self._update(GoalEvent.SUCCEED)
        self._finish(response)

    def abort(self, response: ResultT | None = None) -> None:
        """Raises RuntimeError where the goal is no longer active."""
        self._update(GoalEvent.ABORT)
        self._finish(response)

    def canceled(self, response: ResultT | None = None) -> None:
        """Raises RuntimeError where nobody asked for the cancellation."""
        self._update(GoalEvent.CANCELED)
        self._finish(response)

    def destroy(self) -> None:
        self._destroyed = True

    def _finish(self, response: ResultT | None) -> None:
        if response is not None:
            self._action_server.notify_goal_done(self, response)

    def _update(self, event: GoalEvent) -> None:
        with self._lock:
            following = _TRANSITIONS.get((self._status, event))
            if self._destroyed or following is None:
                raise RuntimeError(
                    f"goal_handle attempted invalid transition from state {self._status.name} with event {event.name}"
                )
            self._status = following
        self._action_server._state_changed(self)

    def __repr__(self) -> str:
        return f"ServerGoalHandle <id={bytes(self.goal_id.uuid).hex()}, status={self._status.name}>"
