from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cell.kinematics import DeltaGeometry, OutOfReach, forward, inverse, joint_velocity, reachable

GEOMETRY = DeltaGeometry()


def _grid(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
    axes = [np.linspace(*x, 21), np.linspace(*y, 17), np.linspace(*z, 5)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


@pytest.mark.parametrize(
    "volume",
    [
        _grid((0.35, 0.85), (-0.11, 0.11), (0.006, 0.10)),
        _grid((0.85, 1.0), (-0.11, 0.11), (0.006, 0.10)),  # a late gripper follows its part out of the window
        _grid((0.35, 0.95), (-0.36, 0.36), (0.10, 0.10)),
        _grid((0.58, 0.62), (-0.36, 0.36), (0.08, 0.12)),
    ],
    ids=["pick window", "follow-on", "travel height", "bins"],
)
def test_workspace_is_reached_when_it_is_the_acceptance_cell(volume: np.ndarray) -> None:
    assert reachable(GEOMETRY, volume).all()
    tool, yaw = forward(GEOMETRY, inverse(GEOMETRY, volume, 0.3))
    np.testing.assert_allclose(tool, volume, atol=1e-12)
    np.testing.assert_allclose(yaw, 0.3)


def test_forward_gives_a_known_point_when_all_joints_are_alike() -> None:
    # Upper arms straight down: elbows at radius 0.20, height 0.45; platform 0.15 m inward of them.
    tool, _ = forward(GEOMETRY, [np.pi / 2, np.pi / 2, np.pi / 2, 0.0])
    np.testing.assert_allclose(tool, [0.60, 0.0, 0.45 - np.sqrt(0.70**2 - 0.15**2)], atol=1e-12)


def test_elbow_is_outward_when_solved() -> None:
    joints = inverse(GEOMETRY, [0.60, 0.0, 0.05], 0.0)
    assert np.ptp(joints[:3]) < 1e-12
    assert 0.0 < joints[0] < np.pi / 2


def test_joint_velocity_matches_differences_when_tool_moves_any_way() -> None:
    rng = np.random.default_rng(4)
    position = rng.uniform((0.35, -0.3, 0.01), (0.85, 0.3, 0.15), (200, 3))
    velocity = rng.normal(size=(200, 3))
    step = 1e-6
    ahead = inverse(GEOMETRY, position + step * velocity, 0.0)
    behind = inverse(GEOMETRY, position - step * velocity, 0.0)
    exact = joint_velocity(GEOMETRY, position, velocity, 0.7)
    np.testing.assert_allclose(exact[:, :3], ((ahead - behind) / (2 * step))[:, :3], atol=1e-6)
    np.testing.assert_allclose(exact[:, 3], 0.7)


def test_inverse_raises_and_names_the_point_when_one_is_out_of_reach() -> None:
    points = [[0.6, 0.0, 0.1], [0.6, 0.0, 0.1], [2.0, 0.0, 0.1]]
    assert reachable(GEOMETRY, points).tolist() == [True, True, False]
    with pytest.raises(OutOfReach, match=r"2\.000") as caught:
        inverse(GEOMETRY, points, 0.0)
    assert caught.value.index == 2


def test_inverse_raises_when_a_joint_would_leave_its_range() -> None:
    deep = [0.6, 0.0, -0.20]
    assert reachable(GEOMETRY, deep)
    with pytest.raises(OutOfReach):
        inverse(DeltaGeometry(joint_max_rad=0.9), deep, 0.0)


def test_inverse_raises_when_position_is_not_finite() -> None:
    with pytest.raises(OutOfReach):
        inverse(GEOMETRY, [float("nan"), 0.0, 0.1], 0.0)


def test_forward_raises_when_no_tool_position_exists() -> None:
    with pytest.raises(OutOfReach):
        forward(DeltaGeometry(forearm_m=0.1), [0.0, 0.0, 0.0, 0.0])


def test_shape_is_refused_when_it_is_not_three_or_four() -> None:
    with pytest.raises(ValueError, match="expected"):
        inverse(GEOMETRY, [0.6, 0.0], 0.0)
    with pytest.raises(ValueError, match="expected"):
        forward(GEOMETRY, [0.0, 0.0, 0.0])


_TOOLS = st.tuples(st.floats(0.4, 0.8), st.floats(-0.3, 0.3), st.floats(0.0, 0.2))
_BASES = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))


@settings(max_examples=60, deadline=None)
@given(tool=_TOOLS, yaw=st.floats(-3.0, 3.0), base=_BASES)
def test_arm_moves_with_its_base_when_the_base_is_elsewhere(
    tool: tuple[float, float, float], yaw: float, base: tuple[float, float]
) -> None:
    moved = DeltaGeometry(base_x_m=0.60 + base[0], base_y_m=base[1])
    here = inverse(GEOMETRY, tool, yaw)
    there = inverse(moved, (tool[0] + base[0], tool[1] + base[1], tool[2]), yaw)
    np.testing.assert_allclose(here, there, atol=1e-9)
