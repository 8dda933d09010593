"""QoS policies of an endpoint that parameters may override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from .duration import Duration
from .qos import QoSPolicyEnum, QoSProfile

if TYPE_CHECKING:
    from .node import Node

__all__ = [
    "InvalidQosOverridesError",
    "QoSOverridingOptions",
    "QoSPolicyKind",
    "QosCallbackResult",
]


class InvalidQosOverridesError(Exception):
    """The overridden profile is not allowed."""


class QosCallbackResult:
    """What a validation callback returns."""

    def __init__(self, successful: bool = True, reason: str = "") -> None:
        self.successful = successful
        self.reason = reason


class QoSPolicyKind(Enum):
    """The policies, by the names of their parameters."""

    HISTORY = "history"
    DEPTH = "depth"
    RELIABILITY = "reliability"
    DURABILITY = "durability"
    LIFESPAN = "lifespan"
    DEADLINE = "deadline"
    LIVELINESS = "liveliness"
    LIVELINESS_LEASE_DURATION = "liveliness_lease_duration"
    AVOID_ROS_NAMESPACE_CONVENTIONS = "avoid_ros_namespace_conventions"


class QoSOverridingOptions:
    """Which policies may be overridden, who checks the result, and an id that tells endpoints of a topic apart."""

    def __init__(
        self,
        policy_kinds: Sequence[QoSPolicyKind],
        *,
        callback: Callable[[QoSProfile], QosCallbackResult] | None = None,
        entity_id: str | None = None,
    ) -> None:
        self.policy_kinds = tuple(policy_kinds)
        self.callback = callback
        self.entity_id = entity_id

    @classmethod
    def with_default_policies(
        cls,
        *,
        callback: Callable[[QoSProfile], QosCallbackResult] | None = None,
        entity_id: str | None = None,
    ) -> QoSOverridingOptions:
        """History, depth and reliability."""
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return cls(kinds, callback=callback, entity_id=entity_id)


def apply_overrides(node: Node, entity: str, topic: str, qos: QoSProfile, options: QoSOverridingOptions) -> None:
    """Declares the read-only parameters `qos_overrides.<topic>.<entity>[_<id>].<policy>` and applies them.

    Raises:
        InvalidQosOverridesError: the callback refuses the profile.
    """
    from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

    suffix = f"_{options.entity_id}" if options.entity_id else ""
    for kind in options.policy_kinds:
        name = f"qos_overrides.{topic}.{entity}{suffix}.{kind.value}"
        if node.has_parameter(name):
            parameter = node.get_parameter(name)
        else:
            parameter = node.declare_parameter(
                name, _to_value(getattr(qos, kind.value)), ParameterDescriptor(read_only=True)
            )
        setattr(qos, kind.value, _from_value(getattr(qos, kind.value), parameter.value))
    if options.callback is not None:
        result = options.callback(qos)
        if not result.successful:
            raise InvalidQosOverridesError(f"{topic}: {result.reason}")


def _to_value(policy: Any) -> Any:
    if isinstance(policy, QoSPolicyEnum):
        return policy.short_key
    return policy.nanoseconds if isinstance(policy, Duration) else policy


def _from_value(policy: Any, value: Any) -> Any:
    if isinstance(policy, QoSPolicyEnum):
        return type(policy)[value.upper()]
    return Duration(nanoseconds=value) if isinstance(policy, Duration) else value
