"""Plans of motion: to a part that rides on the belt, from there to a bin, and from anywhere to anywhere.

Everything sideways happens at travel height, above the parts; vertical legs overlap sideways ones by a quarter of
their time, in which the tool has made at most a tenth of its way down. A pick's trajectory follows the belt at grip
height for a while and then, if nobody pre-empts it, lifts with the belt and stops: it is safe to its end.

All times are of the injected clock (s), lengths in the cell frame (m).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from cell.kinematics import Array, DeltaGeometry, OutOfReach
from cell.legs import BOTH, EVASIVE, SHARE, Ends, LegSearch, MotionLimits
from cell.trajectory import Leg, ToolState, Trajectory, sampled

__all__ = ["Heights", "Infeasible", "MotionLimits", "MovingPart", "PickPlan", "Planner", "finger_yaw"]

OVERLAP = 0.25
"""Share of a vertical leg that runs together with the sideways one before or after it."""

_LEVEL_M, _LEVEL_S = 0.002, 0.08
"""A height this near to the travel height needs no leg of its own, but this much time to settle."""


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
        """The same planner with this share of speeds, accelerations and jerk."""
        # Ramps stay as long, so that everything about them shrinks alike.
        limits = self.limits
        slow = replace(
            limits,
            speed_mps=limits.speed_mps * share,
            accel_mps2=limits.accel_mps2 * share,
            jerk_mps3=limits.jerk_mps3 * share,
            yaw_rate_radps=limits.yaw_rate_radps * share,
            yaw_accel_radps2=limits.yaw_accel_radps2 * share,
        )
        return replace(self, limits=slow)

    @property
    def _search(self) -> LegSearch:
        return LegSearch(self.limits, self.step_s)

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
        drop_s = self._search.vertical_s(drop_m)
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

        sideways = self._search.sideways(
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
        brake_s = max(drop_s, 2.0 * self._search.ramp_for_s(abs(part.speed_mps), SHARE))
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

        sideways = self._search.sideways(
            state, leave_s, standing, share=rise.share, rate1=np.zeros(3), between_s=(0.0, self.horizon_s)
        )
        if sideways is None:
            return Infeasible("no move within the limits")
        legs.append(sideways)
        end_s = max(leave_s + sideways.duration_s, rise.end_s)
        drop_m = self.heights.travel_m - target_m[2]
        if abs(drop_m) > _LEVEL_M / 10.0:
            drop_s = self._search.vertical_s(abs(drop_m))
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
        ramp_s = max(self._search.ramp_for_s(speed, BOTH), self.step_s * 2.0)
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
        ends = Ends(
            pose0=np.array([z]),
            rate0=np.array([vz]),
            accel0=np.array([az]),
            target=lambda durations_s: np.repeat(pose1, len(durations_s), axis=0),
            rate1=np.zeros(1),
        )
        if abs(z - height_m) < _LEVEL_M and abs(vz) < 1e-3 and abs(az) < 0.05:
            ends = replace(ends, accel0=np.zeros(1))
            return _Rise(self._search.leg((2,), 0.0, _LEVEL_S, ends), 0.0, SHARE)
        low = z < self.heights.clear_m
        share = (EVASIVE if evasive else SHARE) if low else BOTH
        leg = self._search.rise(ends, lowest_m=min(z, self.heights.grip_m), share=share, evasive=evasive and low)
        if leg is None:
            return Infeasible("the arm cannot rise from here within the limits")
        return _Rise(leg, leg.duration_s * (1.0 - OVERLAP), SHARE) if low else _Rise(leg, 0.0, BOTH)

    def _in_window(self, part: MovingPart, at_s: float) -> tuple[float, float]:
        """(first, last) durations after ``at_s`` at which the part is inside the window; empty when first > last."""
        x = part.x_at(at_s)
        first, last = self.window_m
        if abs(part.speed_mps) < 1e-6:
            return (0.0, math.inf) if first <= x <= last else (1.0, 0.0)
        bounds = sorted(((first - x) / part.speed_mps, (last - x) / part.speed_mps))
        return bounds[0], bounds[1]

    def _sampled(self, start_s: float, duration_s: float, legs: list[Leg]) -> Trajectory | Infeasible:
        try:
            return sampled(
                self.geometry,
                start_s,
                duration_s,
                self.step_s,
                legs,
                joint_rate_radps=self.limits.joint_rate_radps,
                dexterity=self.limits.dexterity,
            )
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
