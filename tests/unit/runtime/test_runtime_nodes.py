"""Nodes and their handles, waitables, wait sets, and waiting for one message."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.timer import Timer
from rclpy.wait_for_message import wait_for_message
from rclpy.waitable import NumberOfEntities, Waitable
from std_msgs.msg import String


class Parts(Waitable[list[str]]):
    """Two guard conditions as one entity."""

    def __init__(self, group: Any = None) -> None:
        super().__init__(group or ReentrantCallbackGroup())
        self.guards = [GuardCondition(None, None), GuardCondition(None, None)]
        self.numbers: list[int] = []
        self.executed: list[list[str]] = []

    def is_ready(self, wait_set: Any) -> bool:
        self.ready = [number for number in self.numbers if wait_set.is_ready("guard_condition", number)]
        return bool(self.ready)

    def take_data(self) -> list[str]:
        for number in self.ready:
            self.guards[number]._dispatch()
        return [f"part {number}" for number in self.ready]

    async def execute(self, taken_data: list[str]) -> None:
        self.executed.append(taken_data)

    def get_num_entities(self) -> NumberOfEntities:
        return NumberOfEntities(num_gcs=2)

    def add_to_wait_set(self, wait_set: Any) -> None:
        self.numbers = [wait_set.add_guard_condition(guard) for guard in self.guards]


def test_waitable_runs_when_part_has_something(graph: Any) -> None:
    node = graph.node("node")
    waitable = Parts()
    node.add_waitable(waitable)
    assert list(node.waitables) == [waitable]
    assert graph.executor.spin_until_idle() == 0
    waitable.guards[1].trigger()
    graph.executor.spin_until_idle()
    waitable.guards[0].trigger()
    waitable.guards[1].trigger()
    graph.executor.spin_until_idle()
    assert waitable.executed == [["part 1"], ["part 0", "part 1"]]
    node.remove_waitable(waitable)
    waitable.guards[0].trigger()
    assert graph.executor.spin_until_idle() == 0
    assert list(node.waitables) == []


def test_waitable_runs_when_it_was_ready_before_the_executor_came(graph: Any) -> None:
    node = graph.node("node", spin=False)
    waitable = Parts(MutuallyExclusiveCallbackGroup())
    node.add_waitable(waitable)
    waitable.guards[0].trigger()
    graph.executor.add_node(node)
    graph.executor.spin_until_idle()
    assert waitable.executed == [["part 0"]]


def test_waitable_runs_when_its_timer_is_due(graph: Any) -> None:
    node = graph.node("node")
    fired = threading.Event()

    class Ticks(Parts):
        def __init__(self) -> None:
            super().__init__()
            self.timer = Timer(None, None, 1000, Clock(clock_type=ClockType.STEADY_TIME))

        def is_ready(self, wait_set: Any) -> bool:
            return bool(wait_set.is_ready("timer", 0))

        def take_data(self) -> list[str]:
            self.timer.cancel()
            return ["tick"]

        async def execute(self, taken_data: list[str]) -> None:
            self.executed.append(taken_data)
            fired.set()

        def add_to_wait_set(self, wait_set: Any) -> None:
            wait_set.add_timer(self.timer)

    waitable = Ticks()
    node.add_waitable(waitable)
    for _ in range(1000):
        graph.executor.spin_once(timeout_sec=1.0)
        if fired.is_set():
            break
    assert waitable.executed == [["tick"]]
    node.remove_waitable(waitable)


def test_wait_set_tells_what_is_ready_when_it_waits() -> None:
    guards = [GuardCondition(None, None), GuardCondition(None, None)]
    wait_set = rclpy_implementation.WaitSet(0, 2, 0, 0, 0, 0)
    numbers = [wait_set.add_guard_condition(guard) for guard in guards]
    wait_set.wait(0)
    assert [wait_set.is_ready("guard_condition", number) for number in numbers] == [False, False]
    thread = threading.Thread(target=guards[1].trigger)
    thread.start()
    wait_set.wait(-1)
    thread.join()
    assert [wait_set.is_ready("guard_condition", number) for number in numbers] == [False, True]
    with pytest.raises(ValueError, match="not a known entity"):
        wait_set.is_ready("nonsense", 0)
    wait_set.clear_entities()
    assert wait_set.get_ready_entities("guard_condition") == []


def test_numbers_of_parts_add_up_when_waitables_join() -> None:
    total = NumberOfEntities(1, 2, 3, 4, 5, 6) + NumberOfEntities(10, 20, 30, 40, 50, 60)
    total += NumberOfEntities(num_events=1)
    assert (total.num_subscriptions, total.num_guard_conditions, total.num_timers) == (11, 22, 33)
    assert (total.num_clients, total.num_services, total.num_events) == (44, 55, 67)


def test_node_stays_while_its_handle_is_in_use(graph: Any) -> None:
    node = graph.node("node")
    other = graph.node("other")
    with node.handle as handle:
        assert handle.get_node_name() == "node"
        node.destroy_node()
        assert "node" in other.get_node_names()
        with pytest.raises(InvalidHandle), node.handle:
            pass
    assert "node" not in other.get_node_names()
    with pytest.raises(InvalidHandle):
        node.create_publisher(String, "x", 1)
    with pytest.raises(AttributeError):
        node.handle = None
    node.destroy_node()


def test_node_leaves_its_executor_when_destroyed(graph: Any) -> None:
    node = graph.node("node")
    node.create_guard_condition(lambda: None).trigger()
    node.destroy_node()
    assert node.executor is None and graph.executor.get_nodes() == []
    assert graph.executor.spin_until_idle() == 0


def test_guard_condition_is_refused_when_destroyed(graph: Any) -> None:
    node = graph.node("node")
    guard = node.create_guard_condition(lambda: None)
    with guard.handle:
        assert node.destroy_guard_condition(guard)
        guard.trigger()
    with pytest.raises(InvalidHandle):
        guard.trigger()
    assert not node.destroy_guard_condition(guard)


def test_message_is_given_when_somebody_waits_for_one(graph: Any) -> None:
    node = graph.node("node", spin=False)
    publisher = node.create_publisher(String, "text", 1)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(wait_for_message(String, node, "text", time_to_wait=60.0)))
    thread.start()
    node._rcl_bus.wait_for(lambda: node.count_subscribers("text") == 1, 60.0)
    publisher.publish(String(data="first"))
    thread.join(60.0)
    [(found, message)] = got
    assert found and message.data == "first"
    assert node.count_subscribers("text") == 0
    assert wait_for_message(String, node, "text", time_to_wait=0.0) == (False, None)


def test_waiting_for_a_message_ends_when_context_is_shut_down(graph: Any) -> None:
    node = graph.node("node", spin=False)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(wait_for_message(String, node, "text")))
    thread.start()
    node._rcl_bus.wait_for(lambda: node.count_subscribers("text") == 1, 60.0)
    graph.context.shutdown()
    thread.join(60.0)
    assert got == [(False, None)]


def test_private_names_of_a_node_are_those_of_rclpy_when_they_are_not_its_own(graph: Any) -> None:
    ours = {name for name in dir(graph.node("node")) if name.startswith("_") and not name.startswith(("__", "_rcl_"))}
    # The names that rclpy 8's own nodes use: no subclass that works there can use them for something else.
    assert ours <= {
        "_allow_undeclared_parameters",
        "_clients",
        "_clock",
        "_context",
        "_default_callback_group",
        "_descriptors",
        "_guards",
        "_logger",
        "_logger_service",
        "_on_set_parameters_callbacks",
        "_parameter_event_publisher",
        "_parameter_overrides",
        "_parameter_service",
        "_parameters",
        "_post_set_parameters_callbacks",
        "_pre_set_parameters_callbacks",
        "_publishers",
        "_rate_group",
        "_services",
        "_subscriptions",
        "_time_source",
        "_timers",
        "_type_description_service",
    }
