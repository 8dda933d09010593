"""How long an arm travels, and when it is back with a part: scalar kernels.

Plain loops over floats and one row of arm parameters, so that ``numba.njit`` compiles them as they stand (pass the
compiled ``travel_time`` to the compiled ``meeting``). ``policies.arms`` has the same in NumPy.

A row, by index: 0 kind (0 straight, 1 SCARA); 1, 2 speed and acceleration of the tool or of joint 1 (infinite: at full
speed at once); 3, 4 those of joint 2; 5, 6 links; 7, 8 base x, y; 9, 10 drop x, y; 11 dwell; 12 the direction from the
base from which angles count, so that they do not wrap within the window; 13 the elbow's side (+1 or -1); 14, 15 joint
angles at the drop point. Metres, seconds, radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Row = npt.NDArray[np.float64]

STRAIGHT = 0.0
SCARA = 1.0
ROW_LENGTH = 16
TOLERANCE_S = 1e-12


def travel_time(arm: Row, x_m: float, y_m: float) -> float:
    """Seconds from rest at the drop point to rest at (x, y), and as long back; infinite where the arm cannot reach."""
    if arm[0] == 0.0:
        distance = math.hypot(x_m - arm[9], y_m - arm[10])
        speed = float(arm[1])
        accel = float(arm[2])
        if accel != math.inf and distance * accel <= speed * speed:
            return 2.0 * math.sqrt(distance / accel)
        return distance / speed + speed / accel
    dx = x_m - arm[7]
    dy = y_m - arm[8]
    l1 = arm[5]
    l2 = arm[6]
    cosine = (dx * dx + dy * dy - l1 * l1 - l2 * l2) / (2.0 * l1 * l2)
    if cosine > 1.0 or cosine < -1.0:
        return math.inf
    q2 = arm[13] * math.acos(cosine)
    heading = math.atan2(dy, dx) - arm[12]
    if heading > math.pi:
        heading -= 2.0 * math.pi
    elif heading < -math.pi:
        heading += 2.0 * math.pi
    q1 = heading - math.atan2(l2 * math.sin(q2), l1 + l2 * cosine)
    longest = 0.0
    turn = abs(q1 - arm[14])
    speed = arm[1]
    accel = arm[2]
    for _ in range(2):
        if accel != math.inf and turn * accel <= speed * speed:
            seconds = 2.0 * math.sqrt(turn / accel)
        else:
            seconds = turn / speed + speed / accel
        longest = max(longest, seconds)
        turn = abs(q2 - arm[15])
        speed = arm[3]
        accel = arm[4]
    return longest


def meeting(  # noqa: PLR0917  # by position, as numba wants it
    travel: Callable[[Row, float, float], float],
    arm: Row,
    speed_mps: float,
    first_m: float,
    last_m: float,
    x_m: float,
    y_m: float,
) -> tuple[float, float]:
    """The pick of a part that is at (x, y) when the arm leaves the drop point, or (inf, inf) where there is none.

    ``g`` is the smallest time with the part inside the window and the tool over it; the belt is slower than the arm
    (``Arm.check_belt``), so there is one such time and the step below is a contraction.

    Returns:
        (seconds until the tool is over the part, seconds until it is back at the drop point with it: f_j(s) - s).
    """
    soonest = max(0.0, (first_m - x_m) / speed_mps)
    latest = (last_m - x_m) / speed_mps
    # How much the arm is late falls with every second that it has, so at the end of the window it is least.
    if latest < soonest or travel(arm, last_m, y_m) > latest:
        return math.inf, math.inf
    met = soonest
    later = travel(arm, x_m + speed_mps * met, y_m)
    if later > met:
        for _ in range(200):
            later = min(max(later, soonest), latest)
            moved = abs(later - met)
            met = later
            if moved <= 1e-12:
                break
            later = travel(arm, x_m + speed_mps * met, y_m)
    return met, met + arm[11] + travel(arm, x_m + speed_mps * met, y_m)
