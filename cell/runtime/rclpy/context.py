"""A context: initialised or shut down, with its arguments and its ROS domain."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from cell.runtime import transports
from cell.runtime.transport import Bus

from ._arguments import Arguments, parse_arguments
from ._handle import Handle
from ._rclpy_errors import RCLError
from .qos import _matches

if TYPE_CHECKING:
    from .node import Node

__all__ = ["Context"]


class _Domain:
    """A ROS domain in this process: its contexts see each other; its transports run while there is any of them."""

    def __init__(self, number: int) -> None:
        self.bus = Bus(_matches)
        self._number = number
        self._contexts = 0
        self._stop: list[Callable[[], None]] = []
        # A signal's handler may end a context while this thread begins or ends another.
        self._lock = threading.RLock()

    def enter(self) -> None:
        with self._lock:
            if not self._contexts:
                self._stop = transports.start(self.bus, self._number)
            self._contexts += 1

    def leave(self) -> None:
        with self._lock:
            self._contexts -= 1
            stop: list[Callable[[], None]] = []
            if not self._contexts:
                stop, self._stop = self._stop, []
            for end in reversed(stop):
                end()


_domains: dict[int, _Domain] = {}
_domains_lock = threading.Lock()
_live: weakref.WeakSet[Context] = weakref.WeakSet()


def _domain_of(number: int) -> _Domain:
    with _domains_lock:
        found = _domains.get(number)
        if found is None:
            found = _domains[number] = _Domain(number)
        return found


class _ContextHandle(Handle):
    """The lower end of a context."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.try_shutdown)
        self._context = context

    def ok(self) -> bool:
        return self._context.ok()

    def get_domain_id(self) -> int:
        return self._context.get_domain_id()

    def shutdown(self) -> None:
        self._context.shutdown()


class Context:
    """What `rclpy.init` initialises and `rclpy.shutdown` ends; programs can make more of their own.

    It is initialised once: a second run takes a new one.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._handle: _ContextHandle | None = None
        self._ok = False
        self._domain_id = 0
        self._arguments = Arguments()
        self._shutdown_callbacks: list[Callable[[], object]] = []
        self._nodes: weakref.WeakSet[Node] = weakref.WeakSet()
        self._domain = _domain_of(0)
        self._bus = self._domain.bus

    @property
    def handle(self) -> _ContextHandle | None:
        """None before `init`."""
        return self._handle

    def init(
        self, args: list[str] | None = None, *, initialize_logging: bool = True, domain_id: int | None = None
    ) -> None:
        """Makes the context usable; `args` are command-line arguments, None for those of the process.

        Raises:
            RuntimeError: it was initialised before, or the domain is negative.
            UnknownROSArgsError, RCLError: `args` holds a bad `--ros-args` section, or the domain is no number.
            UnicodeEncodeError: an argument holds bytes that are no UTF-8.
        """
        import sys  # noqa: PLC0415 (only here)

        with self._lock:
            if domain_id is not None and domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            if self._handle is not None:
                raise RuntimeError("Context.init() must only be called once")
            self._arguments = parse_arguments(
                list(sys.argv) if args is None else list(args), "failed to initialize rcl"
            )
            self._domain_id = _domain_from_environment() if domain_id is None else domain_id
            domain = _domain_of(self._domain_id)
            domain.enter()
            self._domain, self._bus = domain, domain.bus
            self._handle = _ContextHandle(self)
            self._ok = True
            _live.add(self)
        if initialize_logging:
            from .logging import _configure  # noqa: PLC0415 (logging needs the clocks, which need contexts)

            _configure(self._arguments)

    def ok(self) -> bool:
        return self._ok

    def shutdown(self) -> None:
        """Ends the context.

        Raises:
            RuntimeError: it is not initialised, or shut down already.
        """
        if self._handle is None:
            raise RuntimeError("Context must be initialized before it can be shutdown")
        if not self._end():
            raise RCLError("failed to shutdown: rcl_shutdown already called on the given context")

    def try_shutdown(self) -> None:
        """As `shutdown`; nothing happens where the context is not initialised, or shut down already."""
        self._end()

    def on_shutdown(self, callback: Callable[[], object]) -> None:
        """Calls `callback()` at shut-down, or now where that is over; a bound method is held weakly."""
        if not callable(callback):
            raise TypeError(f"callback should be a callable, got {type(callback)}")
        with self._lock:
            over = self._handle is not None and not self._ok
        if over:
            callback()
        elif hasattr(callback, "__self__") and hasattr(callback, "__func__"):
            method = weakref.WeakMethod(callback)

            def call_if_alive() -> None:
                alive = method()
                if alive is not None:
                    alive()

            self._on_shutdown_call(call_if_alive)
        else:
            self._on_shutdown_call(callback)

    def get_domain_id(self) -> int:
        """The ROS domain.

        Raises:
            RuntimeError: the context was never initialised.
        """
        if self._handle is None:
            raise RuntimeError("Context must be initialized before it can have a domain id")
        return self._domain_id

    def track_node(self, node: Node) -> None:
        self._nodes.add(node)

    def untrack_node(self, node: Node) -> None:
        self._nodes.discard(node)

    def destroy(self) -> None:
        """Ends the context, once nobody uses its handle."""
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()

    def __enter__(self) -> Context:
        """Initialises the context with the arguments of the process."""
        self.init()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.try_shutdown()

    def _end(self) -> bool:
        with self._lock:
            if not self._ok:
                return False
            self._ok = False
            _live.discard(self)
            callbacks, self._shutdown_callbacks = self._shutdown_callbacks, []
        try:
            for callback in callbacks:
                callback()
        finally:
            self._bus.notify()
            self._domain.leave()
        return True

    def _on_shutdown_call(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Registers a callback; gives the function that takes it back."""
        with self._lock:
            self._shutdown_callbacks.append(callback)

        def forget() -> None:
            with self._lock:
                self._shutdown_callbacks = [entry for entry in self._shutdown_callbacks if entry is not callback]

        return forget


def _domain_from_environment() -> int:
    text = os.environ.get("ROS_DOMAIN_ID", "")
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise RCLError(f"failed to initialize rcl: ROS_DOMAIN_ID is not an integral number: {text!r}")
    return int(text)


def _shut_down_all() -> None:
    """For signals: ends every live context."""
    for context in list(_live):
        context.try_shutdown()
