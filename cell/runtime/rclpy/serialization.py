"""Messages as bytes, as they travel on the wire and stand in a bag."""

from __future__ import annotations

from typing import Any, TypeVar

from ._rclpy_errors import RCLError
from .type_support import check_for_type_support

__all__ = ["RMWError", "deserialize_message", "serialize_message"]

MessageT = TypeVar("MessageT")


class RMWError(RCLError):
    """The middleware could not do what it was asked for."""


def serialize_message(message: Any) -> bytes:
    """The message as CDR with its encapsulation.

    Raises:
        AttributeError: not a message.
        RMWError: a field holds what its type does not allow.
    """
    from cell.runtime import cdr  # noqa: PLC0415 (few programs serialise)

    check_for_type_support(type(message))
    try:
        return cdr.serialize(message)
    except cdr.CdrError as error:
        raise RMWError(f"Failed to serialize ROS message: {error}") from None


def deserialize_message(serialized_message: bytes, message_type: type[MessageT]) -> MessageT:
    """The message that the bytes hold, with nothing shared between the two.

    Raises:
        AttributeError: not a message class.
        TypeError: not bytes.
        RMWError: the bytes are no such message.
    """
    from cell.runtime import cdr  # noqa: PLC0415 (few programs serialise)

    check_for_type_support(message_type)
    if not isinstance(serialized_message, bytes | bytearray | memoryview):
        raise TypeError(f"Expected bytes, got {type(serialized_message)}")
    try:
        return cdr.deserialize(message_type, serialized_message, copy=True)
    except cdr.CdrError as error:
        raise RMWError(f"Failed to deserialize ROS message: {error}") from None
