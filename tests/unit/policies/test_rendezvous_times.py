from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.rendezvous import rendezvous
from policies.types import ArmModel, Candidate, View

ARM = ArmModel(max_accel_mps2=15.0, max_speed_mps=1.5, grip_s=0.3, release_s=0.2, overhead_s=0.0)
VIEW = View(
    now_s=100.0,
    belt_speed_mps=0.2,
    tool_m=(0.60, 0.34),
    free_in_s=0.0,
    window_m=(0.35, 0.85),
    bins_m={"defect": (0.60, 0.34), "reject": (0.60, -0.34)},
    arm=ARM,
    candidates=(),
)


def _part(x_m: float, y_m: float = 0.0, bin_name: str = "defect") -> Candidate:
    return Candidate(1, x_m, y_m, bin_name)


def _scan(view: View, part: Candidate, step_s: float = 1e-4) -> float | None:
    """The smallest time by the definition, on a fine grid."""
    start = view.now_s + view.free_in_s
    times = start + np.arange(0.0, 7.0, step_s)
    x = part.x_m + view.belt_speed_mps * (times - view.now_s)
    distance = np.hypot(x - view.tool_m[0], part.y_m - view.tool_m[1])
    arm = view.arm
    ramp = arm.max_speed_mps**2 / arm.max_accel_mps2
    travel = arm.overhead_s + np.where(
        distance <= ramp,
        2.0 * np.sqrt(distance / arm.max_accel_mps2),
        distance / arm.max_speed_mps + arm.max_speed_mps / arm.max_accel_mps2,
    )
    good = (x >= view.window_m[0]) & (x <= view.window_m[1]) & (start + travel <= times)
    return float(times[good][0]) if good.any() else None


def test_meeting_is_as_computed_by_hand_when_the_belt_stands() -> None:
    view = replace(VIEW, belt_speed_mps=0.0)
    found = rendezvous(view, _part(0.60, -0.06))
    assert found is not None
    # 0.40 m: 0.15 m of ramps, then 0.25 m at 1.5 m/s: 0.1 + 0.1 + 1/6 s; back the same way.
    there = 0.40 / 1.5 + 0.1
    assert found.meet_s == pytest.approx(100.0 + there, abs=1e-8)
    assert found.done_s == pytest.approx(100.0 + 2 * there + 0.5, abs=1e-8)
    assert found.cycle_s == pytest.approx(2 * there + 0.5, abs=1e-8)


def test_arm_waits_when_the_part_enters_the_window_later() -> None:
    found = rendezvous(VIEW, _part(0.0))
    assert found is not None
    assert found.meet_s == pytest.approx(100.0 + 0.35 / 0.2)
    assert found.meet_m == pytest.approx((0.35, 0.0))


def test_meeting_is_later_when_the_arm_is_not_free_yet() -> None:
    found = rendezvous(replace(VIEW, free_in_s=0.7), _part(0.5))
    assert found is not None
    assert found.start_s == pytest.approx(100.7)
    assert found.meet_s > 101.0


@pytest.mark.parametrize("x_m", [0.80, 0.9])
def test_pick_is_infeasible_when_the_part_leaves_first(x_m: float) -> None:
    assert rendezvous(VIEW, _part(x_m)) is None


def test_pick_is_infeasible_when_the_bin_is_unknown_or_the_belt_stands_outside() -> None:
    assert rendezvous(VIEW, _part(0.5, bin_name="nowhere")) is None
    assert rendezvous(replace(VIEW, belt_speed_mps=0.0), _part(0.2)) is None


def test_way_back_is_to_the_parts_own_bin_when_bins_differ() -> None:
    near, far = rendezvous(VIEW, _part(0.5, 0.1)), rendezvous(VIEW, _part(0.5, 0.1, "reject"))
    assert near is not None and far is not None
    assert near.meet_s == far.meet_s
    assert far.done_s > near.done_s


def test_belt_may_run_backwards_when_its_speed_is_negative() -> None:
    found = rendezvous(replace(VIEW, belt_speed_mps=-0.2), _part(0.95))
    assert found is not None
    assert found.meet_m[0] == pytest.approx(0.85)


_VIEWS = st.builds(
    lambda tool_m, speed_mps, free_in_s, accel_mps2: replace(
        VIEW,
        tool_m=tool_m,
        belt_speed_mps=speed_mps,
        free_in_s=free_in_s,
        arm=replace(ARM, max_accel_mps2=accel_mps2),
    ),
    st.tuples(st.floats(0.3, 0.9), st.floats(-0.34, 0.34)),
    st.floats(0.15, 0.8),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from([1.0, 15.0, 50.0]),
)


@settings(max_examples=60, deadline=None)
# To the micrometre: the tool stands over a part that is off by less, and the scan would look for it elsewhere.
@given(view=_VIEWS, x_m=st.floats(0.0, 0.9), y_m=st.floats(-0.11, 0.11).map(lambda y_m: round(y_m, 6)))
def test_meeting_is_the_first_one_when_compared_with_a_fine_scan(view: View, x_m: float, y_m: float) -> None:
    part = _part(x_m, y_m)
    found, scanned = rendezvous(view, part), _scan(view, part)
    if scanned is None:
        # Nothing on the grid: at most a meeting in the last moment of the window.
        assert found is None or found.meet_m[0] > 0.85 - view.belt_speed_mps * 2e-4
        return
    assert found is not None
    assert scanned - 1.1e-4 <= found.meet_s <= scanned + 1e-6
    distance = math.hypot(found.meet_m[0] - view.tool_m[0], found.meet_m[1] - view.tool_m[1])
    assert found.start_s + view.arm.travel_s(distance) <= found.meet_s + 1e-8


def test_first_of_two_meetings_is_found_when_the_part_passes_close_by() -> None:
    # Short moves are slow for their length: in time when nearest, late again behind it, in time further on.
    view = replace(VIEW, tool_m=(0.60, 0.0), belt_speed_mps=0.5, arm=replace(ARM, max_accel_mps2=1.0))
    hits = 0
    for x_m in np.linspace(0.50, 0.60, 41):
        part = _part(float(x_m), 1e-4)
        found, scanned = rendezvous(view, part), _scan(view, part)
        assert (found is None) == (scanned is None)
        if found is None or scanned is None:
            continue
        assert scanned - 1.1e-4 <= found.meet_s <= scanned + 1e-6
        hits += found.meet_m[0] < 0.61
    assert 0 < hits < 41


@pytest.mark.parametrize("part", [_part(0.20, 0.05), _part(0.62, -0.09), _part(0.80, 0.10)])
def test_meeting_is_the_same_when_the_clock_counts_from_1970(part: Candidate) -> None:
    since_1970_s = 1_795_187_120.0
    here, there = rendezvous(VIEW, part), rendezvous(replace(VIEW, now_s=since_1970_s), part)
    assert (here is None) == (there is None)
    if here is not None and there is not None:
        assert there.meet_s - since_1970_s == pytest.approx(here.meet_s - VIEW.now_s, abs=1e-6)
        assert there.cycle_s == pytest.approx(here.cycle_s, abs=1e-6)
        assert there.meet_m == pytest.approx(here.meet_m, abs=1e-6)


def test_meeting_is_found_when_the_belt_creeps() -> None:
    found = rendezvous(replace(VIEW, belt_speed_mps=3e-9, free_in_s=0.0), _part(0.3499999, 0.0))
    assert found is not None
    assert found.meet_m[0] == pytest.approx(0.35)
