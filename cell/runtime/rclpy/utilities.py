"""The default context, and what is left of a command line without its ROS arguments."""

from __future__ import annotations

import sys
import threading

from .context import Context

__all__ = [
    "get_default_context",
    "get_rmw_implementation_identifier",
    "ok",
    "remove_ros_args",
    "shutdown",
    "timeout_sec_to_nsec",
    "try_shutdown",
]

_default: Context | None = None
_lock = threading.Lock()


def get_default_context(*, shutting_down: bool = False) -> Context:
    """The context that `rclpy.init()` initialises.

    Raises:
        RuntimeError: with `shutting_down`, where there is none.
    """
    global _default  # noqa: PLW0603 (one default context in a process, as in rclpy)
    with _lock:
        if _default is None:
            if shutting_down:
                raise RuntimeError("Context must be initialized before it can be shutdown")
            _default = Context()
        if shutting_down:
            previous, _default = _default, None
            return previous
        return _default


def ok(*, context: Context | None = None) -> bool:
    return (context if context is not None else get_default_context()).ok()


def shutdown(*, context: Context | None = None) -> None:
    if context is None:
        context = get_default_context(shutting_down=True)
    context.shutdown()


def try_shutdown(*, context: Context | None = None) -> None:
    if context is None:
        with _lock:
            context = _default
    if context is not None:
        context.try_shutdown()


def remove_ros_args(args: list[str] | None = None) -> list[str]:
    """The arguments outside `--ros-args ... --`; None for those of the process."""
    rest: list[str] = []
    inside = False
    for argument in sys.argv if args is None else args:
        if argument == "--ros-args":
            inside = True
        elif inside and argument == "--":
            inside = False
        elif not inside:
            rest.append(argument)
    return rest


def get_rmw_implementation_identifier() -> str:
    """The name of the middleware: ours carries messages in the process."""
    return "rmw_cellwright"


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Nanoseconds; None and negative mean no limit (-1)."""
    if timeout_sec is None or timeout_sec < 0:
        return -1
    return int(timeout_sec * 1e9)
