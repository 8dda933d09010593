"""One pick from the belt to a bin, as a state machine without clock or devices.

``step(inputs, now)`` looks at what gripper, arm and belt last said and answers with what they are to do. Every wait
has a time-out. The gripper's word counts only where it is newer than the command it answers and echoes that command's
width. A part is placed only after the ledger has its mark "picked" on the disk. On an abort the arm stops and the
gripper keeps its hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cell import pick_evidence as evidence
from cell.accounts import RETRY, Fate
from cell.hands import Grip, Held, hand_of
from cell.motion import Infeasible, MovingPart, PickPlan, Planner
from cell.pick_course import Course, Work
from cell.pick_evidence import GripCommand
from cell.pick_types import (
    GripperRequest,
    GripperView,
    Phase,
    PickedMark,
    PickJob,
    PickOutcome,
    SequenceInputs,
    SequenceOutputs,
    SequenceSettings,
    SuctionRequest,
)
from cell.safety import Permission


@dataclass(slots=True)
class _Pick:
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
    regrips: int = 0
    tried: str = ""
    leaving: PickOutcome | None = None
    emptying: bool = False


class PickSequence:
    """Runs one pick at a time.

    Args:
        planner: plans the arm's motions.
        settings: times, widths and bins.
    """

    def __init__(self, planner: Planner, settings: SequenceSettings) -> None:
        self.planner = planner
        self.settings = settings
        self._hand = hand_of(settings)
        self._course = Course(planner, settings)
        self._slow = None if settings.cup is None else planner.slowed(settings.cup.slow_share)
        self._phase = Phase.IDLE
        self._pick: _Pick | None = None

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

    def begin(self, job: PickJob, now: float) -> None:
        """Takes a part; the next step acts on it.

        Raises:
            ValueError: a pick is under way, or the job's bin is unknown.
        """
        if self.busy:
            raise ValueError(f"part {self.part_id} is being picked")
        if job.bin not in self.settings.bins_m:
            raise ValueError(f"there is no bin {job.bin!r}; known are {', '.join(sorted(self.settings.bins_m))}")
        motion = self._course.motion
        if motion is not None and now >= motion.end_s:
            # The arm may have been moved by hand since: the joints say where it is.
            self._course.motion = None
        self._pick = _Pick(job, now, bin=job.bin)
        self._phase = Phase.APPROACH

    def step(self, inputs: SequenceInputs, now: float) -> SequenceOutputs:
        """One look at the world and what follows from it."""
        work = Work(inputs, now)
        pick = self._pick
        if pick is not None:
            if inputs.permission is Permission.NONE:
                self._abort(pick, work)
            elif self._phase is Phase.APPROACH:
                self._approach(pick, work)
            elif self._phase is Phase.GRIP:
                self._grip(pick, work)
            elif self._phase is Phase.VERIFY:
                self._verify(pick, work)
            elif self._phase is Phase.CARRY:
                self._carry(pick, work)
            elif self._phase is Phase.PLACE:
                self._place(pick, work)
            else:
                self._retreat(pick, work)
        return SequenceOutputs(
            phase=self._phase,
            arm_goal=work.arm_goal,
            arm_cancel=work.arm_cancel,
            gripper=work.gripper,
            mark_picked=work.picked,
            outcome=work.outcome,
            note=work.note,
        )

    # --- the phases

    def _approach(self, pick: _Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        trouble = self._approach_trouble(pick, inputs, now)
        if trouble is not None:
            self._give_up(pick, trouble, work)
            return
        belt, gripper = inputs.belt, inputs.gripper
        if belt is None or gripper is None:
            return
        if pick.opening is None and gripper.object_detected:
            self._empty_hand(pick, work)
            return
        if pick.opening is None:
            pick.opening = self._command(self._hand.opening(pick.job), now, work)
        if pick.plan is None:
            self._plan(pick, work)
            return
        plan = pick.plan
        if now < plan.descend_s - self.settings.lead_s:
            soon = now >= plan.descend_s - self.settings.lead_s - self.settings.check_s
            narrow = soon and not self._hand.is_open(gripper, pick.job)
            off_m = abs(evidence.error_m(pick.job, plan, belt, plan.arrive_s + self.planner.hold_s / 2.0))
            due = now - pick.planned_s >= self.settings.replan_s
            if narrow or (due and off_m > self.settings.replan_m):
                self._plan(pick, work)
            return
        if now >= plan.arrive_s + self._hand.settle_s and self._course.accepted(inputs.arm):
            stray_m = self._course.stray_m(inputs.arm)
            if stray_m > self.settings.stray_m:
                self._give_up(pick, f"the tool is {stray_m * 1e3:.0f} mm off its path", work)
                return
            pick.closing = self._command(self._hand.closing(pick.job), now, work)
            self._phase = Phase.GRIP

    def _approach_trouble(self, pick: _Pick, inputs: SequenceInputs, now: float) -> str | None:
        """Why to leave the part where it is, or None."""
        if inputs.permission is not Permission.BEGIN:
            return inputs.permission_reason or "not permitted to begin"
        if inputs.belt is None or now - inputs.belt.stamp_s > self.settings.belt_age_s:
            age = "never read" if inputs.belt is None else f"{now - inputs.belt.stamp_s:.2f} s old"
            return f"the belt's encoder is {age}"
        if inputs.gripper is None or now - inputs.gripper.stamp_s > self.settings.gripper_age_s:
            return "the gripper is silent"
        unfit = self._hand.unfit(pick.job)
        if unfit is not None:
            return unfit
        plan = pick.plan
        if plan is None:
            waited = now - pick.begun_s > self.settings.begin_s
            return "the arm does not come to rest" if waited and self._course.state(inputs, now) is None else None
        if self._course.failed(inputs.arm):
            return f"the arm {inputs.arm.goal_state.value} the motion: {inputs.arm.reason or 'no reason given'}"
        if now > pick.planned_s + self.settings.accept_s and not self._course.accepted(inputs.arm):
            return "the arm does not take the motion"
        if now >= plan.descend_s - self.settings.lead_s:
            off_m = abs(evidence.error_m(pick.job, plan, inputs.belt, max(now, plan.arrive_s)))
            if off_m > self.settings.give_up_m:
                return f"the part is {off_m * 1e3:.0f} mm from where it was to be: the belt changed its speed"
            if not self._hand.is_open(inputs.gripper, pick.job):
                return "the gripper did not open in time"
        return None

    def _grip(self, pick: _Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        closing, plan = pick.closing, pick.plan
        if closing is None or plan is None:
            return
        if self._course.failed(inputs.arm):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion while gripping", work)
            return
        gripper = inputs.gripper
        grip = Grip.WAITING if gripper is None else self._hand.grip(gripper, closing)
        if gripper is not None and grip is Grip.HELD:
            pick.detected_s = gripper.stamp_s
            pick.held = self._hand.held(gripper, pick.job)
            self._phase = Phase.VERIFY
        elif gripper is not None and grip is Grip.LEAKS:
            pressure_pa = gripper.pressure_pa or 0.0
            words = f"the cup leaks: {pressure_pa / 1e3:.0f} kPa is all that it comes to"
            self._leave(pick, Fate.MISSED, words, work, fault=True)
        elif grip is Grip.EMPTY:
            self._try_again(pick, self._hand.empty_words, work)
        elif now >= min(closing.at_s + self.settings.grip_s, plan.hold_until_s):
            if gripper is not None and evidence.answers(self.settings, gripper, closing):
                self._try_again(pick, "no grip in time", work)
            else:
                self._leave(pick, Fate.UNKNOWN, "the gripper is silent while gripping", work, fault=True)

    def _verify(self, pick: _Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        gripper, closing = inputs.gripper, pick.closing
        if closing is None or pick.detected_s is None:
            return
        if self._course.failed(inputs.arm):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion while gripping", work)
            return
        if gripper is None or gripper.stamp_s < pick.detected_s + self.settings.verify_s:
            if now > pick.detected_s + self.settings.gripper_age_s:
                self._fault(pick, "the gripper is silent while gripping", work)
            return
        if not self._hand.still_holds(gripper):
            self._try_again(pick, self._hand.slipped_words, work)
            return
        pick.held = self._hand.held(gripper, pick.job)
        if pick.held.wrong:
            pick.bin, pick.reason = self.settings.reject_bin, pick.held.wrong
        if not self._bring(pick, self.planner, work):
            return
        held = pick.held
        work.picked = PickedMark(pick.job.part_id, held.width_m, held.pressure_pa, held.double)
        self._phase = Phase.CARRY

    def _bring(self, pick: _Pick, planner: Planner, work: Work) -> bool:
        """Off to the part's bin; False where there is no way."""
        state = self._course.state(work.inputs, work.now)
        motion = (
            Infeasible("no joint positions")
            if state is None
            else planner.plan_lift_and_place(state, work.now + self.settings.lead_s, self.settings.bins_m[pick.bin])
        )
        if isinstance(motion, Infeasible):
            self._fault(pick, f"no way to the bin: {motion.reason}", work)
            return False
        self._course.send(motion, work)
        return True

    def _carry(self, pick: _Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        if self._lost(pick, inputs.gripper):
            self._drop(pick, "lost from the gripper on the way", work)
        elif inputs.gripper is None or now - inputs.gripper.stamp_s > self.settings.gripper_age_s:
            self._fault(pick, "the gripper is silent while it holds a part", work)
        elif self._course.motion is None or self._course.failed(inputs.arm):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion to the bin", work)
        elif self._course.arrived(inputs.arm):
            self._phase = Phase.PLACE
            self._place(pick, work)
        elif self._course.late(now):
            self._fault(pick, "the arm did not arrive at the bin", work)
        elif not pick.leak:
            self._look_for_leaks(pick, inputs.gripper, work)

    def _look_for_leaks(self, pick: _Pick, gripper: GripperView, work: Work) -> None:
        """A hold that weakens: go on slowly with what is left of it; whoever sees to the hand is called afterwards."""
        leak = None if pick.closing is None else self._hand.leaks(gripper, pick.closing)
        relaxed = self._hand.relaxed()
        if leak is None or relaxed is None or self._slow is None:
            return
        pick.leak = leak
        if self._bring(pick, self._slow, work):
            pick.closing = self._command(relaxed, work.now, work)

    def _place(self, pick: _Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        gripper = inputs.gripper
        if pick.releasing is None:
            stray_m = self._course.stray_m(inputs.arm)
            if self._lost(pick, gripper):
                self._drop(pick, "lost from the gripper over the bin", work)
            elif gripper is None or now - gripper.stamp_s > self.settings.gripper_age_s:
                self._fault(pick, "the gripper is silent while it holds a part", work)
            elif stray_m > self.settings.stray_m:
                self._fault(pick, f"the tool is {stray_m * 1e3:.0f} mm off its place over the bin", work)
            elif not inputs.picked_durable:
                work.note = "waits for the ledger"
            else:
                pick.releasing = self._command(self._hand.releasing(pick.held), now, work)
            return
        if gripper is not None and self._hand.freed(gripper, pick.releasing, pick.held):
            rejected = pick.bin == self.settings.reject_bin
            reason = "; ".join(words for words in (pick.reason, pick.leak) if words)
            word = Fate.REJECTED if rejected else Fate.SORTED
            self._finish(pick, word, reason, work, fault=bool(pick.leak))
            return
        if now > pick.releasing.at_s + self.settings.release_s:
            self._fault(pick, "the gripper did not open over the bin", work)

    def _retreat(self, pick: _Pick, work: Work) -> None:
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

    def _empty_hand(self, pick: _Pick, work: Work) -> None:
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

    def _emptying(self, pick: _Pick, outcome: PickOutcome, work: Work) -> bool:
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

    # --- how a pick ends

    def _abort(self, pick: _Pick, work: Work) -> None:
        reason = work.inputs.permission_reason or "motion is not permitted"
        self._course.stop(work)
        if pick.leaving is not None:
            work.outcome = pick.leaving
            self._reset()
        elif self._phase is Phase.APPROACH:
            self._finish(pick, RETRY, reason, work)
        else:
            self._finish(pick, Fate.UNKNOWN, f"{reason} while the gripper had hold of it", work)

    def _fault(self, pick: _Pick, reason: str, work: Work) -> None:
        """Something failed with the part in the fingers: the arm stops, the gripper keeps its hold, nobody can say
        more."""
        self._fault_with(pick, Fate.UNKNOWN, reason, work)

    def _fault_with(self, pick: _Pick, word: Fate | str, reason: str, work: Work) -> None:
        self._course.stop(work)
        self._finish(pick, word, reason, work, fault=True)

    def _drop(self, pick: _Pick, reason: str, work: Work) -> None:
        """What was in the hand has fallen: stop where that is seen, an operator confirms it."""
        self._fault_with(pick, Fate.DROPPED, reason, work)

    def _give_up(self, pick: _Pick, reason: str, work: Work) -> None:
        """No grip on this approach: the part lies where it was, unless a grip has already gone wrong on it."""
        if pick.tried:
            self._leave(pick, Fate.MISSED, f"{pick.tried}; then {reason}", work)
        else:
            self._leave(pick, RETRY, reason, work)

    def _try_again(self, pick: _Pick, reason: str, work: Work) -> None:
        """The grip took nothing: once more where the part should be by now, if that is still within reach."""
        inputs, now = work.inputs, work.now
        plan: PickPlan | Infeasible | None = None
        fresh = inputs.belt is not None and now - inputs.belt.stamp_s <= self.settings.belt_age_s
        if pick.regrips < self.settings.regrips and inputs.permission is Permission.BEGIN and fresh:
            pick.opening = self._command(self._hand.opening(pick.job), now, work)
            plan = self._meeting(pick, work)
        if not isinstance(plan, PickPlan):
            words = f"{pick.tried}; again: {reason}" if pick.tried and pick.tried != reason else reason
            self._leave(pick, Fate.MISSED, f"{words}, twice" if pick.tried == reason else words, work)
            return
        pick.regrips += 1
        pick.tried, pick.plan, pick.planned_s = reason, plan, now
        pick.closing = pick.detected_s = None
        pick.held = Held(None, None)
        work.note = f"{reason}: tries again"
        self._phase = Phase.APPROACH
        self._course.send(plan.trajectory, work)

    def _leave(self, pick: _Pick, word: Fate | str, reason: str, work: Work, *, fault: bool = False) -> None:
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

    def _finish(self, pick: _Pick, word: Fate | str, reason: str, work: Work, *, fault: bool = False) -> None:
        work.outcome = self._outcome(pick, word, reason, fault=fault)
        self._reset()

    def _outcome(self, pick: _Pick, word: Fate | str, reason: str, *, fault: bool) -> PickOutcome:
        name = word.value if isinstance(word, Fate) else word
        placed = name in (Fate.SORTED.value, Fate.REJECTED.value)
        return PickOutcome(pick.job.part_id, name, pick.bin if placed else "", reason, pick.held.width_m, fault)

    def _reset(self) -> None:
        self._pick = None
        self._phase = Phase.IDLE

    # --- planning

    def _plan(self, pick: _Pick, work: Work) -> None:
        pick.planned_s = work.now
        plan = self._meeting(pick, work)
        if plan is None:
            work.note = "waits for the arm to rest"
        elif not isinstance(plan, Infeasible):
            pick.plan = plan
            self._course.send(plan.trajectory, work)
        elif plan.later and pick.plan is None:
            work.note = plan.reason
        else:
            self._give_up(pick, plan.reason, work)

    def _meeting(self, pick: _Pick, work: Work) -> PickPlan | Infeasible | None:
        """The earliest way to the part from where the arm is; None while that is not known."""
        inputs, now = work.inputs, work.now
        state = self._course.state(inputs, now)
        belt, gripper = inputs.belt, inputs.gripper
        if state is None or belt is None or gripper is None:
            return None
        job, start_s = pick.job, now + self.settings.lead_s
        part = MovingPart(evidence.part_x_m(job, belt, now), job.y_m, job.yaw_rad, now, belt.speed_mps)
        opened_s = now + self._hand.opening_s(gripper, job, pick.opening)
        return self.planner.plan_pick(state, start_s, part, not_before_s=opened_s)

    # --- what the devices say

    def _command(self, request: GripperRequest | SuctionRequest, now: float, work: Work) -> GripCommand:
        work.gripper = request
        return GripCommand(request.width_m, now)

    def _lost(self, pick: _Pick, gripper: GripperView | None) -> bool:
        return gripper is not None and pick.closing is not None and self._hand.lost(gripper, pick.closing, pick.held)
