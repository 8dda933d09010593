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


HANDLING = """
import os, signal, sys
import cell.runtime.finder
cell.runtime.finder.install()
import rclpy
from rclpy.signals import SignalHandlerGuardCondition, SignalHandlerOptions

chosen = SignalHandlerOptions[sys.argv[1]]
seen = []
signal.signal(signal.SIGTERM, lambda number, frame: seen.append("before"))
own = rclpy.Context()
with rclpy.init(args=[], signal_handler_options=chosen):
    rclpy.init(args=[], context=own)
    own.on_shutdown(lambda: seen.append("own"))
    guard = SignalHandlerGuardCondition()
    os.kill(os.getpid(), signal.SIGTERM)
    print(seen, rclpy.ok(), own.ok(), bool(guard._waiting()))
    guard.destroy()
os.kill(os.getpid(), signal.SIGTERM)
print(seen.count("before"), rclpy.signals.get_current_signal_handlers_options().name)
rclpy.init(args=[])
print(rclpy.signals.get_current_signal_handlers_options().name)
rclpy.shutdown()
print(rclpy.signals.get_current_signal_handlers_options().name)
"""


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ("ALL", "['own', 'before'] False False True"),
        ("SIGTERM", "['own', 'before'] False False True"),
        ("SIGINT", "['before'] True True False"),
        ("NO", "['before'] True True False"),
    ],
)
def test_signals_are_handled_when_they_are_chosen(options: str, first: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}
    ended = subprocess.run(
        [sys.executable, "-c", HANDLING, options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=True,
    )
    assert ended.stdout.splitlines() == [first, "2 NO", "ALL", "NO"]


def test_context_is_used_once_when_it_was_shut_down() -> None:
    context = Context()
    assert context.handle is None
    with pytest.raises(RuntimeError, match="domain id"):
        context.get_domain_id()
    context.init([], domain_id=96)
    assert context.get_domain_id() == 96
    with context.handle as handle:  # type: ignore[union-attr]
        assert handle.ok() and handle.get_domain_id() == 96
    context.shutdown()
    with pytest.raises(RuntimeError, match="only be called once"):
        context.init([], domain_id=96)
    with pytest.raises(RuntimeError, match="already called"):
        context.shutdown()
    calls: list[int] = []
    context.on_shutdown(lambda: calls.append(1))
    assert calls == [1]
    with pytest.raises(TypeError):
        context.on_shutdown(None)  # type: ignore[arg-type]


def test_context_ends_when_its_handle_is_free() -> None:
    context = Context()
    context.init([], domain_id=96)
    assert context.handle is not None
    with context.handle:
        context.destroy()
        assert context.ok()
    assert not context.ok()


def test_bound_method_is_not_kept_alive_when_it_waits_for_the_shutdown() -> None:
    class Listener:
        def __init__(self, calls: list[str], name: str) -> None:
            self.calls, self.name = calls, name

        def ended(self) -> None:
            self.calls.append(self.name)

    calls: list[str] = []
    context = Context()
    kept, dropped = Listener(calls, "kept"), Listener(calls, "dropped")
    context.on_shutdown(kept.ended)
    context.on_shutdown(dropped.ended)
    del dropped
    context.init([], domain_id=96)
    context.shutdown()
    assert calls == ["kept"]


def test_arguments_are_refused_when_not_utf8() -> None:
    with pytest.raises(UnicodeEncodeError):
        Context().init(["node", "Ragnar\udcc3\udcb6k"])


@pytest.mark.parametrize("text", ["abc", "-1", "1.5"])
def test_domain_is_refused_when_variable_holds_no_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(RuntimeError, match="ROS_DOMAIN_ID"):
        Context().init([])
    with pytest.raises(RuntimeError, match="lower than zero"):
        Context().init([], domain_id=-1)


def test_modules_are_there_when_only_the_package_is_imported() -> None:
    code = (
        "import cell.runtime.finder; cell.runtime.finder.install(); import rclpy, sys\n"
        "assert 'rclpy.executors' not in sys.modules\n"
        "print(rclpy.executors.SingleThreadedExecutor.__name__, rclpy.Parameter.__name__, hasattr(rclpy, 'nothing'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60.0, check=True
    )
    assert ended.stdout == "SingleThreadedExecutor Parameter False\n"
