"""A short stay in the graph: a hidden node, the wait until the others are known, and what people name them by."""

from __future__ import annotations

import argparse
import difflib
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from cell.cli.command import positive_float
from perception.errors import InputError

SPIN_TIME_S: Final = 1.0
QUIET_S: Final = 0.15
"""The graph counts as known when nothing was added for so long, s."""
STILL_S: Final = 0.5
"""... and as known so well that a name that is missing does not exist."""
PATIENCE: Final = 5
"""Where others still keep coming, they are waited for so many times as long."""


def add_session_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that every command of this package takes."""
    parser.add_argument(
        "--spin-time",
        type=positive_float,
        default=SPIN_TIME_S,
        metavar="S",
        help=f"how long to look for others at most (default {SPIN_TIME_S:g} s)",
    )
    parser.add_argument("--wire", choices=("dds",), help="look at ROS 2 nodes on the network, too (extra dds)")


class Session:
    """A context with one hidden node; leaves the graph at the end."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._spin_time_s: float = args.spin_time
        if args.wire is not None:
            os.environ["CELL_WIRE"] = args.wire

    def __enter__(self) -> Session:
        import rclpy  # noqa: PLC0415 (a command that never looks loads nothing)
        from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
        from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

        self._context = rclpy.Context()
        try:
            rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        except (ValueError, RuntimeError) as error:
            raise InputError(str(error)) from None
        self.node: Any = rclpy.create_node(
            f"_cell_cli_{os.getpid()}", context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    # Waiting

    def spin(self, timeout_s: float) -> None:
        """Runs at most one callback, waiting for it at most so long."""
        self._executor.spin_once(timeout_sec=max(timeout_s, 0.0))

    def wait_for(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Spins until the condition holds, by default as long as `--spin-time`; gives whether it does."""
        until_s = time.monotonic() + (self._spin_time_s if timeout_s is None else timeout_s)
        while not condition():
            left_s = until_s - time.monotonic()
            if left_s <= 0.0:
                return False
            self.spin(min(left_s, 0.02))
        return True

    def settle(self, quiet_s: float = QUIET_S, timeout_s: float | None = None) -> None:
        """Waits until the graph is known: somebody else is there and nothing was added for a while."""
        seen: Any = None
        changed_s = time.monotonic()

        def quiet() -> bool:
            nonlocal seen, changed_s
            now_s = time.monotonic()
            graph = self._graph()
            if graph != seen:
                seen, changed_s = graph, now_s
            return len(graph[0]) > 1 and now_s - changed_s >= quiet_s

        self.wait_for(quiet, timeout_s)

    def _graph(self) -> tuple[Any, ...]:
        node = self.node
        topics, services = node.get_topic_names_and_types(), node.get_service_names_and_types()
        return node.get_node_names_and_namespaces(), topics, services

    # Names

    def nodes(self, *, hidden: bool = False) -> list[str]:
        """The full names of the other nodes, sorted."""
        own = self.node.get_fully_qualified_name()
        found = [
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self.node.get_node_names_and_namespaces()
            if hidden or not name.startswith("_")
        ]
        return sorted(name for name in found if name != own)

    def topics(self, *, hidden: bool = False) -> dict[str, list[str]]:
        """Topics of others with their types, sorted by name."""
        return {
            name: list(types)
            for name, types in sorted(self.node.get_topic_names_and_types())
            if (hidden or not _is_hidden(name)) and (self.publishers(name) or self.subscriptions(name))
        }

    def services(self, *, hidden: bool = False) -> dict[str, list[str]]:
        """Services with their types, sorted by name."""
        return {
            name: list(types)
            for name, types in sorted(self.node.get_service_names_and_types())
            if hidden or not _is_hidden(name)
        }

    def actions(self) -> dict[str, str]:
        """Actions with their types, from the services that send goals."""
        ending, part = "/_action/send_goal", "_SendGoal"
        return {
            name.removesuffix(ending): types[0].removesuffix(part)
            for name, types in self.services(hidden=True).items()
            if name.endswith(ending)
        }

    def publishers(self, topic: str) -> list[Any]:
        return self._of_others(self.node.get_publishers_info_by_topic(topic))

    def subscriptions(self, topic: str) -> list[Any]:
        return self._of_others(self.node.get_subscriptions_info_by_topic(topic))

    def _of_others(self, endpoints: Iterable[Any]) -> list[Any]:
        own = self.node.get_name()
        return [endpoint for endpoint in endpoints if endpoint.node_name != own]

    def find(self, kind: str, name: str, known: Callable[[], Iterable[str]]) -> str:
        """The full name of something in the graph, waiting for it.

        Raises:
            InputError: it is not there; the message names the nearest one that is.
        """
        full = name if name.startswith("/") else f"/{name}"
        if self.wait_for(lambda: full in known()):
            return full
        if self.nodes(hidden=True):
            # A busy machine shows its nodes late: only when no more come, what is missing is not there.
            self.settle(STILL_S, PATIENCE * self._spin_time_s)
        if full in known():
            return full
        shown = [name for name in known() if _is_hidden(full) or not _is_hidden(name)]
        raise InputError(f"no such {kind}{_nearest(full, shown)}", key=full)

    def type_of(self, topic: str) -> str:
        """The type of a topic that is there.

        Raises:
            InputError: there is no such topic, or it has several types.
        """
        full = self.find("topic", topic, lambda: self.topics(hidden=True))
        types = self.topics(hidden=True)[full]
        if len(types) > 1:
            raise InputError(f"has several types, name one: {', '.join(types)}", key=full)
        return types[0]


def look_again_hint(session: Session) -> str:
    """What to say where nothing was found."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    return "" if session.nodes(hidden=True) else f"no node runs on ROS domain {domain} of this machine"


def _is_hidden(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("/"))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else "; nothing is there"
