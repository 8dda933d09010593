"""Contexts, init and shut-down, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.exceptions import InvalidNamespaceException, InvalidNodeNameException, NotInitializedException
from rclpy.node import Node

ROOT = Path(__file__).parents[3]

SPINNING = """
import sys
import cell.runtime.finder
cell.runtime.finder.install()
import rclpy
from rclpy.executors import ExternalShutdownException
rclpy.init(args=[])
node = rclpy.create_node("spinner")
node.create_guard_condition(lambda: print("spinning", flush=True)).trigger()
try:
    rclpy.spin(node)
except KeyboardInterrupt:
    print("interrupted", rclpy.ok(), flush=True)
except ExternalShutdownException:
    print("shut down", rclpy.ok(), flush=True)
else:
    # The signal came between two callbacks.
    print("shut down", rclpy.ok(), flush=True)
"""


def test_context_goes_through_its_states_when_used() -> None:
    context = Context()
    assert not context.ok()
    with pytest.raises(NotInitializedException):
        Node("node", context=context)
    with pytest.raises(RuntimeError):
        context.shutdown()
    rclpy.init(context=context, args=[], domain_id=95)
    with pytest.raises(RuntimeError):
        context.init([])
    calls: list[int] = []
    context.on_shutdown(lambda: calls.append(1))
    rclpy.shutdown(context=context)
    assert calls == [1] and not context.ok()
    context.try_shutdown()
    assert calls == [1]


@pytest.mark.parametrize("name", ["", "a b", "1a", "a/b", "a-b", "x" * 256])
def test_node_name_is_refused_when_not_allowed(graph: Any, name: str) -> None:
    with pytest.raises(InvalidNodeNameException):
        graph.node(name)
    assert graph.nodes == []


def test_namespace_is_refused_when_not_allowed(graph: Any) -> None:
    with pytest.raises(InvalidNamespaceException):
        graph.node("node", namespace="/a b")


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted False"), (signal.SIGTERM, "shut down False")]
)
def test_spin_ends_when_signal_comes(number: signal.Signals, word: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", SPINNING], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "spinning\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=20.0)
    assert output.strip() == word


def test_runtime_is_not_imported_twice_when_named_by_its_folder() -> None:
    with pytest.raises(ImportError, match="import rclpy"):
        import cell.runtime.rclpy  # noqa: F401
