"""Nodes on asyncio's loop."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rclpy.clock import ClockType
from rclpy.exceptions import TimeSourceChangedError
from rclpy.timer import TimerInfo
from std_msgs.msg import Int32
from std_srvs.srv import SetBool

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.TaskGroup")

LONG_S = 20.0


def node(graph: Any, name: str, **options: Any) -> Any:
    from rclpy.experimental import AsyncNode

    return AsyncNode(name, context=graph.context, **options)


def run(coroutine: Any) -> None:
    async def limited() -> None:
        await asyncio.wait_for(coroutine, LONG_S)

    # On a thread of its own: the browser's tests leave a loop that runs on the main one.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, limited()).result()


def test_messages_wait_for_the_callback_before_when_not_concurrent(graph: Any) -> None:
    async def scene(concurrent: bool) -> list[str]:
        log: list[str] = []
        done = asyncio.Event()

        async def callback(message: Int32) -> None:
            log.append(f"begin {message.data}")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append(f"end {message.data}")
            if len(log) == 4:
                done.set()

        async with node(graph, f"node_{concurrent}") as listener:
            publisher = listener.create_publisher(Int32, "x", 10)
            subscription = listener.create_subscription(Int32, "x", callback, 10, concurrent=concurrent)
            publisher.publish(Int32(data=1))
            publisher.publish(Int32(data=2))
            await done.wait()
            listener.destroy_subscription(subscription)
        return log

    async def both() -> None:
        assert await scene(concurrent=False) == ["begin 1", "end 1", "begin 2", "end 2"]
        assert await scene(concurrent=True) == ["begin 1", "begin 2", "end 1", "end 2"]

    run(both())


def test_call_is_answered_when_both_sides_are_coroutines(graph: Any) -> None:
    async def scene() -> None:
        async def answer(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
            await asyncio.sleep(0)
            response.success = not request.data
            return response

        async with node(graph, "server") as server, node(graph, "client") as caller:
            server.create_service(SetBool, "/switch", answer)
            client = caller.create_client(SetBool, "/switch")
            await client.wait_for_service()
            assert (await client.call(SetBool.Request(data=False))).success
            assert not (await client.call(SetBool.Request(data=True))).success

    run(scene())


def test_call_is_cancelled_when_nobody_answers_and_client_goes(graph: Any) -> None:
    async def scene() -> None:
        async with node(graph, "caller") as caller:
            client = caller.create_client(SetBool, "/nowhere")
            call = asyncio.ensure_future(client.call(SetBool.Request()))
            await asyncio.sleep(0)
            client.destroy()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(scene())


def test_node_ends_with_the_error_when_a_callback_raises(graph: Any) -> None:
    async def scene() -> None:
        def plain(_: Int32) -> None:
            raise ValueError("plain")

        listener = node(graph, "node")
        publisher = listener.create_publisher(Int32, "x", 10)
        listener.create_subscription(Int32, "x", plain, 10)
        with pytest.raises(BaseExceptionGroup) as caught:  # noqa: F821 (Python 3.11)
            async with listener:
                publisher.publish(Int32())
                await asyncio.sleep(LONG_S)
        assert isinstance(caught.value.exceptions[0], ValueError)
        with pytest.raises(RuntimeError):
            listener.create_timer(1.0, lambda: None)

    run(scene())


def test_run_ends_when_a_callback_destroys_the_node(graph: Any) -> None:
    async def scene() -> None:
        infos: list[TimerInfo] = []
        ticker = node(graph, "node")

        async def tick(info: Any) -> None:
            infos.append(info)
            if len(infos) == 3:
                ticker.destroy_node()

        ticker.create_timer(0.001, tick)
        await ticker.run()
        assert len(infos) == 3
        assert infos[2].expected_call_time > infos[0].expected_call_time
        with pytest.raises(RuntimeError):
            await ticker.run()

    run(scene())


def test_clock_sleeps_in_simulated_time_when_told_so(graph: Any) -> None:
    from rclpy.parameter import Parameter

    async def scene() -> None:
        async with node(graph, "node", parameter_overrides=[Parameter("use_sim_time", value=True)]) as sleeper:
            clock = sleeper.get_clock()
            assert clock.clock_type is ClockType.ROS_TIME
            ticks: list[int] = []
            sleeper.create_timer(1.0, lambda: ticks.append(1))
            nap = asyncio.ensure_future(clock.sleep(2.0))
            await asyncio.sleep(0)
            graph.set_time(1_900_000_000)
            await asyncio.sleep(0.01)
            assert not nap.done() and ticks == [1]
            graph.set_time(2_000_000_000)
            await nap
            broken = asyncio.ensure_future(clock.sleep(2.0))
            await asyncio.sleep(0)
            sleeper.set_parameters([Parameter("use_sim_time", value=False)])
            with pytest.raises(TimeSourceChangedError):
                await broken
            await clock.sleep(0.001)

    run(scene())


def test_node_is_found_when_waited_for(graph: Any) -> None:
    async def scene() -> None:
        async with node(graph, "seeker") as seeker:
            graph.node("found")
            await seeker.wait_for_node("found")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(seeker.wait_for_node("/never", check_interval=0.001), 0.01)

    run(scene())
