"""Plans of motion: to a part that rides on the belt, from there to a bin, and from anywhere to anywhere.

Everything sideways happens at travel height, above the parts; vertical legs overlap sideways ones by a quarter of
their time, in which the tool has made at most a tenth of its way down. A pick's trajectory follows the belt at grip
height for a while and then, if nobody pre-empts it, lifts with the belt and stops: it is safe to its end.

All times are of the injected clock (s), lengths in the cell frame (m).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from cell.kinematics import Array, DeltaGeometry, OutOfReach
from cell.trajectory import PEAK, Leg, ToolState, Trajectory, leg_motion, sampled

OVERLAP = 0.25
"""Share of a vertical leg that runs together with the sideways one before or after it."""

_SHARE = 0.95
"""Of the path limits, for one leg: the rest is for the overlaps."""

_BOTH = 0.70
"""Of the path limits, for legs that run together from start to end: the square root of one half."""

_EVASIVE = 1.6
"""More acceleration than planned for leaving grip height in the middle of a descent; stays far below the arm's 50
m/s2."""

_LEVEL_M = 0.002
"""A height this near to the travel height needs no leg of its own."""

_DIP_M = 0.001
"""How far below its lowest height a rise may still sink while it brakes a descent."""

_CANDIDATES = 56
_REFINEMENTS = 15
_CHECKS = 25
"""Durations tried in one go, durations between the two best, and times in each at which limits are checked."""


@dataclass(frozen=True, slots=True)
class MotionLimits:
    """Of the tool's path and of the wrist. Defaults: the acceptance cell's plan limits; the wrist's are our choice."""

    speed_mps: float = 1.5
    accel_mps2: float = 15.0
    yaw_rate_radps: float = 12.0
    yaw_accel_radps2: float = 120.0
    yaw_min_rad: float = -math.pi
    yaw_max_rad: float = math.pi


@dataclass(frozen=True, slots=True)
class Heights:
    """z of the tool: for sideways moves, at the part's grip, and from where on parts (12 mm) and what hangs below the
    fingers pass under each other."""

    travel_m: float = 0.10
    grip_m: float = 0.006
    clear_m: float = 0.04


@dataclass(frozen=True, slots=True)
class MovingPart:
    """A part's centre at ``at_s`` and its belt's speed; ``yaw_rad`` is the angle of its long side from x, modulo pi."""

    x_m: float
    y_m: float
    yaw_rad: float
    at_s: float
    speed_mps: float

    def x_at(self, now_s: float) -> float:
        return self.x_m + self.speed_mps * (now_s - self.at_s)


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No such motion, and why, in a few words; ``later``: it will be possible, the part is still on its way."""

    reason: str
    later: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PickPlan:
    """A motion to a part.

    Attributes:
        descend_s: the descent begins; until then another plan may replace this one freely.
        arrive_s: the fingers are around the part, at grip height, at the belt's speed.
        hold_until_s: from then on the tool lifts again by itself.
    """

    trajectory: Trajectory
    part: MovingPart
    descend_s: float
    arrive_s: float
    hold_until_s: float


def finger_yaw(long_side_rad: float, present_rad: float, limits: MotionLimits) -> float:
    """The wrist's angle that closes the fingers across the short side: the nearest one to the present within the
    wrist's range (fingers are alike after half a turn)."""
    across = long_side_rad + math.pi / 2.0
    turns = range(-4, 5)
    nearest = across + math.pi * round((present_rad - across) / math.pi)
    options = [nearest + math.pi * turn for turn in turns]
    inside = [yaw for yaw in options if limits.yaw_min_rad - 1e-9 <= yaw <= limits.yaw_max_rad + 1e-9]
    return min(inside or options, key=lambda yaw: (abs(yaw - present_rad), yaw))


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """A leg before its duration is known: where from, with which rate and acceleration, and where to for durations
    (n)."""

    pose0: Array
    rate0: Array
    accel0: Array
    target: Callable[[Array], Array]
    rate1: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Rise:
    """The leg to travel height, when the sideways leg may begin, and the share of the limits that is left for that."""

    leg: Leg
    leave_s: float
    share: float

    @property
    def end_s(self) -> float:
        return self.leg.start_s + self.leg.duration_s


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one arm over one belt.

    Attributes:
        window_m: (first, last) x at which the fingers may arrive at a part.
        hold_s: how long a pick follows its part at grip height.
        step_s: between a trajectory's points.
        horizon_s: a rendezvous later than this is not planned yet.
        aligns: the wrist turns to a part's sides; a round cup does not care.
    """

    geometry: DeltaGeometry = field(default_factory=DeltaGeometry)
    limits: MotionLimits = field(default_factory=MotionLimits)
    heights: Heights = field(default_factory=Heights)
    window_m: tuple[float, float] = (0.35, 0.85)
    hold_s: float = 0.6
    step_s: float = 0.02
    horizon_s: float = 4.0
    aligns: bool = True

    def slowed(self, share: float) -> Planner:
        """The same planner with this share of the speeds, and of accelerations what keeps the ramps as long."""
        limits = self.limits
        slow = replace(
            limits,
            speed_mps=limits.speed_mps * share,
            accel_mps2=limits.accel_mps2 * share,
            yaw_rate_radps=limits.yaw_rate_radps * share,
            yaw_accel_radps2=limits.yaw_accel_radps2 * share,
        )
        return replace(self, limits=slow)

    def plan_pick(
        self, state: ToolState, start_s: float, part: MovingPart, *, not_before_s: float = -math.inf
    ) -> PickPlan | Infeasible:
        """The earliest meeting with a part inside the window, from ``state`` at ``start_s``; the fingers are not down
        before ``not_before_s``."""
        rise = self._rise(state)
        if isinstance(rise, Infeasible):
            return rise
        legs, leave_s = [rise.leg], rise.leave_s
        drop_m = self.heights.travel_m - self.heights.grip_m
        drop_s = self._vertical_s(drop_m)
        lead_s = leave_s + (1.0 - OVERLAP) * drop_s
        # Time from start until the arrival at grip height is the sideways leg's duration plus `lead_s`.
        first_s, last_s = self._in_window(part, start_s + lead_s)
        first_s = max(first_s, not_before_s - start_s - lead_s, 0.0)
        last_s = min(last_s, self.horizon_s)
        if first_s > last_s:
            if first_s > self.horizon_s and part.x_at(start_s + lead_s) < self.window_m[0]:
                return Infeasible("the part is still too far off", later=True)
            return Infeasible("the part leaves the pick window too soon")
        present = float(state.pose[3])
        yaw = finger_yaw(part.yaw_rad, present, self.limits) if self.aligns else present
        velocity = np.array([part.speed_mps, 0.0, 0.0])

        def meeting(duration_s: Array) -> Array:
            x = part.x_at(start_s + leave_s) + part.speed_mps * duration_s
            return np.stack((x, np.full_like(x, part.y_m), np.full_like(x, yaw)), axis=-1)

        sideways = self._sideways(
            state, leave_s, meeting, share=rise.share, rate1=velocity, between_s=(first_s, last_s)
        )
        if sideways is None:
            return Infeasible("the arm cannot meet the part inside the pick window")
        legs.append(sideways)
        met_s = leave_s + sideways.duration_s
        descend_s = max(met_s - OVERLAP * drop_s, leave_s, rise.end_s)
        legs.append(_shift(descend_s, drop_s, np.array([-drop_m])))
        arrive_s = descend_s + drop_s
        hold_s = arrive_s + self.hold_s
        legs.append(_shift(hold_s, drop_s, np.array([drop_m])))
        brake_s = max(drop_s, PEAK * abs(part.speed_mps) / (self.limits.accel_mps2 * _SHARE) * 2.0)
        legs.append(_stop(hold_s + (1.0 - OVERLAP) * drop_s, brake_s, part.speed_mps))
        end_s = hold_s + (1.0 - OVERLAP) * drop_s + brake_s
        trajectory = self._sampled(start_s, max(end_s, hold_s + drop_s), legs)
        if isinstance(trajectory, Infeasible):
            return trajectory
        return PickPlan(trajectory, part, start_s + descend_s, start_s + arrive_s, start_s + hold_s)

    def plan_lift_and_place(
        self, state: ToolState, start_s: float, target_m: tuple[float, float, float]
    ) -> Trajectory | Infeasible:
        """Off the belt with the state's own speed, at travel height to a point (a bin) and to rest there."""
        return self.plan_move(state, start_s, target_m, yaw_rad=None)

    def plan_move(
        self, state: ToolState, start_s: float, target_m: tuple[float, float, float], yaw_rad: float | None = None
    ) -> Trajectory | Infeasible:
        """To rest at a point, sideways at travel height; the wrist keeps its angle if none is given."""
        rise = self._rise(state)
        if isinstance(rise, Infeasible):
            return rise
        legs, leave_s = [rise.leg], rise.leave_s
        yaw = float(state.pose[3]) if yaw_rad is None else yaw_rad
        goal = np.array([target_m[0], target_m[1], yaw])

        def standing(duration_s: Array) -> Array:
            return np.broadcast_to(goal, (*duration_s.shape, 3))

        sideways = self._sideways(
            state, leave_s, standing, share=rise.share, rate1=np.zeros(3), between_s=(0.0, self.horizon_s)
        )
        if sideways is None:
            return Infeasible("no move within the limits")
        legs.append(sideways)
        end_s = max(leave_s + sideways.duration_s, rise.end_s)
        drop_m = self.heights.travel_m - target_m[2]
        if abs(drop_m) > _LEVEL_M / 10.0:
            drop_s = self._vertical_s(abs(drop_m))
            begin_s = max(end_s - OVERLAP * drop_s, leave_s, rise.end_s)
            legs.append(_shift(begin_s, drop_s, np.array([-drop_m])))
            end_s = begin_s + drop_s
        return self._sampled(start_s, end_s, legs)

    def plan_lift(self, state: ToolState, start_s: float) -> Trajectory | Infeasible:
        """Straight up to travel height with the state's own speed, then to rest: leaves a part where it is."""
        rise = self._rise(state, evasive=True)
        if isinstance(rise, Infeasible):
            return rise
        legs, leave_s = [rise.leg], rise.leave_s
        speed = math.hypot(*state.rate[:2])
        ramp_s = max(PEAK * speed / (self.limits.accel_mps2 * _BOTH), self.step_s * 2.0)
        rate0, accel0 = state.rate[[0, 1, 3]], state.accel[[0, 1, 3]] * (leave_s == 0.0)
        # Braking alone: the cruise speed is half of the first one, so that acceleration is even over both ramps.
        pose0 = state.pose[[0, 1, 3]] + rate0 * leave_s
        pose1 = pose0 + rate0 * ramp_s + accel0 * ramp_s**2 / 12.0
        legs.append(Leg((0, 1, 3), leave_s, 2.0 * ramp_s, ramp_s, pose0, rate0, accel0, pose1, np.zeros(3)))
        return self._sampled(start_s, max(leave_s + 2.0 * ramp_s, rise.end_s), legs)

    def _rise(self, state: ToolState, *, evasive: bool = False) -> _Rise | Infeasible:
        """To travel height."""
        height_m = self.heights.travel_m
        z, vz, az = (float(values[2]) for values in (state.pose, state.rate, state.accel))
        pose1 = np.array([[height_m]])
        ends = _Ends(
            pose0=np.array([z]),
            rate0=np.array([vz]),
            accel0=np.array([az]),
            target=lambda durations_s: np.repeat(pose1, len(durations_s), axis=0),
            rate1=np.zeros(1),
        )
        if abs(z - height_m) < _LEVEL_M and abs(vz) < 1e-3:
            ends = replace(ends, accel0=np.zeros(1))
            return _Rise(self._leg((2,), 0.0, 4.0 * self.step_s, ends), 0.0, _SHARE)
        low = z < self.heights.clear_m
        share = (_EVASIVE if evasive else _SHARE) if low else _BOTH
        durations = np.concatenate((np.linspace(0.04, 0.5, 47), np.linspace(0.52, 2.0, 38)))
        pose, rate, accel = self._motions(durations, ends)
        fit = pose.min(axis=(1, 2)) >= min(z, self.heights.grip_m) - _DIP_M
        fit &= np.abs(rate).max(axis=(1, 2)) <= max(self.limits.speed_mps * min(share, _SHARE), abs(vz)) + 1e-9
        fit &= np.abs(accel).max(axis=(1, 2)) <= max(self.limits.accel_mps2 * share, abs(az)) + 1e-9
        found = np.flatnonzero(fit)
        if not len(found):
            return Infeasible("the arm cannot rise from here within the limits")
        leg = self._leg((2,), 0.0, float(durations[found[0]]), ends)
        return _Rise(leg, leg.duration_s * (1.0 - OVERLAP), _SHARE) if low else _Rise(leg, 0.0, _BOTH)

    def _vertical_s(self, distance_m: float) -> float:
        """From rest to rest with two ramps: acceleration is 6 d / T^2, speed 2 d / T."""
        accel, speed = self.limits.accel_mps2 * _SHARE, self.limits.speed_mps * _SHARE
        return max(math.sqrt(6.0 * distance_m / accel), 2.0 * distance_m / speed, 2.0 * self.step_s)

    def _ramp_s(self, durations_s: Array) -> Array:
        longest = PEAK * self.limits.speed_mps / (self.limits.accel_mps2 * _SHARE)
        ramp: Array = np.minimum(durations_s / 2.0, longest)
        return ramp

    def _in_window(self, part: MovingPart, at_s: float) -> tuple[float, float]:
        """(first, last) durations after ``at_s`` at which the part is inside the window; empty when first > last."""
        x = part.x_at(at_s)
        first, last = self.window_m
        if abs(part.speed_mps) < 1e-6:
            return (0.0, math.inf) if first <= x <= last else (1.0, 0.0)
        bounds = sorted(((first - x) / part.speed_mps, (last - x) / part.speed_mps))
        return bounds[0], bounds[1]

    def _sideways(
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
        ends = _Ends(
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
        chosen = self._first_within(durations, ends, share)
        if chosen is None:
            return None
        best = float(durations[chosen])
        if chosen > 0:
            between = np.linspace(durations[chosen - 1], best, _REFINEMENTS + 2)[1:]
            finer = self._first_within(between, ends, share)
            best = float(between[finer]) if finer is not None else best
        return self._leg((0, 1, 3), leave_s, best, ends)

    def _leg(self, axes: tuple[int, ...], start_s: float, duration_s: float, ends: _Ends) -> Leg:
        one = np.array([duration_s])
        return Leg(
            axes=axes,
            start_s=start_s,
            duration_s=duration_s,
            ramp_s=float(self._ramp_s(one)[0]),
            pose0=ends.pose0,
            rate0=ends.rate0,
            accel0=ends.accel0,
            pose1=ends.target(one)[0],
            rate1=ends.rate1,
        )

    def _motions(self, durations_s: Array, ends: _Ends) -> tuple[Array, Array, Array]:
        """Pose, rate and acceleration (durations, checks, axes) of legs of all these durations."""
        return leg_motion(
            durations_s[:, None, None] * np.linspace(0.0, 1.0, _CHECKS)[None, :, None],
            duration_s=durations_s[:, None, None],
            ramp_s=self._ramp_s(durations_s)[:, None, None],
            pose0=ends.pose0,
            rate0=ends.rate0,
            accel0=ends.accel0,
            pose1=ends.target(durations_s)[:, None, :],
            rate1=ends.rate1,
        )

    def _first_within(self, durations_s: Array, ends: _Ends, share: float) -> int | None:
        """Index of the first duration whose leg of x, y and yaw keeps the limits.

        What the arm does at the start is given, so the limits never ask for less than that.
        """
        _, rate, accel = self._motions(durations_s, ends)
        limits = self.limits
        speed = max(limits.speed_mps * min(share, _SHARE), float(np.linalg.norm(ends.rate0[:2])))
        push = max(limits.accel_mps2 * share, float(np.linalg.norm(ends.accel0[:2])))
        fit = np.hypot(rate[..., 0], rate[..., 1]).max(axis=1) <= speed + 1e-9
        fit &= np.hypot(accel[..., 0], accel[..., 1]).max(axis=1) <= push + 1e-9
        turn = max(limits.yaw_rate_radps, abs(float(ends.rate0[2])))
        twist = max(limits.yaw_accel_radps2, abs(float(ends.accel0[2])))
        fit &= np.abs(rate[..., 2]).max(axis=1) <= turn + 1e-9
        fit &= np.abs(accel[..., 2]).max(axis=1) <= twist + 1e-9
        found = np.flatnonzero(fit)
        return int(found[0]) if len(found) else None

    def _sampled(self, start_s: float, duration_s: float, legs: list[Leg]) -> Trajectory | Infeasible:
        try:
            return sampled(self.geometry, start_s, duration_s, self.step_s, legs)
        except OutOfReach as error:
            return Infeasible(str(error))


def _shift(start_s: float, duration_s: float, by_m: Array) -> Leg:
    """A vertical leg from rest to rest, to be added to what the tool does anyway."""
    zero = np.zeros(1)
    return Leg((2,), start_s, duration_s, duration_s / 2.0, zero, zero, zero, by_m, zero)


def _stop(start_s: float, duration_s: float, speed_mps: float) -> Leg:
    """Takes the belt's speed off a tool that follows it."""
    zero = np.zeros(1)
    change = np.array([-speed_mps])
    return Leg((0,), start_s, duration_s, duration_s / 2.0, zero, zero, zero, change * duration_s / 2.0, change)
