"""The names of rclpy's C layer that have a meaning here, under the names that they have there."""

from __future__ import annotations

from typing import Any

from .._rclpy_errors import (
    InvalidHandle,
    NodeNameNonExistentError,
    RCLError,
    RCLInvalidROSArgsError,
    TimerCancelledError,
    UnknownROSArgsError,
    UnsupportedEventTypeError,
)

RCL_DEFAULT_DOMAIN_ID = 2**64 - 1

# Where the rest is: loaded when it is asked for.
_ELSEWHERE = {
    "ClockType": ("clock_type", "ClockType"),
    "Destroyable": ("_handle", "Handle"),
    "EventHandle": ("event_handler", "EventHandle"),
    "GuardCondition": ("impl.low_level", "guard_condition"),
    "SignalHandlerOptions": ("signals", "SignalHandlerOptions"),
    "Subscription": ("impl.low_level", "subscription"),
    "Client": ("impl.low_level", "client"),
    "Service": ("impl.low_level", "service"),
    "Timer": ("impl.low_level", "timer"),
    "WaitSet": ("_wait_set", "WaitSet"),
    "rcl_publisher_event_type_t": ("event_handler", "QoSPublisherEventType"),
    "rcl_subscription_event_type_t": ("event_handler", "QoSSubscriptionEventType"),
    "rclpy_deserialize": ("serialization", "deserialize_message"),
    "rclpy_expand_topic_name": ("expand_topic_name", "expand_topic_name"),
    "rclpy_get_rmw_implementation_identifier": ("utilities", "get_rmw_implementation_identifier"),
    "rclpy_qos_check_compatible": ("qos", "qos_check_compatible"),
    "rclpy_remove_ros_args": ("utilities", "remove_ros_args"),
    "rclpy_serialize": ("serialization", "serialize_message"),
    "rmw_incompatible_type_status_t": ("event_handler", "IncompatibleTypeInfo"),
    "rmw_liveliness_changed_status_t": ("event_handler", "QoSLivelinessChangedInfo"),
    "rmw_liveliness_lost_status_t": ("event_handler", "QoSLivelinessLostInfo"),
    "rmw_matched_status_t": ("event_handler", "MatchedInfo"),
    "rmw_message_lost_status_t": ("event_handler", "QoSMessageLostInfo"),
    "rmw_offered_deadline_missed_status_t": ("event_handler", "QoSOfferedDeadlineMissedInfo"),
    "rmw_qos_profile_t": ("qos", "rmw_qos_profile_t"),
    "rmw_requested_deadline_missed_status_t": ("event_handler", "QoSRequestedDeadlineMissedInfo"),
    "rmw_requested_qos_incompatible_event_status_t": ("event_handler", "QoSRequestedIncompatibleQoSInfo"),
}


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 (see above)

    module, attribute = _ELSEWHERE[name]
    found = getattr(import_module(f"rclpy.{module}"), attribute)
    globals()[name] = found
    return found


__all__ = [
    "RCL_DEFAULT_DOMAIN_ID",
    "InvalidHandle",
    "NodeNameNonExistentError",
    "RCLError",
    "RCLInvalidROSArgsError",
    "TimerCancelledError",
    "UnknownROSArgsError",
    "UnsupportedEventTypeError",
]
