"""Executors on threads: nodes that work long on one message have one of their own, beside the main thread's."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

VISION = ("camera", "sim_camera", "detector")
"""Nodes that take milliseconds for a picture, in which others must not wait."""

WATCH = ("supervisor",)
"""Who sees that another node hangs must not hang with it."""

JOIN_S = 5.0


class Spinning:
    """One thread with an executor for some nodes, from now until ``close``."""

    def __init__(self, name: str, nodes: Iterable[Node]) -> None:
        self._executor = SingleThreadedExecutor()
        for node in nodes:
            self._executor.add_node(node)
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if something did."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """End the thread. Callable twice."""
        self._executor.shutdown()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
        except BaseException as error:
            self._failed = error
