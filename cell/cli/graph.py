"""A launched graph in this process: every node from its entry point with its parameters, and a way to each by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter

from cell.config import NodeConfig
from cell.launching import NodeLaunch
from cell.plugins import NODES, registered


class Graph:
    """Nodes by name, in the order in which the launch file starts them.

    Args:
        launches, configs: of the same nodes, in the same order.
        extra: by node: keyword arguments of its class beyond those of ``rclpy.node.Node``.
        use_sim_time: every node takes its time from /clock.
    """

    def __init__(
        self,
        launches: Iterable[NodeLaunch],
        configs: Iterable[NodeConfig],
        *,
        extra: Mapping[str, Mapping[str, Any]],
        use_sim_time: bool,
    ) -> None:
        self.nodes: dict[str, Node] = {}
        try:
            for launch, config in zip(launches, configs, strict=True):
                self.nodes[launch.name] = start_node(
                    launch, config, extra=extra.get(launch.name, {}), use_sim_time=use_sim_time
                )
        except BaseException:
            self.close()
            raise

    def __getitem__(self, name: str) -> Any:
        return self.nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.nodes

    def close(self) -> None:
        """Destroy the nodes, the last one first. Callable twice."""
        while self.nodes:
            _, node = self.nodes.popitem()
            node.destroy_node()


def start_node(launch: NodeLaunch, config: NodeConfig, *, extra: Mapping[str, Any], use_sim_time: bool = False) -> Node:
    """One node with the values that its files and flags set, and the launch file's remappings."""
    values = {**config.values, "use_sim_time": use_sim_time or bool(config.values.get("use_sim_time", False))}
    overrides: list[Parameter[Any]] = [Parameter(name, value=_plain(value)) for name, value in values.items()]
    remaps = [word for source, target in launch.remaps.items() for word in ("-r", f"{source}:={target}")]
    node_class = registered(NODES)[launch.name].load()
    node: Node = node_class(
        parameter_overrides=overrides, cli_args=["--ros-args", *remaps] if remaps else None, **extra
    )
    return node


def _plain(value: Any) -> Any:
    """Tuples as lists: ROS parameters know arrays only."""
    return list(value) if isinstance(value, tuple) else value


def begin(use_signals: bool) -> None:
    """Start rclpy in this process; signals stay with the command line."""
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

    options = SignalHandlerOptions.ALL if use_signals else SignalHandlerOptions.NO
    rclpy.init(args=[], signal_handler_options=options)
