"""Ctrl-C and SIGTERM of a run in real time: the first one lets it end in order, whenever it comes."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupts:
    """While entered on the main thread, the first signal waits until the run can stop in order (``listen``), and what
    comes after that raises KeyboardInterrupt at once. A context manager."""

    def __init__(self) -> None:
        self._came = False
        self._listens = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def listen(self) -> None:
        """From now on the run can stop in order.

        Raises:
            KeyboardInterrupt: now, for a signal that has come before; later, for every one that comes.
        """
        self._listens = True
        if self._came:
            raise KeyboardInterrupt

    def _on_signal(self, _number: int, _frame: object) -> None:
        waits = not self._came and not self._listens
        self._came = True
        if not waits:
            raise KeyboardInterrupt
