"""The arm's part of a pick: which motion it was last sent, where the tool will be, and how far it strays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cell import kinematics
from cell import pick_evidence as evidence
from cell.motion import Planner
from cell.pick_types import (
    ArmGoal,
    ArmView,
    GripperRequest,
    PickedMark,
    PickOutcome,
    SequenceInputs,
    SequenceSettings,
    SuctionRequest,
)
from cell.trajectory import ToolState, Trajectory

_AT_REST_RADPS = 0.05
"""Joints slower than this let a plan begin from rest."""


@dataclass(slots=True)
class Work:
    """One step of the sequence: what it looks at and what it gathers for its outputs."""

    inputs: SequenceInputs
    now: float
    arm_goal: ArmGoal | None = None
    arm_cancel: bool = False
    gripper: GripperRequest | SuctionRequest | None = None
    picked: PickedMark | None = None
    outcome: PickOutcome | None = None
    note: str = ""


class Course:
    """Numbers the arm's goals and follows the newest one.

    Attributes:
        motion: the newest one; None where the arm does what nobody here told it.
    """

    def __init__(self, planner: Planner, settings: SequenceSettings) -> None:
        self._planner = planner
        self._settings = settings
        self.motion: Trajectory | None = None
        self._goal = 0

    def send(self, motion: Trajectory, work: Work) -> None:
        """A new motion in place of the one before."""
        self._goal += 1
        self.motion = motion
        work.arm_goal = ArmGoal(self._goal, motion)

    def stop(self, work: Work) -> None:
        """Take back what runs; nobody knows then where the tool will stand."""
        work.arm_cancel = self.motion is not None
        self.motion = None

    def state(self, inputs: SequenceInputs, now: float) -> ToolState | None:
        """Where the tool will be when a new motion begins: by its own motion, or by the joints of an arm at rest."""
        if self.motion is not None:
            return self.motion.state_at(now + self._settings.lead_s)
        arm = inputs.arm
        if arm.joints_rad is None or max(abs(rate) for rate in arm.rates_radps) > _AT_REST_RADPS:
            return None
        try:
            return ToolState.of_joints(self._planner.geometry, np.asarray(arm.joints_rad))
        except kinematics.OutOfReach:
            return None

    def stray_m(self, arm: ArmView) -> float:
        """How far the arm is from its commanded path, by the newest joint positions."""
        if arm.joints_rad is None or self.motion is None or arm.stamp_s is None:
            return 0.0
        try:
            tool, _ = kinematics.forward(self._planner.geometry, np.asarray(arm.joints_rad))
        except kinematics.OutOfReach:
            return math.inf
        return float(np.linalg.norm(tool - self.motion.at(arm.stamp_s).pose[:3]))

    def failed(self, arm: ArmView) -> bool:
        """The arm will not do, or has given up, the newest motion."""
        return evidence.failed(arm, self._goal)

    def arrived(self, arm: ArmView) -> bool:
        """It has done it."""
        return evidence.arrived(arm, self._goal)

    def accepted(self, arm: ArmView) -> bool:
        """It does it, or has."""
        return evidence.accepted(arm, self._goal)

    def late(self, now: float) -> bool:
        """The newest motion should have ended a while ago, or there is none."""
        return self.motion is None or now > self.motion.end_s + self._settings.arm_late_s
