"""Clocks, simulated time and timers."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from rclpy.clock import Clock, ClockChange, ClockType, JumpThreshold, ROSClock, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.time import Time
from rclpy.timer import TimerInfo
from rosgraph_msgs.msg import Clock as ClockMsg

MS = 1_000_000


def test_timer_fires_at_its_times_when_clock_is_stepped(graph: Any) -> None:
    fired: list[int] = []
    node = graph.node("node", sim_time=True)
    node.create_timer(0.1, lambda: fired.append(node.get_clock().now().nanoseconds // MS))
    assert graph.executor.next_timer_ns() == 100 * MS
    for now in range(0, 501, 50):
        graph.set_time(now * MS)
        graph.executor.spin_until_idle()
    assert fired == [100, 200, 300, 400, 500]
    assert graph.executor.next_timer_ns() == 600 * MS


def test_timer_fires_once_and_keeps_phase_when_clock_jumps(graph: Any) -> None:
    fired: list[int] = []
    node = graph.node("node", sim_time=True)
    node.create_timer(0.1, lambda: fired.append(node.get_clock().now().nanoseconds // MS))
    graph.set_time(0)
    graph.set_time(1234 * MS)
    assert graph.executor.has_ready()
    assert graph.executor.spin_until_idle() == 1
    assert fired == [1234]
    assert graph.executor.next_timer_ns() == 1300 * MS


def test_timer_starts_anew_when_clock_goes_back(graph: Any) -> None:
    fired: list[int] = []
    node = graph.node("node", sim_time=True)
    node.create_timer(0.1, lambda: fired.append(1))
    for now in (5000, 5100, 200):
        graph.set_time(now * MS)
        graph.executor.spin_until_idle()
    before = len(fired)
    assert graph.executor.next_timer_ns() == 300 * MS
    graph.set_time(300 * MS)
    graph.executor.spin_until_idle()
    assert len(fired) == before + 1


def test_earlier_timer_runs_first_when_several_are_due(graph: Any) -> None:
    order: list[str] = []
    one, two = graph.node("one", sim_time=True), graph.node("two", sim_time=True)
    one.create_timer(0.3, lambda: order.append("300"))
    two.create_timer(0.1, lambda: order.append("100"))
    one.create_timer(0.2, lambda: order.append("200"))
    graph.set_time(350 * MS)
    graph.executor.spin_until_idle()
    assert order == ["100", "200", "300"]


def test_all_clocks_are_set_when_first_clock_callback_runs(graph: Any) -> None:
    seen: list[tuple[int, int]] = []
    early, late = graph.node("early", sim_time=True), graph.node("zlate", sim_time=True)

    def on_clock(message: ClockMsg) -> None:
        seen.append((early.get_clock().now().nanoseconds, late.get_clock().now().nanoseconds))

    early.create_subscription(ClockMsg, "/clock", on_clock, 10)
    graph.node("last", sim_time=True)
    graph.set_time(7 * MS)
    assert late.get_clock().now().nanoseconds == 7 * MS
    graph.executor.spin_until_idle()
    assert seen == [(7 * MS, 7 * MS)]


def test_next_timer_leaves_out_others_when_cancelled_or_on_another_clock(graph: Any) -> None:
    node = graph.node("node", sim_time=True)
    assert graph.executor.next_timer_ns() is None
    timer = node.create_timer(0.1, lambda: None)
    node.create_timer(0.01, lambda: None, clock=Clock(clock_type=ClockType.STEADY_TIME))
    later = node.create_timer(0.5, lambda: None)
    assert graph.executor.next_timer_ns() == 100 * MS
    timer.cancel()
    assert graph.executor.next_timer_ns() == 500 * MS
    assert graph.executor.next_timer_ns(node.get_clock()) == 500 * MS
    later.cancel()
    assert graph.executor.next_timer_ns() is None
    timer.reset()
    assert graph.executor.next_timer_ns() == 100 * MS


def test_cancelled_timer_stays_silent_when_due(graph: Any) -> None:
    fired: list[int] = []
    node = graph.node("node", sim_time=True)
    timer = node.create_timer(0.1, lambda: fired.append(1))
    node.create_timer(0.1, timer.cancel)
    asleep = node.create_timer(0.1, lambda: fired.append(2), autostart=False)
    for now in range(0, 600, 100):
        graph.set_time(now * MS)
        graph.executor.spin_until_idle()
    assert fired == [1]
    assert timer.is_canceled() and asleep.is_canceled()
    assert timer.time_until_next_call() is None


def test_info_holds_both_times_when_callback_asks_for_it(graph: Any) -> None:
    infos: list[Any] = []
    plain: list[str] = []
    node = graph.node("node", sim_time=True)

    def ask(info: Any) -> None:
        infos.append(info)

    # As a class, not as text: this module postpones its annotations.
    ask.__annotations__["info"] = TimerInfo
    node.create_timer(0.1, ask)
    node.create_timer(0.1, lambda word="own default": plain.append(word))
    graph.set_time(130 * MS)
    graph.executor.spin_until_idle()
    assert infos[0].expected_call_time.nanoseconds == 100 * MS
    assert infos[0].actual_call_time.nanoseconds == 130 * MS
    assert plain == ["own default"]


def test_real_timer_keeps_its_rate_when_executor_spins(graph: Any) -> None:
    from rclpy.task import Future

    times: list[float] = []
    done: Future[None] = Future()
    node = graph.node("node")

    def tick() -> None:
        times.append(time.monotonic())
        if len(times) == 5:
            done.set_result(None)

    started = time.monotonic()
    node.create_timer(0.01, tick)
    graph.executor.spin_until_future_complete(done, timeout_sec=20.0)
    assert len(times) == 5
    assert times[-1] - started >= 0.049


def test_clock_switches_when_parameter_is_set(graph: Any) -> None:
    node = graph.node("node")
    clock = node.get_clock()
    assert isinstance(clock, ROSClock) and not clock.ros_time_is_active
    real = clock.now().nanoseconds
    assert abs(real - time.time_ns()) < 10**9
    assert node.set_parameters([Parameter("use_sim_time", value=True)])[0].successful
    graph.set_time(5 * MS)
    assert clock.now().nanoseconds == 5 * MS
    assert not node.set_parameters([Parameter("use_sim_time", value="yes")])[0].successful
    assert node.set_parameters([Parameter("use_sim_time", value=False)])[0].successful
    graph.set_time(6 * MS)
    assert clock.now().nanoseconds >= real


def test_timer_keeps_the_rest_of_its_period_when_time_source_changes(graph: Any) -> None:
    fired: list[int] = []
    node = graph.node("node", sim_time=True)
    graph.set_time(1000 * MS)
    node.create_timer(100.0, lambda: fired.append(1))
    node.set_parameters([Parameter("use_sim_time", value=False)])
    left = next(iter(node.timers)).time_until_next_call()
    assert 90 * 10**9 < left <= 100 * 10**9
    assert graph.executor.spin_until_idle() == 0


def test_jump_callbacks_run_when_threshold_is_passed() -> None:
    clock = ROSClock()
    log: list[Any] = []
    threshold = JumpThreshold(min_forward=Duration(seconds=1), min_backward=Duration(seconds=-1))
    with clock.create_jump_callback(
        threshold,
        pre_callback=lambda: log.append("before"),
        post_callback=lambda jump: log.append((jump.clock_change, jump.delta.nanoseconds)),
    ):
        clock._set_ros_time_is_active(True)
        assert log[0] == "before" and log[1][0] == ClockChange.ROS_TIME_ACTIVATED
        log.clear()
        clock.set_ros_time_override(Time(nanoseconds=500 * MS))
        assert log == []
        clock.set_ros_time_override(Time(seconds=5))
        assert log == ["before", (ClockChange.ROS_TIME_NO_CHANGE, 4500 * MS)]
        clock.set_ros_time_override(Time(seconds=1))
        assert log[3] == (ClockChange.ROS_TIME_NO_CHANGE, -4000 * MS)
    clock.set_ros_time_override(Time(seconds=100))
    assert len(log) == 4
    with pytest.raises(ValueError, match="min_forward"):
        JumpThreshold(min_forward=Duration(), min_backward=None)
    assert TimeJump(ClockChange.ROS_TIME_NO_CHANGE, Duration()).delta == Duration()


def test_sleeper_wakes_when_simulated_time_comes(graph: Any) -> None:
    node = graph.node("node", sim_time=True)
    clock = node.get_clock()
    results: list[bool] = []
    graph.set_time(1 * MS)
    until = Time(nanoseconds=10 * MS, clock_type=ClockType.ROS_TIME)
    thread = threading.Thread(target=lambda: results.append(clock.sleep_until(until, context=graph.context)))
    thread.start()
    while not clock._jump_handles:
        time.sleep(0)
    graph.set_time(5 * MS)
    assert thread.is_alive()
    graph.set_time(10 * MS)
    thread.join(10.0)
    assert results == [True]


def test_sleeper_gives_up_when_context_is_shut_down(graph: Any) -> None:
    clock = graph.node("node", sim_time=True).get_clock()
    results: list[bool] = []
    until = Time(nanoseconds=10 * MS, clock_type=ClockType.ROS_TIME)
    thread = threading.Thread(target=lambda: results.append(clock.sleep_until(until, context=graph.context)))
    thread.start()
    while not clock._jump_handles:
        time.sleep(0)
    graph.context.shutdown()
    thread.join(10.0)
    assert results == [False]


def test_rate_sleeps_until_period_is_over_when_another_thread_spins(graph: Any) -> None:
    node = graph.node("node", sim_time=True)
    rate = node.create_rate(10.0)
    spinner = threading.Thread(target=graph.executor.spin)
    sleeper = threading.Thread(target=rate.sleep)
    spinner.start()
    sleeper.start()
    graph.set_time(99 * MS)
    assert sleeper.is_alive()
    deadline = time.monotonic() + 20.0
    now = 99
    while sleeper.is_alive() and time.monotonic() < deadline:
        # More than one step: the first period may end before the sleeper has begun.
        now += 100
        graph.set_time(now * MS)
        sleeper.join(0.01)
    assert not sleeper.is_alive()
    graph.executor.shutdown()
    spinner.join(10.0)
    assert node.destroy_rate(rate)
