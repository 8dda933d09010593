"""Events of publishers and subscriptions: matched, incompatible, lost, deadlines, liveliness, lifespan."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rclpy.duration import Duration
from rclpy.event_handler import (
    EventHandle,
    PublisherEventCallbacks,
    QoSPublisherEventType,
    QoSSubscriptionEventType,
    SubscriptionEventCallbacks,
    UnsupportedEventTypeError,
)
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Int32, String

SHORT = Duration(nanoseconds=20_000_000)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
MANUAL = LivelinessPolicy.MANUAL_BY_TOPIC


def until(graph: Any, truth: Callable[[], bool]) -> None:
    """Spins until it is so: events in time come from another thread."""
    limit_s = time.monotonic() + 30.0
    while not truth():
        assert time.monotonic() < limit_s
        graph.executor.spin_once(0.05)


def ignore(message: Any) -> None:
    pass


def test_both_sides_hear_of_the_match_when_endpoints_come_and_go(graph: Any) -> None:
    node = graph.node("node")
    ours: list[Any] = []
    theirs: list[Any] = []
    publisher = node.create_publisher(Int32, "x", 1, event_callbacks=PublisherEventCallbacks(matched=ours.append))
    subscription = node.create_subscription(
        Int32, "x", ignore, 1, event_callbacks=SubscriptionEventCallbacks(matched=theirs.append)
    )
    graph.executor.spin_until_idle()
    assert (ours[0].total_count, ours[0].current_count_change) == (1, 1)
    assert (theirs[0].total_count, theirs[0].current_count) == (1, 1)
    second = node.create_subscription(Int32, "x", ignore, 1)
    node.destroy_subscription(second)
    graph.executor.spin_until_idle()
    assert (ours[-1].total_count, ours[-1].total_count_change) == (2, 1)
    assert (ours[-1].current_count, ours[-1].current_count_change) == (1, 0)
    node.destroy_publisher(publisher)
    graph.executor.spin_until_idle()
    assert (theirs[-1].current_count, theirs[-1].current_count_change) == (0, -1)
    assert subscription.get_publisher_count() == 0


def test_policy_is_named_when_qos_is_incompatible(graph: Any) -> None:
    node = graph.node("node")
    ours: list[Any] = []
    theirs: list[Any] = []
    node.create_publisher(
        Int32, "x", BEST_EFFORT, event_callbacks=PublisherEventCallbacks(incompatible_qos=ours.append)
    )
    node.create_subscription(
        Int32, "x", ignore, 1, event_callbacks=SubscriptionEventCallbacks(incompatible_qos=theirs.append)
    )
    graph.executor.spin_until_idle()
    for status in (ours[0], theirs[0]):
        assert status.total_count == status.total_count_change == 1
        assert status.last_policy_kind is QoSPolicyKind.RELIABILITY


def test_both_sides_hear_of_it_when_types_differ(graph: Any, capsys: pytest.CaptureFixture[str]) -> None:
    node = graph.node("node")
    heard: list[Any] = []
    node.create_publisher(Int32, "x", 1, event_callbacks=PublisherEventCallbacks(incompatible_type=heard.append))
    node.create_subscription(String, "x", ignore, 1)
    graph.executor.spin_until_idle()
    assert heard[0].total_count == 1
    assert "Incompatible type on topic 'x', no messages will be received" in capsys.readouterr().err


def test_nothing_is_logged_when_default_callbacks_are_off(graph: Any, capsys: pytest.CaptureFixture[str]) -> None:
    node = graph.node("node")
    publisher = node.create_publisher(
        Int32, "x", BEST_EFFORT, event_callbacks=PublisherEventCallbacks(use_default_callbacks=False)
    )
    subscription = node.create_subscription(
        Int32, "x", ignore, 1, event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False)
    )
    graph.executor.spin_until_idle()
    assert publisher.event_handlers == subscription.event_handlers == []
    assert "ncompatible" not in capsys.readouterr().err


def test_subscription_hears_of_lost_messages_when_its_queue_overflows(graph: Any) -> None:
    node = graph.node("node")
    lost: list[Any] = []
    publisher = node.create_publisher(Int32, "x", 1)
    node.create_subscription(
        Int32, "x", ignore, 2, event_callbacks=SubscriptionEventCallbacks(message_lost=lost.append)
    )
    for number in range(5):
        publisher.publish(Int32(data=number))
    graph.executor.spin_until_idle()
    assert [(status.total_count, status.total_count_change) for status in lost] == [(3, 3)]


def test_both_sides_hear_of_missed_deadlines_when_nothing_is_published(graph: Any) -> None:
    node = graph.node("node")
    ours: list[Any] = []
    theirs: list[Any] = []
    profile = QoSProfile(depth=1, deadline=SHORT)
    publisher = node.create_publisher(
        Int32, "x", profile, event_callbacks=PublisherEventCallbacks(deadline=ours.append)
    )
    node.create_subscription(
        Int32, "x", ignore, profile, event_callbacks=SubscriptionEventCallbacks(deadline=theirs.append)
    )
    publisher.publish(Int32())
    until(graph, lambda: bool(ours) and ours[-1].total_count >= 2 and bool(theirs) and theirs[-1].total_count >= 2)
    assert sum(status.total_count_change for status in ours) == ours[-1].total_count
    node.destroy_publisher(publisher)


def test_liveliness_is_lost_and_comes_back_when_it_is_asserted_by_hand(graph: Any) -> None:
    node = graph.node("node")
    ours: list[Any] = []
    theirs: list[Any] = []
    profile = QoSProfile(depth=1, liveliness=MANUAL, liveliness_lease_duration=SHORT)
    publisher = node.create_publisher(
        Int32, "x", profile, event_callbacks=PublisherEventCallbacks(liveliness=ours.append)
    )
    node.create_subscription(
        Int32, "x", ignore, profile, event_callbacks=SubscriptionEventCallbacks(liveliness=theirs.append)
    )
    until(graph, lambda: bool(ours) and bool(theirs) and theirs[-1].not_alive_count == 1)
    assert ours[-1].total_count == 1 and theirs[-1].alive_count == 0
    publisher.assert_liveliness()
    until(graph, lambda: sum(status.alive_count_change for status in theirs) >= 1 or theirs[-1].alive_count == 1)
    node.destroy_publisher(publisher)
    until(graph, lambda: theirs[-1].alive_count == theirs[-1].not_alive_count == 0)


def test_subscription_counts_publishers_as_alive_when_liveliness_is_automatic(graph: Any) -> None:
    node = graph.node("node")
    heard: list[Any] = []
    node.create_subscription(Int32, "x", ignore, 1, event_callbacks=SubscriptionEventCallbacks(liveliness=heard.append))
    publisher = node.create_publisher(Int32, "x", 1)
    graph.executor.spin_until_idle()
    node.destroy_publisher(publisher)
    graph.executor.spin_until_idle()
    assert [(status.alive_count, status.alive_count_change) for status in heard] == [(1, 1), (0, -1)]


def test_messages_are_not_read_when_they_have_outlived_themselves(graph: Any) -> None:
    node = graph.node("node")
    got: list[int] = []
    profile = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(nanoseconds=1000))
    publisher = node.create_publisher(Int32, "x", profile)
    node.create_subscription(Int32, "x", lambda message: got.append(message.data), 10)
    publisher.publish(Int32(data=1))
    time.sleep(0.001)
    late = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(Int32, "x", lambda message: got.append(message.data), late)
    graph.executor.spin_until_idle()
    assert got == []
    long = node.create_publisher(Int32, "x", QoSProfile(depth=1, lifespan=Duration(seconds=60)))
    long.publish(Int32(data=2))
    graph.executor.spin_until_idle()
    assert got == [2]


def test_status_is_empty_when_an_event_handle_is_taken_too_early(graph: Any) -> None:
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "x", 1)
    handle = EventHandle(publisher.handle, QoSPublisherEventType.RCL_PUBLISHER_MATCHED)
    assert not handle.ready and handle.take_event().total_count == 0
    counts: list[int] = []
    handle.set_on_new_event_callback(counts.append)
    node.create_subscription(Int32, "x", ignore, 1)
    assert handle.ready and counts == [1] and handle.take_event().current_count == 1
    with pytest.raises(UnsupportedEventTypeError):
        EventHandle(publisher.handle, QoSSubscriptionEventType.RCL_SUBSCRIPTION_MATCHED)


def test_watching_thread_ends_when_nothing_is_to_be_watched(graph: Any) -> None:
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "x", QoSProfile(depth=1, deadline=SHORT))
    publisher.publish(Int32())
    node.destroy_publisher(publisher)

    def watching() -> bool:
        return any(thread.name == "rclpy-qos" for thread in threading.enumerate())

    until(graph, lambda: not watching())


def test_coroutines_are_run_when_they_are_event_callbacks(graph: Any) -> None:
    node = graph.node("node")
    heard: list[int] = []

    async def matched(status: Any) -> None:
        heard.append(status.current_count)

    node.create_publisher(Int32, "x", 1, event_callbacks=PublisherEventCallbacks(matched=matched))
    node.create_subscription(Int32, "x", ignore, 1)
    graph.executor.spin_until_idle()
    assert heard == [1]
