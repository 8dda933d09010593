"""How a process that a cell starts tells it how far it has come: lines of JSON on a descriptor that it inherited.

Started by anybody else (``ros2 launch``, a person) there is no such descriptor, and nobody is told.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
from collections.abc import Mapping
from typing import Any, Final

DESCRIPTOR_VARIABLE: Final = "CELL_ANNOUNCE"
PARENT_VARIABLE: Final = "CELL_PARENT"
PAGE_VARIABLE: Final = "CELL_PAGE_SOCKET"
PR_SET_PDEATHSIG: Final = 1
"""prctl(2)."""

END_S: Final = 5
"""How long a process may take to end when it is told to."""


def inherited(variable: str) -> int | None:
    """The descriptor that a variable names; it is not passed on to children of this process."""
    text = os.environ.pop(variable, "")
    if not text.isdigit():
        return None
    descriptor = int(text)
    os.set_inheritable(descriptor, False)
    return descriptor


class Announcer:
    """Tells whoever started this process. Callable for nobody's ears as well."""

    def __init__(self) -> None:
        self._descriptor = inherited(DESCRIPTOR_VARIABLE)

    @property
    def heard(self) -> bool:
        """A cell started this process and listens."""
        return self._descriptor is not None

    def tell(self, content: Mapping[str, Any]) -> None:
        """One line."""
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(content).encode() + b"\n")
        except OSError:
            self._descriptor = None  # who listened has gone


def end_with_parent() -> None:
    """Let this process get SIGTERM when the cell that started it is gone, however it went."""
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent.isdigit():
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        # It went before the line above.
        raise KeyboardInterrupt


def end_on_signals() -> None:
    """SIGINT and SIGTERM raise KeyboardInterrupt on this, the main thread; who then does not end in time is killed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: object) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(END_S)
    raise KeyboardInterrupt
