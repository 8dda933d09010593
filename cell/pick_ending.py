"""How a pick ends: off the part and up, lost, faulty, aborted; and a hand that is emptied before one begins.

The base of ``cell.sequence.PickSequence``: what every phase of it may come to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cell.accounts import RETRY, Fate
from cell.hands import Held, hand_of
from cell.motion import Infeasible, PickPlan, Planner
from cell.pick_course import Course, Work
from cell.pick_evidence import GripCommand
from cell.pick_types import (
    GripperRequest,
    GripperView,
    Phase,
    PickJob,
    PickOutcome,
    SequenceSettings,
    SuctionRequest,
)

DROPPED, LEAKED, FAILED = "part_dropped", "vacuum_leak", "pick_failed"
"""Causes of a fault, as ``cell.causes`` names them."""


@dataclass(slots=True)
class Pick:
    """One part's pick under way. ``tried``: why an earlier grip took nothing; ``leak``: what is wrong with the hold."""

    job: PickJob
    begun_s: float
    plan: PickPlan | None = None
    planned_s: float = -math.inf
    opening: GripCommand | None = None
    closing: GripCommand | None = None
    releasing: GripCommand | None = None
    detected_s: float | None = None
    held: Held = field(default_factory=lambda: Held(None, None))
    bin: str = ""
    reason: str = ""
    leak: str = ""
    slowed: bool = False
    dropped: bool = False
    regrips: int = 0
    tried: str = ""
    leaving: PickOutcome | None = None
    emptying: bool = False


class Endings:
    """The state of one pick at a time, and its ends. Arguments as of ``PickSequence``."""

    def __init__(self, planner: Planner, settings: SequenceSettings) -> None:
        self.planner = planner
        self.settings = settings
        self._hand = hand_of(settings)
        self._course = Course(planner, settings)
        self._slow = None if settings.cup is None else planner.slowed(settings.cup.slow_share)
        self._phase = Phase.IDLE
        self._pick: Pick | None = None

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def busy(self) -> bool:
        return self._phase is not Phase.IDLE

    @property
    def part_id(self) -> int | None:
        """The part that is being picked."""
        return self._pick.job.part_id if self._pick is not None else None

    @property
    def holding(self) -> bool:
        """A verified grip on a part that has not been released."""
        return self._phase in (Phase.CARRY, Phase.PLACE)

    def _abort(self, pick: Pick, work: Work) -> None:
        reason = work.inputs.permission_reason or "motion is not permitted"
        self._course.stop(work)
        if pick.leaving is not None:
            work.outcome = pick.leaving
            self._reset()
        elif self._phase is Phase.APPROACH:
            self._finish(pick, RETRY, reason, work)
        else:
            self._finish(pick, Fate.UNKNOWN, f"{reason} while the gripper had hold of it", work)

    def _fault(self, pick: Pick, reason: str, work: Work) -> None:
        """Something failed with the part in the fingers: the arm stops, the gripper keeps its hold, nobody can say
        more."""
        self._fault_with(pick, Fate.UNKNOWN, reason, work)

    def _fault_with(self, pick: Pick, word: Fate | str, reason: str, work: Work) -> None:
        self._course.stop(work)
        self._finish(pick, word, reason, work, fault=True)

    def _drop(self, pick: Pick, reason: str, work: Work) -> None:
        """What was in the hand has fallen: stop where that is seen, an operator confirms it."""
        pick.dropped = True
        self._fault_with(pick, Fate.DROPPED, reason, work)

    def _give_up(self, pick: Pick, reason: str, work: Work) -> None:
        """No grip on this approach: the part lies where it was, unless a grip has already gone wrong on it."""
        if pick.tried:
            self._leave(pick, Fate.MISSED, f"{pick.tried}; then {reason}", work)
        else:
            self._leave(pick, RETRY, reason, work)

    def _leave(self, pick: Pick, word: Fate | str, reason: str, work: Work, *, fault: bool = False) -> None:
        """Off the part and up; the outcome is told when the arm stands."""
        outcome = self._outcome(pick, word, reason, fault=fault)
        parting = self._hand.parting()
        if parting is not None and pick.closing is not None:
            self._command(parting, work.now, work)
        motion = self._course.motion
        if motion is None or self._course.failed(work.inputs.arm):
            # The arm does what it wants or stands: it has nothing to be taken back from.
            self._course.stop(work)
            work.outcome = outcome
            self._reset()
            return
        pick.leaving = outcome
        self._phase = Phase.RETREAT
        start_s = work.now + self.settings.lead_s
        lift = self.planner.plan_lift(motion.state_at(start_s), start_s)
        if not isinstance(lift, Infeasible):
            self._course.send(lift, work)
        # Otherwise the pick's own trajectory goes on: it follows the belt and lifts by itself.

    def _finish(self, pick: Pick, word: Fate | str, reason: str, work: Work, *, fault: bool = False) -> None:
        work.outcome = self._outcome(pick, word, reason, fault=fault)
        self._reset()

    def _outcome(self, pick: Pick, word: Fate | str, reason: str, *, fault: bool) -> PickOutcome:
        name = word.value if isinstance(word, Fate) else word
        placed = name in (Fate.SORTED.value, Fate.REJECTED.value)
        cause = DROPPED if pick.dropped else LEAKED if pick.leak else FAILED
        return PickOutcome(
            pick.job.part_id,
            name,
            pick.bin if placed else "",
            reason,
            pick.held.width_m,
            fault,
            cause if fault else "",
        )

    def _reset(self) -> None:
        self._pick = None
        self._phase = Phase.IDLE

    def _retreat(self, pick: Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        outcome = pick.leaving
        if outcome is None:
            return
        if pick.emptying and self._emptying(pick, outcome, work):
            return
        if self._course.failed(inputs.arm) or self._course.arrived(inputs.arm) or self._course.late(now):
            if not self._course.arrived(inputs.arm):
                self._course.motion = None
            work.outcome = outcome
            self._reset()

    def _empty_hand(self, pick: Pick, work: Work) -> None:
        """Something is in the hand before anything was taken: a crash or an emergency stop left it there, and nobody
        can say what it is. It goes where parts go that nobody could judge; then the pick may begin anew."""
        state = self._course.state(work.inputs, work.now)
        if state is None:
            work.note = "waits for the arm to rest"
            return
        reject = self.settings.reject_bin
        motion = self.planner.plan_lift_and_place(state, work.now + self.settings.lead_s, self.settings.bins_m[reject])
        if isinstance(motion, Infeasible):
            self._finish(
                pick, RETRY, f"the hand is not empty, and no way to the bin: {motion.reason}", work, fault=True
            )
            return
        pick.emptying = True
        pick.leaving = self._outcome(pick, RETRY, "the hand was not empty: what it held is rejected", fault=False)
        self._phase = Phase.RETREAT
        self._course.send(motion, work)

    def _emptying(self, pick: Pick, outcome: PickOutcome, work: Work) -> bool:
        """On the way to the bin with what was in the hand, or opening over it; False once all is done."""
        gripper, now = work.inputs.gripper, work.now
        if not self._course.arrived(work.inputs.arm):
            if self._course.late(now) or self._course.failed(work.inputs.arm):
                self._fault_with(pick, RETRY, "the hand is not empty, and the arm does not reach the bin", work)
            return True
        if pick.releasing is None:
            pick.releasing = self._command(self._hand.emptying(), now, work)
            return True
        if gripper is not None and self._hand.emptied(gripper, pick.releasing):
            return False
        if now > pick.releasing.at_s + self.settings.release_s + self._hand.emptying_s():
            self._fault_with(pick, RETRY, "the gripper did not open over the bin", work)
        return True

    def _command(self, request: GripperRequest | SuctionRequest, now: float, work: Work) -> GripCommand:
        work.gripper = request
        return GripCommand(request.width_m, now)

    def _lost(self, pick: Pick, gripper: GripperView | None) -> bool:
        return gripper is not None and pick.closing is not None and self._hand.lost(gripper, pick.closing, pick.held)
