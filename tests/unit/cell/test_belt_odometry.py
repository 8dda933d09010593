"""Belt travel at a picture's time: interpolated, carried on, and replaced by what the strobe latched."""

from __future__ import annotations

import pytest

from cell.odometry import STROBE_GATE_M, Odometry, Sample


def _moving(*, strobe_m: float | None = None, keep: int = 256) -> Odometry:
    """Five readings, 20 ms apart, at 0.2 m/s from 1 m on; the third is the first with the latch."""
    odometry = Odometry(keep)
    for step in range(5):
        latch_m = None if strobe_m is None else 0.9 if step < 2 else strobe_m
        odometry.add(Sample(10.0 + 0.02 * step, 1.0 + 0.004 * step, 0.2, latch_m))
    return odometry


def test_travel_is_unknown_before_the_first_reading() -> None:
    assert Odometry().travel_at(1.0) is None
    assert Odometry().latest is None


@pytest.mark.parametrize(("stamp_s", "travel_m"), [(10.0, 1.0), (10.03, 1.006), (10.08, 1.016)])
def test_travel_is_interpolated_when_the_time_lies_between_readings(stamp_s: float, travel_m: float) -> None:
    assert _moving().travel_at(stamp_s) == pytest.approx(travel_m)


def test_travel_goes_on_at_its_speed_when_the_time_is_newer_than_any_reading() -> None:
    assert _moving().travel_at(10.13) == pytest.approx(1.026)


def test_travel_is_carried_back_only_a_little_when_the_time_is_older_than_any_reading() -> None:
    assert _moving().travel_at(9.95) == pytest.approx(0.99)
    assert _moving().travel_at(9.85) is None


def test_old_readings_are_forgotten_when_there_are_more_than_kept() -> None:
    assert _moving(keep=2).travel_at(10.0) == pytest.approx(1.0)
    odometry = _moving(keep=2)
    for step in range(5, 20):
        odometry.add(Sample(10.0 + 0.02 * step, 1.0 + 0.004 * step, 0.2, None))
    assert odometry.travel_at(10.0) is None


def test_latched_travel_counts_when_it_is_near_the_estimate() -> None:
    assert _moving(strobe_m=1.0071).travel_at(10.03) == 1.0071


def test_latched_travel_is_left_out_when_it_belongs_to_another_picture() -> None:
    odometry = _moving(strobe_m=1.006 - 1.5 * STROBE_GATE_M)
    assert odometry.travel_at(10.03) == pytest.approx(1.006)


def test_nearest_latch_counts_when_several_were_read() -> None:
    odometry = Odometry()
    for step, strobe_m in enumerate((1.0003, 1.0003, 1.0202, 1.0403)):
        odometry.add(Sample(10.0 + 0.1 * step, 1.0 + 0.02 * step, 0.2, strobe_m))
    assert odometry.travel_at(10.1) == 1.0202


def test_earlier_latch_is_left_out_when_the_belt_creeps_and_the_new_one_is_not_read_yet() -> None:
    odometry = Odometry()
    for step, strobe_m in enumerate((0.9, 1.0002, 1.0002, 1.0002, 1.0002, 1.0002)):
        odometry.add(Sample(10.0 + 0.02 * step, 1.0 + 0.0004 * step, 0.02, strobe_m))
    assert odometry.travel_at(10.01) == 1.0002
    assert odometry.travel_at(10.11) == pytest.approx(1.0022)


def test_repeated_or_older_reading_is_dropped() -> None:
    odometry = _moving()
    odometry.add(Sample(10.08, 9.0, 0.2, None))
    odometry.add(Sample(10.01, 9.0, 0.2, None))
    assert odometry.latest == Sample(10.08, 1.016, 0.2, None)
