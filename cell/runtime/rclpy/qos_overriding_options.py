"""QoS policies of an endpoint that parameters may override."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .duration import Duration
from .exceptions import ParameterAlreadyDeclaredException
from .publisher import Publisher
from .qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyEnum,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)
from .subscription import Subscription

if TYPE_CHECKING:
    from rcl_interfaces.msg import SetParametersResult as QosCallbackResult

    from .node import Node
    from .parameter import Parameter

    QosCallbackType = Callable[[QoSProfile], QosCallbackResult]

__all__ = [
    "InvalidQosOverridesError",
    "QoSOverridingOptions",
    "QoSPolicyKind",
    "QosCallbackResult",
    "QosCallbackType",
]

_ENUMS: dict[QoSPolicyKind, type[QoSPolicyEnum]] = {
    QoSPolicyKind.HISTORY: HistoryPolicy,
    QoSPolicyKind.RELIABILITY: ReliabilityPolicy,
    QoSPolicyKind.DURABILITY: DurabilityPolicy,
    QoSPolicyKind.LIVELINESS: LivelinessPolicy,
}
_DURATIONS = (QoSPolicyKind.LIFESPAN, QoSPolicyKind.DEADLINE, QoSPolicyKind.LIVELINESS_LEASE_DURATION)


def __getattr__(name: str) -> Any:
    """`QosCallbackResult` is a message class, which loads on use; `QosCallbackType` names it."""
    if name not in ("QosCallbackResult", "QosCallbackType"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (see above)

    return SetParametersResult if name == "QosCallbackResult" else Callable[[QoSProfile], SetParametersResult]


class InvalidQosOverridesError(Exception):
    """The overridden profile is not allowed."""


class QoSOverridingOptions:
    """Which policies may be overridden, who checks the result, and an id that tells endpoints of a topic apart."""

    def __init__(
        self,
        policy_kinds: Iterable[QoSPolicyKind],
        *,
        callback: QosCallbackType | None = None,
        entity_id: str | None = None,
    ) -> None:
        self._policy_kinds = policy_kinds
        self._callback = callback
        self._entity_id = entity_id

    @property
    def policy_kinds(self) -> Iterable[QoSPolicyKind]:
        return self._policy_kinds

    @property
    def callback(self) -> QosCallbackType | None:
        """Gets the profile with its overrides; gives a result like that of setting parameters."""
        return self._callback

    @property
    def entity_id(self) -> str | None:
        return self._entity_id

    @classmethod
    def with_default_policies(
        cls, *, callback: QosCallbackType | None = None, entity_id: str | None = None
    ) -> QoSOverridingOptions:
        """History, depth and reliability."""
        kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)
        return cls(kinds, callback=callback, entity_id=entity_id)


def _declare_qos_parameters(
    entity_type: type[Publisher[Any]] | type[Subscription[Any]],
    node: Node,
    topic_name: str,
    qos: QoSProfile,
    options: QoSOverridingOptions,
) -> None:
    """Declares the read-only parameters `qos_overrides.<topic>.<entity>[_<id>].<policy>`, and puts what they hold
    into the profile.

    Raises:
        TypeError: `entity_type` is neither a publisher's nor a subscription's.
        ValueError: a policy of the profile is unknown.
        RuntimeError: an override names no value of its policy.
        InvalidQosOverridesError: the callback refuses the profile.
    """
    from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

    if not issubclass(entity_type, Publisher | Subscription):
        raise TypeError("Argument `entity_type` should be a subclass of Publisher or Subscription")
    entity = "publisher" if issubclass(entity_type, Publisher) else "subscription"
    suffix = "" if options.entity_id is None else f"_{options.entity_id}"
    about = f"for {entity} `{topic_name}` with id `{options.entity_id}`"
    allowed = _get_allowed_policies(entity_type)
    for policy in options.policy_kinds:
        if policy not in allowed:
            continue
        key = policy.name.lower()
        name = f"qos_overrides.{topic_name}.{entity}{suffix}.{key}"
        descriptor = ParameterDescriptor(description=f"{key} {about}", read_only=True)
        try:
            parameter = node.declare_parameter(name, _get_qos_policy_parameter(qos, policy), descriptor)
        except ParameterAlreadyDeclaredException:
            parameter = node.get_parameter(name)
        _override_qos_policy_with_param(qos, policy, parameter)
    if options.callback is not None:
        result = options.callback(qos)
        if not result.successful:
            raise InvalidQosOverridesError(f"Provided QoS overrides {about}, are not valid: {result.reason}")


def _get_allowed_policies(entity_type: type[Publisher[Any]] | type[Subscription[Any]]) -> list[QoSPolicyKind]:
    """A subscription has no lifespan."""
    refused = {QoSPolicyKind.INVALID}
    if issubclass(entity_type, Subscription):
        refused.add(QoSPolicyKind.LIFESPAN)
    return [kind for kind in QoSPolicyKind if kind not in refused]


def _get_qos_policy_parameter(qos: QoSProfile, policy: QoSPolicyKind) -> str | int | bool:
    """The value of a policy as a parameter holds it."""
    value: Any = getattr(qos, policy.name.lower())
    if isinstance(value, QoSPolicyEnum):
        key = value.name.lower()
        if key == "unknown":
            raise ValueError("User provided QoS profile is invalid")
        return key
    if isinstance(value, Duration):
        return value.nanoseconds
    plain: int | bool = value
    return plain


def _override_qos_policy_with_param(qos: QoSProfile, policy: QoSPolicyKind, param: Parameter[Any]) -> None:
    value = param.value
    if policy in _ENUMS:
        try:
            value = _ENUMS[policy][value.upper()]
        except KeyError:
            raise RuntimeError(f"Unexpected QoS override for policy `{policy.name.lower()}`: `{value}`") from None
    elif policy in _DURATIONS:
        value = Duration(nanoseconds=value)
    setattr(qos, policy.name.lower(), value)
