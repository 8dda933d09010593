"""Measurements inside one process, each in a fresh one: `python -m cell.cli.bench.inside NAME` prints numbers.

A figure and its peers do the same work: deliver 64 bytes from a sender to a function, call timers, import a package.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from cell.cli.bench.figures import percentile

N_LATENCY: Final = 5_000
N_RATE: Final = 50_000
RUN_S: Final = 3.0
TIMERS: Final = 3
TIMER_HZ: Final = 100.0
TEXT: Final = "x" * 64


def _timed(deliver: Callable[[], None]) -> list[float]:
    """[p50 in us, deliveries a second] of a call that returns when the message has arrived."""
    for _ in range(500):
        deliver()
    taken = []
    for _ in range(N_LATENCY):
        began_ns = time.perf_counter_ns()
        deliver()
        taken.append((time.perf_counter_ns() - began_ns) / 1e3)
    began_s = time.perf_counter()
    for _ in range(N_RATE):
        deliver()
    return [percentile(taken, 0.5), N_RATE / (time.perf_counter() - began_s)]


def _node(name: str) -> Any:
    import rclpy  # noqa: PLC0415 (each measurement loads only what it measures)

    return rclpy.create_node(name, enable_rosout=False, start_parameter_services=False)


def _begin() -> None:
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "OFF"
    import rclpy  # noqa: PLC0415

    rclpy.init(args=[])


def inproc_cellwright() -> list[float]:
    """Publish a std_msgs/String, run the subscription's callback on the executor."""
    _begin()
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from std_msgs.msg import String  # noqa: PLC0415

    node, executor, heard = _node("bench"), SingleThreadedExecutor(), [0]

    def hear(message: Any) -> None:
        heard[0] += len(message.data)

    publisher = node.create_publisher(String, "text", 10)
    node.create_subscription(String, "text", hear, 10)
    executor.add_node(node)
    message = String(data=TEXT)

    def deliver() -> None:
        publisher.publish(message)
        executor.spin_once(timeout_sec=1.0)

    found = _timed(deliver)
    if heard[0] != 64 * (500 + N_LATENCY + N_RATE):
        raise RuntimeError("a message was lost")
    return found


def inproc_pyzmq() -> list[float]:
    """A PAIR over inproc."""
    zmq: Any = import_module("zmq")

    context = zmq.Context()
    sender, receiver = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    sender.bind("inproc://bench")
    receiver.connect("inproc://bench")
    payload = TEXT.encode()

    def deliver() -> None:
        sender.send(payload)
        receiver.recv()

    return _timed(deliver)


def inproc_cyclonedds() -> list[float]:
    """Raw CDR, writer and reader of one participant."""
    from cell.cli.bench.peers.cyclonedds import open_loop  # noqa: PLC0415

    end = open_loop()
    payload = TEXT.encode()

    def deliver() -> None:
        end.send(payload)
        end.receive()

    return _timed(deliver)


def _cpu_share(run: Callable[[], None]) -> list[float]:
    began_cpu_s, began_s = time.process_time(), time.perf_counter()
    run()
    return [(time.process_time() - began_cpu_s) / (time.perf_counter() - began_s)]


def executor_cpu_cellwright() -> list[float]:
    """rclpy#1389: three nodes with a 100 Hz timer each; each publishes, all three subscribe. Share of a core."""
    _begin()
    import rclpy  # noqa: PLC0415
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
    from std_msgs.msg import String  # noqa: PLC0415

    executor, heard = SingleThreadedExecutor(), [0]

    def hear(_: Any) -> None:
        heard[0] += 1

    for number in range(TIMERS):
        node = rclpy.create_node(f"bench_{number}")
        publisher = node.create_publisher(String, "all", 10)
        node.create_subscription(String, "all", hear, 10)
        node.create_timer(1 / TIMER_HZ, lambda publisher=publisher: publisher.publish(String(data=TEXT)))
        executor.add_node(node)

    def run() -> None:
        until_s = time.perf_counter() + RUN_S
        while time.perf_counter() < until_s:
            executor.spin_once(timeout_sec=0.1)

    share = _cpu_share(run)
    if heard[0] < 0.9 * TIMERS * TIMERS * TIMER_HZ * RUN_S:
        raise RuntimeError(f"only {heard[0]} messages in {RUN_S:g} s")
    return share


def executor_cpu_asyncio() -> list[float]:
    """The same calls by asyncio's event loop."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        heard = [0]

        def hear() -> None:
            heard[0] += 1

        def fire(due_s: float) -> None:
            for _ in range(TIMERS):
                loop.call_soon(hear)
            loop.call_at(due_s + 1 / TIMER_HZ, fire, due_s + 1 / TIMER_HZ)

        for _ in range(TIMERS):
            loop.call_later(0.0, fire, loop.time())
        await asyncio.sleep(RUN_S)

    return _cpu_share(lambda: asyncio.run(main()))


def executor_cpu_heap() -> list[float]:
    """The floor: a heap of due times and a sleep."""
    heard = [0]

    def hear() -> None:
        heard[0] += 1

    def run() -> None:
        now_s = time.monotonic()
        until_s, due = now_s + RUN_S, [(now_s, number) for number in range(TIMERS)]
        while due[0][0] < until_s:
            due_s, number = due[0]
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            for _ in range(TIMERS):
                hear()
            heapq.heapreplace(due, (due_s + 1 / TIMER_HZ, number))

    return _cpu_share(run)


def timer_lateness_cellwright() -> list[float]:
    """[p50, p99] of how late a 1 kHz timer is called, us, against a grid from its first call."""
    _begin()
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415

    node, executor, calls = _node("bench"), SingleThreadedExecutor(), []
    executor.add_node(node)
    node.create_timer(0.001, lambda: calls.append(time.monotonic_ns()))
    until_s = time.perf_counter() + RUN_S
    while time.perf_counter() < until_s:
        executor.spin_once(timeout_sec=0.1)
    return _lateness(calls)


def timer_lateness_asyncio() -> list[float]:
    """The same by asyncio's `call_at`."""
    calls: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def fire(due_s: float) -> None:
            calls.append(time.monotonic_ns())
            loop.call_at(due_s + 0.001, fire, due_s + 0.001)

        loop.call_soon(fire, loop.time())
        await asyncio.sleep(RUN_S)

    asyncio.run(main())
    return _lateness(calls)


def timer_lateness_sleep() -> list[float]:
    """The same by `time.sleep` to the next due time."""
    calls, due_s = [], time.monotonic()
    for _ in range(int(RUN_S * 1000)):
        due_s += 0.001
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        calls.append(time.monotonic_ns())
    return _lateness(calls)


def _lateness(calls_ns: list[int]) -> list[float]:
    """Against the grid that passes through the most punctual call."""
    slots = [(entry - calls_ns[0] + 500_000) // 1_000_000 for entry in calls_ns]
    offsets = [entry - slot * 1_000_000 for entry, slot in zip(calls_ns, slots, strict=True)]
    origin = percentile(offsets, 0.001)
    late = [(offset - origin) / 1e3 for offset in offsets]
    return [percentile(late, 0.5), percentile(late, 0.99)]


def timer_rate_simclock_cellwright() -> list[float]:
    """rclpy#1452: calls a (simulated) second of a 10 Hz timer under MultiThreadedExecutor, /clock at 1 kHz."""
    _begin()
    import rclpy  # noqa: PLC0415
    from rclpy.executors import MultiThreadedExecutor  # noqa: PLC0415
    from rclpy.parameter import Parameter  # noqa: PLC0415
    from rosgraph_msgs.msg import Clock  # noqa: PLC0415

    teller = _node("teller")
    publisher = teller.create_publisher(Clock, "/clock", 1)
    node = rclpy.create_node("bench", parameter_overrides=[Parameter("use_sim_time", value=True)])
    calls = [0]

    def count() -> None:
        calls[0] += 1

    node.create_timer(0.1, count)
    executor = MultiThreadedExecutor(2)
    executor.add_node(node)
    executor.add_node(teller)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    began_s, ticks, seconds = time.monotonic(), 0, 4
    message = Clock()
    while ticks < seconds * 1000:
        ticks += 1
        wait_s = began_s + ticks / 1000 - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(ticks * 1_000_000, 1_000_000_000)
        publisher.publish(message)
    time.sleep(0.05)
    executor.shutdown()
    thread.join()
    return [calls[0] / seconds]


def import_time(module: str) -> list[float]:
    """How long `import` takes in this fresh process, ms."""
    began_s = time.perf_counter()
    __import__(module)
    return [(time.perf_counter() - began_s) * 1e3]


MEASUREMENTS: Final[dict[str, Callable[[], list[float]]]] = {
    function.__name__: function
    for function in (
        inproc_cellwright,
        inproc_pyzmq,
        inproc_cyclonedds,
        executor_cpu_cellwright,
        executor_cpu_asyncio,
        executor_cpu_heap,
        timer_lateness_cellwright,
        timer_lateness_asyncio,
        timer_lateness_sleep,
        timer_rate_simclock_cellwright,
    )
}


def _main() -> None:
    name = sys.argv[1]
    values = import_time(sys.argv[2]) if name == "import_time" else MEASUREMENTS[name]()
    sys.stdout.write(f"{' '.join(f'{value:.6g}' for value in values)}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _main()
