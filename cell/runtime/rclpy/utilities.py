"""The default context, and what is left of a command line without its ROS arguments."""

from __future__ import annotations

import sys
import threading

from .context import Context

__all__ = [
    "get_available_rmw_implementations",
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


def get_available_rmw_implementations() -> set[str]:
    """The names of all middlewares: there is one."""
    return {get_rmw_implementation_identifier()}


def ok(*, context: Context | None = None) -> bool:
    return (context if context is not None else get_default_context()).ok()


def shutdown(*, context: Context | None = None) -> None:
    if context is None:
        context = get_default_context(shutting_down=True)
    context.shutdown()


def _end(context: Context) -> None:
    """Ends a context; the default one is used up then."""
    global _default  # noqa: PLW0603 (see get_default_context)
    with _lock:
        if context is _default:
            _default = None
    context.try_shutdown()


def try_shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """As `shutdown`; nothing happens where the context is not initialised. The default one is used up then, too."""
    global _default
    if context is not None:
        context.try_shutdown()
        return
    with _lock:
        context, _default = _default, None
    if context is not None:
        context.try_shutdown()
        if uninstall_handlers is not False:
            from .signals import uninstall_signal_handlers  # noqa: PLC0415 (signals need contexts)

            uninstall_signal_handlers()


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
