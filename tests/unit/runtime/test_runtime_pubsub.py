"""Publishers and subscriptions: delivery by reference, QoS, names, the graph."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from rclpy.exceptions import InvalidHandle, InvalidTopicNameException, NoTypeSupportImportedException
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from sensor_msgs.msg import Image
from std_msgs.msg import Int32, String

LATCHED = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_subscribers_share_the_buffer_but_not_the_message_when_published(graph: Any) -> None:
    got: list[Image] = []
    publisher = graph.node("sender").create_publisher(Image, "/image", 1)
    for name in ("one", "two"):
        graph.node(name).create_subscription(Image, "/image", got.append, 1)
    pixels = np.zeros(100, np.uint8)
    publisher.publish(Image(data=pixels))
    assert graph.executor.spin_until_idle() == 2
    assert got[0] is not got[1] and got[0] == got[1]
    assert got[0].data is pixels and got[1].data is pixels and not pixels.flags.writeable


def test_oldest_is_dropped_when_queue_is_full(graph: Any) -> None:
    got: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "numbers", 10)
    node.create_subscription(Int32, "numbers", lambda message: got.append(message.data), 3)
    for number in range(10):
        publisher.publish(Int32(data=number))
    assert graph.executor.spin_until_idle() == 3
    assert got == [7, 8, 9]


def test_nothing_is_dropped_when_history_keeps_all(graph: Any) -> None:
    got: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "numbers", 1)
    profile = QoSProfile(history=HistoryPolicy.KEEP_ALL)
    node.create_subscription(Int32, "numbers", lambda message: got.append(message.data), profile)
    for number in range(1000):
        publisher.publish(Int32(data=number))
    graph.executor.spin_until_idle()
    assert got == list(range(1000))


def test_late_reader_gets_last_samples_when_both_are_transient_local(graph: Any) -> None:
    latched: list[int] = []
    volatile: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "state", LATCHED)
    for number in range(5):
        publisher.publish(Int32(data=number))
    node.create_subscription(Int32, "state", lambda message: latched.append(message.data), LATCHED)
    node.create_subscription(Int32, "state", lambda message: volatile.append(message.data), 10)
    graph.executor.spin_until_idle()
    assert latched == [3, 4]
    publisher.publish(Int32(data=5))
    graph.executor.spin_until_idle()
    assert latched == [3, 4, 5]
    assert volatile == [5]


def test_nothing_arrives_when_qos_is_incompatible(graph: Any, capsys: pytest.CaptureFixture[str]) -> None:
    got: list[Any] = []
    node = graph.node("node")
    publisher = node.create_publisher(String, "x", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    node.create_subscription(String, "x", got.append, 1)
    publisher.publish(String())
    graph.executor.spin_until_idle()
    assert not got and publisher.get_subscription_count() == 0
    warned = capsys.readouterr().err
    assert "'x', requesting incompatible QoS" in warned and "'x', offering incompatible QoS" in warned
    assert warned.count("Last incompatible policy: RELIABILITY") == 2


def test_compatibility_is_told_when_two_profiles_are_compared() -> None:
    volatile = QoSProfile(depth=1, liveliness=LivelinessPolicy.AUTOMATIC)
    latched = QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL, liveliness=LivelinessPolicy.AUTOMATIC)
    assert qos_check_compatible(volatile, latched).compatibility.name == "ERROR"
    assert qos_check_compatible(latched, volatile).compatibility.name == "OK"


def test_types_do_not_mix_when_topic_is_the_same(graph: Any) -> None:
    got: list[Any] = []
    node = graph.node("node")
    publisher = node.create_publisher(String, "x", 1)
    node.create_subscription(Int32, "x", got.append, 1)
    publisher.publish(String())
    graph.executor.spin_until_idle()
    assert not got
    with pytest.raises(TypeError):
        publisher.publish(Int32())


def test_messages_wait_when_node_is_in_no_executor(graph: Any) -> None:
    order: list[str] = []
    node = graph.node("node", spin=False)
    publisher = node.create_publisher(String, "a", 10)
    other = node.create_publisher(String, "b", 10)
    node.create_subscription(String, "b", lambda message: order.append(message.data), 10)
    node.create_subscription(String, "a", lambda message: order.append(message.data), 10)
    publisher.publish(String(data="1"))
    other.publish(String(data="2"))
    publisher.publish(String(data="3"))
    graph.executor.add_node(node)
    graph.executor.spin_until_idle()
    assert order == ["1", "2", "3"]


def test_work_stays_with_node_when_it_changes_executors(graph: Any) -> None:
    got: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "x", 10)
    node.create_subscription(Int32, "x", lambda message: got.append(message.data), 10)
    for number in range(3):
        publisher.publish(Int32(data=number))
    graph.executor.spin_once(timeout_sec=0)
    graph.executor.remove_node(node)
    assert graph.executor.spin_until_idle() == 0
    graph.executor.add_node(node)
    assert graph.executor.spin_until_idle() == 2
    assert got == [0, 1, 2]


def test_info_is_given_when_callback_takes_two_arguments(graph: Any) -> None:
    infos: list[Any] = []
    node = graph.node("node")
    publisher = node.create_publisher(String, "x", 10)
    node.create_subscription(String, "x", lambda message, info: infos.append(info), 10)
    publisher.publish(String())
    graph.executor.spin_until_idle()
    assert infos[0]["source_timestamp"] > 0
    assert infos[0]["reception_sequence_number"] == 1
    with pytest.raises(RuntimeError):
        node.create_subscription(String, "x", lambda: None, 10)


def test_names_expand_when_relative_or_private(graph: Any) -> None:
    node = graph.node("node", namespace="/line/one")
    assert node.create_publisher(String, "a", 1).topic_name == "/line/one/a"
    assert node.create_publisher(String, "~/a", 1).topic_name == "/line/one/node/a"
    assert node.create_publisher(String, "/a", 1).topic_name == "/a"
    assert node.create_publisher(String, "{node}/a", 1).topic_name == "/line/one/node/a"
    assert node.resolve_topic_name("b") == "/line/one/b"


@pytest.mark.parametrize("name", ["", "a b", "a/", "/a//b", "1a", "a~", "~a", "a-b"])
def test_name_is_refused_when_not_allowed(graph: Any, name: str) -> None:
    with pytest.raises(InvalidTopicNameException):
        graph.node("node").create_publisher(String, name, 1)


def test_name_is_refused_when_substitution_is_unknown(graph: Any) -> None:
    with pytest.raises(ValueError, match="unknown substitution"):
        graph.node("node").create_publisher(String, "{x}/a", 1)


def test_type_is_refused_when_no_message(graph: Any) -> None:
    with pytest.raises(NoTypeSupportImportedException):
        graph.node("node").create_publisher(int, "x", 1)


def test_graph_is_seen_when_asked(graph: Any) -> None:
    one = graph.node("one", enable_rosout=False, start_parameter_services=False)
    two = graph.node("two", namespace="/ns", enable_rosout=False, start_parameter_services=False)
    publisher = one.create_publisher(String, "/x", 1)
    two.create_subscription(String, "/x", lambda _: None, 1)
    assert one.count_publishers("/x") == 1
    assert two.count_subscribers("/x") == 1
    assert ("/x", ["std_msgs/msg/String"]) in one.get_topic_names_and_types()
    assert one.get_node_names_and_namespaces() == [("one", "/"), ("two", "/ns")]
    assert two.get_fully_qualified_name() == "/ns/two"
    assert [info.node_name for info in one.get_subscriptions_info_by_topic("/x")] == ["two"]
    one.destroy_publisher(publisher)
    assert one.count_publishers("/x") == 0
    two.destroy_node()
    assert one.get_node_names() == ["one"]
    with pytest.raises(InvalidHandle):
        publisher.publish(String())


def test_message_stays_the_same_when_published_and_delivered(graph: Any) -> None:
    node = graph.node("node")
    publisher = node.create_publisher(String, "x", 1)
    node.create_subscription(String, "x", lambda _: None, 1)
    message = String(data="x")
    before = copy.deepcopy(message)
    publisher.publish(message)
    graph.executor.spin_until_idle()
    assert message == before


def test_domains_are_apart_when_contexts_differ(graph: Any) -> None:
    from rclpy.context import Context
    from rclpy.node import Node

    got: list[Any] = []
    graph.node("node").create_subscription(String, "/x", got.append, 1)
    other = Context()
    other.init([], domain_id=graph.context.get_domain_id() + 5000)
    stranger = Node("stranger", context=other)
    stranger.create_publisher(String, "/x", 1).publish(String())
    stranger.destroy_node()
    other.shutdown()
    assert graph.executor.spin_until_idle() == 0


def test_callbacks_of_all_kinds_are_called_when_they_fit(graph: Any) -> None:
    from functools import partial

    calls: list[str] = []

    class Listener:
        def method(self, message: String, extra: str = "method") -> None:
            calls.append(extra)

        def __call__(self, message: String) -> None:
            calls.append("object")

    def keyword(message: String, *, name: str) -> None:
        calls.append(name)

    def every(*arguments: Any) -> None:
        calls.append(f"every {len(arguments)}")

    node = graph.node("node")
    publisher = node.create_publisher(String, "x", 10)
    for callback in (Listener().method, Listener(), partial(keyword, name="partial"), every):
        node.create_subscription(String, "x", callback, 10)
    with pytest.raises(RuntimeError):
        node.create_subscription(String, "x", keyword, 10)
    publisher.publish(String())
    graph.executor.spin_until_idle()
    assert calls == ["method", "object", "partial", "every 1"]
