"""Action servers.

On the graph an action is three services and two topics below `<name>/_action` (design.ros2.org, "Actions").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from ..qos import QoSProfile, qos_profile_action_status_default, qos_profile_default, qos_profile_services_default
from ..service import Reply, _DeferredService
from ..task import Future
from ..time import Time
from .goal import CancelResponse, FeedbackT, GoalEvent, GoalResponse, GoalStatus, GoalT, ResultT, ServerGoalHandle

if TYPE_CHECKING:
    from ..callback_groups import CallbackGroup
    from ..node import Node

__all__ = [
    "ActionServer",
    "CancelResponse",
    "GoalEvent",
    "GoalResponse",
    "ServerGoalHandle",
    "default_cancel_callback",
    "default_goal_callback",
    "default_handle_accepted_callback",
]

Handle = ServerGoalHandle[Any, Any, Any]


def default_handle_accepted_callback(goal_handle: Handle) -> None:
    """Executes the goal at once."""
    goal_handle.execute()


def default_goal_callback(goal_request: Any) -> GoalResponse:
    """Accepts every goal."""
    return GoalResponse.ACCEPT


def default_cancel_callback(cancel_request: Any) -> CancelResponse:
    """Refuses every cancellation."""
    return CancelResponse.REJECT


class ActionServer(Generic[GoalT, ResultT, FeedbackT]):
    """Serves an action; all four callbacks may be `async`.

    A goal executes as a task of the executor, outside of the callback group. Results are kept for `result_timeout`
    seconds of the node's clock after a goal's end (negative: for ever).
    """

    def __init__(
        self,
        node: Node,
        action_type: type[Any],
        action_name: str,
        execute_callback: Callable[[ServerGoalHandle[GoalT, ResultT, FeedbackT]], Any],
        *,
        callback_group: CallbackGroup | None = None,
        goal_callback: Callable[[GoalT], Any] = default_goal_callback,
        handle_accepted_callback: Callable[[ServerGoalHandle[GoalT, ResultT, FeedbackT]], Any] = (
            default_handle_accepted_callback
        ),
        cancel_callback: Callable[[ServerGoalHandle[GoalT, ResultT, FeedbackT]], Any] = default_cancel_callback,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_pub_qos_profile: QoSProfile = qos_profile_default,
        status_pub_qos_profile: QoSProfile = qos_profile_action_status_default,
        result_timeout: float = 10,
    ) -> None:
        """Raises TypeError where the execute callback cannot be called."""
        self._node = node
        self._action_type = action_type
        self._action_name = action_name
        self._result_timeout = result_timeout
        self._goal_handles: dict[bytes, Handle] = {}
        self._results: dict[bytes, Future[Any]] = {}
        self._ended: dict[bytes, Time] = {}
        self._destroyed = False
        self.register_execute_callback(execute_callback)
        self.register_goal_callback(goal_callback)
        self.register_handle_accepted_callback(handle_accepted_callback)
        self.register_cancel_callback(cancel_callback)
        protocol = action_type.Impl
        base = f"{action_name}/_action"

        def serve(interface: type[Any], name: str, callback: Callable[[Any, Any], Any], qos: QoSProfile) -> Any:
            return node._create_service(
                _DeferredService, interface, f"{base}/{name}", callback, qos_profile=qos, callback_group=callback_group
            )

        self._goal_service = serve(
            protocol.SendGoalService, "send_goal", self._on_goal_request, goal_service_qos_profile
        )
        self._cancel_service = serve(
            protocol.CancelGoalService, "cancel_goal", self._on_cancel_request, cancel_service_qos_profile
        )
        self._result_service = serve(
            protocol.GetResultService, "get_result", self._on_result_request, result_service_qos_profile
        )
        self._feedback = node.create_publisher(protocol.FeedbackMessage, f"{base}/feedback", feedback_pub_qos_profile)
        self._status = node.create_publisher(protocol.GoalStatusMessage, f"{base}/status", status_pub_qos_profile)

    @property
    def action_type(self) -> type[Any]:
        return self._action_type

    def register_execute_callback(self, execute_callback: Callable[[Handle], Any]) -> None:
        self._execute_callback = _callable(execute_callback, "execute")

    def register_goal_callback(self, goal_callback: Callable[[GoalT], Any] | None) -> None:
        self._goal_callback = _callable(goal_callback or default_goal_callback, "goal")

    def register_handle_accepted_callback(self, handle_accepted_callback: Callable[[Handle], Any] | None) -> None:
        self._accepted_callback = _callable(
            handle_accepted_callback or default_handle_accepted_callback, "handle_accepted"
        )

    def register_cancel_callback(self, cancel_callback: Callable[[Handle], Any] | None) -> None:
        self._cancel_callback = _callable(cancel_callback or default_cancel_callback, "cancel")

    def notify_execute(self, goal_handle: Handle, execute_callback: Callable[[Handle], Any] | None) -> None:
        """Starts a goal's callback as a task.

        Raises:
            RuntimeError: no executor runs the node.
        """
        executor = self._node.executor
        if executor is None:
            raise RuntimeError("the action server's node is not in an executor")
        executor.create_task(self._execute_goal, execute_callback or self._execute_callback, goal_handle)

    def notify_goal_done(self, goal_handle: Handle, result: Any = None) -> None:
        """Gives the result to all who ask for it, now and later; the first result of a goal counts."""
        key = bytes(goal_handle.goal_id.uuid)
        future = self._results.get(key)
        if future is None or future.done():
            return
        if not isinstance(result, self._action_type.Result):
            result = self._action_type.Result()
        self._ended[key] = self._node.get_clock().now()
        future.set_result(self._action_type.Impl.GetResultService.Response(status=goal_handle.status, result=result))

    def destroy(self) -> None:
        """Leaves the graph; goals that still run can no longer report."""
        if self._destroyed:
            return
        self._destroyed = True
        for handle in self._goal_handles.values():
            handle.destroy()
        for service in (self._goal_service, self._cancel_service, self._result_service):
            self._node.destroy_service(service)
        self._node.destroy_publisher(self._feedback)
        self._node.destroy_publisher(self._status)

    def __enter__(self) -> ActionServer[GoalT, ResultT, FeedbackT]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    async def _on_goal_request(self, request: Any, reply: Reply) -> None:
        from action_msgs.msg import GoalInfo  # noqa: PLC0415 (message classes load on use)

        self._forget_old_results()
        now = self._node.get_clock().now()
        key = bytes(request.goal_id.uuid)
        answer = None
        if key not in self._goal_handles:
            answer = self._goal_callback(request.goal)
            if _awaitable(answer):
                answer = await answer
        accepted = answer == GoalResponse.ACCEPT
        response = self._action_type.Impl.SendGoalService.Response(accepted=accepted, stamp=now.to_msg())
        if not accepted:
            self._goal_service.send_response(response, reply)
            return
        handle: Handle = ServerGoalHandle(self, GoalInfo(goal_id=request.goal_id, stamp=now.to_msg()), request.goal)
        self._goal_handles[key] = handle
        self._results[key] = Future()
        self._goal_service.send_response(response, reply)
        self._state_changed(handle)
        started = self._accepted_callback(handle)
        if _awaitable(started):
            await started

    async def _on_cancel_request(self, request: Any, reply: Reply) -> None:
        response_type = self._action_type.Impl.CancelGoalService.Response
        candidates, code = self._cancel_candidates(request, response_type)
        response = response_type(return_code=code)
        for handle in candidates:
            answer = self._cancel_callback(handle)
            if _awaitable(answer):
                answer = await answer
            # The goal may have ended while the callback decided.
            if answer == CancelResponse.ACCEPT and handle.is_active:
                if not handle.is_cancel_requested:
                    handle._update(GoalEvent.CANCEL_GOAL)
                response.goals_canceling.append(handle._goal_info)
        if candidates and not response.goals_canceling:
            response.return_code = response_type.ERROR_REJECTED
        self._cancel_service.send_response(response, reply)

    def _cancel_candidates(self, request: Any, response_type: type[Any]) -> tuple[list[Handle], int]:
        """The goals that a request means (action_msgs/srv/CancelGoal says which), and the code for none."""
        key = bytes(request.goal_info.goal_id.uuid)
        stamp = Time.from_msg(request.goal_info.stamp).nanoseconds
        active = [handle for handle in self._goal_handles.values() if handle.is_active]
        if not any(key):
            if stamp:
                active = [handle for handle in active if _accepted_ns(handle) <= stamp]
            return active, response_type.ERROR_NONE
        handle = self._goal_handles.get(key)
        if stamp:
            chosen = [entry for entry in active if _accepted_ns(entry) <= stamp or entry is handle]
            return chosen, response_type.ERROR_NONE
        if handle is None:
            return [], response_type.ERROR_UNKNOWN_GOAL_ID
        if not handle.is_active:
            return [], response_type.ERROR_GOAL_TERMINATED
        return [handle], response_type.ERROR_NONE

    def _on_result_request(self, request: Any, reply: Reply) -> None:
        future = self._results.get(bytes(request.goal_id.uuid))
        if future is None:
            response = self._action_type.Impl.GetResultService.Response(status=int(GoalStatus.UNKNOWN))
            self._result_service.send_response(response, reply)
            return
        future.add_done_callback(lambda done: self._result_service.send_response(done.result(), reply))

    async def _execute_goal(self, execute_callback: Callable[[Handle], Any], goal_handle: Handle) -> None:
        logger = self._node.get_logger()
        result: Any = None
        try:
            result = execute_callback(goal_handle)
            if _awaitable(result):
                result = await result
        except Exception as error:
            # As in rclpy: a goal's failure is the goal's, the node goes on.
            import traceback  # noqa: PLC0415 (only for failures)

            logger.error(f"Error raised in execute callback: {error}")
            traceback.print_exc()
        if goal_handle.is_active:
            logger.warning(f"Goal state not set, assuming aborted. Goal ID: {bytes(goal_handle.goal_id.uuid).hex()}")
            goal_handle.abort()
        self.notify_goal_done(goal_handle, result)

    def _publish_feedback(self, goal_handle: Handle, feedback: Any) -> None:
        if not isinstance(feedback, self._action_type.Feedback):
            raise TypeError(f"Expected {self._action_type.Feedback}, got {type(feedback)}")
        message = self._action_type.Impl.FeedbackMessage(goal_id=goal_handle.goal_id, feedback=feedback)
        self._feedback.publish(message)

    def _state_changed(self, goal_handle: Handle) -> None:
        from action_msgs.msg import GoalStatus as StatusMessage  # noqa: PLC0415 (message classes load on use)
        from action_msgs.msg import GoalStatusArray  # noqa: PLC0415 (message classes load on use)

        if self._destroyed:
            return
        statuses = [
            StatusMessage(goal_info=handle._goal_info, status=handle.status) for handle in self._goal_handles.values()
        ]
        self._status.publish(GoalStatusArray(status_list=statuses))

    def _forget_old_results(self) -> None:
        if self._result_timeout < 0:
            return
        now = self._node.get_clock().now()
        for key, ended in list(self._ended.items()):
            if (now - ended).nanoseconds > self._result_timeout * 1e9:
                del self._ended[key], self._results[key]
                self._goal_handles.pop(key).destroy()


def _awaitable(value: Any) -> bool:
    return hasattr(value, "__await__")


def _accepted_ns(handle: Handle) -> int:
    return Time.from_msg(handle._goal_info.stamp).nanoseconds


def _callable(callback: Callable[..., Any], what: str) -> Callable[..., Any]:
    if not callable(callback):
        raise TypeError(f"Failed to register {what} callback: not callable")
    return callback
