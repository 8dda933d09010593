"""What SIGINT and SIGTERM do: they shut all contexts down, so that every spinning executor ends.

Handlers stand from `rclpy.init` of the default context until its shut-down. After ours, the handler that was there
before is called: Python's own for SIGINT raises KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import threading
from enum import IntEnum
from types import FrameType
from typing import TYPE_CHECKING, Any

from .context import _shut_down_all

if TYPE_CHECKING:
    from ._signal_guard import SignalHandlerGuardCondition

__all__ = [
    "SignalHandlerGuardCondition",
    "SignalHandlerOptions",
    "get_current_signal_handlers_options",
    "install_signal_handlers",
    "uninstall_signal_handlers",
]


class SignalHandlerOptions(IntEnum):
    """Which signals `rclpy.init` handles."""

    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_SIGNALS = ((SignalHandlerOptions.SIGINT, signal.SIGINT), (SignalHandlerOptions.SIGTERM, signal.SIGTERM))
_previous: dict[int, Any] = {}
_guards: list[SignalHandlerGuardCondition] = []


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Installs our handlers for the chosen signals; a signal that has one already keeps it.

    Only Python's main thread may do that: in another thread nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for bit, number in _SIGNALS:
        if options & bit and number not in _previous:
            _previous[number] = signal.signal(number, _on_signal)


def uninstall_signal_handlers() -> None:
    """Puts back what was there before `install_signal_handlers`."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in list(_previous.items()):
        # Somebody else's handler stays.
        if signal.getsignal(number) is _on_signal:
            # None stands for a handler that Python did not install, which it cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        del _previous[number]


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    """Which signals are handled now."""
    value = 0
    for bit, number in _SIGNALS:
        if number in _previous:
            value |= bit
    return SignalHandlerOptions(value)


def _on_signal(number: int, frame: FrameType | None) -> None:
    for guard in list(_guards):
        guard.trigger()
    _shut_down_all()
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)


def __getattr__(name: str) -> Any:
    if name != "SignalHandlerGuardCondition":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _signal_guard  # noqa: PLC0415 (few programs need it, and all import this module)

    return _signal_guard.SignalHandlerGuardCondition
