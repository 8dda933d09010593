"""Ends a lockstep that hangs: somebody who never returns cannot be asked who he is, so his stack is read."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

STALL_S = 30.0


class Watchdog:
    """Interrupts the main thread when simulated time has stood still for ``stall_s`` real seconds.

    A context manager around the run, used on the main thread. ``stalled`` then says in words who was not idle.

    Args:
        progress: a number that changes while the run goes on.
        stall_s: how long it may stand still.
    """

    def __init__(self, progress: Callable[[], float], stall_s: float = STALL_S) -> None:
        self._progress = progress
        self._stall_s = stall_s
        self._main = threading.main_thread().ident
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lockstep-watchdog", daemon=True)
        self.stalled: str | None = None

    def __enter__(self) -> Watchdog:
        # A shell starts background jobs with SIGINT ignored; the interrupt would then go unheard.
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        if self._before is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _watch(self) -> None:
        last = self._progress()
        while not self._end.wait(self._stall_s):
            present = self._progress()
            if present == last:
                self.stalled = self._culprit()
                _thread.interrupt_main()
                return
            last = present

    def _culprit(self) -> str:
        frame = sys._current_frames().get(self._main or -1)
        ours = [
            entry
            for entry in traceback.extract_stack(frame)
            if any(f"/{package}/" in entry.filename for package in ("cell", "perception", "policies", "sim"))
            and "/cell/runtime/" not in entry.filename
        ]
        if not ours:
            return "something outside the cell's own code"
        where = ours[-1]
        return f"{where.name} ({where.filename.rsplit('/', 2)[-2]}/{where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
