"""Rates in a window and percentiles, against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cell.measures import Percentiles, Rate


def test_rate_is_zero_before_the_first_second() -> None:
    rate = Rate()
    assert rate.per_minute(5.0) == 0.0
    rate.add(5.0)
    assert rate.per_minute(5.9) == 0.0


def test_rate_is_over_the_time_so_far_when_the_window_is_not_full() -> None:
    rate = Rate()
    rate.start(0.0)
    for second in range(1, 11):
        rate.add(float(second))
    assert rate.per_minute(20.0) == pytest.approx(30.0)


def test_rate_forgets_what_is_older_than_its_window() -> None:
    rate = Rate(window_s=10.0)
    rate.start(0.0)
    for second in range(20):
        rate.add(float(second))
    assert rate.per_minute(20.0) == pytest.approx(60.0 * 9 / 10.0)
    assert rate.per_minute(100.0) == 0.0


def test_summary_is_empty_without_a_value() -> None:
    assert Percentiles().summary() == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_percentiles_leave_their_share_below_when_values_are_any(values: list[float]) -> None:
    percentiles = Percentiles()
    for value in values:
        percentiles.add(value)
    summary = percentiles.summary()
    for share, key in ((0.5, "p50"), (0.99, "p99")):
        assert summary[key] in values
        assert sum(value <= summary[key] for value in values) >= share * len(values)
    assert summary["p50"] <= summary["p99"]


def test_oldest_values_are_forgotten_when_there_are_more_than_kept() -> None:
    percentiles = Percentiles(keep=10)
    for value in range(100):
        percentiles.add(float(value))
    assert percentiles.summary() == {"p50": 95.0, "p99": 99.0}
