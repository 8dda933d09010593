"""A ROS domain of its own for each test, and nodes that leave it at the end."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import rclpy
from builtin_interfaces.msg import Time as TimeMsg
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock as ClockMsg

_domains = count(100)


class Graph:
    """A context, an executor, and the nodes that a test makes."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=next(_domains))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Node] = []
        self._clock: Any = None

    def node(self, name: str, *, sim_time: bool = False, spin: bool = True, **options: Any) -> Node:
        overrides = options.pop("parameter_overrides", [])
        if sim_time:
            overrides = [*overrides, Parameter("use_sim_time", value=True)]
        node = Node(name, context=self.context, parameter_overrides=overrides, **options)
        self.nodes.append(node)
        if spin:
            self.executor.add_node(node)
        return node

    def set_time(self, nanoseconds: int) -> None:
        """Publishes /clock."""
        if self._clock is None:
            self._clock = self.node("clock_source", spin=False).create_publisher(ClockMsg, "/clock", 10)
        seconds, rest = divmod(nanoseconds, 10**9)
        self._clock.publish(ClockMsg(clock=TimeMsg(sec=seconds, nanosec=rest)))

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()
