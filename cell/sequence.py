"""One pick from the belt to a bin, as a state machine without clock or devices.

``step(inputs, now)`` looks at what gripper, arm and belt last said and answers with what they are to do. Every wait
has a time-out. The gripper's word counts only where it is newer than the command it answers and echoes that command's
width. A part is placed only after the ledger has its mark "picked" on the disk. On an abort the arm stops and the
gripper keeps its hold.
"""

from __future__ import annotations

from cell import pick_evidence as evidence
from cell.accounts import Fate
from cell.hands import Grip, Held
from cell.motion import Infeasible, MovingPart, PickPlan, Planner
from cell.pick_course import Work
from cell.pick_ending import Endings, Pick
from cell.pick_types import (
    GripperView,
    Phase,
    PickedMark,
    PickJob,
    SequenceInputs,
    SequenceOutputs,
)
from cell.safety import Permission


class PickSequence(Endings):
    """Runs one pick at a time.

    Args:
        planner: plans the arm's motions.
        settings: times, widths and bins.
    """

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
        self._pick = Pick(job, now, bin=job.bin)
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

    def _approach(self, pick: Pick, work: Work) -> None:
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

    def _approach_trouble(self, pick: Pick, inputs: SequenceInputs, now: float) -> str | None:
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

    def _grip(self, pick: Pick, work: Work) -> None:
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
            pick.leak = words
            self._leave(pick, Fate.MISSED, words, work, fault=True)
        elif grip is Grip.EMPTY:
            self._try_again(pick, self._hand.empty_words, work)
        elif now >= min(closing.at_s + self.settings.grip_s, plan.hold_until_s):
            if gripper is not None and evidence.answers(self.settings, gripper, closing):
                self._try_again(pick, "no grip in time", work)
            else:
                self._leave(pick, Fate.UNKNOWN, "the gripper is silent while gripping", work, fault=True)

    def _verify(self, pick: Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        gripper, closing = inputs.gripper, pick.closing
        if closing is None or pick.detected_s is None:
            return
        if self._course.failed(inputs.arm):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion while gripping", work)
            return
        if gripper is None or gripper.stamp_s < pick.detected_s + self.settings.verify_s:
            if now > pick.detected_s + self.settings.held_age_s:
                self._fault(pick, "the gripper is silent while gripping", work)
            return
        if not self._hand.still_holds(gripper):
            self._try_again(pick, self._hand.slipped_words, work)
            return
        pick.held = self._hand.held(gripper, pick.job)
        if pick.held.wrong:
            pick.bin, pick.reason = self.settings.reject_bin, pick.held.wrong
        trouble = self._bring(pick, self.planner, work)
        if trouble is not None:
            self._fault(pick, f"no way to the bin: {trouble}", work)
            return
        held = pick.held
        current_a = gripper.current_a if held.width_m is not None else None
        work.picked = PickedMark(
            pick.job.part_id, held.width_m, held.pressure_pa, held.double, current_a, pick.regrips + 1
        )
        self._phase = Phase.CARRY

    def _bring(self, pick: Pick, planner: Planner, work: Work) -> str | None:
        """Off to the part's bin; returns why there is no way, or None."""
        state = self._course.state(work.inputs, work.now)
        if state is None:
            return "no joint positions"
        start_s, bin_m = work.now + self.settings.lead_s, self.settings.bins_m[pick.bin]
        motion = planner.plan_lift_and_place(state, start_s, bin_m)
        if isinstance(motion, Infeasible):
            return motion.reason
        self._course.send(motion, work)
        return None

    def _carry(self, pick: Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        if self._lost(pick, inputs.gripper):
            self._drop(pick, "lost from the gripper on the way", work)
        elif inputs.gripper is None or now - inputs.gripper.stamp_s > self.settings.held_age_s:
            self._fault(pick, "the gripper is silent while it holds a part", work)
        elif self._course.motion is None or self._course.failed(inputs.arm):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion to the bin", work)
        elif self._course.arrived(inputs.arm):
            self._phase = Phase.PLACE
            self._place(pick, work)
        elif self._course.late(now):
            self._fault(pick, "the arm did not arrive at the bin", work)
        else:
            self._look_for_leaks(pick, inputs.gripper, work)

    def _look_for_leaks(self, pick: Pick, gripper: GripperView, work: Work) -> None:
        """A hold that weakens: go on slowly with what is left of it; whoever sees to the hand is called afterwards."""
        relaxed, slow = self._hand.relaxed(), self._slow
        if relaxed is None or slow is None or pick.closing is None or pick.slowed:
            return
        if not pick.leak:
            leak = self._hand.leaks(gripper, pick.closing, pick.job)
            if leak is None:
                return
            pick.leak = leak
            pick.closing = self._command(relaxed, work.now, work)
        # In the middle of a fast lift there may be no slow way yet: then a moment later.
        trouble = self._bring(pick, slow, work)
        pick.slowed = trouble is None
        work.note = trouble or pick.leak

    def _place(self, pick: Pick, work: Work) -> None:
        inputs, now = work.inputs, work.now
        gripper = inputs.gripper
        if pick.releasing is None:
            stray_m = self._course.stray_m(inputs.arm)
            if self._lost(pick, gripper):
                self._drop(pick, "lost from the gripper over the bin", work)
            elif gripper is None or now - gripper.stamp_s > self.settings.held_age_s:
                self._fault(pick, "the gripper is silent while it holds a part", work)
            elif stray_m > self.settings.stray_m:
                self._fault(pick, f"the tool is {stray_m * 1e3:.0f} mm off its place over the bin", work)
            elif now - gripper.stamp_s > self.settings.gripper_age_s:
                work.note = "waits for the gripper's word"
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

    def _try_again(self, pick: Pick, reason: str, work: Work) -> None:
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

    # --- planning

    def _plan(self, pick: Pick, work: Work) -> None:
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

    def _meeting(self, pick: Pick, work: Work) -> PickPlan | Infeasible | None:
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
