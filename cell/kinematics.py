"""Where a delta arm's joints have to be for its tool to be somewhere, and back: closed forms, exact velocities.

Three upper arms turn about horizontal axes on a base ring above the belt; forearm parallelograms join them to a
platform that therefore never tilts; a fourth axis turns the fingers about the vertical. The platform's joints are
taken at the height of the tool point between the finger tips, so ``base_height_m`` is the ring's height less the
length of platform and gripper.

Joints, in this order everywhere: three shoulders (rad; 0 = upper arm horizontal and outward, positive downward), then
the wrist (rad; direction in which the fingers close, from the cell frame's x axis). Arrays have the joints or x, y, z
last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

JOINT_NAMES = ("shoulder_1", "shoulder_2", "shoulder_3", "wrist_yaw")
"""The joints of ``/arm/follow_joint_trajectory``."""

_SINGULAR_M = 1e-6
"""A forearm this near to its upper arm's radial line (m) cannot take a velocity."""


class OutOfReach(ValueError):
    """No joint position puts the tool there, or a joint would leave its range.

    Attributes:
        index: of the first point at fault among those that were asked for.
    """

    def __init__(self, message: str, index: int = 0) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, slots=True)
class DeltaGeometry:
    """Measures of the arm. Defaults: the acceptance cell, whose whole pick window and both bins are within reach.

    Attributes:
        base_radius_m: from the arm's axis to each shoulder's axis.
        platform_radius_m: from the tool's axis to each forearm's joint.
        upper_arm_m, forearm_m: lengths.
        base_height_m: of the shoulder axes above the belt's surface, see the module's text.
        base_x_m, base_y_m: the arm's axis in the cell frame.
        shoulder_angles_rad: where the shoulders stand, about z from the cell frame's x axis.
        joint_min_rad, joint_max_rad: range of the shoulders.
    """

    base_radius_m: float = 0.20
    platform_radius_m: float = 0.05
    upper_arm_m: float = 0.30
    forearm_m: float = 0.70
    base_height_m: float = 0.75
    base_x_m: float = 0.60
    base_y_m: float = 0.0
    shoulder_angles_rad: tuple[float, float, float] = (0.0, 2.0 * np.pi / 3.0, 4.0 * np.pi / 3.0)
    joint_min_rad: float = -1.2
    joint_max_rad: float = 1.75


def _array(value: Any, last: int) -> Array:
    out = np.asarray(value, dtype=np.float64)
    if out.shape[-1:] != (last,):
        raise ValueError(f"expected (..., {last}), got {out.shape}")
    return out


@dataclass(frozen=True, slots=True)
class _Leg:
    """The three arms at some tool positions, each in its own vertical plane; all arrays (..., 3 arms)."""

    cosine: Array
    sine: Array
    radial_m: Array
    tangential_m: Array
    down_m: Array


def _leg(geometry: DeltaGeometry, position_m: Array) -> _Leg:
    angles = np.asarray(geometry.shoulder_angles_rad)
    cosine, sine = np.cos(angles), np.sin(angles)
    x = position_m[..., 0:1] - geometry.base_x_m
    y = position_m[..., 1:2] - geometry.base_y_m
    radial = x * cosine + y * sine + (geometry.platform_radius_m - geometry.base_radius_m)
    down = np.broadcast_to(geometry.base_height_m - position_m[..., 2:3], radial.shape)
    return _Leg(cosine, sine, radial, -x * sine + y * cosine, down)


def _shoulders(geometry: DeltaGeometry, leg: _Leg) -> Array:
    """Closed form: the elbow lies on a circle about the shoulder and at a forearm's length from the platform's
    joint."""
    reach = np.hypot(leg.radial_m, leg.down_m)
    need = (leg.radial_m**2 + leg.tangential_m**2 + leg.down_m**2 + geometry.upper_arm_m**2 - geometry.forearm_m**2) / (
        2.0 * geometry.upper_arm_m
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        # The smaller of both angles is the one with the elbow outward.
        angles: Array = np.arctan2(leg.down_m, leg.radial_m) - np.arccos(need / reach)
    return angles


def _out_of_range(geometry: DeltaGeometry, shoulders: Array) -> NDArray[np.bool_]:
    # A NaN compares false, so the test is for being inside.
    inside = (shoulders >= geometry.joint_min_rad) & (shoulders <= geometry.joint_max_rad)
    return np.asarray(~inside.all(axis=-1))


def reachable(geometry: DeltaGeometry, position_m: Any) -> NDArray[np.bool_]:
    """Which tool positions (..., 3) the arm can take, m in the cell frame; shape (...)."""
    shoulders = _shoulders(geometry, _leg(geometry, _array(position_m, 3)))
    return ~_out_of_range(geometry, shoulders)


def inverse(geometry: DeltaGeometry, position_m: Any, yaw_rad: Any) -> Array:
    """Joints (..., 4) for tool positions (..., 3), m in the cell frame, and finger directions (...), rad.

    Raises:
        OutOfReach: a position cannot be taken.
    """
    position = _array(position_m, 3)
    shoulders = _shoulders(geometry, _leg(geometry, position))
    bad = _out_of_range(geometry, shoulders)
    if bad.any():
        index = int(np.flatnonzero(bad.reshape(-1))[0])
        x, y, z = position.reshape(-1, 3)[index]
        raise OutOfReach(f"({x:.3f}, {y:.3f}, {z:.3f}) m is out of the arm's reach", index)
    yaw = np.broadcast_to(np.asarray(yaw_rad, dtype=np.float64), position.shape[:-1])
    return np.concatenate((shoulders, yaw[..., None]), axis=-1)


def forward(geometry: DeltaGeometry, joints_rad: Any) -> tuple[Array, Array]:
    """Tool positions (..., 3), m in the cell frame, and finger directions (...), rad, for joints (..., 4).

    The tool is the lower of the two points at a forearm's length from all three elbows, each moved inward by the
    platform.

    Raises:
        OutOfReach: the elbows stand too far apart for the forearms.
    """
    joints = _array(joints_rad, 4)
    theta = joints[..., :3]
    angles = np.asarray(geometry.shoulder_angles_rad)
    radius = geometry.base_radius_m - geometry.platform_radius_m + geometry.upper_arm_m * np.cos(theta)
    centres = np.stack(
        (
            geometry.base_x_m + radius * np.cos(angles),
            geometry.base_y_m + radius * np.sin(angles),
            geometry.base_height_m - geometry.upper_arm_m * np.sin(theta),
        ),
        axis=-1,
    )
    first, second, third = centres[..., 0, :], centres[..., 1, :], centres[..., 2, :]
    # Centre of the circle through the three points, then along its axis.
    u, v = second - first, third - first
    normal = np.cross(u, v)
    square = np.sum(normal * normal, axis=-1, keepdims=True)
    uu, vv = np.sum(u * u, axis=-1, keepdims=True), np.sum(v * v, axis=-1, keepdims=True)
    offset = (np.cross(normal, u) * vv + np.cross(v, normal) * uu) / (2.0 * square)
    depth_square = geometry.forearm_m**2 - np.sum(offset * offset, axis=-1, keepdims=True)
    if np.any(depth_square < 0.0):
        index = int(np.flatnonzero(depth_square.reshape(-1) < 0.0)[0])
        raise OutOfReach("no tool position belongs to these joints", index)
    along = normal / np.sqrt(square)
    along = np.where(along[..., 2:3] > 0.0, -along, along)
    tool: Array = first + offset + along * np.sqrt(depth_square)
    return tool, joints[..., 3]


def dexterity(geometry: DeltaGeometry, position_m: Any) -> Array:
    """How far from every singular position the arm is at tool positions (..., 3); shape (...), 1 is far, 0 singular.

    The smaller of two: the sine between an upper arm and its forearm (at 0 they are in line and the shoulder cannot
    move the tool along them), and the volume that the three forearms' directions span (at 0 they lie in one plane and
    the tool gives way, however stiff the shoulders are). NaN where a position cannot be taken.
    """
    position = _array(position_m, 3)
    leg = _leg(geometry, position)
    theta = _shoulders(geometry, leg)
    radial, down, lever = _forearms(geometry, leg, theta)
    in_line = np.abs(lever) / (geometry.upper_arm_m * geometry.forearm_m)
    directions = (
        np.stack(
            (
                radial * leg.cosine - leg.tangential_m * leg.sine,
                radial * leg.sine + leg.tangential_m * leg.cosine,
                -down,
            ),
            axis=-1,
        )
        / geometry.forearm_m
    )
    found: Array = np.minimum(in_line.min(axis=-1), np.abs(np.linalg.det(directions)))
    return found


def _forearms(geometry: DeltaGeometry, leg: _Leg, theta: Array) -> tuple[Array, Array, Array]:
    """From elbow to platform in each arm's plane (radial, down positive downward), and the shoulder's lever on it."""
    sine, cosine = np.sin(theta), np.cos(theta)
    radial = leg.radial_m - geometry.upper_arm_m * cosine
    down = leg.down_m - geometry.upper_arm_m * sine
    return radial, down, geometry.upper_arm_m * (down * cosine - radial * sine)


def joint_velocity(geometry: DeltaGeometry, position_m: Any, velocity_mps: Any, yaw_rate_radps: Any) -> Array:
    """Joint velocities (..., 4), rad/s, of a tool at ``position_m`` (..., 3) that moves with ``velocity_mps`` (..., 3).

    From the derivative of each forearm's constant length, so it is exact.

    Raises:
        OutOfReach: the position cannot be taken, or a forearm is in line with its upper arm's radius.
    """
    position, velocity = _array(position_m, 3), _array(velocity_mps, 3)
    leg = _leg(geometry, position)
    theta = inverse(geometry, position, 0.0)[..., :3]
    fore_radial, fore_down, lever = _forearms(geometry, leg, theta)
    if np.any(np.abs(lever) < _SINGULAR_M):
        raise OutOfReach("the arm is singular here", int(np.flatnonzero(np.abs(lever).min(-1) < _SINGULAR_M)[0]))
    vx, vy, vz = velocity[..., 0:1], velocity[..., 1:2], velocity[..., 2:3]
    radial_v = vx * leg.cosine + vy * leg.sine
    tangential_v = -vx * leg.sine + vy * leg.cosine
    rates = (fore_radial * radial_v + leg.tangential_m * tangential_v - fore_down * vz) / lever
    yaw_rate = np.broadcast_to(np.asarray(yaw_rate_radps, dtype=np.float64), position.shape[:-1])
    return np.concatenate((rates, yaw_rate[..., None]), axis=-1)
