"""``cell run`` that says when the cell first stands in a state, and kills itself in a phase of a pick.

Environment: ``KILL_PHASE`` (approach, grip, verify, carry, place, retreat), ``KILL_PICK`` (in the how many-th pick that
gets there, from 1), ``KILL_AFTER_S`` (so long after the phase began).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

from cell.nodes.supervisor import SupervisorNode
from cell.sequence import PickSequence

PHASE = os.environ.get("KILL_PHASE", "")
PICK = int(os.environ.get("KILL_PICK", "1"))
AFTER_S = float(os.environ.get("KILL_AFTER_S", "0"))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _watch_phases() -> None:
    genuine = PickSequence.step
    seen = {"phase": "idle", "times": 0}

    def step(self: PickSequence, *args: Any) -> Any:
        outputs = genuine(self, *args)
        phase = self.phase.value
        if phase != seen["phase"]:
            seen["phase"] = phase
            if phase == PHASE:
                seen["times"] += 1
                if seen["times"] == PICK:
                    if AFTER_S <= 0.0:
                        _die()
                    threading.Timer(AFTER_S, _die).start()
        return outputs

    PickSequence.step = step  # type: ignore[method-assign]


def _watch_state() -> None:
    genuine = SupervisorNode._step
    looked = []

    def step(self: SupervisorNode) -> None:
        if not looked:
            # Its own clock runs, and it is about to look at the cell for the first time: this is where it stands.
            looked.append(self.machine.state)
            print(f"first state: {self.machine.state.title} at {time.monotonic():.3f}", flush=True)
        genuine(self)

    SupervisorNode._step = step  # type: ignore[method-assign]


if __name__ == "__main__":
    _watch_state()
    if PHASE:
        _watch_phases()
    from cell.cli.main import main

    sys.exit(main())
