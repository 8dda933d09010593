"""Errors that the original raises from its C layer; programs catch them by RuntimeError or by name."""

from __future__ import annotations

__all__ = [
    "InvalidHandle",
    "NodeNameNonExistentError",
    "RCLError",
    "RCLInvalidROSArgsError",
    "TimerCancelledError",
    "UnknownROSArgsError",
    "UnsupportedEventTypeError",
]


class RCLError(RuntimeError):
    """An operation on the graph failed."""


class RCLInvalidROSArgsError(RCLError):
    """A known argument of a `--ros-args` section has a bad value."""


class UnknownROSArgsError(RuntimeError):
    """A `--ros-args` section holds what no rule knows; `unknown_args` lists it."""

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(f"Found unknown ROS arguments: {unknown!r}")
        self.unknown_args = unknown


class NodeNameNonExistentError(RCLError):
    """No node of that name is known."""


class UnsupportedEventTypeError(RCLError):
    """A kind of QoS event that the middleware does not have."""


class TimerCancelledError(RCLError):
    """A cancelled timer was asked for the time of its next call."""


class InvalidHandle(RuntimeError):
    """A destroyed entity was used."""
