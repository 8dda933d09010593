"""Arms of the picking benchmark: parameters by name, travel times, and ``f_j(s)``, vectorised.

Frame: origin in the middle of the pick window on the belt's centre line, x along the belt's run, y across it. The arm
starts at its drop point, meets a part on the moving belt, and brings it back to the drop point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from perception.errors import InputError
from policies.travel import ROW_LENGTH, SCARA, STRAIGHT, TOLERANCE_S, Row, travel_time

Array = npt.NDArray[np.float64]

ARMS_FILE = Path(__file__).with_name("arms.yaml")


@dataclass(frozen=True, slots=True)
class Belt:
    """The belt of the benchmark: a part is seen from ``seen_m`` on and can be picked from ``first_m`` to ``last_m``.

    The calibration's: window 0.8 m, camera 0.8 m before it, 0.5 m wide, 0.2 m/s.
    """

    speed_mps: float = 0.2
    first_m: float = -0.4
    last_m: float = 0.4
    seen_m: float = -1.2
    width_m: float = 0.5

    def __post_init__(self) -> None:
        for name in ("speed_mps", "width_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise InputError(f"must be a finite number above 0, not {value}", key=f"belt.{name}")
        if not self.seen_m <= self.first_m < self.last_m:
            raise InputError(
                f"needs seen <= first < last, not {self.seen_m}, {self.first_m}, {self.last_m}", key="belt"
            )

    @property
    def lead_s(self) -> float:
        """From being seen to entering the window."""
        return (self.first_m - self.seen_m) / self.speed_mps

    @property
    def window_s(self) -> float:
        """How long a part is inside the window."""
        return (self.last_m - self.first_m) / self.speed_mps


@dataclass(frozen=True)
class Arm:
    """An arm with its drop point, as one row of numbers (``policies.travel``)."""

    name: str
    parameters: tuple[float, ...]

    @cached_property
    def row(self) -> Row:
        row = np.array(self.parameters, dtype=np.float64)
        row.setflags(write=False)
        return row

    @property
    def dwell_s(self) -> float:
        """Over the part, from arrival to leaving with it."""
        return self.parameters[11]

    @property
    def drop_m(self) -> tuple[float, float]:
        return self.parameters[9], self.parameters[10]

    def describe(self) -> dict[str, Any]:
        """The fields of ``arms.yaml``, as plain values."""
        row = self.parameters
        found: dict[str, Any] = {"dwell_s": row[11], "drop_m": [row[9], row[10]]}
        if row[0] == STRAIGHT:
            found |= {"kind": "straight", "max_speed_mps": row[1]}
            return found if math.isinf(row[2]) else found | {"max_accel_mps2": row[2]}
        found |= {"kind": "scara", "joint_speeds_radps": [row[1], row[3]], "links_m": list(row[5:7])}
        found |= {"base_m": list(row[7:9]), "elbow": row[13]}
        return found if math.isinf(row[2]) else found | {"joint_accels_radps2": [row[2], row[4]]}

    def travel_s(self, x_m: Array, y_m: Array) -> Array:
        """Seconds between the drop point and (x, y), any shape; infinite out of reach. Equals ``travel_time``."""
        row = self.parameters
        if row[0] == STRAIGHT:
            return trapezoid_s(np.hypot(x_m - row[9], y_m - row[10]), row[1], row[2])
        dx, dy, l1, l2 = x_m - row[7], y_m - row[8], row[5], row[6]
        cosine = (dx * dx + dy * dy - l1 * l1 - l2 * l2) / (2.0 * l1 * l2)
        reachable = np.abs(cosine) <= 1.0
        cosine = np.clip(cosine, -1.0, 1.0)
        q2 = row[13] * np.arccos(cosine)
        heading = np.arctan2(dy, dx) - row[12]
        heading = np.where(heading > np.pi, heading - 2.0 * np.pi, heading)
        heading = np.where(heading < -np.pi, heading + 2.0 * np.pi, heading)
        q1 = heading - np.arctan2(l2 * np.sin(q2), l1 + l2 * cosine)
        seconds = np.maximum(
            trapezoid_s(np.abs(q1 - row[14]), row[1], row[2]), trapezoid_s(np.abs(q2 - row[15]), row[3], row[4])
        )
        return np.where(reachable, seconds, np.inf)

    def meetings(self, belt: Belt, x_m: Array, y_m: Array) -> tuple[Array, Array]:
        """(seconds to the meeting, ``f_j(s) - s``) for parts that are at (x, y) at s; infinite where infeasible.

        The smallest g >= max(s, t_enter) with s + travel(p(g)) <= g; equals ``policies.travel.meeting``.
        """
        x_m, y_m = np.broadcast_arrays(np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64))
        soonest = np.maximum(0.0, (belt.first_m - x_m) / belt.speed_mps)
        latest = (belt.last_m - x_m) / belt.speed_mps
        feasible = (latest >= soonest) & (self.travel_s(np.full_like(x_m, belt.last_m), y_m) <= latest)
        # What cannot be picked is reckoned with as if it stood at the end of the window.
        met = np.where(feasible, soonest, latest)
        highest = np.where(feasible, latest, met)
        lowest = np.where(feasible, soonest, met)
        later = np.maximum(self.travel_s(x_m + belt.speed_mps * met, y_m), met)
        for _ in range(200):
            later = np.minimum(np.maximum(later, lowest), highest)
            moved = np.abs(later - met).max(initial=0.0)
            met = later
            if moved <= TOLERANCE_S:
                break
            later = self.travel_s(x_m + belt.speed_mps * met, y_m)
        back = self.travel_s(x_m + belt.speed_mps * met, y_m)
        return np.where(feasible, met, np.inf), np.where(feasible, met + self.dwell_s + back, np.inf)

    def mean_cycle_s(self, belt: Belt) -> float:
        """Mean over uniform part positions in the window of travel + dwell + return (midpoints of a 200 x 200 grid)."""
        share: Array = np.linspace(0.0025, 0.9975, 200, dtype=np.float64)
        x_m = belt.first_m + (belt.last_m - belt.first_m) * share
        y_m = belt.width_m * (share - 0.5)
        travel_s = self.travel_s(x_m[:, None], y_m[None, :])
        return float(2.0 * travel_s.mean() + self.dwell_s)

    def check_belt(self, belt: Belt) -> None:
        """The arm reaches the whole window and is faster than the belt there, as ``meetings`` and the bound need.

        Raises:
            InputError: it does not, or is not.
        """
        x_m: Array = np.linspace(belt.first_m, belt.last_m, 401, dtype=np.float64)
        y_m: Array = np.linspace(-0.5 * belt.width_m, 0.5 * belt.width_m, 101, dtype=np.float64)
        travel_s: Array = self.travel_s(x_m.reshape(-1, 1), y_m.reshape(1, -1))
        if not np.isfinite(travel_s).all():
            where = np.argwhere(~np.isfinite(travel_s))[0]
            raise InputError(
                f"does not reach ({x_m[where[0]]:.2f}, {y_m[where[1]]:.2f}) m in the window", key=f"arms.{self.name}"
            )
        gain = float(np.abs(np.diff(travel_s, axis=0)).max() / (x_m[1] - x_m[0])) * belt.speed_mps
        if gain >= 0.9:
            raise InputError(
                f"must be faster than the belt everywhere in the window; at {belt.speed_mps:g} m/s it needs "
                f"{gain:.2f} s more travel for each second that it waits",
                key=f"arms.{self.name}",
            )


def trapezoid_s(distance: Array, speed: float, accel: float) -> Array:
    """Seconds for a trapezoidal move from rest to rest."""
    if math.isinf(accel):
        return distance / speed
    short = distance * accel <= speed * speed
    seconds: Array = np.where(short, 2.0 * np.sqrt(distance / accel), distance / speed + speed / accel)
    return seconds


def load_arms(file: str | Path = ARMS_FILE) -> dict[str, Arm]:
    """All arms of a YAML file by name.

    Raises:
        InputError: it cannot be read, or an arm is impossible; names the file and the key.
    """
    try:
        document = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise InputError(getattr(error, "problem", None) or "is not YAML", file=file, line=line) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({getattr(error, 'strerror', None) or error})", file=file) from None
    if not isinstance(document, dict) or not document:
        raise InputError("holds no arms; expected NAME: {kind: ..., ...}", file=file)
    return {str(name): make_arm(str(name), fields, file) for name, fields in document.items()}


def make_arm(name: str, fields: Any, file: str | Path | None = None) -> Arm:
    """An arm from the fields of ``arms.yaml``.

    Raises:
        InputError: a field is missing, unknown or impossible.
    """
    read = _Fields(name, fields, file)
    kind = read.take("kind")
    drop = read.numbers("drop_m", 2)
    dwell = read.number("dwell_s", low=0.0, open_low=False)
    row = [0.0] * ROW_LENGTH
    row[9:11], row[11], row[13] = drop, dwell, 1.0
    if kind == "straight":
        row[0] = STRAIGHT
        row[1] = read.number("max_speed_mps", low=0.0)
        row[2] = read.number("max_accel_mps2", low=0.0, default=math.inf)
        row[3], row[4] = 1.0, math.inf
    elif kind == "scara":
        row[0] = SCARA
        row[1], row[3] = read.numbers("joint_speeds_radps", 2, low=0.0)
        row[2], row[4] = read.numbers("joint_accels_radps2", 2, low=0.0, default=(math.inf, math.inf))
        row[5:7] = read.numbers("links_m", 2, low=0.0)
        row[7:9] = read.numbers("base_m", 2)
        elbow = read.number("elbow", default=1.0)
        if elbow not in (1.0, -1.0):
            raise read.error("elbow", "must be 1 or -1")
        row[13] = elbow
        row[12] = math.atan2(-row[8], -row[7]) if row[7] or row[8] else 0.0
        _turn_to_drop(row, read)
    else:
        raise read.error("kind", f"must be straight or scara, not {kind!r}")
    read.finish()
    return Arm(name, tuple(row))


def _turn_to_drop(row: list[float], read: _Fields) -> None:
    """Fill in the joint angles at the drop point, by the same inverse kinematics."""
    dx, dy, l1, l2 = row[9] - row[7], row[10] - row[8], row[5], row[6]
    cosine = (dx * dx + dy * dy - l1 * l1 - l2 * l2) / (2.0 * l1 * l2)
    if abs(cosine) > 1.0:
        raise read.error("drop_m", "is out of the arm's reach")
    row[15] = row[13] * math.acos(cosine)
    heading = math.remainder(math.atan2(dy, dx) - row[12], 2.0 * math.pi)
    row[14] = heading - math.atan2(l2 * math.sin(row[15]), l1 + l2 * cosine)
    assert travel_time(np.array(row), row[9], row[10]) < 1e-9


class _Fields:
    """One arm's fields, each taken once."""

    def __init__(self, name: str, fields: Any, file: str | Path | None) -> None:
        self._name, self._file = name, file
        if not isinstance(fields, dict):
            raise self.error("", "must be a mapping")
        self._left = dict(fields)

    def error(self, key: str, words: str) -> InputError:
        return InputError(words, file=self._file, key=f"{self._name}.{key}".rstrip("."))

    def take(self, key: str) -> Any:
        if key not in self._left:
            raise self.error(key, "is missing")
        return self._left.pop(key)

    def number(self, key: str, *, low: float = -math.inf, open_low: bool = True, default: float | None = None) -> float:
        if default is not None and key not in self._left:
            return default
        return self._check(key, self.take(key), low, open_low)

    def numbers(
        self, key: str, count: int, *, low: float = -math.inf, default: tuple[float, ...] | None = None
    ) -> tuple[float, ...]:
        if default is not None and key not in self._left:
            return default
        value = self.take(key)
        if not isinstance(value, list) or len(value) != count:
            raise self.error(key, f"must be a list of {count} numbers, not {value!r}")
        return tuple(self._check(key, one, low, True) for one in value)

    def _check(self, key: str, value: Any, low: float, open_low: bool) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(key, f"must be a finite number, not {value!r}")
        if value < low or (open_low and value == low):
            raise self.error(key, f"must be {'above' if open_low else 'at least'} {low:g}, not {value!r}")
        return float(value)

    def finish(self) -> None:
        if self._left:
            raise self.error(str(next(iter(self._left))), "is not a field of this kind of arm")
