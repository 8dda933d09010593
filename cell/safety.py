"""The gate in front of every motion: what must hold before the arm or the belt is told to move.

It monitors; the safety PLC stops motion (this software carries no performance level after ISO 13849).
Pure: a snapshot in, a verdict out.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from cell import kinematics
from cell.kinematics import Array, DeltaGeometry, OutOfReach
from cell.packml import Mode, State
from cell.trajectory import Trajectory

_AGREEMENT_M = 1e-3
"""To which commanded joints and planned tool points have to agree: the interpolation error allowed between points."""


class Motion(enum.Enum):
    """What is about to move.

    PICK: a motion towards a part. FINISH: with what is in the hand, to its place, or off the belt. HOME: to the rest
    position.
    BELT: the belt starts.
    """

    PICK = "pick"
    FINISH = "finish"
    HOME = "home"
    BELT = "belt"


_STARTING = frozenset({State.STARTING, State.UNHOLDING, State.UNSUSPENDING})
_ENDING = frozenset({State.STOPPING, State.HOLDING, State.SUSPENDING, State.COMPLETING})

PERMITTED: dict[Motion, frozenset[State]] = {
    Motion.PICK: frozenset({State.EXECUTE}),
    Motion.FINISH: _ENDING | {State.EXECUTE},
    Motion.HOME: _STARTING | _ENDING | {State.EXECUTE, State.RESETTING},
    Motion.BELT: _STARTING | {State.EXECUTE},
}
"""The PackML states in which each motion may happen. A controlled end lets what is in the hand reach its place."""


BY_HAND: frozenset[State] = frozenset({State.STOPPED, State.IDLE})
"""Where a person may move arm and gripper, in mode Manual alone."""

WORD_AGE_S = 0.3
"""Older than this the supervisor's word on the state, which comes ten times a second, allows nothing."""


def by_hand(state: State, mode: int) -> bool:
    """Somebody may move things by hand."""
    return mode == Mode.MANUAL and state in BY_HAND


def goal_refusal(state: State | None, mode: int, *, ours: bool, word_age_s: float) -> str | None:
    """Why a goal to a device is not carried out; None where it may be.

    Args:
        state, mode: of the cell by the supervisor's newest word; None: there was none yet.
        ours: the cell itself has sent it.
        word_age_s: of that word.
    """
    if state is None or not word_age_s <= WORD_AGE_S:
        return "no fresh word of the supervisor on the cell's state"
    if state in (State.ABORTING, State.ABORTED):
        return f"nothing moves in {state.title}"
    if by_hand(state, mode):
        return None
    if not ours:
        return f"it is not the cell's own, and the cell is in {state.title}, not in mode Manual"
    if mode != Mode.PRODUCE or state not in PERMITTED[Motion.HOME]:
        return f"no motion in {state.title}"
    return None


class Permission(enum.IntEnum):
    """What the pick sequence may do: nothing at all, finish what it has begun, or begin."""

    NONE = 0
    FINISH = 1
    BEGIN = 2


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """Ages (s) beyond which an input counts as lost, and bounds of any motion.

    Defaults: encoder 0.2 s = 40 mm of belt; the I/O block is read every 20 ms, so 0.25 s is a dozen lost answers;
    images come ten times a second; the arm's mechanical limits of the acceptance cell.
    """

    inputs_age_s: float = 0.25
    encoder_age_s: float = 0.2
    image_age_s: float = 0.5
    tool_speed_mps: float = 4.0
    tool_accel_mps2: float = 50.0
    belt_speed_mps: float = 0.5
    x_m: tuple[float, float] = (0.20, 1.05)
    y_m: tuple[float, float] = (-0.42, 0.42)
    z_m: tuple[float, float] = (0.004, 0.45)


@dataclass(frozen=True, slots=True)
class SafetyInputs:
    """What is known; a stamp is None when nothing was ever read. Seconds of one clock.

    Attributes:
        estop_ok, curtain_ok: True = in order.
        inputs_stamp_s, encoder_stamp_s, image_stamp_s: of the newest good reading.
        belt_speed_mps: by the encoder.
    """

    state: State
    mode: int = Mode.PRODUCE
    estop_ok: bool = False
    curtain_ok: bool = False
    inputs_stamp_s: float | None = None
    encoder_stamp_s: float | None = None
    image_stamp_s: float | None = None
    belt_speed_mps: float = 0.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """The motion may happen."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It may not, and why, in a few words."""

    reason: str


class Gate:
    """Checks motions against state, inputs and the workspace."""

    def __init__(self, limits: SafetyLimits | None = None, geometry: DeltaGeometry | None = None) -> None:
        self.limits = limits or SafetyLimits()
        self.geometry = geometry or DeltaGeometry()

    def check(
        self, motion: Motion, inputs: SafetyInputs, now_s: float, trajectory: Trajectory | None = None
    ) -> Allowed | Refused:
        """The verdict on a motion of a kind; with its trajectory, if the arm is to move."""
        reason = self._state(motion, inputs) or self._circuit(inputs, now_s) or self._freshness(motion, inputs, now_s)
        if reason is None and trajectory is not None:
            reason = self._path(trajectory)
        return Refused(reason) if reason else Allowed()

    def permission(self, inputs: SafetyInputs, now_s: float) -> tuple[Permission, str]:
        """What the pick sequence may do, and why not more."""
        begin = self.check(Motion.PICK, inputs, now_s)
        if isinstance(begin, Allowed):
            return Permission.BEGIN, ""
        finish = self.check(Motion.FINISH, inputs, now_s)
        if isinstance(finish, Allowed):
            return Permission.FINISH, begin.reason
        return Permission.NONE, finish.reason

    def stop_cause(self, inputs: SafetyInputs, now_s: float) -> str | None:
        """Why everything has to stop (Abort) whatever the state, or None."""
        return self._circuit(inputs, now_s)

    def _state(self, motion: Motion, inputs: SafetyInputs) -> str | None:
        if inputs.state not in PERMITTED[motion]:
            return f"no {motion.value} motion in {inputs.state.title}"
        if inputs.mode != Mode.PRODUCE:
            return f"no automatic motion in mode {inputs.mode}"
        return None

    def _circuit(self, inputs: SafetyInputs, now_s: float) -> str | None:
        stale = _stale("safety inputs", inputs.inputs_stamp_s, now_s, self.limits.inputs_age_s)
        if stale:
            return stale
        if not inputs.estop_ok:
            return "emergency stop"
        if not inputs.curtain_ok:
            return "light curtain interrupted"
        return None

    def _freshness(self, motion: Motion, inputs: SafetyInputs, now_s: float) -> str | None:
        if motion is not Motion.PICK:
            return None
        stale = _stale("encoder", inputs.encoder_stamp_s, now_s, self.limits.encoder_age_s)
        stale = stale or _stale("camera image", inputs.image_stamp_s, now_s, self.limits.image_age_s)
        if stale:
            return stale
        if not abs(inputs.belt_speed_mps) <= self.limits.belt_speed_mps:
            return f"the belt runs at {inputs.belt_speed_mps:.2f} m/s, more than {self.limits.belt_speed_mps:.2f} m/s"
        return None

    def _path(self, trajectory: Trajectory) -> str | None:
        tool: Array = trajectory.poses[:, :3]
        if not (np.isfinite(tool).all() and np.isfinite(trajectory.joints_rad).all()):
            return "the trajectory is not finite"
        for axis, (name, bounds) in enumerate((("x", self.limits.x_m), ("y", self.limits.y_m), ("z", self.limits.z_m))):
            low, high = float(tool[:, axis].min()), float(tool[:, axis].max())
            if low < bounds[0] or high > bounds[1]:
                return f"{name} {low:.3f}..{high:.3f} m leaves the workspace {bounds[0]:.3f}..{bounds[1]:.3f} m"
        speed = float(np.linalg.norm(trajectory.pose_rates[:, :3], axis=1).max())
        accel = float(np.linalg.norm(trajectory.pose_accels[:, :3], axis=1).max())
        if speed > self.limits.tool_speed_mps or math.isnan(speed):
            return f"the tool would move at {speed:.1f} m/s"
        if accel > self.limits.tool_accel_mps2 or math.isnan(accel):
            return f"the tool would accelerate with {accel:.0f} m/s2"
        # What the arm will follow are the joints, not the plan's own tool points.
        try:
            commanded, _ = kinematics.forward(self.geometry, trajectory.joints_rad)
        except OutOfReach as error:
            return str(error)
        off_m = float(np.abs(commanded - tool).max())
        if not off_m <= _AGREEMENT_M:
            return f"the joints lead {off_m * 1e3:.0f} mm away from the planned path"
        return None


def _stale(what: str, stamp_s: float | None, now_s: float, limit_s: float) -> str | None:
    if stamp_s is None:
        return f"no {what} yet"
    age_s = now_s - stamp_s
    if not age_s <= limit_s:
        return f"{what} {age_s:.2f} s old"
    return None
