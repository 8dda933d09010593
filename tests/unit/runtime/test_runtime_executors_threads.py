"""Executors and threads: workers, blocked callbacks, time-outs, the pump, executors of one's own."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

import pytest
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import (
    Executor,
    MultiThreadedExecutor,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)
from rclpy.experimental import EventsExecutor
from rclpy.task import Future
from std_msgs.msg import Int32

LONG_S = 20.0


class Boom(Exception):
    """Raised by callbacks here."""


def spinning(executor: Executor) -> threading.Thread:
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    deadline = time.monotonic() + LONG_S
    while not executor.is_spinning and time.monotonic() < deadline:
        time.sleep(0)
    return thread


def ended(executor: Executor, thread: threading.Thread) -> bool:
    executor.shutdown(timeout_sec=LONG_S)
    thread.join(LONG_S)
    return not thread.is_alive()


def test_other_nodes_go_on_when_a_callback_blocks(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    stuck, release, ticked = threading.Event(), threading.Event(), threading.Event()
    ticks: list[int] = []

    def block() -> None:
        stuck.set()
        release.wait(LONG_S)

    def tick() -> None:
        if stuck.is_set():
            ticks.append(1)
            if len(ticks) == 5:
                ticked.set()

    bad, good = graph.node("bad", spin=False), graph.node("good", spin=False)
    bad.create_timer(0.005, block, clock=Clock(clock_type=ClockType.STEADY_TIME))
    good.create_timer(0.005, tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
    executor.add_node(bad)
    executor.add_node(good)
    thread = spinning(executor)
    assert stuck.wait(LONG_S)
    assert ticked.wait(LONG_S)
    release.set()
    assert ended(executor, thread)


def test_answer_comes_when_callback_waits_for_another_one(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    node = graph.node("node", spin=False)
    arrived, done = threading.Event(), threading.Event()
    publisher = node.create_publisher(Int32, "x", 10)
    node.create_subscription(Int32, "x", lambda _: arrived.set(), 10, callback_group=ReentrantCallbackGroup())

    def ask() -> None:
        publisher.publish(Int32())
        if arrived.wait(LONG_S):
            done.set()

    executor.add_node(node)
    node.create_guard_condition(ask, MutuallyExclusiveCallbackGroup()).trigger()
    thread = spinning(executor)
    assert done.wait(LONG_S)
    assert ended(executor, thread)


def test_spinning_goes_on_when_caller_survives_an_error(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    node = graph.node("node", spin=False)
    got: Future[int] = Future()

    def callback(message: Int32) -> None:
        if message.data == 0:
            raise Boom
        got.set_result(message.data)

    publisher = node.create_publisher(Int32, "x", 10)
    node.create_subscription(Int32, "x", callback, 10)
    executor.add_node(node)
    publisher.publish(Int32(data=0))
    with pytest.raises(Boom):
        executor.spin_until_future_complete(got, timeout_sec=LONG_S)
    publisher.publish(Int32(data=1))
    executor.spin_until_future_complete(got, timeout_sec=LONG_S)
    assert got.result() == 1
    executor.shutdown()


def test_nothing_runs_when_multi_threaded_executor_does_not_spin(graph: Any) -> None:
    executor = MultiThreadedExecutor(2, context=graph.context)
    node = graph.node("node", spin=False)
    ran: list[int] = []
    publisher = node.create_publisher(Int32, "x", 10)
    node.create_subscription(Int32, "x", lambda message: ran.append(message.data), 10)
    executor.add_node(node)
    executor.spin_until_future_complete(Future(), timeout_sec=0.01)
    for number in range(3):
        publisher.publish(Int32(data=number))
    assert ran == []
    executor.spin_once(timeout_sec=0)
    assert executor.shutdown(timeout_sec=LONG_S)
    assert ran == [0]


def test_shutdown_tells_when_a_callback_still_runs(graph: Any) -> None:
    for executor in (SingleThreadedExecutor(context=graph.context), MultiThreadedExecutor(2, context=graph.context)):
        node = graph.node("node", spin=False)
        entered, release = threading.Event(), threading.Event()

        def callback(entered: threading.Event = entered, release: threading.Event = release) -> None:
            entered.set()
            release.wait(LONG_S)

        executor.add_node(node)
        node.create_guard_condition(callback).trigger()
        thread = spinning(executor)
        assert entered.wait(LONG_S)
        assert not executor.shutdown(timeout_sec=0.01)
        release.set()
        assert ended(executor, thread)


def test_no_thread_is_left_when_executors_are_dropped(graph: Any) -> None:
    before = threading.active_count()
    for shut in (True, False):
        executor = MultiThreadedExecutor(3, context=graph.context)
        executor.create_task(lambda: None)
        executor.spin_once(timeout_sec=0)
        executor.spin_until_future_complete(Future(), timeout_sec=0.001)
        if shut:
            executor.shutdown()
        del executor
    gc.collect()
    deadline = time.monotonic() + LONG_S
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    # Fewer where a thread of an earlier test ends meanwhile.
    assert threading.active_count() <= before


def test_second_spin_is_refused_when_executor_spins(graph: Any) -> None:
    node = graph.node("node")
    errors: list[str] = []

    def nested() -> None:
        try:
            graph.executor.spin_once(timeout_sec=0)
        except RuntimeError as error:
            errors.append(str(error))

    node.create_guard_condition(nested).trigger()
    graph.executor.spin_once(timeout_sec=LONG_S)
    assert errors == ["Executor is already spinning"]
    assert not graph.executor.is_spinning


def test_timer_waits_for_the_next_spin_when_due_after_the_time_out(graph: Any) -> None:
    ran: list[int] = []
    node = graph.node("node")
    timer = node.create_timer(0.02, lambda: ran.append(1), clock=Clock(clock_type=ClockType.STEADY_TIME))
    graph.executor.spin_once(timeout_sec=0.001)
    if timer.time_until_next_call() > 0:
        assert ran == []
    graph.executor.spin_once(timeout_sec=LONG_S)
    assert ran == [1]


def test_earlier_timer_rings_when_armed_while_executor_sleeps(graph: Any) -> None:
    rang: Future[str] = Future()
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    node = graph.node("node")
    node.create_timer(1000.0, lambda: None, clock=steady)
    thread = threading.Thread(target=graph.executor.spin_until_future_complete, args=(rang, LONG_S))
    thread.start()
    while not graph.executor._slots:
        time.sleep(0)
    node.create_timer(0.001, lambda: rang.set_result("early"), clock=steady)
    thread.join(LONG_S)
    assert rang.result() == "early"


def test_timer_stays_one_entry_when_reset_often(graph: Any) -> None:
    node = graph.node("node")
    timer = node.create_timer(1000.0, lambda: None, clock=Clock(clock_type=ClockType.STEADY_TIME))
    for _ in range(1000):
        timer.reset()
    assert len(graph.executor._real_timers) == 1


def test_executor_wakes_when_a_descriptor_is_readable_or_work_comes(graph: Any) -> None:
    pump = graph.context._bus.pump
    node = graph.node("node")
    publisher = node.create_publisher(Int32, "x", 10)
    got: list[int] = []
    done: Future[None] = Future()

    def callback(message: Int32) -> None:
        got.append(message.data)
        if len(got) == 2:
            done.set_result(None)

    node.create_subscription(Int32, "x", callback, 10)
    reading, writing = os.pipe()

    def receive() -> None:
        publisher.publish(Int32(data=os.read(reading, 1)[0]))

    pump.attach(reading, receive)
    try:
        thread = threading.Thread(target=graph.executor.spin_until_future_complete, args=(done, LONG_S))
        thread.start()
        while not graph.executor._slots:
            time.sleep(0)
        os.write(writing, b"\x07")
        while not got:
            time.sleep(0)
        while not graph.executor._slots and not done.done():
            time.sleep(0)
        publisher.publish(Int32(data=8))
        thread.join(LONG_S)
    finally:
        pump.detach(reading)
        os.close(reading)
        os.close(writing)
    assert got == [7, 8]


def test_nothing_is_lost_when_many_threads_publish_to_a_sleepy_executor(graph: Any) -> None:
    node = graph.node("node")
    seen: list[int] = []
    done: Future[None] = Future()

    def callback(message: Int32) -> None:
        seen.append(message.data)
        if len(seen) == 4 * 300:
            done.set_result(None)

    node.create_subscription(Int32, "x", callback, 4 * 300)
    publishers = [graph.node(f"publisher{number}").create_publisher(Int32, "/x", 10) for number in range(4)]

    def publish(number: int) -> None:
        for index in range(300):
            publishers[number].publish(Int32(data=index))
            time.sleep(0)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    graph.executor.spin_until_future_complete(done, timeout_sec=LONG_S)
    for thread in threads:
        thread.join()
    assert len(seen) == 1200


class AtMostTwo(CallbackGroup):
    """A group of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0

    def can_execute(self, entity: Any) -> bool:
        return self.running < 2

    def beginning_execution(self, entity: Any) -> bool:
        if self.running >= 2:
            return False
        self.running += 1
        return True

    def ending_execution(self, entity: Any) -> None:
        self.running -= 1


def test_own_group_decides_when_callbacks_start(graph: Any) -> None:
    node = graph.node("node")
    group = AtMostTwo()
    log: list[int] = []
    gates: list[Future[None]] = [Future() for _ in range(3)]

    def make(number: int) -> Any:
        async def work() -> None:
            log.append(number)
            await gates[number]

        return work

    for number in range(3):
        node.create_guard_condition(make(number), group).trigger()
    graph.executor.spin_until_idle()
    assert log == [0, 1]
    gates[0].set_result(None)
    graph.executor.spin_until_idle()
    assert log == [0, 1, 2]


class Counting(Executor):
    """An executor of one's own, by the documented means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ran: list[Any] = []

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            handler, entity, node = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        self.ran.append((entity, node))
        handler()
        handler.result()


def test_own_executor_runs_what_it_is_given_when_it_spins(graph: Any) -> None:
    executor = Counting(context=graph.context)
    node = graph.node("node", spin=False)
    executor.add_node(node)
    guard = node.create_guard_condition(executor.shutdown)
    guard.trigger()
    task = executor.create_task(lambda: 3)
    executor.spin()
    assert executor.ran[0] == (guard, node)
    assert not task.done() or task.result() == 3


def test_error_reaches_own_executor_when_callback_raises(graph: Any) -> None:
    executor = Counting(context=graph.context)
    node = graph.node("node", spin=False)
    executor.add_node(node)

    def callback() -> None:
        raise Boom

    node.create_guard_condition(callback).trigger()
    with pytest.raises(Boom):
        executor.spin_once(timeout_sec=LONG_S)
    executor.shutdown()


def test_groups_hold_nothing_up_when_executor_is_the_events_one(graph: Any) -> None:
    executor = EventsExecutor(context=graph.context)
    node = graph.node("node", spin=False)
    executor.add_node(node)
    gate: Future[None] = Future()
    log: list[str] = []

    async def wait() -> None:
        await gate
        log.append("end")

    # Both in the node's default group, which excludes: elsewhere the second would wait for the first.
    node.create_guard_condition(wait).trigger()
    node.create_guard_condition(lambda: gate.set_result(None)).trigger()
    executor.spin_until_idle()
    assert log == ["end"]
    with pytest.raises(NotImplementedError):
        executor.wait_for_ready_callbacks()
    executor.shutdown()


def test_cancelled_future_ends_the_spin_when_awaited(graph: Any) -> None:
    future: Future[None] = graph.executor.create_future()
    graph.executor.create_task(future.cancel)
    graph.executor.spin_until_future_complete(future, timeout_sec=LONG_S)
    assert future.cancelled() and not future.done()
    assert not graph.executor.has_ready()
