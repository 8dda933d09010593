"""A context: initialised or shut down, with its arguments and its ROS domain."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from cell.runtime.transport import Bus

from ._arguments import Arguments, parse_arguments
from .qos import _matches

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Context"]

_buses: dict[int, Bus] = {}
_buses_lock = threading.Lock()
_live: weakref.WeakSet[Context] = weakref.WeakSet()


def _bus_of(domain_id: int) -> Bus:
    """Contexts of one domain see each other, as processes of one domain do."""
    with _buses_lock:
        return _buses.setdefault(domain_id, Bus(_matches))


class Context:
    """What `rclpy.init` initialises and `rclpy.shutdown` ends; programs can make more of their own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._initialized = False
        self._ok = False
        self._domain_id = 0
        self._arguments = Arguments()
        self._shutdown_callbacks: list[Callable[[], object]] = []
        self._nodes: weakref.WeakSet[Node] = weakref.WeakSet()
        self._bus = _bus_of(0)

    @property
    def handle(self) -> Context:
        return self

    def init(
        self, args: list[str] | None = None, *, initialize_logging: bool = True, domain_id: int | None = None
    ) -> None:
        """Makes the context usable; `args` are command-line arguments, None for those of the process.

        Raises:
            RuntimeError: it is initialised already, or the domain is negative.
            UnknownROSArgsError, ValueError: `args` holds a bad `--ros-args` section.
        """
        import sys  # noqa: PLC0415 (only here)

        with self._lock:
            if self._initialized and self._ok:
                raise RuntimeError("Context.init() must only be called once")
            if domain_id is not None and domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            self._arguments = parse_arguments(sys.argv if args is None else args)
            if domain_id is None:
                domain_id = int(os.environ.get("ROS_DOMAIN_ID") or 0)
            self._domain_id = domain_id
            self._bus = _bus_of(domain_id)
            self._initialized = self._ok = True
            _live.add(self)
        if initialize_logging:
            from .logging import _apply_levels  # noqa: PLC0415 (logging needs the clocks, which need contexts)

            _apply_levels(self._arguments.log_levels)

    def ok(self) -> bool:
        return self._ok

    def shutdown(self) -> None:
        """Ends the context.

        Raises:
            RuntimeError: it is not initialised, or shut down already.
        """
        if not self._ok:
            raise RuntimeError("Context must be initialized before it can be shutdown")
        self.try_shutdown()

    def try_shutdown(self) -> None:
        """As `shutdown`; nothing happens where the context is not initialised."""
        with self._lock:
            if not self._ok:
                return
            self._ok = False
            _live.discard(self)
            callbacks, self._shutdown_callbacks = self._shutdown_callbacks, []
        for callback in callbacks:
            callback()
        self._bus.notify()

    def on_shutdown(self, callback: Callable[[], object]) -> None:
        """Calls `callback()` at shut-down; a bound method is held weakly."""
        if not callable(callback):
            raise TypeError("callback should be a callable")
        if hasattr(callback, "__self__"):
            method = weakref.WeakMethod(callback)

            def call_if_alive() -> None:
                alive = method()
                if alive is not None:
                    alive()

            self._on_shutdown_call(call_if_alive)
        else:
            self._on_shutdown_call(callback)

    def get_domain_id(self) -> int:
        return self._domain_id

    def track_node(self, node: Node) -> None:
        self._nodes.add(node)

    def untrack_node(self, node: Node) -> None:
        self._nodes.discard(node)

    def destroy(self) -> None:
        self.try_shutdown()

    def __enter__(self) -> Context:
        if not self._ok:
            self.init()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.try_shutdown()

    def _on_shutdown_call(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Registers a callback; gives the function that takes it back."""
        with self._lock:
            self._shutdown_callbacks.append(callback)

        def forget() -> None:
            with self._lock:
                self._shutdown_callbacks = [entry for entry in self._shutdown_callbacks if entry is not callback]

        return forget


def _shut_down_all() -> None:
    """For signals: ends every live context."""
    for context in list(_live):
        context.try_shutdown()
