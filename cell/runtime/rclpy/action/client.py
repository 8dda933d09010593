"""Action clients."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from .._entity import Entity
from ..client import Client, _ResponseFuture
from ..exceptions import InvalidHandle
from ..qos import QoSProfile, qos_profile_action_status_default, qos_profile_services_default
from ..subscription import Subscription
from ..task import Future
from ._protocol import FEEDBACK_QOS, check_action
from .goal import FeedbackT, GoalStatus, GoalT, ResultT

if TYPE_CHECKING:
    from builtin_interfaces.msg import Time as TimeMsg
    from unique_identifier_msgs.msg import UUID

    from ..callback_groups import CallbackGroup
    from ..clock import Clock
    from ..node import Node
    from ..service_introspection import ServiceIntrospectionState
    from ..waitable import NumberOfEntities

__all__ = ["ActionClient", "ClientGoalHandle"]


class ClientGoalHandle(Generic[GoalT, ResultT, FeedbackT]):
    """A goal that was sent, with the server's answer."""

    def __init__(
        self, action_client: ActionClient[GoalT, ResultT, FeedbackT], goal_id: UUID, goal_response: Any
    ) -> None:
        self._action_client = action_client
        self._goal_id = goal_id
        self._goal_response = goal_response
        self._status = int(GoalStatus.UNKNOWN)

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
        """The last number of action_msgs/GoalStatus that the server published, or UNKNOWN."""
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
        key = bytes(self._goal_id.uuid).hex()
        return f"ClientGoalHandle <id={key}, accepted={self.accepted}, status={self.status}>"


class _PartClient(Client[Any, Any]):
    """The client of one of an action's services."""

    # A goal must be known when its status comes.
    _yields = False
    what = ""
    warn: Callable[[str], Any]

    def _unexpected(self) -> None:
        self.warn(self.what)


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
        feedback_sub_qos_profile: QoSProfile = FEEDBACK_QOS,
        status_sub_qos_profile: QoSProfile = qos_profile_action_status_default,
    ) -> None:
        """Raises ValueError where the name is not allowed, NoTypeSupportImportedException for no action type."""
        check_action(node, action_type, action_name, "client")
        self._node = node
        self._action_type = action_type
        self._action_name = action_name
        self._feedback_callbacks: dict[bytes, Callable[[Any], Any]] = {}
        self._goal_handles: weakref.WeakValueDictionary[bytes, ClientGoalHandle[Any, Any, Any]] = (
            weakref.WeakValueDictionary()
        )
        self._destroyed = False
        self._logger = node.get_logger().get_child("action_client")
        self.callback_group = group = node._rcl_group(callback_group)
        protocol = action_type.Impl
        base = f"{action_name}/_action"

        def client(interface: type[Any], name: str, qos: QoSProfile, what: str) -> _PartClient:
            full_name = node._rcl_service(interface, f"{base}/{name}")
            endpoint = node._rcl_endpoint("client", full_name, interface, qos)
            made = _PartClient(node._rcl_bus, endpoint, node.context, f"{base}/{name}", group)
            made.what, made.warn = what, self._warn_of_unexpected
            return made

        def subscribe(message: type[Any], name: str, callback: Callable[[Any], Any], qos: QoSProfile) -> Any:
            return node.create_subscription(message, f"{base}/{name}", callback, qos, callback_group=group)

        self._goal_client = client(protocol.SendGoalService, "send_goal", goal_service_qos_profile, "goal")
        self._cancel_client = client(protocol.CancelGoalService, "cancel_goal", cancel_service_qos_profile, "cancel")
        self._result_client = client(protocol.GetResultService, "get_result", result_service_qos_profile, "result")
        self._feedback: Subscription[Any] = subscribe(
            protocol.FeedbackMessage, "feedback", self._on_feedback, feedback_sub_qos_profile
        )
        self._status: Subscription[Any] = subscribe(
            protocol.GoalStatusMessage, "status", self._on_status, status_sub_qos_profile
        )
        node._rcl_own_parts(self)

    def send_goal_async(
        self,
        goal: GoalT,
        feedback_callback: Callable[[Any], Any] | None = None,
        goal_uuid: UUID | None = None,
    ) -> Future[ClientGoalHandle[GoalT, ResultT, FeedbackT]]:
        """Sends a goal; the future gets its handle, accepted or not.

        `feedback_callback(message)` gets messages with `goal_id` and `feedback`; it may be `async`.

        Raises:
            TypeError: not this action's goal.
            InvalidHandle: the client was destroyed.
        """
        if not isinstance(goal, self._action_type.Goal):
            raise TypeError(f"Expected {self._action_type.Goal}, got {type(goal)}")
        self._check_alive()
        goal_id = _random_uuid() if goal_uuid is None else goal_uuid
        key = bytes(goal_id.uuid)
        if feedback_callback is not None:
            self._feedback_callbacks[key] = feedback_callback

        def on_response(response: Any) -> ClientGoalHandle[GoalT, ResultT, FeedbackT]:
            handle: ClientGoalHandle[GoalT, ResultT, FeedbackT] = ClientGoalHandle(self, goal_id, response)
            if not handle.accepted:
                self._feedback_callbacks.pop(key, None)
            elif key in self._goal_handles:
                raise RuntimeError(f"Two goals were accepted with the same ID ({handle})")
            else:
                self._goal_handles[key] = handle
            return handle

        request = self._action_type.Impl.SendGoalService.Request(goal_id=goal_id, goal=goal)
        return self._goal_client._send(request, _ResponseFuture(self._goal_client, on_response))

    def send_goal(
        self, goal: GoalT, feedback_callback: Callable[[Any], Any] | None = None, goal_uuid: UUID | None = None
    ) -> Any:
        """Sends a goal and blocks until its result; another thread must run the executor.

        The result of a goal that was rejected has the status UNKNOWN.

        Raises:
            TypeError: not this action's goal.
        """
        return _wait(self.send_goal_async(goal, feedback_callback, goal_uuid)).get_result()

    def server_is_ready(self) -> bool:
        """True while a server answers all three services and publishes both topics."""
        self._check_alive()
        bus = self._node._rcl_bus
        return all(client.service_is_ready() for client in self._clients) and all(
            bus.endpoints("publisher", topic.endpoint.name) for topic in (self._feedback, self._status)
        )

    def wait_for_server(self, timeout_sec: float | None = None) -> bool:
        """Blocks until a server is there; gives whether it is."""
        context = self._node.context
        self._check_alive()
        self._node._rcl_bus.wait_for(lambda: self.server_is_ready() or not context.ok(), timeout_sec)
        return self.server_is_ready()

    def configure_introspection(
        self, clock: Clock, service_event_qos_profile: QoSProfile, introspection_state: ServiceIntrospectionState
    ) -> None:
        """Configures the introspection of the three services; see `Client.configure_introspection`."""
        for client in self._clients:
            client.configure_introspection(clock, service_event_qos_profile, introspection_state)

    def get_num_entities(self) -> NumberOfEntities:
        """How many entities of each kind an executor waits for."""
        from ..waitable import NumberOfEntities  # noqa: PLC0415 (few programs need it)

        return NumberOfEntities(num_subs=2, num_clients=3)

    def destroy(self) -> None:
        """Leaves the graph; futures of requests that wait never get a result."""
        if self._destroyed:
            return
        self._destroyed = True
        for client in self._clients:
            client.destroy()
        self._node.destroy_subscription(self._feedback)
        self._node.destroy_subscription(self._status)
        self._feedback_callbacks.clear()
        self._node._rcl_disown_parts(self)

    def __enter__(self) -> None:
        """As in rclpy, a `with` block does not end the client; raises InvalidHandle where it was destroyed."""
        self._check_alive()

    def __exit__(self, *exc_info: object) -> None:
        return None

    @property
    def _clients(self) -> tuple[_PartClient, ...]:
        return self._goal_client, self._cancel_client, self._result_client

    def _parts(self) -> list[Entity]:
        """What an executor runs for this client, beside its subscriptions."""
        return [*self._clients]

    def _cancel_goal_async(self, handle: ClientGoalHandle[Any, Any, Any]) -> Future[Any]:
        self._check_alive()
        request = self._action_type.Impl.CancelGoalService.Request()
        request.goal_info.goal_id = handle.goal_id
        return self._cancel_client._send(request, _ResponseFuture(self._cancel_client))

    def _get_result_async(self, handle: ClientGoalHandle[Any, Any, Any]) -> Future[Any]:
        self._check_alive()
        request = self._action_type.Impl.GetResultService.Request(goal_id=handle.goal_id)

        def on_response(response: Any) -> Any:
            handle._status = response.status
            self._feedback_callbacks.pop(bytes(handle.goal_id.uuid), None)
            return response

        return self._result_client._send(request, _ResponseFuture(self._result_client, on_response))

    def _on_feedback(self, message: Any) -> Any:
        callback = self._feedback_callbacks.get(bytes(message.goal_id.uuid))
        return callback(message) if callback is not None else None

    def _on_status(self, message: Any) -> None:
        for entry in message.status_list:
            key = bytes(entry.goal_info.goal_id.uuid)
            handle = self._goal_handles.get(key)
            if handle is None:
                continue
            handle._status = entry.status
            if entry.status > GoalStatus.CANCELING:
                self._goal_handles.pop(key, None)

    def _warn_of_unexpected(self, what: str) -> None:
        self._logger.warning(
            f"Ignoring unexpected {what} response. There may be more than one action server for the action "
            f"'{self._action_name}'"
        )

    def _check_alive(self) -> None:
        if self._destroyed:
            raise InvalidHandle("cannot use a destroyed action client")


def _random_uuid() -> Any:
    """A random id (RFC 9562, version 4); importing `uuid` takes longer than all of this module."""
    from unique_identifier_msgs.msg import UUID  # noqa: PLC0415 (message classes load on use)

    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    return UUID(uuid=bytes(octets))


def _wait(future: Future[Any]) -> Any:
    """Blocks until a future is done."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    done.wait()
    return future.result()
