"""When the arm can be back at the bin with a part that rides on the belt: the time model of every picking rule.

With the arm free at a bin (or wherever the tool is) at time ``s``, it meets part j at the smallest ``g >= s`` at
which the part is inside the pick window and ``s + travel(tool, part(g)) <= g``, grips it, travels to the part's bin
and releases it there: ``f_j(s)``. A part that has left the window first is infeasible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.arms import Arm, Belt
from policies.types import Candidate, View

TOLERANCE_S = 1e-9
"""To which the meeting is solved, in seconds from now: on a clock that counts from 1970 a float's step is 200 times as
wide."""


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """A feasible pick of a candidate.

    Attributes:
        meet_s: the tool is over the part, on the clock of ``View.now_s``.
        meet_m: (x, y) where.
        done_s: the part is released and the hand free: ``f_j(s)``.
        start_s: ``s``, when the arm could leave.
    """

    candidate: Candidate
    start_s: float
    meet_s: float
    meet_m: tuple[float, float]
    done_s: float

    @property
    def cycle_s(self) -> float:
        """``f_j(s) - s``."""
        return self.done_s - self.start_s


def rendezvous(view: View, candidate: Candidate) -> Rendezvous | None:
    """The earliest pick of a candidate from the tool's place, or None when it cannot be made or has no bin."""
    if isinstance(view.arm, Arm):
        found = _from_drop(view, view.arm, (candidate,))
        return found[0] if found else None
    arm = view.arm
    bin_m = view.bins_m.get(candidate.bin)
    if bin_m is None:
        return None
    start_s = max(view.free_in_s, 0.0)
    first_s, last_s = _window(view, candidate)
    low_s = max(start_s, first_s)
    if low_s > last_s:
        return None

    def late_s(at_s: float) -> float:
        """How much later than ``at_s`` the tool would reach the part's place at ``at_s``; <= 0 when it is in time."""
        x_m = candidate.x_m + view.belt_speed_mps * at_s
        distance_m = math.hypot(x_m - view.tool_m[0], candidate.y_m - view.tool_m[1])
        return start_s + arm.travel_s(distance_m) - at_s

    meet_s = _first_in_time(late_s, low_s, last_s, *_turns(view, candidate))
    if meet_s is None:
        return None
    x_m = candidate.x_m + view.belt_speed_mps * meet_s
    back_m = math.hypot(x_m - bin_m[0], candidate.y_m - bin_m[1])
    done_s = meet_s + arm.grip_s + arm.travel_s(back_m) + arm.release_s
    now_s = view.now_s
    return Rendezvous(candidate, now_s + start_s, now_s + meet_s, (x_m, candidate.y_m), now_s + done_s)


def feasible(view: View) -> list[Rendezvous]:
    """The picks of all candidates that can be made, in the candidates' order."""
    if isinstance(view.arm, Arm):
        return _from_drop(view, view.arm, view.candidates)
    return [found for candidate in view.candidates if (found := rendezvous(view, candidate)) is not None]


def _from_drop(view: View, arm: Arm, candidates: tuple[Candidate, ...]) -> list[Rendezvous]:
    """The picks of an arm of the benchmark, all at once."""
    first_m, last_m = view.window_m
    speed_mps = view.belt_speed_mps
    belt = Belt(speed_mps=speed_mps, first_m=first_m, last_m=last_m, seen_m=first_m)
    start_s = max(view.free_in_s, 0.0)
    x_m = np.array([one.x_m for one in candidates]) + speed_mps * start_s
    meet_s, done_s = arm.meetings(belt, x_m, np.array([one.y_m for one in candidates]))
    begin_s = view.now_s + start_s
    rows = zip(candidates, x_m.tolist(), meet_s.tolist(), done_s.tolist(), strict=True)
    return [
        Rendezvous(one, begin_s, begin_s + meet, (at_m + speed_mps * meet, one.y_m), begin_s + done)
        for one, at_m, meet, done in rows
        if done < math.inf
    ]


def _window(view: View, candidate: Candidate) -> tuple[float, float]:
    """(first, last) time from now at which the candidate is inside the pick window; first > last when never."""
    first_m, last_m = view.window_m
    speed = view.belt_speed_mps
    if abs(speed) < 1e-9:
        inside = first_m <= candidate.x_m <= last_m
        return (0.0, math.inf) if inside else (math.inf, -math.inf)
    times = sorted((edge - candidate.x_m) / speed for edge in (first_m, last_m))
    return times[0], times[1]


def _turns(view: View, candidate: Candidate) -> tuple[float, float]:
    """When, from now, the part is nearest to the tool's place, and when it gains most on a short move from there.

    Past the nearest point at time tau the travel time over d = hypot(v tau, y) grows as v^2 tau / (d^1.5 a^0.5),
    which is largest at v tau = sqrt(2) y.
    """
    speed = view.belt_speed_mps
    if abs(speed) < 1e-9:
        return 0.0, 0.0
    nearest_s = (view.tool_m[0] - candidate.x_m) / speed
    return nearest_s, nearest_s + math.sqrt(2.0) * abs(candidate.y_m - view.tool_m[1]) / abs(speed)


def _first_in_time(
    late_s: Callable[[float], float], low_s: float, last_s: float, nearest_s: float, fastest_s: float
) -> float | None:
    """The smallest time in [low, last] at which ``late_s`` is not positive, for a belt slower than the arm.

    Lateness falls until the part is nearest, is convex from there to ``fastest_s`` (short moves cost more time than
    their distance's share, so it may rise), and beyond that rises and falls at most once. Each stretch has one first
    crossing.
    """
    if late_s(low_s) <= TOLERANCE_S:
        return low_s
    nearest_s = min(max(nearest_s, low_s), last_s)
    if late_s(nearest_s) <= 0.0:
        return _crossing(late_s, low_s, nearest_s)
    fastest_s = min(max(fastest_s, nearest_s), last_s)
    if late_s(nearest_s) <= fastest_s - nearest_s:
        lowest_s = _lowest(late_s, nearest_s, fastest_s)
        if late_s(lowest_s) <= 0.0:
            return _crossing(late_s, nearest_s, lowest_s)
    if math.isinf(last_s):
        # Only a belt at rest has no last time: lateness then falls by a second every second.
        return low_s + late_s(low_s)
    if late_s(last_s) > 0.0:
        return None
    return _crossing(late_s, fastest_s, last_s)


def _crossing(late_s: Callable[[float], float], late_at_s: float, in_time_s: float) -> float:
    while in_time_s - late_at_s > TOLERANCE_S:
        middle_s = 0.5 * (late_at_s + in_time_s)
        if middle_s in (late_at_s, in_time_s):
            break  # on a belt that hardly moves, times are too far off to be told apart
        if late_s(middle_s) <= 0.0:
            in_time_s = middle_s
        else:
            late_at_s = middle_s
    return in_time_s


def _lowest(late_s: Callable[[float], float], left_s: float, right_s: float) -> float:
    """Where a convex function is lowest between two times."""
    while right_s - left_s > TOLERANCE_S:
        third_s = (right_s - left_s) / 3.0
        if left_s + third_s == left_s or right_s - third_s == right_s:
            break
        if late_s(left_s + third_s) <= late_s(right_s - third_s):
            right_s -= third_s
        else:
            left_s += third_s
    return 0.5 * (left_s + right_s)
