"""The embedded rclpy: ROS 2's Python API, served in the process without a ROS installation.

Names and signatures are those of ROS 2's rclpy (Jazzy and Rolling). Messages travel by reference between the nodes of
this process; the seam for other transports is `cell.runtime.transport`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .context import Context
from .signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers
from .task import Future
from .utilities import _end, get_default_context, get_rmw_implementation_identifier, ok, try_shutdown
from .utilities import shutdown as _shutdown

if TYPE_CHECKING:
    from collections.abc import Callable

    from .executors import Executor
    from .node import Node
    from .parameter import Parameter

__all__ = [
    "Context",
    "Future",
    "create_node",
    "get_default_context",
    "get_global_executor",
    "get_rmw_implementation_identifier",
    "init",
    "ok",
    "shutdown",
    "spin",
    "spin_once",
    "spin_until_future_complete",
    "try_shutdown",
]

if __name__ != "rclpy":
    raise ImportError(f"import rclpy, not {__name__}: a second copy of the runtime would not see the first one's nodes")

_global_executor: Executor | None = None
_lock = threading.Lock()


class InitContextManager:
    """What `init` returns: at the end of a `with` the context is shut down."""

    def __init__(self, context: Context, installed: bool) -> None:
        self.context = context
        self.installed_signal_handlers = installed

    def __enter__(self) -> InitContextManager:
        return self

    def __exit__(self, *exc_info: object) -> None:
        _end(self.context)
        if self.installed_signal_handlers:
            uninstall_signal_handlers()


def init(
    *,
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> InitContextManager:
    """Initialises a context (the default one), and with the default one the handling of SIGINT and SIGTERM.

    Raises:
        RuntimeError: it is initialised already.
        UnknownROSArgsError, RCLError: a bad `--ros-args` section.
    """
    chosen = get_default_context() if context is None else context
    if signal_handler_options is None:
        signal_handler_options = SignalHandlerOptions.ALL if context is None else SignalHandlerOptions.NO
    chosen.init(args, domain_id=domain_id)
    if signal_handler_options:
        install_signal_handlers(signal_handler_options)
    return InitContextManager(chosen, bool(signal_handler_options))


def get_global_executor() -> Executor:
    """The executor of `spin` and its like where none is given."""
    global _global_executor  # noqa: PLW0603 (one global executor in a process, as in rclpy)
    with _lock:
        if _global_executor is None or _global_executor._is_shutdown:
            from .executors import SingleThreadedExecutor  # noqa: PLC0415 (loads on use)

            _global_executor = executor = SingleThreadedExecutor()
            executor.context._on_shutdown_call(_drop_global_executor)
        return _global_executor


def _drop_global_executor() -> None:
    """A new `init` after a shut-down begins with a new executor."""
    global _global_executor  # noqa: PLW0603 (see get_global_executor)
    _global_executor = None


def shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Ends a context, and with the default one the handling of signals.

    Raises:
        RuntimeError: it is not initialised.
    """
    _shutdown(context=context)
    if uninstall_handlers or (uninstall_handlers is None and context is None):
        uninstall_signal_handlers()


def create_node(
    node_name: str,
    *,
    context: Context | None = None,
    cli_args: list[str] | None = None,
    namespace: str | None = None,
    use_global_arguments: bool = True,
    enable_rosout: bool = True,
    rosout_qos_profile: Any = None,
    start_parameter_services: bool = True,
    parameter_overrides: list[Parameter[Any]] | None = None,
    allow_undeclared_parameters: bool = False,
    automatically_declare_parameters_from_overrides: bool = False,
    enable_logger_service: bool = False,
) -> Node:
    """A plain `Node`; see there."""
    from .node import Node  # noqa: PLC0415 (loads on use)
    from .qos import qos_profile_rosout_default  # noqa: PLC0415 (loads on use)

    return Node(
        node_name,
        context=context,
        cli_args=cli_args,
        namespace=namespace,
        use_global_arguments=use_global_arguments,
        enable_rosout=enable_rosout,
        rosout_qos_profile=qos_profile_rosout_default if rosout_qos_profile is None else rosout_qos_profile,
        start_parameter_services=start_parameter_services,
        parameter_overrides=parameter_overrides,
        allow_undeclared_parameters=allow_undeclared_parameters,
        automatically_declare_parameters_from_overrides=automatically_declare_parameters_from_overrides,
        enable_logger_service=enable_logger_service,
    )


def spin_once(node: Node, *, executor: Executor | None = None, timeout_sec: float | None = None) -> None:
    """Runs one piece of work of the node, waiting for it at most `timeout_sec`."""
    _with_node(node, executor, lambda chosen: chosen.spin_once(timeout_sec=timeout_sec))


def spin(node: Node, executor: Executor | None = None) -> None:
    """Runs the node until the context is shut down.

    Raises:
        ExternalShutdownException: the context was shut down while nothing ran, by a signal for instance.
    """

    _with_node(node, executor, lambda chosen: chosen.spin())


def spin_until_future_complete(
    node: Node, future: Future[Any], executor: Executor | None = None, timeout_sec: float | None = None
) -> None:
    """Runs the node until the future is done, at most `timeout_sec`."""
    _with_node(node, executor, lambda chosen: chosen.spin_until_future_complete(future, timeout_sec))


def _with_node(node: Node, executor: Executor | None, run: Callable[[Executor], None]) -> None:
    chosen = get_global_executor() if executor is None else executor
    added = chosen.add_node(node)
    try:
        run(chosen)
    finally:
        if added:
            chosen.remove_node(node)


_LAZY = frozenset(
    ("action", "executors", "logging", "node", "parameter", "qos", "serialization", "subscription", "timer")
)


def __getattr__(name: str) -> Any:
    """`rclpy.executors` and the like are there after `import rclpy`, but load when they are asked for."""
    from importlib import import_module  # noqa: PLC0415 (see above)

    if name in _LAZY:
        return import_module(f"rclpy.{name}")
    if name == "Parameter":
        return import_module("rclpy.parameter").Parameter
    raise AttributeError(f"module 'rclpy' has no attribute {name!r}")
