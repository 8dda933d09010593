"""Loggers: levels, filters of a call site, /rosout."""

from __future__ import annotations

from typing import Any

import pytest
from rcl_interfaces.msg import Log
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.logging import LoggingSeverity, get_logger
from rclpy.qos import qos_profile_rosout_default
from rclpy.time import Time


def test_record_is_written_when_level_allows_it(capsys: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("level_test")
    assert logger.info("shown") and not logger.debug("hidden")
    logger.set_level(LoggingSeverity.ERROR)
    assert not logger.get_child("x").warning("hidden") and logger.fatal("last")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("] ")[0] + "]" for line in lines] == ["[INFO]", "[FATAL]"]
    assert lines[0].endswith("[level_test]: shown")


def test_call_site_logs_once_when_asked() -> None:
    logger = get_logger("once_test")
    assert [logger.info("x", once=True) for _ in range(3)] == [True, False, False]
    assert logger.info("x", once=True)


def test_first_is_left_out_when_asked() -> None:
    logger = get_logger("skip_test")
    assert [logger.info("x", skip_first=True) for _ in range(3)] == [False, True, True]


def test_call_site_is_throttled_when_clock_is_given() -> None:
    logger = get_logger("throttle_test")
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    logged = []
    for second in (1, 2, 6, 7, 11):
        clock.set_ros_time_override(Time(seconds=second))
        logged.append(logger.warning("x", throttle_duration_sec=5.0, throttle_time_source_type=clock))
    # The time of the last record counts from zero, so that a simulation's first seconds are silent, too.
    assert logged == [False, False, True, False, True]
    with pytest.raises(TypeError):
        logger.info("x", throttle_time_source_type=Clock(clock_type=ClockType.STEADY_TIME))
    with pytest.raises(TypeError):
        logger.info("x", nonsense=True)


def test_record_reaches_rosout_when_node_logs(graph: Any) -> None:
    got: list[Log] = []
    node = graph.node("talker", namespace="/ns")
    graph.node("quiet", enable_rosout=False).get_logger().info("not seen")
    node.get_logger().error("seen")
    graph.node("listener").create_subscription(Log, "/rosout", got.append, qos_profile_rosout_default)
    graph.executor.spin_until_idle()
    assert [(entry.name, entry.msg, entry.level) for entry in got] == [("ns.talker", "seen", 40)]
    assert got[0].file == __file__


def test_names_are_checked_when_loggers_are_made() -> None:
    with pytest.raises(ValueError, match="empty"):
        get_logger("")
    with pytest.raises(ValueError, match="empty"):
        get_logger("a").get_child("")
