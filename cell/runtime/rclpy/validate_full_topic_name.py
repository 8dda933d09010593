"""Checks topic and service names after their expansion."""

from ._names import check_full_name

__all__ = ["validate_full_topic_name"]


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """True for an allowed fully qualified name.

    Raises:
        InvalidTopicNameException, InvalidServiceNameException: the name is not allowed.
    """
    check_full_name(name, service=is_service)
    return True
