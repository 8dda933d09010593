"""Executors: order, waking, callback groups, coroutines, errors, lockstep."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.task import Future, Task
from std_msgs.msg import Int32, String


class Boom(Exception):
    """Raised by callbacks here."""


def test_all_that_follows_runs_when_spun_until_idle(graph: Any) -> None:
    got: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "count", 10)

    def count(message: Int32) -> None:
        got.append(message.data)
        if message.data < 5:
            publisher.publish(Int32(data=message.data + 1))

    node.create_subscription(Int32, "count", count, 10)
    publisher.publish(Int32(data=0))
    assert graph.executor.has_ready()
    assert graph.executor.spin_until_idle() == 6
    assert got == [0, 1, 2, 3, 4, 5]
    assert not graph.executor.has_ready()
    assert graph.executor.spin_until_idle() == 0


def test_order_is_that_of_arrival_when_many_nodes_talk(graph: Any) -> None:
    def run() -> list[str]:
        log: list[str] = []
        nodes = [graph.node(f"node{index}") for index in range(4)]
        publishers = [node.create_publisher(String, f"/t{index}", 10) for index, node in enumerate(nodes)]

        def relay(index: int) -> Any:
            def callback(message: String) -> None:
                log.append(f"{index}:{message.data}")
                if len(message.data) < 3:
                    publishers[(index * 3 + 1) % 4].publish(String(data=message.data + str(index)))
                    publishers[(index + 2) % 4].publish(String(data=message.data + "x"))

            return callback

        for index, node in enumerate(nodes):
            node.create_subscription(String, f"/t{(index + 1) % 4}", relay(index), 10)
        for publisher in publishers:
            publisher.publish(String())
        graph.executor.spin_until_idle()
        for node in nodes:
            node.destroy_node()
        return log

    first = run()
    assert len(first) > 20
    assert run() == first


def test_error_reaches_caller_when_callback_raises(graph: Any) -> None:
    got: list[int] = []
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "x", 10)

    def callback(message: Int32) -> None:
        if message.data == 1:
            raise Boom
        got.append(message.data)

    node.create_subscription(Int32, "x", callback, 10)
    for number in range(3):
        publisher.publish(Int32(data=number))
    with pytest.raises(Boom):
        graph.executor.spin_until_idle()
    assert graph.executor.spin_until_idle() == 1
    assert got == [0, 2]


def test_spin_raises_when_callback_raises(graph: Any) -> None:
    node = graph.node("node")

    def callback() -> None:
        raise Boom

    node.create_guard_condition(callback).trigger()
    with pytest.raises(Boom):
        graph.executor.spin()


def test_error_reaches_caller_when_coroutine_raises(graph: Any) -> None:
    gate: Future[None] = Future()

    async def work() -> None:
        await gate
        raise Boom

    graph.executor.create_task(work)
    assert graph.executor.spin_until_idle() == 1
    gate.set_result(None)
    with pytest.raises(Boom):
        graph.executor.spin_until_idle()


def test_coroutine_goes_on_when_future_is_done(graph: Any) -> None:
    steps: list[Any] = []
    gate: Future[int] = graph.executor.create_future()

    async def inner() -> int:
        steps.append("inner")
        return (await gate) or 0

    async def outer() -> str:
        steps.append(await inner())
        return "end"

    task = graph.executor.create_task(outer())
    graph.executor.spin_until_idle()
    assert steps == ["inner"] and not task.done()
    gate.set_result(7)
    graph.executor.spin_until_idle()
    assert steps == ["inner", 7]
    assert task.result() == "end"


def test_group_is_held_when_coroutine_awaits(graph: Any) -> None:
    log: list[str] = []
    gate: Future[None] = Future()
    node = graph.node("node")
    group = MutuallyExclusiveCallbackGroup()

    async def slow() -> None:
        log.append("begin")
        await gate
        log.append("end")

    node.create_guard_condition(slow, group).trigger()
    node.create_guard_condition(lambda: log.append("same group"), group).trigger()
    node.create_guard_condition(lambda: log.append("other"), ReentrantCallbackGroup()).trigger()
    graph.executor.spin_until_idle()
    assert log == ["begin", "other"]
    gate.set_result(None)
    graph.executor.spin_until_idle()
    assert log == ["begin", "other", "end", "same group"]


def test_blocked_executor_wakes_when_another_thread_publishes(graph: Any) -> None:
    arrived: Future[float] = Future()
    node = graph.node("node")
    publisher = node.create_publisher(String, "x", 10)
    node.create_subscription(String, "x", lambda _: arrived.set_result(time.monotonic()), 10)
    thread = threading.Thread(target=graph.executor.spin_until_future_complete, args=(arrived, 10.0))
    thread.start()
    while not graph.executor._slots:
        time.sleep(0)
    sent = time.monotonic()
    publisher.publish(String())
    thread.join(10.0)
    assert arrived.done()
    assert arrived.result() - sent < 1.0


def test_waiting_ends_when_executor_is_shut_down(graph: Any) -> None:
    graph.node("node")
    thread = threading.Thread(target=graph.executor.spin)
    thread.start()
    graph.executor.shutdown()
    thread.join(10.0)
    assert not thread.is_alive()


def test_spin_raises_when_context_is_shut_down_from_outside(graph: Any) -> None:
    errors: list[BaseException] = []

    def spin() -> None:
        try:
            graph.executor.spin()
        except ExternalShutdownException as error:
            errors.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    while not graph.executor._slots:
        time.sleep(0)
    graph.context.shutdown()
    thread.join(10.0)
    assert len(errors) == 1


def test_spin_returns_when_callback_shuts_context_down(graph: Any) -> None:
    node = graph.node("node")
    node.create_guard_condition(graph.context.shutdown).trigger()
    graph.executor.spin()
    assert not graph.context.ok()


def test_time_is_kept_when_nothing_is_ready(graph: Any) -> None:
    started = time.monotonic()
    graph.executor.spin_once(timeout_sec=0.02)
    graph.executor.spin_until_future_complete(Future(), timeout_sec=0.02)
    assert 0.04 <= time.monotonic() - started < 5.0


def test_module_functions_spin_a_node_when_no_executor_is_given(graph: Any) -> None:
    node = graph.node("node", spin=False)
    executor = SingleThreadedExecutor(context=graph.context)
    future: Future[int] = Future()
    node.create_guard_condition(lambda: future.set_result(3)).trigger()
    rclpy.spin_until_future_complete(node, future, executor=executor, timeout_sec=5.0)
    assert future.result() == 3
    assert node.executor is None
    rclpy.spin_once(node, executor=executor, timeout_sec=0)


def test_group_members_never_overlap_when_many_threads_run(graph: Any) -> None:
    executor = MultiThreadedExecutor(4, context=graph.context)
    node = graph.node("node", spin=False)
    group = MutuallyExclusiveCallbackGroup()
    lock = threading.Lock()
    order: list[int] = []
    done: Future[None] = Future()

    def callback(message: Int32) -> None:
        assert lock.acquire(blocking=False), "two callbacks of one group at once"
        order.append(message.data)
        lock.release()
        if len(order) == 200:
            done.set_result(None)

    publisher = node.create_publisher(Int32, "x", 300)
    node.create_subscription(Int32, "x", callback, 300, callback_group=group)
    executor.add_node(node)
    for number in range(200):
        publisher.publish(Int32(data=number))
    executor.spin_until_future_complete(done, timeout_sec=20.0)
    executor.shutdown()
    assert order == list(range(200))


def test_callbacks_overlap_when_group_is_reentrant(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    node = graph.node("node", spin=False)
    meeting = threading.Barrier(2, timeout=10.0)
    met: list[int] = []
    done: Future[None] = Future()

    def callback(_: Int32) -> None:
        met.append(meeting.wait())
        if len(met) == 2:
            done.set_result(None)

    publisher = node.create_publisher(Int32, "x", 10)
    node.create_subscription(Int32, "x", callback, 10, callback_group=ReentrantCallbackGroup())
    executor.add_node(node)
    publisher.publish(Int32())
    publisher.publish(Int32())
    executor.spin_until_future_complete(done, timeout_sec=20.0)
    executor.shutdown()
    assert sorted(met) == [0, 1]


def test_error_reaches_spinning_thread_when_pool_callback_raises(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    node = graph.node("node", spin=False)

    def callback() -> None:
        raise Boom

    node.create_guard_condition(callback).trigger()
    executor.add_node(node)
    with pytest.raises(Boom):
        executor.spin()
    executor.shutdown()


def test_two_executors_talk_when_each_has_a_thread(graph: Any) -> None:
    other = SingleThreadedExecutor(context=graph.context)
    here, there = graph.node("here"), graph.node("there", spin=False)
    other.add_node(there)
    ping = here.create_publisher(Int32, "/ping", 10)
    pong = there.create_publisher(Int32, "/pong", 10)
    done: Future[int] = Future()
    there.create_subscription(Int32, "/ping", pong.publish, 10)

    def back(message: Int32) -> None:
        if message.data >= 200:
            done.set_result(message.data)
        else:
            ping.publish(Int32(data=message.data + 1))

    here.create_subscription(Int32, "/pong", back, 10)
    thread = threading.Thread(target=other.spin)
    thread.start()
    ping.publish(Int32())
    graph.executor.spin_until_future_complete(done, timeout_sec=20.0)
    other.shutdown()
    thread.join(10.0)
    assert done.result() == 200


def test_future_tells_what_happened_when_asked() -> None:
    future: Future[int] = Future()
    seen: list[Any] = []
    future.add_done_callback(lambda done: seen.append(done.result()))
    assert not future.done() and future.result() is None
    future.set_result(1)
    future.add_done_callback(lambda done: seen.append("late"))
    assert seen == [1, "late"]
    failed: Future[int] = Future()
    failed.set_exception(Boom())
    assert isinstance(failed.exception(), Boom)
    with pytest.raises(Boom):
        failed.result()
    gone: Future[int] = Future()
    gone.cancel()
    assert gone.cancelled() and not gone.done()


def test_task_runs_by_itself_when_called() -> None:
    assert_result: Task[int] = Task(lambda number: number + 1, args=(2,))
    assert_result()
    assert assert_result.result() == 3
    gate: Future[int] = Future()

    async def wait() -> int:
        return (await gate) or 0

    task: Task[int] = Task(wait())
    task()
    assert not task.done()
    gate.set_result(5)
    task()
    assert task.result() == 5


def test_cleanup_runs_when_task_is_cancelled(graph: Any) -> None:
    log: list[str] = []

    async def work() -> None:
        try:
            await Future()
        finally:
            log.append("closed")

    task = graph.executor.create_task(work)
    graph.executor.spin_until_idle()
    task.cancel()
    assert log == ["closed"] and task.cancelled()
    assert graph.executor.spin_until_idle() == 0


def test_nothing_is_left_when_many_publishers_come_and_go(graph: Any) -> None:
    node = graph.node("node")
    threads = threading.active_count()
    for _ in range(500):
        node.destroy_publisher(node.create_publisher(String, "x", 1))
        node.destroy_subscription(node.create_subscription(String, "x", lambda _: None, 1))
        node.destroy_timer(node.create_timer(1.0, lambda: None))
    assert node.count_publishers("x") == node.count_subscribers("x") == 0
    assert not list(node.timers)
    assert threading.active_count() == threads


def test_group_is_free_again_when_executor_ends_within_a_coroutine(graph: Any) -> None:
    log: list[str] = []
    node = graph.node("node")

    async def wait_for_ever() -> None:
        try:
            await Future()
        finally:
            log.append("closed")

    node.create_guard_condition(wait_for_ever).trigger()
    graph.executor.spin_until_idle()
    graph.executor.shutdown()
    other = SingleThreadedExecutor(context=graph.context)
    other.add_node(node)
    node.create_guard_condition(lambda: log.append("next")).trigger()
    other.spin_until_idle()
    other.shutdown()
    assert log == ["closed", "next"]
