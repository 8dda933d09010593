"""Whether a class is an interface that can be published, called or acted on."""

from __future__ import annotations

from typing import Any

from .exceptions import NoTypeSupportImportedException

__all__ = [
    "check_for_type_support",
    "check_is_valid_action_type",
    "check_is_valid_msg_type",
    "check_is_valid_srv_type",
]

_MESSAGE = ("get_fields_and_field_types", "SLOT_TYPES")
_SERVICE = ("Request", "Response", "Event")
_ACTION = ("Goal", "Result", "Feedback")
_PROTOCOL = ("SendGoalService", "GetResultService", "FeedbackMessage", "CancelGoalService", "GoalStatusMessage")


def check_for_type_support(msg_or_srv_type: type[Any]) -> None:
    """Loads what an interface class needs, where that has not happened yet.

    Raises:
        AttributeError: not an interface class of ROS 2.
        NoTypeSupportImportedException: there is no support for it.
    """
    kind: Any = type(msg_or_srv_type)
    try:
        support = kind._TYPE_SUPPORT
    except AttributeError as error:
        error.args = (
            f"{error.args[0]} This might be a ROS 1 message type but it should be a ROS 2 message type. "
            "Make sure to source your ROS 2 workspace after your ROS 1 workspace.",
        )
        raise
    if support is None:
        kind.__import_type_support__()
    if kind._TYPE_SUPPORT is None:
        raise NoTypeSupportImportedException()


def check_is_valid_msg_type(msg_type: type[Any]) -> None:
    """Raises AttributeError, NoTypeSupportImportedException, or RuntimeError for another kind of interface."""
    check_for_type_support(msg_type)
    if not _has(msg_type, _MESSAGE):
        raise RuntimeError(f"The provided message type is not valid: {msg_type!r}")


def check_is_valid_srv_type(srv_type: type[Any]) -> None:
    """Raises AttributeError, NoTypeSupportImportedException, or RuntimeError for another kind of interface."""
    check_for_type_support(srv_type)
    if not _has(srv_type, _SERVICE):
        raise RuntimeError(f"The provided service type is not valid: {srv_type!r}")


def check_is_valid_action_type(action_type: type[Any]) -> None:
    """Raises AttributeError, NoTypeSupportImportedException, or RuntimeError for another kind of interface."""
    check_for_type_support(action_type)
    if not _has(action_type, _ACTION) or not _has(action_type.Impl, _PROTOCOL):
        raise RuntimeError(f"The provided action type is not valid: {action_type!r}")


def _has(cls: Any, names: tuple[str, ...]) -> bool:
    return all(hasattr(cls, name) for name in names)
