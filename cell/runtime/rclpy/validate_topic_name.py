"""Checks topic and service names."""

from ._names import check_name

__all__ = ["validate_topic_name"]

TOPIC_SEPARATOR_STRING = "/"


def validate_topic_name(name: str, *, is_service: bool = False) -> bool:
    """True for an allowed name.

    Raises:
        InvalidTopicNameException, InvalidServiceNameException: the name is not allowed.
    """
    check_name(name, service=is_service)
    return True
