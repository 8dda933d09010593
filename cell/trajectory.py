"""A commanded motion of the arm: sampled joints with velocities, and the smooth legs that it is made of.

A *leg* changes velocity from ``rate0`` to a cruise and from there to ``rate1``, each over a ramp of time whose shape
is the smoothstep 3u^2-2u^3: acceleration is continuous and jerk bounded. Outside its time a leg goes on at constant
speed, so legs can be added to each other: following the belt is a leg's own tail, a descent is a second leg on top of
it.

*Poses* have four axes: tool x, y, z (m, cell frame) and the direction in which the fingers close (rad).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cell import kinematics
from cell.kinematics import Array, DeltaGeometry, OutOfReach

PEAK = 1.5
"""A ramp's largest acceleration times its duration over its change of speed: the largest slope of the smoothstep."""


@dataclass(frozen=True, slots=True, eq=False)
class ToolState:
    """Where a tool is and how it moves: pose, its rate (per s) and acceleration (per s2), four axes each."""

    pose: Array
    rate: Array
    accel: Array

    @classmethod
    def resting(cls, pose: Array) -> ToolState:
        return cls(np.asarray(pose, dtype=np.float64), np.zeros(4), np.zeros(4))

    @classmethod
    def of_joints(cls, geometry: DeltaGeometry, joints_rad: Array) -> ToolState:
        """An arm at rest with these four joints. Raises: OutOfReach."""
        position, yaw = kinematics.forward(geometry, joints_rad)
        return cls.resting(np.concatenate((position, yaw[..., None]), axis=-1))


def leg_motion(
    time_s: Array,
    *,
    duration_s: Array,
    ramp_s: Array,
    pose0: Array,
    rate0: Array,
    accel0: Array,
    pose1: Array,
    rate1: Array,
) -> tuple[Array, Array, Array]:
    """Pose, rate and acceleration of a leg at ``time_s`` since its start; every argument broadcasts, axes last.

    Velocity is ``rate0 (1-S(u)) + cruise (S(u)-S(w)) + rate1 S(w)`` with the smoothstep S of the first and last
    ramp's phase, plus ``accel0 ramp u (1-u)^2``, which takes over an acceleration that the arm has at the start.
    """
    u = np.clip(time_s / ramp_s, 0.0, 1.0)
    w = np.clip((time_s - duration_s + ramp_s) / ramp_s, 0.0, 1.0)
    s_u, s_w = u * u * (3.0 - 2.0 * u), w * w * (3.0 - 2.0 * w)
    i_u, i_w = ramp_s * u * u * u * (1.0 - u / 2.0), ramp_s * w * w * w * (1.0 - w / 2.0)
    d_u, d_w = 6.0 * u * (1.0 - u) / ramp_s, 6.0 * w * (1.0 - w) / ramp_s
    cruise = (pose1 - pose0 - (rate0 + rate1) * ramp_s / 2.0 - accel0 * ramp_s**2 / 12.0) / (duration_s - ramp_s)
    before = np.minimum(time_s, 0.0)
    after = np.maximum(time_s - duration_s, 0.0)
    inside = np.clip(time_s, 0.0, duration_s)
    shape = i_u + np.maximum(inside - ramp_s, 0.0) - i_w
    pose = (
        pose0
        + rate0 * (before + u * ramp_s - i_u)
        + cruise * shape
        + rate1 * (i_w + after)
        + accel0 * ramp_s**2 * u * u * (0.5 - u * (2.0 / 3.0 - u / 4.0))
    )
    rate = rate0 * (1.0 - s_u) + cruise * (s_u - s_w) + rate1 * s_w + accel0 * ramp_s * u * (1.0 - u) ** 2
    started = (time_s >= 0.0) & (u < 1.0)
    accel = cruise * (d_u - d_w) - rate0 * d_u + rate1 * d_w + accel0 * started * (1.0 - u) * (1.0 - 3.0 * u)
    return pose, rate, accel


def leg_jerk(
    *, duration_s: Array, ramp_s: Array, pose0: Array, rate0: Array, accel0: Array, pose1: Array, rate1: Array
) -> Array:
    """The jerk at the beginning and end of a leg's first ramp and at the beginning of its last (3, ...). Along a ramp
    it is a straight line, and the last ramp ends as it began, with the other sign: no jerk of the leg is greater."""
    cruise = (pose1 - pose0 - (rate0 + rate1) * ramp_s / 2.0 - accel0 * ramp_s**2 / 12.0) / (duration_s - ramp_s)
    up, down = 6.0 * (cruise - rate0) / ramp_s**2, 6.0 * (rate1 - cruise) / ramp_s**2
    carried = accel0 / ramp_s
    return np.stack(np.broadcast_arrays(up - 4.0 * carried, 2.0 * carried - up, down))


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """One leg on some of the four axes: ``axes`` are their indices, the arrays have one value an axis."""

    axes: tuple[int, ...]
    start_s: float
    duration_s: float
    ramp_s: float
    pose0: Array
    rate0: Array
    accel0: Array
    pose1: Array
    rate1: Array

    def add_to(self, time_s: Array, pose: Array, rate: Array, accel: Array) -> None:
        """Adds this leg at ``time_s`` (n) to the (n, 4) arrays."""
        columns = list(self.axes)
        parts = leg_motion(
            (time_s - self.start_s)[:, None],
            duration_s=np.asarray(self.duration_s),
            ramp_s=np.asarray(self.ramp_s),
            pose0=self.pose0,
            rate0=self.rate0,
            accel0=self.accel0,
            pose1=self.pose1,
            rate1=self.rate1,
        )
        for total, part in zip((pose, rate, accel), parts, strict=True):
            total[:, columns] += part


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A trajectory at one time: joints (4) in rad and rad/s, tool pose (4) and rate (4)."""

    joints_rad: Array
    rates_radps: Array
    pose: Array
    rate: Array


def _hermite(times_s: Array, values: Array, rates: Array, at_s: float) -> tuple[Array, Array]:
    index = int(np.clip(np.searchsorted(times_s, at_s, side="right") - 1, 0, len(times_s) - 2))
    step = times_s[index + 1] - times_s[index]
    u = min(max((at_s - times_s[index]) / step, 0.0), 1.0)
    p0, p1, m0, m1 = values[index], values[index + 1], rates[index] * step, rates[index + 1] * step
    value: Array = p0 + u * m0 + u * u * (3.0 * (p1 - p0) - 2.0 * m0 - m1) + u * u * u * (2.0 * (p0 - p1) + m0 + m1)
    slope: Array = (m0 + 2.0 * u * (3.0 * (p1 - p0) - 2.0 * m0 - m1) + 3.0 * u * u * (2.0 * (p0 - p1) + m0 + m1)) / step
    return value, slope


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """What the arm is told, and the tool's motion behind it.

    Attributes:
        start_s: the clock's time of the first point.
        times_s: (n) since then, strictly rising from 0; n is at least 2.
        joints_rad, rates_radps: (n, 4), in the order of ``JOINT_NAMES``; cubic Hermite interpolation between points.
        poses, pose_rates, pose_accels: (n, 4) of the tool at the same times.
    """

    start_s: float
    times_s: Array
    joints_rad: Array
    rates_radps: Array
    poses: Array
    pose_rates: Array
    pose_accels: Array

    @property
    def end_s(self) -> float:
        return self.start_s + float(self.times_s[-1])

    def offsets_s(self, sent_s: float) -> Array:
        """``time_from_start`` (n) of a goal that is sent at a time of the clock: an arm starts counting when it gets
        it, and makes its own way from its present motion to a first point that lies ahead."""
        offsets: Array = self.times_s + (self.start_s - sent_s)
        return offsets

    def at(self, now_s: float) -> Sample:
        """At a time of the clock; before the first point and after the last one the arm stands there."""
        since = now_s - self.start_s
        joints, rates = _hermite(self.times_s, self.joints_rad, self.rates_radps, since)
        pose, rate = _hermite(self.times_s, self.poses, self.pose_rates, since)
        if since < 0.0 or since > self.times_s[-1]:
            rates, rate = np.zeros(4), np.zeros(4)
        return Sample(joints, rates, pose, rate)

    def state_at(self, now_s: float) -> ToolState:
        """The tool's state at a time of the clock, to plan on from."""
        sample = self.at(now_s)
        since = now_s - self.start_s
        if since < 0.0 or since >= self.times_s[-1]:
            return ToolState(sample.pose, sample.rate, np.zeros(4))
        accel = np.array([np.interp(since, self.times_s, self.pose_accels[:, axis]) for axis in range(4)])
        return ToolState(sample.pose, sample.rate, accel)


def sampled(
    geometry: DeltaGeometry,
    start_s: float,
    duration_s: float,
    step_s: float,
    legs: list[Leg],
    *,
    joint_rate_radps: float = np.inf,
    dexterity: float = 0.0,
) -> Trajectory:
    """The sum of the legs every ``step_s`` seconds.

    Raises:
        OutOfReach: a point cannot be taken, lies nearer than ``dexterity`` to a singular position, or a shoulder would
            have to turn faster than ``joint_rate_radps``.
    """
    count = max(int(np.ceil(duration_s / step_s - 1e-9)), 1)
    times = np.linspace(0.0, duration_s, count + 1)
    pose, rate, accel = np.zeros((count + 1, 4)), np.zeros((count + 1, 4)), np.zeros((count + 1, 4))
    for leg in legs:
        leg.add_to(times, pose, rate, accel)
    joints = kinematics.inverse(geometry, pose[:, :3], pose[:, 3])
    rates = kinematics.joint_velocity(geometry, pose[:, :3], rate[:, :3], rate[:, 3])
    if dexterity > 0.0:
        nearest = kinematics.dexterity(geometry, pose[:, :3])
        if not float(nearest.min()) >= dexterity:
            index = int(np.argmin(nearest))
            x, y, z = pose[index, :3]
            raise OutOfReach(f"the arm is nearly singular at ({x:.3f}, {y:.3f}, {z:.3f}) m", index)
    fastest = np.abs(rates[:, :3]).max(axis=1)
    if float(fastest.max()) > joint_rate_radps:
        raise OutOfReach(f"a shoulder would turn at {float(fastest.max()):.1f} rad/s", int(np.argmax(fastest)))
    return Trajectory(start_s, times, joints, rates, pose, rate, accel)
