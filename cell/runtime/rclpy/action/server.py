"""Action servers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from .._entity import Entity
from .._rclpy_errors import RCLError
from ..exceptions import InvalidHandle
from ..qos import QoSProfile, qos_profile_action_status_default, qos_profile_services_default
from ..service import RequestHeader, _DeferredService
from ..task import Future
from ._execution import GoalExecutions, ResultExpiry
from ._protocol import FEEDBACK_QOS, check_action, is_awaitable
from .goal import CancelResponse, FeedbackT, GoalEvent, GoalResponse, GoalStatus, GoalT, ResultT, ServerGoalHandle

if TYPE_CHECKING:
    from ..callback_groups import CallbackGroup
    from ..clock import Clock
    from ..node import Node
    from ..service_introspection import ServiceIntrospectionState
    from ..waitable import NumberOfEntities

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
        execute_callback: Callable[[ServerGoalHandle[GoalT, ResultT, FeedbackT]], Any] | None = None,
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
        feedback_pub_qos_profile: QoSProfile = FEEDBACK_QOS,
        status_pub_qos_profile: QoSProfile = qos_profile_action_status_default,
        result_timeout: float = 10,
    ) -> None:
        """Without an execute callback, goals are run through their handles.

        Raises:
            TypeError: a callback cannot be called.
            ValueError: the name is not allowed.
            NoTypeSupportImportedException: not an action type.
        """
        self.register_handle_accepted_callback(handle_accepted_callback)
        self.register_goal_callback(goal_callback)
        self.register_cancel_callback(cancel_callback)
        self.register_execute_callback(execute_callback)
        check_action(node, action_type, action_name, "server")
        self._node = node
        self._action_type = action_type
        self._lock = threading.Lock()
        self._goal_handles: dict[bytes, Handle] = {}
        self._result_futures: dict[bytes, Future[Any]] = {}
        self._destroyed = False
        self._logger = node.get_logger().get_child("action_server")
        self.callback_group = node._rcl_group(callback_group)
        self._executions = GoalExecutions()
        self._expiry = ResultExpiry(result_timeout, self._forget, node.get_clock(), self.callback_group, node.context)
        protocol = action_type.Impl
        base = f"{action_name}/_action"

        def serve(interface: type[Any], name: str, callback: Callable[..., Any], qos: QoSProfile) -> _DeferredService:
            full_name = node._rcl_service(interface, f"{base}/{name}")
            endpoint = node._rcl_endpoint("service", full_name, interface, qos)
            return _DeferredService(node._rcl_bus, endpoint, f"{base}/{name}", callback, self.callback_group)

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
        node._rcl_own_parts(self)

    @property
    def action_type(self) -> type[Any]:
        return self._action_type

    def register_execute_callback(self, execute_callback: Callable[[Handle], Any] | None) -> None:
        """Raises TypeError where it cannot be called."""
        self._execute_callback = None if execute_callback is None else _callable(execute_callback, "execution")

    def register_goal_callback(self, goal_callback: Callable[[GoalT], Any] | None) -> None:
        """None for the default, which accepts; raises TypeError where it cannot be called."""
        self._goal_callback = _callable(goal_callback or default_goal_callback, "goal")

    def register_handle_accepted_callback(self, handle_accepted_callback: Callable[[Handle], Any] | None) -> None:
        """None for the default, which executes; raises TypeError where it cannot be called."""
        self._accepted_callback = _callable(
            handle_accepted_callback or default_handle_accepted_callback, "handle accepted"
        )

    def register_cancel_callback(self, cancel_callback: Callable[[Handle], Any] | None) -> None:
        """None for the default, which refuses; raises TypeError where it cannot be called."""
        self._cancel_callback = _callable(cancel_callback or default_cancel_callback, "cancel")

    def notify_execute(self, goal_handle: Handle, execute_callback: Callable[[Handle], Any] | None) -> None:
        """Starts a goal's callback (the server's, where it is None) as a task; without any, nothing happens."""
        callback = execute_callback or self._execute_callback
        if callback is not None and not self._destroyed:
            self._executions.start(partial(self._execute_goal, callback, goal_handle))

    def notify_goal_done(self) -> None:
        """Plans anew when results expire; called whenever a goal has ended."""
        self._expiry.plan()

    def configure_introspection(
        self, clock: Clock, service_event_qos_profile: QoSProfile, introspection_state: ServiceIntrospectionState
    ) -> None:
        """Configures the introspection of the three services; see `Service.configure_introspection`."""
        for service in self._services:
            service.configure_introspection(clock, service_event_qos_profile, introspection_state)

    def get_num_entities(self) -> NumberOfEntities:
        """How many entities of each kind an executor waits for."""
        from ..waitable import NumberOfEntities  # noqa: PLC0415 (few programs need it)

        return NumberOfEntities(num_timers=1, num_services=3)

    def destroy(self) -> None:
        """Leaves the graph; goals that still run can no longer report."""
        if self._destroyed:
            return
        self._destroyed = True
        for handle in list(self._goal_handles.values()):
            handle.destroy()
        for service in self._services:
            service.destroy()
        self._executions.destroy()
        self._expiry.destroy()
        self._node.destroy_publisher(self._feedback)
        self._node.destroy_publisher(self._status)
        self._node._rcl_disown_parts(self)

    def __enter__(self) -> None:
        """As in rclpy, a `with` block does not end the server.

        Raises:
            InvalidHandle: the server was destroyed.
        """
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed action server")

    def __exit__(self, *exc_info: object) -> None:
        return None

    @property
    def _services(self) -> tuple[_DeferredService, ...]:
        return self._goal_service, self._cancel_service, self._result_service

    def _parts(self) -> list[Entity]:
        """What an executor runs for this server."""
        return [*self._services, self._executions, self._expiry]

    def _keep(self, handle: Handle) -> None:
        """Takes a new goal in.

        Raises:
            RCLError: there is one of that id.
        """
        with self._lock:
            if handle._key in self._goal_handles:
                raise RCLError("Failed to accept new goal: goal ID already exists")
            self._goal_handles[handle._key] = handle
            self._result_futures[handle._key] = Future()

    async def _on_goal_request(self, request: Any, header: RequestHeader) -> None:
        from action_msgs.msg import GoalInfo  # noqa: PLC0415 (message classes load on use)

        answer: Any = None
        if bytes(request.goal_id.uuid) not in self._goal_handles:
            answer = self._goal_callback(request.goal)
            if is_awaitable(answer):
                answer = await answer
            if not isinstance(answer, GoalResponse):
                self._logger.warning("Goal request callback did not return a GoalResponse type. Rejecting goal.")
        stamp = self._node.get_clock().now().to_msg()
        handle: Handle | None = None
        if answer is GoalResponse.ACCEPT and not self._destroyed:
            try:
                handle = ServerGoalHandle(self, GoalInfo(goal_id=request.goal_id, stamp=stamp), request.goal)
            except RCLError as error:
                # Two requests of one id, and both callbacks said yes.
                self._logger.error(f"Failed to accept new goal with ID {bytes(request.goal_id.uuid).hex()}: {error}")
        response = self._action_type.Impl.SendGoalService.Response(accepted=handle is not None, stamp=stamp)
        self._respond(self._goal_service, response, header)
        if handle is None:
            return
        self._state_changed(handle)
        started = self._accepted_callback(handle)
        if is_awaitable(started):
            await started

    async def _on_cancel_request(self, request: Any, header: RequestHeader) -> None:
        response_type = self._action_type.Impl.CancelGoalService.Response
        candidates, code = self._cancel_candidates(request, response_type)
        response = response_type(return_code=code)
        for handle in candidates:
            answer = self._cancel_callback(handle)
            if is_awaitable(answer):
                answer = await answer
            if answer is CancelResponse.ACCEPT and self._cancel(handle):
                response.goals_canceling.append(handle._goal_info)
        if candidates and not response.goals_canceling:
            response.return_code = response_type.ERROR_REJECTED
        self._respond(self._cancel_service, response, header)

    def _cancel_candidates(self, request: Any, response_type: type[Any]) -> tuple[list[Handle], int]:
        """The goals that a request means, and the code for none.

        As rcl_action_process_cancel_request: an id alone means that goal; a time means all goals that were accepted
        until then, and the one of the id; neither means all. A goal that is being cancelled cannot be cancelled again.
        """
        key = bytes(request.goal_info.goal_id.uuid)
        stamp = request.goal_info.stamp
        until_ns = stamp.sec * 10**9 + stamp.nanosec
        with self._lock:
            goals = list(self._goal_handles.values())
        if any(key) and not until_ns:
            meant = [handle for handle in goals if handle._key == key]
            if not meant:
                return [], response_type.ERROR_UNKNOWN_GOAL_ID
            if not meant[0]._is_cancelable:
                return [], response_type.ERROR_GOAL_TERMINATED
            return meant, response_type.ERROR_NONE
        meant = [handle for handle in goals if not until_ns or handle._accepted_ns <= until_ns or handle._key == key]
        return [handle for handle in meant if handle._is_cancelable], response_type.ERROR_NONE

    def _cancel(self, handle: Handle) -> bool:
        """Starts a cancellation; False where the goal has ended while the callback decided."""
        try:
            handle._update_state(GoalEvent.CANCEL_GOAL)
        except RCLError:
            return False
        return handle.is_cancel_requested

    def _on_result_request(self, request: Any, header: RequestHeader) -> None:
        future = self._result_futures.get(bytes(request.goal_id.uuid))
        if future is None:
            response = self._action_type.Impl.GetResultService.Response(status=int(GoalStatus.UNKNOWN))
            self._respond(self._result_service, response, header)
            return
        future.add_done_callback(lambda done: self._respond(self._result_service, done.result(), header))

    async def _execute_goal(self, execute_callback: Callable[[Handle], Any], goal_handle: Handle) -> None:
        result: Any = None
        try:
            result = execute_callback(goal_handle)
            if is_awaitable(result):
                result = await result
        except Exception as error:
            # As in rclpy: a goal's failure is the goal's, the node goes on.
            import traceback  # noqa: PLC0415 (only for failures)

            result = None
            self._logger.error(f"Error raised in execute callback: {error}")
            traceback.print_exc()
        if goal_handle.is_active:
            self._logger.warning(f"Goal state not set, assuming aborted. Goal ID: {goal_handle._key.hex()}")
            goal_handle.abort()
        self._set_result(goal_handle, result)

    def _set_result(self, goal_handle: Handle, result: Any) -> None:
        """Gives the result to all who ask for it, now and later; the first result of a goal counts."""
        with self._lock:
            future = self._result_futures.get(goal_handle._key)
            if future is None or future.done():
                return
            if not isinstance(result, self._action_type.Result):
                if result is not None:
                    self._logger.error(f"Expected {self._action_type.Result} as result, got {type(result)}")
                result = self._action_type.Result()
            response = self._action_type.Impl.GetResultService.Response(status=goal_handle.status, result=result)
        future.set_result(response)

    def _respond(self, service: _DeferredService, response: Any, header: RequestHeader) -> None:
        # A server may be destroyed while a callback decides, or a goal runs.
        if self._destroyed:
            return
        try:
            service.send_response(response, header)
        except RCLError as error:
            self._logger.warning(f"Failed to send a response (the client may have gone away): {error}")

    def _publish_feedback(self, goal_handle: Handle, feedback: Any) -> None:
        if not self._destroyed:
            message = self._action_type.Impl.FeedbackMessage(goal_id=goal_handle.goal_id, feedback=feedback)
            self._feedback.publish(message)

    def _state_changed(self, goal_handle: Handle) -> None:
        from action_msgs.msg import GoalStatusArray  # noqa: PLC0415 (message classes load on use)

        if self._destroyed:
            return
        with self._lock:
            statuses = [handle._status_message for handle in self._goal_handles.values()]
        self._status.publish(GoalStatusArray(status_list=statuses))
        if not goal_handle.is_active:
            self._expiry.add(goal_handle._key)
            self.notify_goal_done()

    def _forget(self, key: bytes) -> None:
        """Drops an ended goal with its result."""
        with self._lock:
            handle = self._goal_handles.pop(key, None)
            self._result_futures.pop(key, None)
        if handle is not None:
            handle.destroy()


def _callable(callback: Callable[..., Any], what: str) -> Callable[..., Any]:
    if not callable(callback):
        raise TypeError(f"Failed to register {what} callback: not callable")
    return callback
