"""The arm: what a FollowJointTrajectory goal makes it do, and what it refuses to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.scenario import ArmSetup
from sim.world.belt import Clock
from sim.world.delta import Array, tool_positions

JOINTS = 4
#: Error codes of control_msgs/action/FollowJointTrajectory.
ERROR_NAMES = {
    -1: "INVALID_GOAL",
    -2: "INVALID_JOINTS",
    -3: "OLD_HEADER_TIMESTAMP",
    -4: "PATH_TOLERANCE_VIOLATED",
}
INVALID_GOAL, INVALID_JOINTS, OLD_HEADER_TIMESTAMP, PATH_TOLERANCE_VIOLATED = ERROR_NAMES

#: What a goal's start is off from the present motion is taken up over this time, s, as a servo would.
_BLEND_S = 0.12
#: A goal has to end at rest, rad/s.
_REST_RADPS = 0.05
#: Limits are checked at least this often, s, by differences over this step, s.
_CHECK_S, _DIFFERENCE_S = 0.01, 5e-4
#: Rounding may exceed a limit by this share.
_ROUNDING = 1.01
#: The fingers may not go below the belt, m.
_LOWEST_M = -0.001


class TrajectoryRefused(Exception):
    """The arm does not take a goal; what it did before goes on. ``code`` and ``name`` as in control_msgs."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = ERROR_NAMES[code]


@dataclass(frozen=True, slots=True)
class Tool:
    """The tool point, m in the cell frame, and the direction in which the fingers close, rad."""

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float


class _Motion:
    """Cubic Hermite interpolation between points, and a decaying offset that joins it to what was before."""

    def __init__(self, start_s: float, times_s: Array, positions: Array, velocities: Array) -> None:
        self.start_s = start_s
        self.times_s, self.positions, self.velocities = times_s, positions, velocities
        self.offset = np.zeros((2, JOINTS))
        self.begin_s = start_s

    @property
    def end_s(self) -> float:
        return self.start_s + float(self.times_s[-1])

    def join(self, begin_s: float, position: Array, velocity: Array) -> None:
        """Begin from this state instead, and run into the interpolation smoothly."""
        own_position, own_velocity = self.at(np.array([begin_s]))
        self.begin_s = begin_s
        self.offset = np.stack([position - own_position[0], velocity - own_velocity[0]])

    def at(self, time_s: Array, segment: Array | None = None) -> tuple[Array, Array]:
        """Positions and velocities (n, 4). Before the first and after the last point it stands there. With ``segment``
        (indices) that segment's polynomial is taken beyond its ends too."""
        since = time_s - self.start_s
        if segment is None:
            since = np.clip(since, self.times_s[0], self.times_s[-1])
            index = np.clip(np.searchsorted(self.times_s, since, side="right") - 1, 0, max(len(self.times_s) - 2, 0))
        else:
            index = segment.astype(np.intp)
        if len(self.times_s) == 1:
            position = np.repeat(self.positions, len(since), axis=0)
            velocity = np.zeros_like(position)
        else:
            step = (self.times_s[index + 1] - self.times_s[index])[:, None]
            u = (since - self.times_s[index])[:, None] / step
            p0, p1 = self.positions[index], self.positions[index + 1]
            m0, m1 = self.velocities[index] * step, self.velocities[index + 1] * step
            square, cubic = 3.0 * (p1 - p0) - 2.0 * m0 - m1, 2.0 * (p0 - p1) + m0 + m1
            position = p0 + u * (m0 + u * (square + u * cubic))
            velocity = (m0 + u * (2.0 * square + 3.0 * u * cubic)) / step
        if self.offset.any():
            u = np.clip((time_s - self.begin_s) / _BLEND_S, 0.0, 1.0)[:, None]
            e0, m0 = self.offset[0], self.offset[1] * _BLEND_S
            position = position + e0 + u * (m0 + u * (-3.0 * e0 - 2.0 * m0 + u * (2.0 * e0 + m0)))
            velocity = velocity + (m0 + u * (-6.0 * e0 - 4.0 * m0 + u * (6.0 * e0 + 3.0 * m0))) / _BLEND_S
        past = time_s >= self.end_s
        if past.any():
            velocity = np.where(past[:, None], 0.0, velocity)
        return position, velocity


class DeltaArm:
    """The arm as its drives move it: three shoulders and the wrist, in this order, rad and rad/s.

    Args:
        setup: measures and limits.
        clock: the world's.
    """

    def __init__(self, setup: ArmSetup, clock: Clock) -> None:
        self._setup = setup
        self._clock = clock
        home = np.array([[setup.home_rad] * 3 + [0.0]])
        self._motions = [_Motion(clock.now_s, np.zeros(1), home, np.zeros((1, JOINTS)))]
        self._powered = True
        self.halted = False
        """The last goal was stopped before its end: cancelled, or by the safety circuit."""

    @property
    def end_s(self) -> float:
        """When the arm comes to rest by what it has been told so far."""
        return self._motions[-1].end_s

    def state(self, time_s: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Joint positions and velocities at a time that is not before the present."""
        position, velocity = self._at(time_s)
        return tuple(float(value) for value in position), tuple(float(value) for value in velocity)

    def tool(self, time_s: float) -> Tool:
        """The tool at a time that is not before the present."""
        position, _ = self._at(time_s)
        x, y, z = tool_positions(self._setup, position[None, :])[0]
        return Tool(float(x), float(y), float(z), float(position[3]))

    def execute(
        self,
        times_s: Sequence[float],
        positions: Sequence[Sequence[float]],
        velocities: Sequence[Sequence[float]],
        start_s: float,
    ) -> float:
        """Take a goal in place of the running one; returns when it will have ended.

        Args:
            times_s: of the points since ``start_s``, strictly rising, the first one may be 0.
            positions, velocities: of the joints at these points, rad and rad/s.
            start_s: on the world's clock; the present motion goes on until then. A start in the past is joined at the
                point that belongs to now.

        Raises:
            TrajectoryRefused: malformed, does not begin where the arm is, does not end at rest, breaks a limit of a
                joint or of the tool's path, hits the belt, or the safety circuit is open.
        """
        now = self._clock.now_s
        if not self._powered:
            raise TrajectoryRefused(INVALID_GOAL, "the safety circuit is open, the drives are off")
        times, points, rates = self._parsed(times_s, positions, velocities)
        begin = max(now, start_s)
        position, velocity = self._at(begin)
        if times[0] > 0.0:
            times = np.concatenate([[0.0], times])
            points, rates = np.vstack([position, points]), np.vstack([velocity, rates])
        motion = _Motion(start_s, times, points, rates)
        if len(times) > 1 and motion.end_s <= now:
            raise TrajectoryRefused(OLD_HEADER_TIMESTAMP, f"ended {now - motion.end_s:.3f} s ago")
        own_position, own_velocity = motion.at(np.array([begin]))
        off, off_rate = (
            float(np.abs(own_position[0] - position).max()),
            float(np.abs(own_velocity[0] - velocity).max()),
        )
        if off > self._setup.start_tolerance_rad or off_rate > self._setup.start_tolerance_radps:
            raise TrajectoryRefused(
                PATH_TOLERANCE_VIOLATED, f"begins {off:.4f} rad and {off_rate:.3f} rad/s away from where the arm is"
            )
        motion.join(begin, position, velocity)
        reason = self._broken(motion, begin)
        if reason is not None:
            raise TrajectoryRefused(INVALID_GOAL, reason)
        self._motions = [old for old in self._motions if old.begin_s < begin] or self._motions[:1]
        self._motions.append(motion)
        self._prune(now)
        self.halted = False
        return motion.end_s

    def cancel(self) -> float:
        """Brake as hard as the limits allow and stay there; returns when the arm will stand."""
        now = self._clock.now_s
        if now < self.end_s:
            self.halted = True
        position, velocity = self._at(now)
        duration = 0.02
        while True:
            motion = _Motion(
                now,
                np.array([0.0, duration]),
                np.stack([position, position + velocity * duration / 2.0]),
                np.stack([velocity, np.zeros(JOINTS)]),
            )
            speed, accel = self._path(motion, now)
            del speed
            if float(np.nanmax(accel)) <= self._setup.max_accel_mps2 or duration > 1.0:
                break
            duration *= 1.2
        self._motions = [motion]
        return motion.end_s

    def power(self, on: bool) -> None:
        """Whether the safety circuit feeds the drives; without it they brake and take no goal."""
        if self._powered and not on:
            self.cancel()
        self._powered = on

    def _at(self, time_s: float) -> tuple[Array, Array]:
        motion = self._motions[0]
        for later in self._motions[1:]:
            if later.begin_s <= time_s:
                motion = later
        position, velocity = motion.at(np.array([time_s]))
        return position[0], velocity[0]

    def _prune(self, now: float) -> None:
        while len(self._motions) > 1 and self._motions[1].begin_s <= now:
            self._motions.pop(0)

    def _parsed(
        self,
        times_s: Sequence[float],
        positions: Sequence[Sequence[float]],
        velocities: Sequence[Sequence[float]],
    ) -> tuple[Array, Array, Array]:
        count = len(times_s)
        if count == 0 or len(positions) != count or len(velocities) != count:
            raise TrajectoryRefused(INVALID_GOAL, "needs as many positions and velocities as times, at least one")
        if any(len(row) != JOINTS for row in (*positions, *velocities)):
            raise TrajectoryRefused(INVALID_JOINTS, f"every point needs {JOINTS} joints")
        times = np.asarray(times_s, np.float64)
        points, rates = np.asarray(positions, np.float64), np.asarray(velocities, np.float64)
        if not (np.isfinite(times).all() and np.isfinite(points).all() and np.isfinite(rates).all()):
            raise TrajectoryRefused(INVALID_GOAL, "has values that are not finite")
        if times[0] < 0.0 or (np.diff(times) <= 0.0).any():
            raise TrajectoryRefused(INVALID_GOAL, "times have to rise from 0")
        if float(np.abs(rates[-1]).max()) > _REST_RADPS:
            raise TrajectoryRefused(INVALID_GOAL, "does not end at rest")
        return times, points, rates

    def _grid(self, motion: _Motion, begin_s: float) -> tuple[Array, Array]:
        """Times at which limits are checked and the segment each belongs to: every segment's ends and its inside."""
        times = motion.times_s
        counts = np.maximum(3, np.ceil(np.diff(times) / _CHECK_S).astype(np.intp) + 1)
        segment = np.repeat(np.arange(len(counts)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        share = (np.arange(len(segment)) - first) / np.repeat(counts - 1, counts)
        at = motion.start_s + times[segment] + share * np.diff(times)[segment]
        ahead = at >= begin_s - 1e-9
        return at[ahead], segment[ahead].astype(np.float64)

    def _path(self, motion: _Motion, begin_s: float) -> tuple[Array, Array]:
        """Speed and acceleration of the tool along a motion."""
        at, segment = self._grid(motion, begin_s)
        before, here, after = (
            tool_positions(self._setup, motion.at(at + shift, segment)[0])
            for shift in (-_DIFFERENCE_S, 0.0, _DIFFERENCE_S)
        )
        speed = np.linalg.norm(after - before, axis=1) / (2.0 * _DIFFERENCE_S)
        accel = np.linalg.norm(after - 2.0 * here + before, axis=1) / _DIFFERENCE_S**2
        return speed, accel

    def _broken(self, motion: _Motion, begin_s: float) -> str | None:
        """Which limit a motion breaks, in words."""
        setup = self._setup
        if len(motion.times_s) == 1:
            return None
        at, segment = self._grid(motion, begin_s)
        joints, rates = motion.at(at, segment)
        low = np.array([setup.shoulder_rad[0]] * 3 + [setup.wrist_rad[0]])
        high = np.array([setup.shoulder_rad[1]] * 3 + [setup.wrist_rad[1]])
        outside = (joints < low - 1e-6) | (joints > high + 1e-6)
        if outside.any():
            row, joint = np.argwhere(outside)[0]
            return f"joint {joint + 1} leaves its range at {joints[row, joint]:.3f} rad"
        fastest = float(np.abs(rates).max())
        if fastest > setup.max_joint_radps * _ROUNDING:
            return f"a joint turns at {fastest:.1f} rad/s, the limit is {setup.max_joint_radps:g}"
        tool = tool_positions(setup, joints)
        if np.isnan(tool).any():
            return "the forearms cannot reach so far"
        if float(tool[:, 2].min()) < _LOWEST_M:
            return f"the fingers would hit the belt at z = {float(tool[:, 2].min()):.4f} m"
        speed, accel = self._path(motion, begin_s)
        if float(speed.max()) > setup.max_speed_mps * _ROUNDING:
            return f"the tool moves at {float(speed.max()):.2f} m/s, the limit is {setup.max_speed_mps:g}"
        if float(np.nanmax(accel)) > setup.max_accel_mps2 * _ROUNDING:
            return f"the path asks for {float(np.nanmax(accel)):.1f} m/s2, the limit is {setup.max_accel_mps2:g}"
        return None
