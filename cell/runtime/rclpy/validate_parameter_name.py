"""Checks the name of a parameter."""

from __future__ import annotations

from .exceptions import InvalidParameterException

__all__ = ["validate_parameter_name"]


def validate_parameter_name(name: str) -> bool:
    """True for a name that a parameter can have, which is any that is not empty.

    Raises:
        InvalidParameterException: an empty one.
    """
    if not name:
        raise InvalidParameterException(name)
    return True
