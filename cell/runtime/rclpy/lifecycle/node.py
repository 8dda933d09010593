"""Managed nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._rclpy_errors import RCLError
from ..node import Node
from ..qos import QoSProfile
from ..service import Service
from ._services import LifecycleServices
from ._state_machine import LifecycleStateMachine, Transition, TransitionCallbackReturn, event_of
from .managed_entity import ManagedEntity
from .publisher import LifecyclePublisher

if TYPE_CHECKING:
    from ..callback_groups import CallbackGroup

__all__ = ["LifecycleNode", "LifecycleNodeMixin", "LifecycleState", "TransitionCallbackReturn"]

_SHUTDOWNS = {"unconfigured": 5, "inactive": 6, "active": 7}
_CONFIGURE, _CLEANUP, _ACTIVATE, _DEACTIVATE = 1, 2, 3, 4


class LifecycleState(NamedTuple):
    """A state of a managed node."""

    label: str
    state_id: int


class LifecycleNodeMixin(ManagedEntity):
    """What makes a node a managed one; useful only together with `Node`, whose constructor runs first."""

    _service_change_state: Service[Any, Any]
    _service_get_state: Service[Any, Any]
    _service_get_available_states: Service[Any, Any]
    _service_get_available_transitions: Service[Any, Any]
    _service_get_transition_graph: Service[Any, Any]

    def __init__(
        self, *, enable_communication_interface: bool = True, callback_group: CallbackGroup | None = None
    ) -> None:
        """With `enable_communication_interface` others can drive the node by services, which run in the group.

        Raises:
            TypeError: `enable_communication_interface` is no bool.
        """
        if not isinstance(enable_communication_interface, bool):
            raise TypeError(
                f"enable_communication_interface must be a bool, not {type(enable_communication_interface).__name__}"
            )
        from lifecycle_msgs.msg import TransitionEvent  # noqa: PLC0415 (message classes load on use)

        # In the order in which they were added: a set's order changes from run to run.
        self._managed_entities: dict[ManagedEntity, None] = {}
        self.__transition_callbacks: dict[str, Callable[[LifecycleState], TransitionCallbackReturn]] = {
            "configuring": self.on_configure,
            "cleaningup": self.on_cleanup,
            "shuttingdown": self.on_shutdown,
            "activating": self.on_activate,
            "deactivating": self.on_deactivate,
            "errorprocessing": self.on_error,
        }
        self._state_machine = LifecycleStateMachine(self.__publish_transition)
        # rcl's default for publishers.
        self.__transition_events = self.__node.create_publisher(
            TransitionEvent, "~/transition_event", QoSProfile(depth=10)
        )
        if enable_communication_interface:
            services = LifecycleServices(self._state_machine, self.__change_state)
            for name, service in services.create(self.__node, callback_group).items():
                setattr(self, f"_service_{name}", service)
                self._state_machine._services[name] = service.handle

    @property
    def __node(self) -> Node:
        return cast("Node", self)

    def trigger_configure(self) -> TransitionCallbackReturn:
        """Each of these makes a transition, with its callbacks, and gives what they answered.

        Raises:
            RCLError: the state does not allow it.
        """
        return self.__change_state(_CONFIGURE)

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        return self.__change_state(_CLEANUP)

    def trigger_activate(self) -> TransitionCallbackReturn:
        return self.__change_state(_ACTIVATE)

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        return self.__change_state(_DEACTIVATE)

    def trigger_shutdown(self) -> TransitionCallbackReturn:
        transition_id = _SHUTDOWNS.get(self._state_machine.current_state[1])
        if transition_id is None:
            raise RCLError("Shutdown transition not possible")
        return self.__change_state(transition_id)

    def add_managed_entity(self, entity: ManagedEntity) -> None:
        """Lets an entity follow the node's transitions.

        Raises:
            TypeError: not a ManagedEntity.
        """
        if not isinstance(entity, ManagedEntity):
            raise TypeError("Expected a rclpy.lifecycle.ManagedEntity instance.")
        self._managed_entities[entity] = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Each of these asks the managed entities, until the first that does not answer SUCCESS.

        A program overrides them for its own work, and calls `super()` where the entities are to follow.
        """
        return self.__ask(lambda entity: entity.on_configure(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.__ask(lambda entity: entity.on_cleanup(state))

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.__ask(lambda entity: entity.on_shutdown(state))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.__ask(lambda entity: entity.on_activate(state))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.__ask(lambda entity: entity.on_deactivate(state))

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """SUCCESS leads back to unconfigured, everything else to finalized."""
        return self.__ask(lambda entity: entity.on_error(state))

    def create_lifecycle_publisher(self, *args: Any, **kwargs: Any) -> LifecyclePublisher[Any]:
        """A publisher that is silent while the node is not active; arguments as for `Node.create_publisher`.

        Raises:
            TypeError: `publisher_class` was given.
        """
        if "publisher_class" in kwargs:
            raise TypeError("create_publisher() got an unexpected keyword argument 'publisher_class'")
        made = self.__node.create_publisher(*args, **kwargs, publisher_class=LifecyclePublisher)
        publisher = cast("LifecyclePublisher[Any]", made)
        self.add_managed_entity(publisher)
        return publisher

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher[Any]) -> bool:
        self._managed_entities.pop(publisher, None)
        return self.__node.destroy_publisher(publisher)

    def __ask(self, question: Callable[[ManagedEntity], TransitionCallbackReturn]) -> TransitionCallbackReturn:
        for entity in list(self._managed_entities):
            answer = question(entity)
            if answer is not TransitionCallbackReturn.SUCCESS:
                return answer
        return TransitionCallbackReturn.SUCCESS

    def __change_state(self, transition_id: int) -> TransitionCallbackReturn:
        state_id, label = self._state_machine.current_state
        initial = LifecycleState(label=label, state_id=state_id)
        self._state_machine.trigger_transition_by_id(transition_id, True)
        answer = self.__run_callback(initial)
        self._state_machine.trigger_transition_by_label(answer.to_label(), True)
        if answer is TransitionCallbackReturn.ERROR:
            recovered = self.__run_callback(initial)
            self._state_machine.trigger_transition_by_label(recovered.to_label(), True)
        return answer

    def __run_callback(self, initial: LifecycleState) -> TransitionCallbackReturn:
        """Runs the callback of the transition state; what it raises, or any other answer, is an error."""
        state = self._state_machine.current_state[1]
        try:
            answer = self.__transition_callbacks[state](initial)
        except Exception as error:
            import traceback  # noqa: PLC0415 (only for failures)

            self.__node.get_logger().error(f"Error raised in the callback of state {state}: {error}")
            traceback.print_exc()
            return TransitionCallbackReturn.ERROR
        if isinstance(answer, TransitionCallbackReturn):
            return answer
        self.__node.get_logger().error(
            f"The callback of state {state} returned no TransitionCallbackReturn: {answer!r}"
        )
        return TransitionCallbackReturn.ERROR

    def __publish_transition(self, transition: Transition) -> None:
        self.__transition_events.publish(event_of(transition, self.__node.get_clock().now().nanoseconds))


class LifecycleNode(LifecycleNodeMixin, Node):
    """A managed node: it starts unconfigured, and transitions make it configure, work and stop."""

    def __init__(
        self,
        node_name: str,
        *,
        enable_communication_interface: bool = True,
        callback_group: CallbackGroup | None = None,
        **kwargs: Any,
    ) -> None:
        """Further arguments are those of `Node`; see `LifecycleNodeMixin` for the others."""
        Node.__init__(self, node_name, **kwargs)
        LifecycleNodeMixin.__init__(
            self, enable_communication_interface=enable_communication_interface, callback_group=callback_group
        )
