"""Cycle times of every candidate from every place the arm may start at, as tables over the start time.

How long a pick takes depends only on where the part is when the arm leaves: meeting it at x needs a start at
``u = x - v travel(x)``. So the meeting places are laid out evenly over the window and each gives one exact point of the
table; between them it is interpolated (to 5 ms where the other joint of a SCARA takes over, else to 0.1 ms). This is
what lets a planner look at thousands of sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from policies.arms import Arm, trapezoid_s
from policies.types import View

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

POINTS = 80


@dataclass(frozen=True, slots=True)
class CycleTables:
    """Cycles by place and part.

    Attributes:
        place: of each part, the place at which the arm is free after it (rows of the tables; 0 is where it is now).
        seconds: (places, parts, points) cycle times.
        first_s, last_s: (places, parts) starts of the first and last point, seconds from the planning's start.
        step_s: (places, parts) between two points.
        shortest_s: (parts,) the shortest cycle of each part that is still ahead of it.
    """

    place: Indices
    seconds: Array
    first_s: Array
    last_s: Array
    step_s: Array
    shortest_s: Array
    _leave_s: Array
    _cycle_s: Array

    def fill(self, parts: Indices) -> None:
        """Lay the cycles of some parts out evenly over the start time; ``done_s`` knows only these."""
        grid = np.arange(POINTS)
        for place in range(len(self.seconds)):
            for part in parts.tolist():
                at = place, part
                even_s = self.first_s[at] + grid * self.step_s[at]
                self.seconds[at] = np.interp(even_s, self._leave_s[at], self._cycle_s[at])

    def done_s(self, place: int, part: Indices, start_s: Array) -> Array:
        """``f_j(s)`` from one place, infinite where the part is gone; part and start of one shape."""
        step_s = self.step_s[place][part]
        at = np.minimum((start_s - self.first_s[place][part]) / step_s, 2.0 * POINTS)
        index = np.minimum(np.maximum(at, 0.0), POINTS - 2.0).astype(np.int64)
        flat = part * POINTS + index
        seconds = self.seconds[place].ravel()
        row = seconds.take(flat)
        # Before the first point the part is met as it enters the window: the cycle is longer by the wait.
        rise = np.where(at < 0.0, -step_s, seconds.take(flat + 1) - row)
        done_s: Array = np.where(at <= POINTS - 1, start_s + row + (at - index) * rise, np.inf)
        return done_s


def cycle_tables(view: View) -> CycleTables:
    """The tables of a view; times count from when the arm is free."""
    start_s = max(view.free_in_s, 0.0)
    speed = view.belt_speed_mps
    first_m, last_m = view.window_m
    x_m = np.array([one.x_m for one in view.candidates]) + speed * start_s
    y_m = np.array([one.y_m for one in view.candidates])
    meet_m = np.linspace(first_m, last_m, POINTS)
    if isinstance(view.arm, Arm):
        travel_s = view.arm.travel_s(meet_m[None, :], y_m[:, None])
        there_s = travel_s[None]
        cycle_s = there_s + travel_s + view.arm.dwell_s
        place = np.zeros(len(y_m), dtype=np.int64)
    else:
        names = sorted({one.bin for one in view.candidates})
        place = np.array([1 + names.index(one.bin) for one in view.candidates])
        spots = np.array([view.tool_m, *(view.bins_m[name] for name in names)])
        distance = np.hypot(meet_m - spots[:, None, None, 0], y_m[:, None] - spots[:, None, None, 1])
        model = view.arm
        there_s = trapezoid_s(distance, model.max_speed_mps, model.max_accel_mps2) + model.overhead_s
        cycle_s = there_s + there_s[place, np.arange(len(y_m))] + model.grip_s + model.release_s
    # When the part is at each meeting place, and so when the arm has to leave for it.
    leave_s = (meet_m[None, :] - x_m[:, None]) / speed - there_s
    # Slower arms than the belt would meet one place twice; the later start is no worse.
    leave_s = np.maximum.accumulate(leave_s, axis=2)
    first_s, last_s = leave_s[:, :, 0], leave_s[:, :, -1]
    step_s = np.maximum((last_s - first_s) / (POINTS - 1), 1e-9)
    reachable = np.where(leave_s[-1] >= 0.0, cycle_s[-1], np.inf)
    raw = np.broadcast_to(cycle_s, leave_s.shape)
    return CycleTables(place, np.empty(leave_s.shape), first_s, last_s, step_s, reachable.min(axis=1), leave_s, raw)
