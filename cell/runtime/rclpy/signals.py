"""What SIGINT and SIGTERM do: they shut all contexts down, so that every spinning executor ends."""

from __future__ import annotations

import signal
import threading
from enum import IntEnum
from types import FrameType
from typing import Any

from .context import _shut_down_all

__all__ = ["SignalHandlerOptions", "install_signal_handlers", "uninstall_signal_handlers"]


class SignalHandlerOptions(IntEnum):
    """Which signals `rclpy.init` handles."""

    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_previous: dict[int, Any] = {}


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Installs our handlers in the main thread; what was there before is called after them."""
    if threading.current_thread() is not threading.main_thread():
        return
    for bit, number in ((SignalHandlerOptions.SIGINT, signal.SIGINT), (SignalHandlerOptions.SIGTERM, signal.SIGTERM)):
        if options & bit and number not in _previous:
            _previous[number] = signal.signal(number, _on_signal)


def uninstall_signal_handlers() -> None:
    """Puts back what was there before `install_signal_handlers`."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in list(_previous.items()):
        # Somebody else's handler stays.
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, handler)
        del _previous[number]


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    value = 0
    if signal.SIGINT in _previous:
        value |= SignalHandlerOptions.SIGINT
    if signal.SIGTERM in _previous:
        value |= SignalHandlerOptions.SIGTERM
    return SignalHandlerOptions(value)


def _on_signal(number: int, frame: FrameType | None) -> None:
    _shut_down_all()
    previous = _previous.get(number)
    if callable(previous):
        previous(number, frame)
