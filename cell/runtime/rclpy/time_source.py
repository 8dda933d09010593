"""Feeds the clocks of a node from /clock while its parameter `use_sim_time` is true."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from cell.runtime.transport import Endpoint

from .clock import ROSClock
from .parameter import Parameter
from .qos import QoSProfile, ReliabilityPolicy
from .subscription import _DirectSubscription
from .time import Time

if TYPE_CHECKING:
    from rcl_interfaces.msg import SetParametersResult
    from rosgraph_msgs.msg import Clock as ClockMsg

    from cell.runtime.transport import Bus

    from .clock import Clock
    from .node import Node

__all__ = ["CLOCK_TOPIC", "USE_SIM_TIME_NAME", "TimeSource"]

CLOCK_TOPIC = "/clock"
USE_SIM_TIME_NAME = "use_sim_time"


class TimeSource:
    """Connects a node to ROS clocks. /clock is taken in the publisher's thread, before any other subscription."""

    def __init__(self, *, node: Node | None = None) -> None:
        self._node_ref: weakref.ref[Node] | None = None
        self._clocks: list[ROSClock] = []
        self._clock_sub: _DirectSubscription | None = None
        self._bus: Bus | None = None
        self._active = False
        self._last: Time | None = None
        if node is not None:
            self.attach_node(node)

    @property
    def ros_time_is_active(self) -> bool:
        return self._active

    @ros_time_is_active.setter
    def ros_time_is_active(self, enabled: bool) -> None:
        if self._active == enabled:
            return
        self._active = enabled
        for clock in self._clocks:
            clock._set_ros_time_is_active(enabled)
        self._update_subscription()

    def attach_node(self, node: Node) -> None:
        """Follows the node's parameter `use_sim_time`, which is declared here if it is not yet."""
        if self._node_ref is not None:
            self.detach_node()
        self._node_ref = weakref.ref(node)
        if not node.has_parameter(USE_SIM_TIME_NAME):
            node.declare_parameter(USE_SIM_TIME_NAME, False)
        parameter = node.get_parameter(USE_SIM_TIME_NAME)
        if parameter.type_ is not Parameter.Type.NOT_SET:
            if parameter.type_ is Parameter.Type.BOOL:
                self.ros_time_is_active = parameter.value
            else:
                node.get_logger().error(
                    f"Invalid type for parameter '{USE_SIM_TIME_NAME}' {parameter.type_!r} should be bool"
                )
        node.add_on_set_parameters_callback(self._on_parameter_event)
        self._update_subscription()

    def detach_node(self) -> None:
        """Stops following the node.

        Raises:
            RuntimeError: no node is attached.
        """
        if self._node_ref is None:
            raise RuntimeError("Unable to detach from node: no node attached")
        self._unsubscribe()
        node, self._node_ref = self._get_node(), None
        if node is not None:
            node.remove_on_set_parameters_callback(self._on_parameter_event)

    def attach_clock(self, clock: Clock) -> None:
        """Feeds a ROS clock.

        Raises:
            ValueError: another kind of clock.
        """
        if not isinstance(clock, ROSClock):
            raise ValueError("Only clocks with type ROS_TIME can be attached.")
        if self._last is not None:
            clock.set_ros_time_override(self._last)
        clock._set_ros_time_is_active(self._active)
        self._clocks.append(clock)

    def clock_callback(self, msg: ClockMsg) -> None:
        """Sets the clocks to a message's time."""
        time = Time.from_msg(msg.clock)
        self._last = time
        for clock in self._clocks:
            clock.set_ros_time_override(time)

    def _get_node(self) -> Node | None:
        """The attached node, if it lives."""
        return self._node_ref() if self._node_ref is not None else None

    def _update_subscription(self) -> None:
        node = self._get_node()
        if node is None:
            return
        if not self._active:
            self._unsubscribe()
        elif self._clock_sub is None:
            from rosgraph_msgs.msg import Clock as ClockMsg  # noqa: PLC0415 (message classes load on use)

            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            owner = (node.get_name(), node.get_namespace())
            endpoint = Endpoint("subscription", CLOCK_TOPIC, ClockMsg, qos, node=owner)
            self._clock_sub = _DirectSubscription(endpoint, self.clock_callback)
            self._bus = node.context._bus
            self._bus.add_reader(self._clock_sub)

    def _unsubscribe(self) -> None:
        subscription, self._clock_sub = self._clock_sub, None
        if subscription is not None and self._bus is not None:
            self._bus.remove_reader(subscription)

    def _on_parameter_event(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        for parameter in parameters:
            if parameter.name == USE_SIM_TIME_NAME:
                if parameter.type_ is not Parameter.Type.BOOL:
                    reason = f"{USE_SIM_TIME_NAME} parameter must be set to a bool"
                    return SetParametersResult(successful=False, reason=reason)
                self.ros_time_is_active = parameter.value
        return SetParametersResult(successful=True)
