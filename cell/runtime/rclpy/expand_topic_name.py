"""Expands a topic name for a node."""

from ._names import check_namespace, check_node_name, expand
from .exceptions import NameValidationException

__all__ = ["expand_topic_name"]


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """The fully qualified name.

    Raises:
        ValueError: one of the three is not allowed, or the name holds an unknown substitution.
        TypeError: one of the three is no string.
    """
    for value in (topic_name, node_name, node_namespace):
        if not isinstance(value, str):
            raise TypeError(f"a name must be a str, not {type(value).__name__}")
    try:
        full_name = expand(topic_name, node_name, node_namespace, service=False)
    except NameValidationException as error:
        raise ValueError(f"topic name '{topic_name}' is invalid: {error.error_msg}") from None
    try:
        check_node_name(node_name)
    except NameValidationException as error:
        raise ValueError(f"node name '{node_name}' is invalid: {error.error_msg}") from None
    try:
        check_namespace(node_namespace)
    except NameValidationException as error:
        raise ValueError(f"namespace '{node_namespace}' is invalid: {error.error_msg}") from None
    return full_name
