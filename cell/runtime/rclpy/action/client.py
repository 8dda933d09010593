"""Action clients."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from ..client import Client, _DirectFuture
from ..exceptions import InvalidHandle
from ..qos import QoSProfile, qos_profile_action_status_default, qos_profile_default, qos_profile_services_default
from ..task import Future
from .goal import FeedbackT, GoalStatus, GoalT, ResultT

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time as TimeMsg
    from unique_identifier_msgs.msg import UUID

    from ..callback_groups import CallbackGroup
    from ..node import Node

__all__ = ["ActionClient", "ClientGoalHandle"]


class ClientGoalHandle(Generic[GoalT, ResultT, FeedbackT]):
    """A goal that was sent, with the server's answer."""

    def __init__(self, action_client: ActionClient[GoalT, ResultT, FeedbackT], goal_id: UUID, response: Any) -> None:
        self._action_client = action_client
        self._goal_id = goal_id
        self._goal_response = response
        self._status = int(GoalStatus.ACCEPTED if response.accepted else GoalStatus.UNKNOWN)

    @property
    def goal_id(self) -> UUID:
        return self._goal_id

    @property
    def stamp(self) -> TimeMsg:
        """When the server answered."""
        return self._goal_response.stamp  # type: ignore[no-any-return]

    @property
    def accepted(self) -> bool:
        return bool(self._goal_response.accepted)

    @property
    def status(self) -> int:
        """The last known number of action_msgs/GoalStatus."""
        return self._status

    def cancel_goal_async(self) -> Future[Any]:
        """Asks for the cancellation; the future gets a CancelGoal response."""
        return self._action_client._cancel_goal_async(self)

    def cancel_goal(self) -> Any:
        """As `cancel_goal_async`, blocking; another thread must run the executor."""
        return _wait(self.cancel_goal_async())

    def get_result_async(self) -> Future[Any]:
        """Asks for the result; the future gets an object with `status` and `result` when the goal has ended."""
        return self._action_client._get_result_async(self)

    def get_result(self) -> Any:
        """As `get_result_async`, blocking; another thread must run the executor."""
        return _wait(self.get_result_async())

    def __eq__(self, other: object) -> bool:
        return self._goal_id == other._goal_id if isinstance(other, ClientGoalHandle) else NotImplemented

    def __hash__(self) -> int:
        return hash(bytes(self._goal_id.uuid))

    def __repr__(self) -> str:
        return f"ClientGoalHandle <id={bytes(self._goal_id.uuid).hex()}, accepted={self.accepted}>"


class ActionClient(Generic[GoalT, ResultT, FeedbackT]):
    """Sends goals to an action server."""

    def __init__(
        self,
        node: Node,
        action_type: type[Any],
        action_name: str,
        *,
        callback_group: CallbackGroup | None = None,
        goal_service_qos_profile: QoSProfile = qos_profile_services_default,
        result_service_qos_profile: QoSProfile = qos_profile_services_default,
        cancel_service_qos_profile: QoSProfile = qos_profile_services_default,
        feedback_sub_qos_profile: QoSProfile = qos_profile_default,
        status_sub_qos_profile: QoSProfile = qos_profile_action_status_default,
    ) -> None:
        self._node = node
        self._action_type = action_type
        self._action_name = action_name
        self._feedback_callbacks: dict[bytes, Callable[[Any], Any]] = {}
        self._goal_handles: weakref.WeakValueDictionary[bytes, ClientGoalHandle[Any, Any, Any]] = (
            weakref.WeakValueDictionary()
        )
        self._destroyed = False
        protocol = action_type.Impl
        base = f"{action_name}/_action"

        def client(interface: type[Any], name: str, qos: QoSProfile) -> Client[Any, Any]:
            return node.create_client(interface, f"{base}/{name}", qos_profile=qos, callback_group=callback_group)

        self._goal_client = client(protocol.SendGoalService, "send_goal", goal_service_qos_profile)
        self._cancel_client = client(protocol.CancelGoalService, "cancel_goal", cancel_service_qos_profile)
        self._result_client = client(protocol.GetResultService, "get_result", result_service_qos_profile)
        self._feedback = node.create_subscription(
            protocol.FeedbackMessage,
            f"{base}/feedback",
            self._on_feedback,
            feedback_sub_qos_profile,
            callback_group=callback_group,
        )
        self._status = node.create_subscription(
            protocol.GoalStatusMessage,
            f"{base}/status",
            self._on_status,
            status_sub_qos_profile,
            callback_group=callback_group,
        )

    def send_goal_async(
        self,
        goal: GoalT,
        feedback_callback: Callable[[Any], Any] | None = None,
        goal_uuid: UUID | None = None,
    ) -> Future[ClientGoalHandle[GoalT, ResultT, FeedbackT]]:
        """Sends a goal; the future gets its handle, accepted or not.

        `feedback_callback(message)` gets messages with `goal_id` and `feedback`.

        Raises:
            TypeError: not this action's goal.
        """
        from unique_identifier_msgs.msg import UUID  # noqa: PLC0415 (message classes load on use)

        self._check_alive()
        if not isinstance(goal, self._action_type.Goal):
            raise TypeError(f"Expected {self._action_type.Goal}, got {type(goal)}")
        goal_id = UUID(uuid=uuid.uuid4().bytes) if goal_uuid is None else goal_uuid
        key = bytes(goal_id.uuid)
        if feedback_callback is not None:
            self._feedback_callbacks[key] = feedback_callback
        answered: Future[ClientGoalHandle[GoalT, ResultT, FeedbackT]] = Future(executor=self._node.executor)

        def on_response(response: Any) -> ClientGoalHandle[GoalT, ResultT, FeedbackT]:
            handle: ClientGoalHandle[GoalT, ResultT, FeedbackT] = ClientGoalHandle(self, goal_id, response)
            if handle.accepted:
                self._goal_handles[key] = handle
            else:
                self._feedback_callbacks.pop(key, None)
            return handle

        request = self._action_type.Impl.SendGoalService.Request(goal_id=goal_id, goal=goal)
        return self._call(self._goal_client, request, answered, on_response)

    def send_goal(
        self, goal: GoalT, feedback_callback: Callable[[Any], Any] | None = None, goal_uuid: UUID | None = None
    ) -> Any:
        """Sends a goal and blocks until its result; another thread must run the executor. None if it was rejected."""
        handle = _wait(self.send_goal_async(goal, feedback_callback, goal_uuid))
        return handle.get_result() if handle is not None and handle.accepted else None

    def server_is_ready(self) -> bool:
        """True while a server answers all three services."""
        self._check_alive()
        clients = (self._goal_client, self._cancel_client, self._result_client)
        return all(client.service_is_ready() for client in clients)

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Blocks until a server is there; gives whether it is."""
        context = self._node.context
        self._node._bus.wait_for(lambda: self.server_is_ready() or not context.ok(), timeout_sec)
        return self.server_is_ready()

    def destroy(self) -> None:
        if self._destroyed:
            return
        self._destroyed = True
        for client in (self._goal_client, self._cancel_client, self._result_client):
            self._node.destroy_client(client)
        self._node.destroy_subscription(self._feedback)
        self._node.destroy_subscription(self._status)

    def __enter__(self) -> ActionClient[GoalT, ResultT, FeedbackT]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    def _cancel_goal_async(self, handle: ClientGoalHandle[Any, Any, Any]) -> Future[Any]:
        self._check_alive()
        request = self._action_type.Impl.CancelGoalService.Request()
        request.goal_info.goal_id = handle.goal_id
        answered: Future[Any] = Future(executor=self._node.executor)
        return self._call(self._cancel_client, request, answered, lambda response: response)

    def _get_result_async(self, handle: ClientGoalHandle[Any, Any, Any]) -> Future[Any]:
        self._check_alive()
        request = self._action_type.Impl.GetResultService.Request(goal_id=handle.goal_id)
        answered: Future[Any] = Future(executor=self._node.executor)

        def on_response(response: Any) -> Any:
            handle._status = response.status
            self._feedback_callbacks.pop(bytes(handle.goal_id.uuid), None)
            return response

        return self._call(self._result_client, request, answered, on_response)

    def _call(
        self,
        client: Client[Any, Any],
        request: Any,
        answered: Future[Any],
        convert: Callable[[Any], Any],
    ) -> Future[Any]:
        def on_response(done: Future[Any]) -> None:
            if not answered.cancelled():
                answered._set_executor(self._node.executor)
                answered.set_result(convert(done.result()))

        future = _DirectFuture()
        future.add_done_callback(on_response)
        client._send(request, future)
        return answered

    def _on_feedback(self, message: Any) -> Any:
        callback = self._feedback_callbacks.get(bytes(message.goal_id.uuid))
        return callback(message) if callback is not None else None

    def _on_status(self, message: Any) -> None:
        for entry in message.status_list:
            key = bytes(entry.goal_info.goal_id.uuid)
            handle = self._goal_handles.get(key)
            if handle is not None:
                handle._status = entry.status
            if entry.status > GoalStatus.CANCELING:
                self._feedback_callbacks.pop(key, None)

    def _check_alive(self) -> None:
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed action client")


def _wait(future: Future[Any]) -> Any:
    """Blocks until a future is done."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    done.wait()
    return future.result()
