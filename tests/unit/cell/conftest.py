"""Makes the helpers beside the tests importable, and gives each test a ROS domain of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

sys.path.insert(0, str(Path(__file__).parent))

_domains = count(150)


class Bench:
    """Nodes on one executor in simulated time; ``at`` sets the time and lets everything ready run."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=next(_domains))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Node] = []
        self.tester = self.add(
            Node("tester", context=self.context, parameter_overrides=[Parameter("use_sim_time", value=True)])
        )
        self._clock = self.tester.create_publisher(Clock, "/clock", 1)
        self.now_s = 0.0
        self.at(1.0)

    def add(self, node: Node) -> Any:
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def make(self, node_class: Callable[..., Node], **values: Any) -> Any:
        overrides = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        overrides.append(Parameter("use_sim_time", value=True))
        node = self.add(node_class(context=self.context, parameter_overrides=overrides))
        self.at(self.now_s)
        return node

    def heard(self, message_class: Any, topic: str) -> list[Any]:
        """What is published on a topic from now on."""
        messages: list[Any] = []
        self.tester.create_subscription(message_class, topic, messages.append, 100)
        return messages

    def says(self, message_class: Any, topic: str) -> Callable[[Any], None]:
        """Publishes on a topic and lets everything ready run."""
        publisher = self.tester.create_publisher(message_class, topic, 100)

        def publish(message: Any) -> None:
            publisher.publish(message)
            self.executor.spin_until_idle()

        return publish

    def at(self, now_s: float) -> None:
        self.now_s = now_s
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(round(now_s * 1e9), 1_000_000_000)
        self._clock.publish(message)
        self.executor.spin_until_idle()

    def go(self, until_s: float, step_s: float = 0.02) -> None:
        """Time passes in steps, as in lockstep."""
        for step in range(1, round((until_s - self.now_s) / step_s) + 1):
            self.at(round(self.now_s + step_s, 6)) if step else None

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()
