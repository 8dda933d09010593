"""Loggers: levels, filters of a call site, /rosout."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import Log, LoggerLevel
from rcl_interfaces.srv import GetLoggerLevels, SetLoggerLevels
from rclpy.clock import Clock, ClockType, ROSClock
from rclpy.context import Context
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


@pytest.fixture
def fresh_logging() -> Iterator[None]:
    """Lets a test set the environment; afterwards logging reads it again."""
    rclpy.logging.shutdown()
    yield
    rclpy.logging.shutdown()


def call(logger: Any, number: int, **options: Any) -> Any:
    return logger.log(f"message {number}", **{"severity": LoggingSeverity.INFO, **options})


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ({"name": "a"}, {"name": "b"}, "name cannot be changed"),
        ({"severity": 20}, {"severity": 30}, "severity cannot be changed"),
        ({"once": True}, {"skip_first": True}, "filters cannot be changed"),
        ({"throttle_duration_sec": 1.0}, {"throttle_duration_sec": 2.0}, "parameters cannot be changed"),
    ],
)
def test_call_is_refused_when_site_changes_its_mind(first: Any, second: Any, problem: str) -> None:
    logger = get_logger("changing_test")
    call(logger, 1, **first)
    with pytest.raises(ValueError, match=problem):
        call(logger, 2, **second)


def test_filters_run_in_order_when_several_are_asked_for() -> None:
    logger = get_logger("order_test")
    assert [logger.info("x", skip_first=True, once=True) for _ in range(4)] == [False, True, False, False]
    clock = ROSClock()
    clock._set_ros_time_is_active(True)
    logged = []
    for second in (2, 3, 5, 6):
        clock.set_ros_time_override(Time(seconds=second))
        logged.append(logger.info("x", skip_first=True, throttle_duration_sec=2, throttle_time_source_type=clock))
    assert logged == [False, False, True, False]
    with pytest.raises(ValueError, match="clock instance"):
        logger.info("x", throttle_duration_sec=2, throttle_time_source_type="STEADY")


def test_message_is_refused_when_it_is_no_text() -> None:
    with pytest.raises(TypeError, match="int"):
        get_logger("text_test").info(5)  # type: ignore[arg-type]
    assert not get_logger("text_test").debug(5)  # type: ignore[arg-type]


def test_filter_says_nothing_when_level_forbids_the_record() -> None:
    logger = get_logger("level_first_test")
    assert not any(logger.debug("x", nonsense=True) for _ in range(2))


def test_levels_follow_the_hierarchy_when_set_and_cleared() -> None:
    parent = get_logger("hierarchy_test")
    child = parent.get_child("a").get_child("b")
    assert child.name == "hierarchy_test.a.b"
    parent.set_level(LoggingSeverity.ERROR)
    assert child.get_effective_level() == LoggingSeverity.ERROR and not child.is_enabled_for(30)
    child.set_level(LoggingSeverity.DEBUG)
    assert child.is_enabled_for(LoggingSeverity.DEBUG) and not parent.is_enabled_for(LoggingSeverity.DEBUG)
    child.set_level(LoggingSeverity.UNSET)
    assert not child.is_enabled_for(LoggingSeverity.WARN)
    assert rclpy.logging.get_logger_level("hierarchy_test.a") == LoggingSeverity.UNSET
    parent.set_level(LoggingSeverity.UNSET)
    with pytest.raises(ValueError, match="12"):
        parent.set_level(12)


def test_severity_is_found_when_named_in_either_case() -> None:
    assert rclpy.logging.get_logging_severity_from_string("warn") is LoggingSeverity.WARN
    with pytest.raises(RuntimeError):
        rclpy.logging.get_logging_severity_from_string("loud")


@pytest.mark.usefixtures("fresh_logging")
def test_line_has_the_asked_form_when_format_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = r"{severity}|{name}|{message}|{function_name}|{file_name}|{nonsense}\t{time}{time_as_nanoseconds}"
    monkeypatch.setenv("RCUTILS_CONSOLE_OUTPUT_FORMAT", text + "|{line_number}|{date_time_with_ms}")
    monkeypatch.setenv("RCUTILS_LOGGING_USE_STDOUT", "1")
    monkeypatch.setenv("RCUTILS_COLORIZED_OUTPUT", "1")
    get_logger("format_test").warning("hello {name}")
    captured = capsys.readouterr()
    assert not captured.err
    expected = (
        r"\033\[33mWARN\|format_test\|hello \{name\}\|test_line_has_the_asked_form_when_format_is_set\|"
        + re.escape(__file__)
        + r"\|\{nonsense\}\t\d{10}\.\d{9}\d{19}\|\d+\|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\033\[0m\n"
    )
    assert re.fullmatch(expected, captured.out)


@pytest.mark.usefixtures("fresh_logging")
def test_logging_goes_on_when_a_variable_is_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RCUTILS_COLORIZED_OUTPUT", "blue")
    with pytest.raises(RuntimeError, match="RCUTILS_COLORIZED_OUTPUT"):
        rclpy.logging.initialize()
    assert get_logger("bad_variable_test").info("still here")
    assert "[bad_variable_test]: still here" in capsys.readouterr().err


@pytest.mark.usefixtures("fresh_logging")
def test_record_is_no_error_when_console_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stderr", stream)
        assert get_logger("closed_test").info("x")


@pytest.mark.usefixtures("fresh_logging")
def test_file_is_written_when_a_place_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "logs"))
    assert rclpy.logging.get_logging_directory() == tmp_path / "logs"
    get_logger("file_test").info("kept")
    files = list((tmp_path / "logs").iterdir())
    assert len(files) == 1 and files[0].read_text().endswith("[file_test]: kept\n")
    monkeypatch.delenv("ROS_LOG_DIR")
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "home"))
    assert rclpy.logging.get_logging_directory() == tmp_path / "home" / "log"
    rclpy.logging.shutdown()
    get_logger("file_test").info("not kept")
    assert not (tmp_path / "home").exists()


def test_console_is_silent_when_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    context = Context()
    context.init(["--ros-args", "--disable-stdout-logs", "--disable-rosout-logs"], domain_id=95)
    context.shutdown()
    try:
        assert get_logger("silent_test").info("x")
        assert not capsys.readouterr().err
    finally:
        context = Context()
        context.init([], domain_id=95)
        context.shutdown()


def test_child_is_on_rosout_when_taken_from_a_node(graph: Any) -> None:
    got: list[Log] = []
    node = graph.node("talker", namespace="/ns")
    graph.node("listener").create_subscription(Log, "/rosout", got.append, qos_profile_rosout_default)
    child = node.get_logger().get_child("arm").get_child("joint")
    child.info("child")
    get_logger("ns.talker.stranger").info("not from the node")
    get_logger("ns.talker").info("same name", name="ns.talker.arm.joint")
    graph.executor.spin_until_idle()
    assert [(entry.name, entry.msg) for entry in got] == [
        ("ns.talker.arm.joint", "child"),
        ("ns.talker.arm.joint", "same name"),
    ]
    del child
    get_logger("ns.talker.arm.joint").info("nobody holds the child any more")
    logger = node.get_logger()
    node.destroy_node()
    logger.info("after the end")
    logger.get_child("late").info("after the end")
    graph.executor.spin_until_idle()
    assert len(got) == 2


def test_levels_are_read_and_set_when_node_has_the_service(graph: Any) -> None:
    graph.node("served", enable_logger_service=True)
    client = graph.node("asking")
    set_levels = client.create_client(SetLoggerLevels, "/served/set_logger_levels")
    get_levels = client.create_client(GetLoggerLevels, "/served/get_logger_levels")
    levels = [LoggerLevel(name="service_test.a", level=40), LoggerLevel(name="service_test.b", level=12)]
    future = set_levels.call_async(SetLoggerLevels.Request(levels=levels))
    graph.executor.spin_until_future_complete(future, 10)
    results = future.result().results
    assert [result.successful for result in results] == [True, False]
    assert results[1].reason == "Failed reason: Invalid logger level."
    future = get_levels.call_async(GetLoggerLevels.Request(names=["service_test.a", "service_test.b"]))
    graph.executor.spin_until_future_complete(future, 10)
    assert [(entry.name, entry.level) for entry in future.result().levels] == [
        ("service_test.a", 40),
        ("service_test.b", 0),
    ]
    assert not get_logger("service_test.a").is_enabled_for(LoggingSeverity.WARN)
