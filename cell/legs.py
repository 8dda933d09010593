"""The search for legs within an arm's limits: of all durations that would do, the shortest.

What a tool does at the start of a leg is given: speed and acceleration never have to be less than that, and where no
leg keeps the limits, one is taken that comes back below them. Sideways and vertical motion may run together; each has
a share of the jerk so that both, which are at right angles, keep the whole limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cell.kinematics import Array
from cell.trajectory import PEAK, Leg, ToolState, leg_jerk, leg_motion

SHARE = 0.95
"""Of speed and acceleration, for one leg: the rest is for the overlaps."""

BOTH = 0.70
"""Of speed and acceleration, for legs that run together from start to end: the square root of one half."""

EVASIVE = 1.6
"""More acceleration than planned for leaving grip height in the middle of a descent; stays far below the arm's 50
m/s2."""

JERK_SIDEWAYS, JERK_VERTICAL = 0.8, 0.6
"""Shares of the jerk, at right angles to each other."""

JERK_EVASIVE = 2.0
"""More jerk than planned, for the same."""

_DIP_M = 0.001
"""How far below its lowest height a rise may still sink while it brakes a descent."""

_CANDIDATES = 56
_REFINEMENTS = 15
_CHECKS = 25
"""Durations tried in one go, durations between the two best, and times in each at which limits are checked."""

_RISES_S = np.concatenate((np.linspace(0.04, 0.5, 47), np.linspace(0.52, 2.0, 38)))


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """Of the tool's path, the wrist and the joints. Defaults: the acceptance cell's plan limits; the wrist's, the jerk
    and the distance from singular positions are our choice.

    Attributes:
        jerk_mps3: of the tool along its path; twice that where a descent is broken off to leave a part alone.
        joint_rate_radps: of every shoulder.
        dexterity: least distance from every singular position (``kinematics.dexterity``).
    """

    speed_mps: float = 1.5
    accel_mps2: float = 15.0
    jerk_mps3: float = 1000.0
    yaw_rate_radps: float = 12.0
    yaw_accel_radps2: float = 120.0
    yaw_min_rad: float = -math.pi
    yaw_max_rad: float = math.pi
    joint_rate_radps: float = 12.0
    dexterity: float = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """A leg before its duration is known: where from, with which rate and acceleration, and where to for durations
    (n)."""

    pose0: Array
    rate0: Array
    accel0: Array
    target: Callable[[Array], Array]
    rate1: Array


@dataclass(frozen=True, slots=True)
class _Bound:
    """Greatest jerk of a leg, and by how much it may be faster than the limits say."""

    jerk_mps3: float
    more_mps: float


@dataclass(frozen=True, slots=True)
class LegSearch:
    """Finds legs for one set of limits; ``step_s`` is between a trajectory's points."""

    limits: MotionLimits
    step_s: float

    def vertical_s(self, distance_m: float) -> float:
        """From rest to rest with two ramps: speed is 2 d / T, acceleration 6 d / T^2, jerk 48 d / T^3."""
        accel, speed = self.limits.accel_mps2 * SHARE, self.limits.speed_mps * SHARE
        jerk = self.limits.jerk_mps3 * JERK_VERTICAL
        gently_s: float = (48.0 * distance_m / jerk) ** (1.0 / 3.0)
        return max(
            math.sqrt(6.0 * distance_m / accel),
            2.0 * distance_m / speed,
            gently_s,
            2.0 * self.step_s,
        )

    def ramp_for_s(self, speed_mps: float, share: float) -> float:
        """The shortest ramp that changes the speed by so much, within a share of the acceleration."""
        jerk = self.limits.jerk_mps3 * JERK_SIDEWAYS
        return max(PEAK * speed_mps / (self.limits.accel_mps2 * share), math.sqrt(6.0 * speed_mps / jerk))

    def rise(self, ends: Ends, *, lowest_m: float, share: float, evasive: bool) -> Leg | None:
        """The shortest vertical leg that does not sink below ``lowest_m``, but for a little."""
        limits = self.limits
        pose, rate, accel = self._motions(_RISES_S, ends)
        jerk = np.abs(self._jerks(_RISES_S, ends)).max(axis=(0, 2))
        vz, az = abs(float(ends.rate0[0])), abs(float(ends.accel0[0]))
        fit = pose.min(axis=(1, 2)) >= lowest_m - _DIP_M
        fit &= np.abs(accel).max(axis=(1, 2)) <= max(limits.accel_mps2 * share, az) + 1e-9
        fastest = np.abs(rate).max(axis=(1, 2))
        speed = max(limits.speed_mps * min(share, SHARE), vz)
        for bound in self._bounds(JERK_VERTICAL * (JERK_EVASIVE if evasive else 1.0), ends):
            found = np.flatnonzero(fit & (jerk <= bound.jerk_mps3) & (fastest <= speed + bound.more_mps))
            if len(found):
                return self.leg((2,), 0.0, float(_RISES_S[found[0]]), ends)
        return None

    def sideways(
        self,
        state: ToolState,
        leave_s: float,
        target: Callable[[Array], Array],
        *,
        share: float,
        rate1: Array,
        between_s: tuple[float, float],
    ) -> Leg | None:
        """The shortest leg of x, y and yaw to ``target(duration)`` within the limits and between two durations."""
        axes = [0, 1, 3]
        ends = Ends(
            pose0=state.pose[axes] + state.rate[axes] * leave_s,
            rate0=state.rate[axes],
            accel0=state.accel[axes] if leave_s == 0.0 else np.zeros(3),
            target=target,
            rate1=rate1,
        )
        low_s, high_s = max(between_s[0], 3.0 * self.step_s), between_s[1]
        if low_s > high_s:
            return None
        durations = low_s + (high_s - low_s) * np.linspace(0.0, 1.0, _CANDIDATES) ** 2
        for bound in self._bounds(JERK_SIDEWAYS, ends):
            chosen = self._first_within(durations, ends, share, bound)
            if chosen is None:
                continue
            best = float(durations[chosen])
            if chosen > 0:
                between = np.linspace(durations[chosen - 1], best, _REFINEMENTS + 2)[1:]
                finer = self._first_within(between, ends, share, bound)
                best = float(between[finer]) if finer is not None else best
            return self.leg((0, 1, 3), leave_s, best, ends)
        return None

    def leg(self, axes: tuple[int, ...], start_s: float, duration_s: float, ends: Ends) -> Leg:
        """The leg of that duration."""
        one = np.array([duration_s])
        return Leg(
            axes=axes,
            start_s=start_s,
            duration_s=duration_s,
            ramp_s=float(self._ramp_s(one, ends)[0]),
            pose0=ends.pose0,
            rate0=ends.rate0,
            accel0=ends.accel0,
            pose1=ends.target(one)[0],
            rate1=ends.rate1,
        )

    def _ramp_s(self, durations_s: Array, ends: Ends) -> Array:
        # A tool that is faster than the limits needs longer ramps to come below them.
        ramp: Array = np.minimum(durations_s / 2.0, self._longest_s(ends))
        return ramp

    def _longest_s(self, ends: Ends) -> float:
        speed = float(np.linalg.norm(ends.rate0[:2]))
        return self.ramp_for_s(max(self.limits.speed_mps, speed), SHARE)

    def _bounds(self, share: float, ends: Ends) -> tuple[_Bound, _Bound]:
        """The limits; then what it takes to end the acceleration that the tool has, which makes it faster at first."""
        limit = self.limits.jerk_mps3 * share + 1e-6
        accel, longest_s = float(np.linalg.norm(ends.accel0[:2])), self._longest_s(ends)
        return _Bound(limit, 1e-9), _Bound(max(limit, 6.0 * accel / longest_s), 0.15 * accel * longest_s + 1e-9)

    def _motions(self, durations_s: Array, ends: Ends) -> tuple[Array, Array, Array]:
        """Pose, rate and acceleration (durations, checks, axes) of legs of all these durations."""
        return leg_motion(
            durations_s[:, None, None] * np.linspace(0.0, 1.0, _CHECKS)[None, :, None],
            duration_s=durations_s[:, None, None],
            ramp_s=self._ramp_s(durations_s, ends)[:, None, None],
            pose0=ends.pose0,
            rate0=ends.rate0,
            accel0=ends.accel0,
            pose1=ends.target(durations_s)[:, None, :],
            rate1=ends.rate1,
        )

    def _jerks(self, durations_s: Array, ends: Ends) -> Array:
        """The jerk (ramps' ends, durations, axes) of legs of all these durations."""
        return leg_jerk(
            duration_s=durations_s[:, None],
            ramp_s=self._ramp_s(durations_s, ends)[:, None],
            pose0=ends.pose0,
            rate0=ends.rate0,
            accel0=ends.accel0,
            pose1=ends.target(durations_s),
            rate1=ends.rate1,
        )

    def _first_within(self, durations_s: Array, ends: Ends, share: float, bound: _Bound) -> int | None:
        """Index of the first duration whose leg of x, y and yaw keeps the limits."""
        _, rate, accel = self._motions(durations_s, ends)
        limits = self.limits
        speed = max(limits.speed_mps * min(share, SHARE), float(np.linalg.norm(ends.rate0[:2])))
        push = max(limits.accel_mps2 * share, float(np.linalg.norm(ends.accel0[:2])))
        fit = np.hypot(rate[..., 0], rate[..., 1]).max(axis=1) <= speed + bound.more_mps
        fit &= np.hypot(accel[..., 0], accel[..., 1]).max(axis=1) <= push + 1e-9
        turn = max(limits.yaw_rate_radps, abs(float(ends.rate0[2])))
        twist = max(limits.yaw_accel_radps2, abs(float(ends.accel0[2])))
        fit &= np.abs(rate[..., 2]).max(axis=1) <= turn + 1e-9
        fit &= np.abs(accel[..., 2]).max(axis=1) <= twist + 1e-9
        jerk = self._jerks(durations_s, ends)
        fit &= np.hypot(jerk[..., 0], jerk[..., 1]).max(axis=0) <= bound.jerk_mps3
        found = np.flatnonzero(fit)
        return int(found[0]) if len(found) else None
