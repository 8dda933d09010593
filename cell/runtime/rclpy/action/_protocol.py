"""What action servers and clients share: the names below `<action>/_action`, and the checks of their arguments.

On the graph an action is three services and two topics (design.ros2.org, "Actions", "Topics and services").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..exceptions import NameValidationException, NoTypeSupportImportedException
from ..qos import QoSProfile

if TYPE_CHECKING:
    from ..node import Node

# As rclpy has them: the last ten messages, reliable.
FEEDBACK_QOS = QoSProfile(depth=10)


def check_action(node: Node, action_type: Any, action_name: str, what: str) -> None:
    """Refuses what is no action, and names that are not allowed.

    Raises:
        InvalidHandle: the node was destroyed.
        NoTypeSupportImportedException: not an action type.
        ValueError: the name is not allowed.
    """
    node._rcl_check_alive()
    if not hasattr(action_type, "Impl") or not hasattr(action_type, "Goal"):
        raise NoTypeSupportImportedException()
    try:
        node._rcl_resolve(f"{action_name}/_action/send_goal", service=True, only_expand=True)
    except NameValidationException as error:
        raise ValueError(
            f"Failed to create action {what} due to invalid topic name '{action_name}' : {error}"
        ) from error


def is_awaitable(value: Any) -> bool:
    return hasattr(value, "__await__")
