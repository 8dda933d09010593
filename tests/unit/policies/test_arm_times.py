"""The benchmark's arms: travel times, f_j(s), and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from perception.errors import InputError
from policies.arms import Arm, Belt, load_arms, make_arm
from policies.travel import meeting, travel_time

ARMS = load_arms()
BELT = Belt()


def _places(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.2, 0.5, count), rng.uniform(-0.25, 0.25, count)


def test_delta_travel_is_a_trapezoid_by_hand() -> None:
    # 0.45 m at 4 m/s and 50 m/s2: longer than 0.32 m, so it reaches its speed.
    assert ARMS["delta"].travel_s(np.array(0.0), np.array(0.0)) == pytest.approx(0.45 / 4.0 + 4.0 / 50.0)
    assert ARMS["delta"].travel_s(np.array(0.0), np.array(0.25)) == pytest.approx(2.0 * math.sqrt(0.20 / 50.0))


def test_telescope_travel_is_its_distance_at_one_metre_a_second() -> None:
    assert ARMS["telescope"].travel_s(np.array(0.3), np.array(0.05)) == pytest.approx(0.5)


@pytest.mark.parametrize("elbow", [1, -1])
def test_scara_joints_lead_to_the_place_when_turned_forward(elbow: int) -> None:
    """The slower joint's time, with angles found by scanning the forward kinematics and not by the inverse."""
    fields = {
        "kind": "scara",
        "links_m": [0.6, 0.6],
        "joint_speeds_radps": [7.0, 11.0],
        "base_m": [0.0, 0.7],
        "dwell_s": 0.1,
        "drop_m": [0.0, 0.45],
        "elbow": elbow,
    }
    arm = make_arm("mine", fields)

    def joints(x_m: float, y_m: float) -> tuple[float, float]:
        dx, dy = x_m, y_m - 0.7
        q2 = elbow * 2.0 * math.acos(math.hypot(dx, dy) / 1.2)  # two equal links: an isosceles triangle
        return math.atan2(dx, -dy) - 0.5 * q2, q2

    for x_m, y_m in ((0.3, -0.2), (-0.4, 0.1), (0.05, 0.25)):
        one, two = joints(x_m, y_m), joints(0.0, 0.45)
        by_hand = max(abs(one[0] - two[0]) / 7.0, abs(one[1] - two[1]) / 11.0)
        assert arm.travel_s(np.array(x_m), np.array(y_m)) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("name", sorted(ARMS))
def test_vectorised_times_equal_the_scalar_kernels(name: str) -> None:
    arm = ARMS[name]
    x_m, y_m = _places(1)
    met, done = arm.meetings(BELT, x_m, y_m)
    for index, (x, y) in enumerate(zip(x_m.tolist(), y_m.tolist(), strict=True)):
        scalar = meeting(travel_time, arm.row, BELT.speed_mps, BELT.first_m, BELT.last_m, x, y)
        assert scalar == pytest.approx((met[index], done[index]), abs=1e-9)


@pytest.mark.parametrize("name", sorted(ARMS))
@pytest.mark.parametrize("speed_mps", [0.1, 0.5])
def test_meeting_is_the_first_moment_when_compared_with_a_fine_scan(name: str, speed_mps: float) -> None:
    arm, belt = ARMS[name], Belt(speed_mps=speed_mps)
    x_m, y_m = _places(2, 20)
    met, done = arm.meetings(belt, x_m, y_m)
    g_s = np.arange(0.0, 18.0, 1e-3)
    for index in range(len(x_m)):
        at_m = x_m[index] + speed_mps * g_s
        can = (
            (at_m >= belt.first_m) & (at_m <= belt.last_m) & (arm.travel_s(at_m, np.full_like(at_m, y_m[index])) <= g_s)
        )
        if not can.any():
            assert met[index] == math.inf or x_m[index] + speed_mps * met[index] > belt.last_m - 2e-3
            continue
        first_s = float(g_s[np.argmax(can)])
        assert first_s - 1.1e-3 <= met[index] <= first_s + 1e-9
        back_s = arm.travel_s(np.array(x_m[index] + speed_mps * met[index]), np.array(y_m[index]))
        assert done[index] == pytest.approx(met[index] + arm.dwell_s + float(back_s))


def test_later_start_is_never_back_earlier_when_the_belt_is_slower_than_the_arm() -> None:
    for arm in ARMS.values():
        start_s = np.arange(0.0, 9.0, 0.01)
        done_s = start_s + arm.meetings(BELT, -1.2 + BELT.speed_mps * start_s, np.full_like(start_s, 0.1))[1]
        finite = done_s[np.isfinite(done_s)]
        assert len(finite) > 500
        assert (np.diff(finite) >= -1e-9).all()


def test_arm_that_is_slower_than_the_belt_is_refused() -> None:
    slow = make_arm("slow", {"kind": "straight", "max_speed_mps": 0.3, "dwell_s": 0.1, "drop_m": [0.0, 0.45]})
    with pytest.raises(InputError, match="faster than the belt"):
        slow.check_belt(Belt(speed_mps=0.4))


def test_arm_that_does_not_reach_the_window_is_refused() -> None:
    fields = {"kind": "scara", "links_m": [0.3, 0.3], "joint_speeds_radps": [7, 11], "base_m": [0.0, 0.7]}
    short = make_arm("short", {**fields, "dwell_s": 0.1, "drop_m": [0.0, 0.45]})
    with pytest.raises(InputError, match="does not reach"):
        short.check_belt(BELT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: {kind: straight, dwell_s: 0.1, drop_m: [0, 1]}", "a.max_speed_mps: is missing"),
        ("a: {kind: straight, max_speed_mps: -1, dwell_s: 0.1, drop_m: [0, 1]}", "a.max_speed_mps: must be above 0"),
        ("a: {kind: straight, max_speed_mps: .nan, dwell_s: 0.1, drop_m: [0, 1]}", "finite"),
        ("a: {kind: crane, dwell_s: 0.1, drop_m: [0, 1]}", "straight or scara"),
        ("a: {kind: straight, max_speed_mps: 1, dwell_s: 0, drop_m: [0]}", "list of 2"),
        ("a: {kind: straight, max_speed_mps: 1, dwell_s: 0, drop_m: [0, 1], colour: red}", "a.colour: is not a field"),
        ("[1, 2]", "holds no arms"),
        ("a: {", "arms.yaml:"),
    ],
)
def test_file_of_arms_is_refused_with_its_key_when_it_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "arms.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_arms(file)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", sorted(ARMS))
def test_arm_is_the_same_when_made_from_its_description(name: str) -> None:
    again: Arm = make_arm(name, ARMS[name].describe())
    assert again.parameters == ARMS[name].parameters
