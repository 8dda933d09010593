"""Content filters in DDS's language."""

from __future__ import annotations

from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped
from rcl_interfaces.msg import Log
from rclpy._content_filter import compile_filter
from rclpy._rclpy_errors import RCLError
from rclpy.subscription_content_filter_options import ContentFilterOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Int32


@pytest.mark.parametrize(
    ("expression", "parameters", "fits"),
    [
        ("line = 7", [], True),
        ("line <> 7", [], False),
        ("line != %0", ["8"], True),
        ("line > 6 AND line < 8", [], True),
        ("line >= 7.5", [], False),
        ("line <= 0x07", [], True),
        ("7 = line", [], True),
        ("line BETWEEN 5 AND %1", ["x", "7"], True),
        ("line NOT BETWEEN 5 AND 9", [], False),
        ("name = 'arm'", [], True),
        ("name = %0", ["'arm'"], True),
        ("name = %0", ["arm"], True),
        ("name LIKE 'a%'", [], True),
        ("name like '_rm'", [], True),
        ("name LIKE 'a.m'", [], False),
        ("name NOT LIKE 'b%'", [], True),
        ("NOT name = 'arm'", [], False),
        ("NOT (name = 'arm' AND line = 8)", [], True),
        ("line = 1 OR line = 7 AND name = 'arm'", [], True),
        ("(line = 1 OR line = 7) AND name = 'leg'", [], False),
        ("stamp.sec = 3", [], True),
        ("stamp.sec < stamp.nanosec", [], True),
        ("file = 'it''s'", [], True),
        ("level = 20 and not line=-7", [], True),
    ],
)
def test_message_passes_when_the_expression_fits(expression: str, parameters: list[str], fits: bool) -> None:
    message = Log(line=7, name="arm", file="it's", level=20)
    message.stamp.sec, message.stamp.nanosec = 3, 4
    assert compile_filter(expression, parameters, Log)(message) is fits


def test_elements_octets_and_booleans_are_compared_when_named() -> None:
    pose = PoseWithCovarianceStamped()
    pose.pose.covariance[7] = 0.5
    assert compile_filter("pose.covariance[7] > 0.1", [], PoseWithCovarianceStamped)(pose)
    assert compile_filter("position[1] = 2", [], JointState)(JointState(position=[1.0, 2.0]))
    assert compile_filter("level = 2", [], DiagnosticStatus)(DiagnosticStatus(level=b"\2"))
    assert compile_filter("data = %0", ["TRUE"], Bool)(Bool(data=True))
    assert not compile_filter("data = FALSE", [], Bool)(Bool(data=True))


@pytest.mark.parametrize(
    "expression",
    [
        "line",
        "line =",
        "line = 7 AND",
        "(line = 7",
        "line = 7)",
        "nothing = 7",
        "stamp.nothing = 7",
        "stamp = 7",
        "line = %3",
        "line = 'text'",
        "line LIKE 'a%'",
        "name LIKE 7",
        "1 = 1",
        "line ; 7",
        "line BETWEEN 1",
        "name = 'unclosed",
    ],
)
def test_expression_is_refused_when_it_is_not_well_formed(expression: str, graph: Any) -> None:
    subscription = graph.node("node").create_subscription(Log, "x", lambda _: None, 1)
    with pytest.raises(RCLError, match="content filter"):
        subscription.set_content_filter(expression, [])
    assert not subscription.is_cft_enabled


def test_only_fitting_messages_arrive_when_a_filter_is_set(graph: Any) -> None:
    node = graph.node("node")
    got: list[int] = []
    publisher = node.create_publisher(Int32, "x", 10)
    subscription = node.create_subscription(
        Int32,
        "x",
        lambda message: got.append(message.data),
        10,
        content_filter_options=ContentFilterOptions("data > %0", ["15"]),
    )

    def publish() -> list[int]:
        got.clear()
        for number in (10, 20, 30):
            publisher.publish(Int32(data=number))
        graph.executor.spin_until_idle()
        return got

    assert subscription.is_cft_supported and subscription.is_cft_enabled
    assert publish() == [20, 30]
    assert subscription.get_content_filter() == ContentFilterOptions("data > %0", ["15"])
    subscription.set_content_filter("data = 10", [])
    assert publish() == [10]
    subscription.set_content_filter("", [])
    assert publish() == [10, 20, 30] and not subscription.is_cft_enabled
    with pytest.raises(RCLError):
        subscription.get_content_filter()
