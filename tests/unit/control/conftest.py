"""A small closed loop for the pick sequence: belt, arm and gripper with the delays of real ones, in steps of 20 ms.

Fingers move with their speed and stop on whatever lies between them; statuses are as old as they are on the wire.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from cell import kinematics
from cell.kinematics import DeltaGeometry
from cell.motion import Planner
from cell.pick_types import (
    ArmView,
    BeltView,
    GoalState,
    GripperView,
    PickJob,
    PickOutcome,
    SequenceInputs,
    SequenceOutputs,
    SequenceSettings,
    SuctionRequest,
)
from cell.safety import Permission
from cell.sequence import PickSequence
from cell.trajectory import Trajectory

STEP_S = 0.02
HOME = (0.60, 0.0, 0.10)


@dataclass
class BenchArm:
    """Follows trajectories exactly; ``refuse`` rejects the next ones, ``fail_at_s`` aborts what runs then."""

    geometry: DeltaGeometry
    joints: np.ndarray
    rates: np.ndarray = field(default_factory=lambda: np.zeros(4))
    motion: Trajectory | None = None
    number: int = 0
    state: GoalState = GoalState.NONE
    refuse: bool = False
    deaf: bool = False
    fail_at_s: float = np.inf
    canceled: int = 0

    def take(self, number: int, motion: Trajectory) -> None:
        if self.deaf:
            return
        self.number = number
        if self.refuse:
            self.state = GoalState.REJECTED
            return
        self.motion, self.state = motion, GoalState.ACTIVE

    def cancel(self) -> None:
        self.canceled += 1
        self.motion, self.rates = None, np.zeros(4)
        if self.state is GoalState.ACTIVE:
            self.state = GoalState.CANCELED

    def advance(self, now: float) -> None:
        if self.motion is None:
            return
        if now >= self.fail_at_s:
            self.motion, self.rates, self.state = None, np.zeros(4), GoalState.ABORTED
            return
        if now >= self.motion.start_s:
            sample = self.motion.at(now)
            self.joints, self.rates = sample.joints_rad, sample.rates_radps
        if now >= self.motion.end_s:
            self.motion, self.rates, self.state = None, np.zeros(4), GoalState.SUCCEEDED

    @property
    def tool(self) -> np.ndarray:
        return kinematics.forward(self.geometry, self.joints)[0]


@dataclass
class BenchGripper:
    """``delay_s``: age of the status that is seen; ``inside_m``: what lies between the fingers, None with nothing."""

    width_m: float = 0.085
    target_m: float = 0.085
    requested_m: float = 0.085
    inside_m: float | None = None
    held: bool = False
    silent: bool = False
    stuck: bool = False
    echo: bool = True
    delay_s: float = 0.04
    told: list[tuple[float, float]] = field(default_factory=list)
    seen: deque[GripperView] = field(default_factory=deque)

    def command(self, now: float, width_m: float) -> None:
        self.told.append((now, width_m))
        self.target_m = self.requested_m = width_m

    def advance(self, now: float) -> None:
        if not self.stuck:
            way = self.target_m - self.width_m
            self.width_m += float(np.clip(way, -0.15 * STEP_S, 0.15 * STEP_S))
        self.held = False
        if self.inside_m is not None and self.target_m < self.inside_m and self.width_m <= self.inside_m:
            self.width_m, self.held = self.inside_m, True
        if not self.silent:
            at_request = abs(self.width_m - self.target_m) < 1e-6
            moving = not at_request and not self.held and not self.stuck
            self.seen.append(
                GripperView(self.width_m, moving, self.held, at_request, now, self.requested_m if self.echo else None)
            )

    def view(self, now: float) -> GripperView | None:
        while len(self.seen) > 1 and self.seen[1].stamp_s <= now - self.delay_s:
            self.seen.popleft()
        return self.seen[0] if self.seen and self.seen[0].stamp_s <= now - self.delay_s else None


@dataclass
class BenchCup:
    """A suction cup: pressure falls to ``reaches_pa`` on a part (``inside_m`` is not None), and is open air else.

    It gives a grip up after ``timeout_s``. ``inside_m`` only says whether there is a part, as of fingers.
    """

    pressure_pa: float = 101_000.0
    reaches_pa: float = 40_000.0
    hold_pa: float = 60_000.0
    told: list[tuple[float, float]] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)
    inside_m: float | None = None
    held: bool = False
    silent: bool = False
    gripping: bool = False
    gave_up: bool = False
    timeout_s: float = 0.6
    delay_s: float = 0.04
    shallow_s: float = 0.0
    seen: deque[GripperView] = field(default_factory=deque)

    def command(self, now: float, request: SuctionRequest) -> None:
        self.told.append((now, request.width_m))
        self.gripping, self.gave_up, self.shallow_s = request.hold, False, now
        if request.hold:
            self.hold_pa = request.hold_pressure_pa
            self.holds.append(request.hold_pressure_pa)

    def advance(self, now: float) -> None:
        on_part = self.inside_m is not None
        target = self.reaches_pa if on_part else 97_000.0
        target = target if self.gripping and not self.gave_up else 101_000.0
        self.pressure_pa += (target - self.pressure_pa) * 0.4
        deep = self.gripping and on_part and self.pressure_pa <= self.hold_pa
        # Off the belt it hangs on any vacuum worth the name.
        self.held = self.gripping and on_part and self.pressure_pa < 88_000.0
        self.shallow_s = now if deep or not self.gripping else self.shallow_s
        self.gave_up = self.gave_up or (self.gripping and now - self.shallow_s > self.timeout_s)
        if not self.silent:
            told = 0.0 if self.gripping else 1.0
            ended = self.gave_up if self.gripping else self.pressure_pa >= 94_000.0
            moving = not (deep or ended)
            self.seen.append(GripperView(told, moving, deep, ended, now, told, pressure_pa=self.pressure_pa))

    def view(self, now: float) -> GripperView | None:
        while len(self.seen) > 1 and self.seen[1].stamp_s <= now - self.delay_s:
            self.seen.popleft()
        return self.seen[0] if self.seen and self.seen[0].stamp_s <= now - self.delay_s else None


class BenchCell:
    """Runs a ``PickSequence`` on one part that lies at ``part_x_m`` (cell frame) at time 0."""

    def __init__(self, *, settings: SequenceSettings | None = None, planner: Planner | None = None) -> None:
        self.planner = planner or Planner()
        self.settings = settings or SequenceSettings()
        self.sequence = PickSequence(self.planner, self.settings)
        geometry = self.planner.geometry
        self.arm = BenchArm(geometry, kinematics.inverse(geometry, np.array(HOME), 0.0))
        self.gripper: BenchGripper | BenchCup = BenchGripper() if self.settings.cup is None else BenchCup()
        self.now = 10.0
        self.travel_m = 0.0
        self.speed_mps = 0.2
        self.belt_stamp_s: float | None = None
        self.permission = Permission.BEGIN
        self.reason = ""
        self.durable_after_s = 0.03
        self.marked_s: float | None = None
        self.job: PickJob | None = None
        self.width_m = 0.04
        self.present = True
        self.released_at: np.ndarray | None = None
        self.log: list[tuple[float, SequenceOutputs]] = []

    def place_part(
        self, x_m: float, y_m: float = 0.03, yaw_rad: float = 0.4, width_m: float = 0.04, **job: object
    ) -> PickJob:
        self.width_m = width_m
        values: dict[str, object] = {"length_m": 0.06, "width_m": width_m, "bin": "defect", "part_id": 7}
        values.update(job)
        self.job = PickJob(belt_x_m=x_m - self.travel_m, y_m=y_m, yaw_rad=yaw_rad, **values)  # type: ignore[arg-type]
        return self.job

    def begin(self) -> None:
        assert self.job is not None
        self.sequence.begin(self.job, self.now)

    def tick(self) -> SequenceOutputs:
        """20 ms of the world and one step of the sequence."""
        self.now = round(self.now + STEP_S, 6)
        self.travel_m += self.speed_mps * STEP_S
        self.arm.advance(self.now)
        was_held = self.gripper.held
        around = self._fingers_around_part()
        self.gripper.inside_m = self.width_m if self.present and (around or was_held) else None
        self.gripper.advance(self.now)
        if was_held and not self.gripper.held and self.present:
            self.released_at = self.arm.tool.copy()
            self.present = False
        out = self.sequence.step(self.inputs(), self.now)
        self.log.append((self.now, out))
        if out.arm_cancel:
            self.arm.cancel()
        if out.arm_goal is not None:
            self.arm.take(out.arm_goal.number, out.arm_goal.trajectory)
        if out.gripper is not None:
            told = out.gripper if self.settings.cup is not None else out.gripper.width_m
            self.gripper.command(self.now, told)  # type: ignore[arg-type]
        if out.mark_picked is not None:
            self.marked_s = self.now
        return out

    def inputs(self) -> SequenceInputs:
        durable = self.marked_s is not None and self.now >= self.marked_s + self.durable_after_s
        stamp_s = self.now if self.belt_stamp_s is None else self.belt_stamp_s
        return SequenceInputs(
            gripper=self.gripper.view(self.now),
            arm=ArmView(
                self.arm.number,
                self.arm.state,
                "",
                tuple(self.arm.joints),  # type: ignore[arg-type]
                tuple(self.arm.rates),  # type: ignore[arg-type]
                self.now,
            ),
            belt=BeltView(self.travel_m, self.speed_mps, stamp_s),
            permission=self.permission,
            permission_reason=self.reason,
            picked_durable=durable,
        )

    def run(self, limit_s: float = 8.0, until: object = None) -> PickOutcome | None:
        """Until the pick ends, or until ``until(self)`` holds; None then or at the limit."""
        end_s = self.now + limit_s
        while self.now < end_s:
            out = self.tick()
            if out.outcome is not None:
                return out.outcome
            if until is not None and until(self):  # type: ignore[operator]
                return None
        return None

    def _fingers_around_part(self) -> bool:
        if self.job is None:
            return False
        x_m = self.job.belt_x_m + self.travel_m
        tool = self.arm.tool
        low_m = 0.010 if self.settings.cup is None else 0.0125
        return bool(np.hypot(tool[0] - x_m, tool[1] - self.job.y_m) < 0.005 and tool[2] < low_m)


@pytest.fixture
def make_cell() -> type[BenchCell]:
    return BenchCell
