"""Tells the service manager that a running cell is up, and that its control is alive.

Alive means more than that the loop turns: the supervisor's own word on the state of the cell has to have come through
publisher, transport and executor within the last second. A supervisor that is stuck, or a loop that serves only others,
gives no sign, and the manager ends the process; the next one stands in Aborted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from cell_msgs.msg import CellState
from rclpy.qos import DurabilityPolicy, QoSProfile

from cell.install.notify import ServiceManager

FRESH_S: Final = 1.0
"""Ten periods of /cell/state."""


class Watchdog:
    """Watches one supervisor on behalf of the service manager. Does nothing where there is no manager.

    Args:
        supervisor: the node; its executor is the one to be watched.
        environment, clock: of this process, unless a test has its own.
    """

    def __init__(
        self,
        supervisor: Any,
        environment: MutableMapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._manager = ServiceManager(os.environ if environment is None else environment, clock)
        self._heard_s: float | None = None
        self._state = ""
        self._ready = False
        if self._manager.listens:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            supervisor.create_subscription(CellState, "/cell/state", self._on_state, latched)

    def _on_state(self, message: CellState) -> None:
        self._heard_s = self._clock()
        if message.state_name != self._state:
            self._state = message.state_name
            if self._ready:
                self._manager.status(self._words())

    def _words(self) -> str:
        return f"the cell stands in {self._state}"

    def look(self) -> None:
        """Called from the control loop, again and again."""
        if self._heard_s is None or self._clock() - self._heard_s > FRESH_S:
            return
        if not self._ready:
            self._ready = True
            self._manager.ready(self._words())
        self._manager.alive()

    def stopping(self) -> None:
        """The run is over, or is told to end."""
        self._manager.stopping()

    def close(self) -> None:
        """Callable twice."""
        self._manager.close()
