"""What the supervisor decides: when an acting state is done, and what makes the cell abort.

Pure. The machine itself is in ``cell.packml``; here is the work behind its states (facts: PackML, cause -> reaction).
"""

from __future__ import annotations

from dataclasses import dataclass

from cell.packml import Event, Machine, Mode, Refusal, State, Transition
from cell.safety import by_hand

BELT_RUNS = frozenset({State.STARTING, State.UNHOLDING, State.UNSUSPENDING, State.EXECUTE})
"""States in which the belt is to move."""

ENDING = frozenset({State.STOPPING, State.HOLDING, State.SUSPENDING, State.COMPLETING})
"""States in which a part in the hand is still brought to its bin."""

IN_MOTION = BELT_RUNS | ENDING | {State.SUSPENDED, State.HELD}
"""States in which the loss of a device or of the safety inputs aborts."""

SILENT = frozenset({State.ABORTING, State.ABORTED, State.CLEARING})

STANDING_MPS = 0.005
AT_SPEED = 0.8
# An acting state that is not done by then has failed: the belt's ramp takes 1 s, a pick that is under way 4 s.
ACTING_LIMIT_S = 15.0
ABORTING_LIMIT_S = 3.0
# A cause outside the cell has to be gone for so long before a suspended cell goes on.
WELL_S = 1.0
# Devices and inputs may take this long after the start before silence counts as a fault.
GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Observations:
    """What the supervisor looks at.

    Attributes:
        estop_ok, curtain_ok: the inputs; None before the first reading.
        safety_fresh: the reading is recent and good.
        faults: devices and nodes that are not well, each in words.
        not_ready: what still has to come up before the cell may start, in words.
        belt_speed_mps: from the encoder; None when it is not known.
        belt_target_mps: the speed in Execute.
        picker_idle: no pick under way and nothing in the hand.
        hold, suspend: why the cell should hold (a cause inside it) or suspend (one outside, or the ledger's disk).
    """

    estop_ok: bool | None
    curtain_ok: bool | None
    safety_fresh: bool
    faults: tuple[str, ...]
    not_ready: tuple[str, ...]
    belt_speed_mps: float | None
    belt_target_mps: float
    picker_idle: bool
    hold: str | None = None
    suspend: str | None = None


class Supervision:
    """Drives the PackML machine from observations and commands.

    Args:
        machine: the state machine, in its initial state.
        autostart: give Reset and Start once by itself (the simulated cell; refused with a real port by the config).
        clear: give Clear first where the cell stands in Aborted after a crash (the operator's ``--clear``).
    """

    def __init__(self, machine: Machine, *, autostart: bool = False, clear: bool = False) -> None:
        self.machine = machine
        self._pending: list[Event] = []
        if clear and machine.state is State.ABORTED:
            self._pending = [Event.CLEAR, Event.RESET, Event.START]
        elif autostart and machine.state is State.STOPPED:
            self._pending = [Event.RESET, Event.START]
        self._first_s: float | None = None
        self._entered_s = 0.0
        self._suspended_by_itself = False
        self._well_s: float | None = None
        self._timed_out: str | None = None

    @property
    def timed_out(self) -> str | None:
        """The acting state that did not end in time, in words, until somebody clears the cell."""
        return self._timed_out

    @property
    def suspended_by_itself(self) -> bool:
        """Suspended for a cause outside the cell, with which it goes on; not by somebody's command."""
        return self._suspended_by_itself

    @property
    def starting(self) -> bool:
        """Commands of the start-up are still to be given."""
        return bool(self._pending)

    def command(self, event: Event, by: str, now_s: float) -> Transition | Refusal:
        """An operator's command; a pending autostart ends with it."""
        if event is Event.START and self.machine.mode == Mode.MANUAL:
            words = "Start is possible only in mode Produce or Maintenance, the cell is in mode Manual"
            return Refusal(self.machine.state, event, words)
        self._pending = []
        self._suspended_by_itself = False
        return self._handle(event, f"{event.title} by {by}", now_s)

    def change_mode(self, mode: int) -> str | None:
        """An operator's change of the unit mode; returns why it stays, or None. A pending autostart ends with it."""
        if mode not in set(Mode):
            return f"there is no mode {mode}"
        refusal = self.machine.set_mode(mode)
        if refusal is None:
            self._pending = []
        return refusal

    def step(self, seen: Observations, now_s: float) -> None:
        """One look at the cell: abort on what must stop it, complete the acting state that is done."""
        if self._first_s is None:
            self._first_s = self._entered_s = now_s
        state = self.machine.state
        cause = self._abort_cause(seen, now_s)
        if cause is not None and state not in SILENT:
            self._pending = []
            self._handle(Event.ABORT, cause, now_s)
            return
        # Clear is what makes devices well again that are not.
        ready = not seen.not_ready or self._pending[:1] == [Event.CLEAR]
        if self._pending and not cause and ready and seen.safety_fresh:
            result = self._handle(self._pending[0], "start-up", now_s)
            if isinstance(result, Transition):
                self._pending.pop(0)
                return
        if state is State.EXECUTE and seen.suspend is not None:
            self._suspended_by_itself = isinstance(self._handle(Event.SUSPEND, seen.suspend, now_s), Transition)
            self._well_s = None
        elif state is State.SUSPENDED and self._suspended_by_itself and self._cause_is_gone(seen, now_s):
            self._suspended_by_itself = False
            self._handle(Event.UNSUSPEND, "what it was suspended for is over", now_s)
        elif state is State.EXECUTE and seen.hold is not None:
            self._handle(Event.HOLD, seen.hold, now_s)
        elif self._done(state, seen, now_s):
            # Whoever finds the cell aborted, held or stopped is to read why.
            why = self.machine.reason if state is State.ABORTING or state in ENDING else ""
            self._handle(Event.STATE_COMPLETE, why, now_s)
        elif state in BELT_RUNS | ENDING and state is not State.EXECUTE and now_s - self._entered_s > ACTING_LIMIT_S:
            self._timed_out = f"{state.title} did not end within {ACTING_LIMIT_S:.0f} s"
            self._handle(Event.ABORT, self._timed_out, now_s)

    def _cause_is_gone(self, seen: Observations, now_s: float) -> bool:
        """For a while, so that a disk on the brink does not start and stop the belt."""
        if seen.suspend is not None or seen.faults or seen.not_ready or not seen.safety_fresh:
            self._well_s = None
            return False
        if self._well_s is None:
            self._well_s = now_s
        return now_s - self._well_s >= WELL_S

    def _abort_cause(self, seen: Observations, now_s: float) -> str | None:
        if seen.estop_ok is False:
            return "emergency stop pressed"
        if seen.curtain_ok is False:
            return "light curtain interrupted"
        first_s = now_s if self._first_s is None else self._first_s
        if now_s - first_s < GRACE_S and self.machine.state is State.STOPPED:
            return None
        if by_hand(self.machine.state, self.machine.mode) and not seen.safety_fresh:
            return "safety inputs are not read"
        in_motion = self.machine.state in IN_MOTION
        if not in_motion:
            return None
        if not seen.safety_fresh:
            return "safety inputs are not read"
        return seen.faults[0] if seen.faults else None

    def _done(self, state: State, seen: Observations, now_s: float) -> bool:
        standing = seen.belt_speed_mps is not None and abs(seen.belt_speed_mps) <= STANDING_MPS
        if state is State.ABORTING:
            return standing or now_s - self._entered_s > ABORTING_LIMIT_S
        if state is State.CLEARING:
            return seen.safety_fresh and seen.estop_ok is True and seen.curtain_ok is True
        if state is State.RESETTING:
            return seen.safety_fresh and not seen.not_ready and not seen.faults
        if state in {State.STARTING, State.UNHOLDING, State.UNSUSPENDING}:
            return seen.belt_speed_mps is not None and seen.belt_speed_mps >= AT_SPEED * seen.belt_target_mps
        if state in ENDING:
            return standing and seen.picker_idle
        return False

    def _handle(self, event: Event, reason: str, now_s: float) -> Transition | Refusal:
        result = self.machine.handle(event, reason, now_s)
        if isinstance(result, Transition):
            self._entered_s = now_s
            if event is Event.CLEAR:
                self._timed_out = None
        return result
