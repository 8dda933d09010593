"""Time and Duration: arithmetic, comparison, messages."""

from __future__ import annotations

import pytest
from builtin_interfaces.msg import Duration as DurationMsg
from builtin_interfaces.msg import Time as TimeMsg
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration, Infinite
from rclpy.time import Time


def test_arithmetic_is_exact_when_in_nanoseconds() -> None:
    moment = Time(seconds=1, nanoseconds=5)
    assert (moment + Duration(nanoseconds=7)).nanoseconds == 1_000_000_012
    assert (Duration(nanoseconds=7) + moment).nanoseconds == 1_000_000_012
    assert (moment - Duration(nanoseconds=6)).nanoseconds == 999_999_999
    assert moment - Time(seconds=3) == Duration(nanoseconds=-1_999_999_995)
    assert (Duration(seconds=2) * 1.5).nanoseconds == 3_000_000_000
    assert -Duration(seconds=1) + Duration(seconds=3) - Duration(seconds=1) == Duration(seconds=1)
    assert moment.seconds_nanoseconds() == (1, 5)


def test_order_holds_when_clocks_are_the_same() -> None:
    early, late = Time(seconds=1), Time(seconds=2)
    same = Time(seconds=2)
    assert early < late <= same and late > early and same >= late and early != late
    assert Duration(seconds=-1) < Duration() < Infinite
    assert len({Time(seconds=1), Time(seconds=1), Duration(seconds=1)}) == 2


def test_mixing_is_refused_when_clocks_differ() -> None:
    ros = Time(seconds=1, clock_type=ClockType.ROS_TIME)
    with pytest.raises(TypeError):
        assert ros < Time(seconds=2)
    with pytest.raises(TypeError):
        assert ros == Time(seconds=1)
    with pytest.raises(TypeError):
        ros - Time(seconds=1)
    with pytest.raises(TypeError):
        ros + ros  # type: ignore[operator]


def test_limits_are_kept_when_values_are_large_or_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        Time(seconds=-1)
    with pytest.raises(OverflowError):
        Time(nanoseconds=2**63)
    with pytest.raises(OverflowError):
        Duration(nanoseconds=2**63)
    with pytest.raises(ValueError, match="negative"):
        Time(seconds=1) - Duration(seconds=2)
    with pytest.raises(OverflowError):
        Time(nanoseconds=2**63 - 1) + Duration(nanoseconds=1)


def test_messages_round_trip_when_converted() -> None:
    moment = Time(seconds=12, nanoseconds=34, clock_type=ClockType.ROS_TIME)
    assert moment.to_msg() == TimeMsg(sec=12, nanosec=34)
    assert Time.from_msg(moment.to_msg()) == moment
    length = Duration(nanoseconds=-1)
    assert length.to_msg() == DurationMsg(sec=-1, nanosec=999_999_999)
    assert Duration.from_msg(length.to_msg()) == length


def test_clocks_read_forward_when_asked_twice() -> None:
    for kind in (ClockType.SYSTEM_TIME, ClockType.STEADY_TIME, ClockType.ROS_TIME):
        clock = Clock(clock_type=kind)
        first = clock.now()
        assert first.clock_type is kind
        assert first <= clock.now()
