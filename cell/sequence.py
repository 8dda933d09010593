"""One pick from the belt to a bin, as a state machine without clock or devices.

``step(inputs, now)`` looks at what gripper, arm and belt last said and answers with what they are to do. Every wait
has a time-out. The gripper's word counts only where it is newer than the command it answers and echoes that command's
width. A part is placed only after the ledger has its mark "picked" on the disk. On an abort the arm stops and the
gripper keeps its hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from cell import kinematics
from cell import pick_evidence as evidence
from cell.accounts import RETRY, Fate
from cell.motion import Infeasible, MovingPart, PickPlan, Planner
from cell.pick_evidence import GripCommand
from cell.pick_types import (
    ArmGoal,
    ArmView,
    BeltView,
    GripperRequest,
    GripperView,
    Phase,
    PickedMark,
    PickJob,
    PickOutcome,
    SequenceInputs,
    SequenceOutputs,
    SequenceSettings,
)
from cell.safety import Permission
from cell.trajectory import ToolState, Trajectory

_AT_REST_RADPS = 0.05
"""Joints slower than this let a plan begin from rest."""


@dataclass(slots=True)
class _Work:
    """One step: what it looks at and what it gathers for its outputs."""

    inputs: SequenceInputs
    now: float
    arm_goal: ArmGoal | None = None
    arm_cancel: bool = False
    gripper: GripperRequest | None = None
    picked: PickedMark | None = None
    outcome: PickOutcome | None = None
    note: str = ""


@dataclass(slots=True)
class _Pick:
    """One part's pick under way."""

    job: PickJob
    begun_s: float
    plan: PickPlan | None = None
    planned_s: float = -math.inf
    opening: GripCommand | None = None
    closing: GripCommand | None = None
    releasing: GripCommand | None = None
    detected_s: float | None = None
    held_width_m: float = 0.0
    bin: str = ""
    reason: str = ""
    leaving: PickOutcome | None = None
    emptying: bool = False
    marked_s: float = field(default=-math.inf)


class PickSequence:
    """Runs one pick at a time.

    Args:
        planner: plans the arm's motions.
        settings: times, widths and bins.
    """

    def __init__(self, planner: Planner, settings: SequenceSettings) -> None:
        self.planner = planner
        self.settings = settings
        self._phase = Phase.IDLE
        self._pick: _Pick | None = None
        self._motion: Trajectory | None = None
        self._goal = 0

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
        if self._motion is not None and now >= self._motion.end_s:
            # The arm may have been moved by hand since: the joints say where it is.
            self._motion = None
        self._pick = _Pick(job, now, bin=job.bin)
        self._phase = Phase.APPROACH

    def step(self, inputs: SequenceInputs, now: float) -> SequenceOutputs:
        """One look at the world and what follows from it."""
        work = _Work(inputs, now)
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

    def _approach(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        trouble = self._approach_trouble(pick, inputs, now)
        if trouble is not None:
            self._leave(pick, RETRY, trouble, work)
            return
        belt, gripper = inputs.belt, inputs.gripper
        if belt is None or gripper is None:
            return
        if pick.opening is None and gripper.object_detected:
            self._empty_hand(pick, work)
            return
        if pick.opening is None:
            width_m = min(pick.job.width_m + self.settings.clearance_m, self.settings.stroke_m)
            pick.opening = self._command(width_m, now, work)
        if pick.plan is None:
            self._plan(pick, belt, gripper, work)
            return
        plan = pick.plan
        if now < plan.descend_s - self.settings.lead_s:
            soon = now >= plan.descend_s - self.settings.lead_s - self.settings.check_s
            narrow = soon and not evidence.is_open(self.settings, gripper, pick.job.width_m)
            off_m = abs(evidence.error_m(pick.job, plan, belt, plan.arrive_s + self.planner.hold_s / 2.0))
            due = now - pick.planned_s >= self.settings.replan_s
            if narrow or (due and off_m > self.settings.replan_m):
                self._plan(pick, belt, gripper, work)
            return
        if now >= plan.arrive_s + self.settings.settle_s and evidence.accepted(inputs.arm, self._goal):
            stray_m = self._stray_m(inputs.arm)
            if stray_m > self.settings.stray_m:
                self._leave(pick, RETRY, f"the tool is {stray_m * 1e3:.0f} mm off its path", work)
                return
            self._close_on_part(pick, now, work)

    def _approach_trouble(self, pick: _Pick, inputs: SequenceInputs, now: float) -> str | None:
        """Why to leave the part where it is, or None."""
        if inputs.permission is not Permission.BEGIN:
            return inputs.permission_reason or "not permitted to begin"
        if inputs.belt is None or now - inputs.belt.stamp_s > self.settings.belt_age_s:
            age = "never read" if inputs.belt is None else f"{now - inputs.belt.stamp_s:.2f} s old"
            return f"the belt's encoder is {age}"
        if inputs.gripper is None or now - inputs.gripper.stamp_s > self.settings.gripper_age_s:
            return "the gripper is silent"
        if pick.job.width_m + self.settings.least_clearance_m > self.settings.stroke_m:
            return f"a part of {pick.job.width_m * 1e3:.0f} mm is too wide for the gripper"
        plan = pick.plan
        if plan is None:
            waited = now - pick.begun_s > self.settings.begin_s
            return "the arm does not come to rest" if waited and self._state(inputs, now) is None else None
        if evidence.failed(inputs.arm, self._goal):
            return f"the arm {inputs.arm.goal_state.value} the motion: {inputs.arm.reason or 'no reason given'}"
        if now > pick.planned_s + self.settings.accept_s and not evidence.accepted(inputs.arm, self._goal):
            return "the arm does not take the motion"
        if now >= plan.descend_s - self.settings.lead_s:
            off_m = abs(evidence.error_m(pick.job, plan, inputs.belt, max(now, plan.arrive_s)))
            if off_m > self.settings.give_up_m:
                return f"the part is {off_m * 1e3:.0f} mm from where it was to be: the belt changed its speed"
            if not evidence.is_open(self.settings, inputs.gripper, pick.job.width_m):
                return "the gripper did not open in time"
        return None

    def _grip(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        closing, plan = pick.closing, pick.plan
        if closing is None or plan is None:
            return
        if evidence.failed(inputs.arm, self._goal):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion while gripping", work)
            return
        gripper = inputs.gripper
        answered = gripper is not None and evidence.answers(self.settings, gripper, closing)
        if gripper is not None and answered:
            if gripper.object_detected and not gripper.moving:
                pick.detected_s = gripper.stamp_s
                pick.held_width_m = gripper.width_m
                self._phase = Phase.VERIFY
                return
            if gripper.at_request and not gripper.moving:
                self._leave(pick, Fate.MISSED, "nothing between the fingers", work)
                return
        if now >= min(closing.at_s + self.settings.grip_s, plan.hold_until_s):
            if answered:
                self._leave(pick, Fate.MISSED, "no grip in time", work)
            else:
                self._leave(pick, Fate.UNKNOWN, "the gripper is silent while gripping", work, fault=True)

    def _verify(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        gripper, closing = inputs.gripper, pick.closing
        if closing is None or pick.detected_s is None:
            return
        if evidence.failed(inputs.arm, self._goal):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion while gripping", work)
            return
        if gripper is None or gripper.stamp_s < pick.detected_s + self.settings.verify_s:
            if now > pick.detected_s + self.settings.gripper_age_s:
                self._fault(pick, "the gripper is silent while gripping", work)
            return
        if not gripper.object_detected:
            self._leave(pick, Fate.MISSED, "the part slipped out of the fingers", work)
            return
        pick.held_width_m = gripper.width_m
        off_m = gripper.width_m - pick.job.width_m
        if abs(off_m) > self.settings.width_tolerance_m:
            what = "double pick" if off_m > 0.0 else "not the part"
            pick.bin = self.settings.reject_bin
            pick.reason = f"{what}: grip {gripper.width_m * 1e3:.0f} mm, part {pick.job.width_m * 1e3:.0f} mm"
        state = self._state(inputs, now)
        target = self.settings.bins_m[pick.bin]
        start_s = now + self.settings.lead_s
        motion = (
            Infeasible("no joint positions")
            if state is None
            else self.planner.plan_lift_and_place(state, start_s, target)
        )
        if isinstance(motion, Infeasible):
            self._fault(pick, f"no way to the bin: {motion.reason}", work)
            return
        self._send(motion, work)
        work.picked = PickedMark(pick.job.part_id, gripper.width_m)
        pick.marked_s = now
        self._phase = Phase.CARRY

    def _carry(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        motion = self._motion
        if self._lost(pick, inputs.gripper):
            work.arm_cancel = True
            self._finish(pick, Fate.DROPPED, "lost from the gripper on the way", work, fault=True)
        elif inputs.gripper is None or now - inputs.gripper.stamp_s > self.settings.gripper_age_s:
            self._fault(pick, "the gripper is silent while it holds a part", work)
        elif motion is None or evidence.failed(inputs.arm, self._goal):
            self._fault(pick, f"the arm {inputs.arm.goal_state.value} the motion to the bin", work)
        elif evidence.arrived(inputs.arm, self._goal):
            self._phase = Phase.PLACE
            self._place(pick, work)
        elif now > motion.end_s + self.settings.arm_late_s:
            self._fault(pick, "the arm did not arrive at the bin", work)

    def _place(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        gripper = inputs.gripper
        if pick.releasing is None:
            if self._lost(pick, gripper):
                self._finish(pick, Fate.DROPPED, "lost from the gripper over the bin", work, fault=True)
            elif gripper is None or now - gripper.stamp_s > self.settings.gripper_age_s:
                self._fault(pick, "the gripper is silent while it holds a part", work)
            elif not inputs.picked_durable:
                work.note = "waits for the ledger"
            else:
                width_m = min(pick.held_width_m + self.settings.release_m, self.settings.stroke_m)
                pick.releasing = self._command(width_m, now, work)
            return
        if gripper is not None and evidence.answers(self.settings, gripper, pick.releasing):
            freed = gripper.width_m >= pick.held_width_m + self.settings.freed_m
            if freed or (gripper.at_request and not gripper.moving):
                rejected = pick.bin == self.settings.reject_bin
                self._finish(pick, Fate.REJECTED if rejected else Fate.SORTED, pick.reason, work)
                return
        if now > pick.releasing.at_s + self.settings.release_s:
            self._fault(pick, "the gripper did not open over the bin", work)

    def _retreat(self, pick: _Pick, work: _Work) -> None:
        inputs, now = work.inputs, work.now
        motion, outcome = self._motion, pick.leaving
        if outcome is None:
            return
        if pick.emptying and self._emptying(pick, outcome, work):
            return
        ended = motion is None or evidence.failed(inputs.arm, self._goal) or evidence.arrived(inputs.arm, self._goal)
        if ended or (motion is not None and now > motion.end_s + self.settings.arm_late_s):
            if not evidence.arrived(inputs.arm, self._goal):
                self._motion = None
            work.outcome = outcome
            self._reset()

    def _empty_hand(self, pick: _Pick, work: _Work) -> None:
        """Something is in the hand before anything was taken: a crash or an emergency stop left it there, and nobody
        can say what it is. It goes where parts go that nobody could judge; then the pick may begin anew."""
        state = self._state(work.inputs, work.now)
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
        self._send(motion, work)

    def _emptying(self, pick: _Pick, outcome: PickOutcome, work: _Work) -> bool:
        """On the way to the bin with what was in the hand, or opening over it; False once all is done."""
        gripper, now, motion = work.inputs.gripper, work.now, self._motion
        if not evidence.arrived(work.inputs.arm, self._goal):
            late = motion is None or now > motion.end_s + self.settings.arm_late_s
            if late or evidence.failed(work.inputs.arm, self._goal):
                self._fault_with(pick, RETRY, "the hand is not empty, and the arm does not reach the bin", work)
            return True
        if pick.releasing is None:
            pick.releasing = self._command(self.settings.stroke_m, now, work)
            return True
        answered = gripper is not None and evidence.answers(self.settings, gripper, pick.releasing)
        if gripper is not None and answered and gripper.at_request and not gripper.moving:
            return False
        opening_s = self.settings.stroke_m / self.settings.gripper_speed_mps
        if now > pick.releasing.at_s + self.settings.release_s + opening_s:
            self._fault_with(pick, RETRY, "the gripper did not open over the bin", work)
        return True

    # --- how a pick ends

    def _abort(self, pick: _Pick, work: _Work) -> None:
        reason = work.inputs.permission_reason or "motion is not permitted"
        work.arm_cancel = self._motion is not None
        self._motion = None
        if pick.leaving is not None:
            work.outcome = pick.leaving
            self._reset()
        elif self._phase is Phase.APPROACH:
            self._finish(pick, RETRY, reason, work)
        else:
            self._finish(pick, Fate.UNKNOWN, f"{reason} while the gripper had hold of it", work)

    def _fault(self, pick: _Pick, reason: str, work: _Work) -> None:
        """Something failed with the part in the fingers: the arm stops, the gripper keeps its hold, nobody can say
        more."""
        self._fault_with(pick, Fate.UNKNOWN, reason, work)

    def _fault_with(self, pick: _Pick, word: Fate | str, reason: str, work: _Work) -> None:
        work.arm_cancel = self._motion is not None
        self._motion = None
        self._finish(pick, word, reason, work, fault=True)

    def _leave(self, pick: _Pick, word: Fate | str, reason: str, work: _Work, *, fault: bool = False) -> None:
        """Off the part and up; the outcome is told when the arm stands."""
        outcome = self._outcome(pick, word, reason, fault=fault)
        if self._motion is None or evidence.failed(work.inputs.arm, self._goal):
            # The arm does what it wants or stands: it has nothing to be taken back from.
            work.arm_cancel = self._motion is not None
            self._motion = None
            work.outcome = outcome
            self._reset()
            return
        pick.leaving = outcome
        self._phase = Phase.RETREAT
        start_s = work.now + self.settings.lead_s
        lift = self.planner.plan_lift(self._motion.state_at(start_s), start_s)
        if not isinstance(lift, Infeasible):
            self._send(lift, work)
        # Otherwise the pick's own trajectory goes on: it follows the belt and lifts by itself.

    def _finish(self, pick: _Pick, word: Fate | str, reason: str, work: _Work, *, fault: bool = False) -> None:
        if work.arm_cancel:
            self._motion = None
        work.outcome = self._outcome(pick, word, reason, fault=fault)
        self._reset()

    def _outcome(self, pick: _Pick, word: Fate | str, reason: str, *, fault: bool) -> PickOutcome:
        name = word.value if isinstance(word, Fate) else word
        placed = name in (Fate.SORTED.value, Fate.REJECTED.value)
        width_m = pick.held_width_m if pick.detected_s is not None else None
        return PickOutcome(pick.job.part_id, name, pick.bin if placed else "", reason, width_m, fault)

    def _reset(self) -> None:
        self._pick = None
        self._phase = Phase.IDLE

    # --- planning

    def _plan(self, pick: _Pick, belt: BeltView, gripper: GripperView, work: _Work) -> None:
        now = work.now
        state = self._state(work.inputs, now)
        if state is None:
            work.note = "waits for the arm to rest"
            return
        job, start_s = pick.job, now + self.settings.lead_s
        part = MovingPart(evidence.part_x_m(job, belt, now), job.y_m, job.yaw_rad, now, belt.speed_mps)
        plan = self.planner.plan_pick(state, start_s, part, not_before_s=now + self._opening_s(pick, gripper, now))
        pick.planned_s = now
        if isinstance(plan, Infeasible):
            if plan.later and pick.plan is None:
                work.note = plan.reason
                return
            self._leave(pick, RETRY, plan.reason, work)
            return
        pick.plan = plan
        self._send(plan.trajectory, work)

    def _opening_s(self, pick: _Pick, gripper: GripperView, now: float) -> float:
        """Until the fingers are wide enough, with the delays of the command and of the answer."""
        if pick.opening is None or evidence.is_open(self.settings, gripper, pick.job.width_m):
            return 0.0
        way_m = max(pick.opening.width_m - gripper.width_m, 0.0)
        return way_m / self.settings.gripper_speed_mps + self.settings.gripper_delay_s

    def _send(self, motion: Trajectory, work: _Work) -> None:
        self._goal += 1
        self._motion = motion
        work.arm_goal = ArmGoal(self._goal, motion)

    def _state(self, inputs: SequenceInputs, now: float) -> ToolState | None:
        """Where the tool will be when a new motion begins: by its own motion, or by the joints of an arm at rest."""
        if self._motion is not None:
            return self._motion.state_at(now + self.settings.lead_s)
        arm = inputs.arm
        if arm.joints_rad is None or max(abs(rate) for rate in arm.rates_radps) > _AT_REST_RADPS:
            return None
        try:
            return ToolState.of_joints(self.planner.geometry, np.asarray(arm.joints_rad))
        except kinematics.OutOfReach:
            return None

    # --- what the devices say

    def _command(self, width_m: float, now: float, work: _Work) -> GripCommand:
        work.gripper = GripperRequest(width_m, self.settings.gripper_speed_mps, self.settings.gripper_force_n)
        return GripCommand(width_m, now)

    def _close_on_part(self, pick: _Pick, now: float, work: _Work) -> None:
        # Not fully shut: an empty grip ends soon, and a held part still stops the fingers well before.
        pick.closing = self._command(max(pick.job.width_m - self.settings.squeeze_m, 0.0), now, work)
        self._phase = Phase.GRIP

    def _lost(self, pick: _Pick, gripper: GripperView | None) -> bool:
        if gripper is None or pick.closing is None:
            return False
        return evidence.lost(self.settings, gripper, pick.closing, pick.held_width_m)

    def _stray_m(self, arm: ArmView) -> float:
        """How far the arm is from its commanded path, by the newest joint positions."""
        if arm.joints_rad is None or self._motion is None or arm.stamp_s is None:
            return 0.0
        try:
            tool, _ = kinematics.forward(self.planner.geometry, np.asarray(arm.joints_rad))
        except kinematics.OutOfReach:
            return math.inf
        return float(np.linalg.norm(tool - self._motion.at(arm.stamp_s).pose[:3]))
