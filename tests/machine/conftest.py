"""Processes that meet on this machine, in a folder of the test's own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

PROGRAM = Path(__file__).with_name("program.py")
_domains = count(180)
_END = "\0"


class Process:
    """One run of `program.py`, and the lines that it has printed."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self.lines: list[str] = []
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def expect(self, start: str, timeout_s: float = 30.0) -> str:
        """The next line that begins so."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._queue.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                raise AssertionError(f"no line {start!r}, only {self.lines[-20:]}") from None
            if line == _END:
                raise AssertionError(f"the process ended: {self.lines[-20:]}")
            if line.startswith(start):
                return line

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._queue.put(line.rstrip())
        self._queue.put(_END)


class Machine:
    """This process as a member of a domain, and the others that the test starts."""

    def __init__(self, folder: Path, domain: int) -> None:
        self.domain = domain
        self.folder = folder
        self.environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "CELL_MACHINE_DIR": str(folder),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
        }
        self.processes: list[Process] = []
        self.context = Context()
        self.context.init(args=[], domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Node] = []

    def node(self, name: str = "tester") -> Node:
        made = Node(name, context=self.context)
        self.nodes.append(made)
        self.executor.add_node(made)
        return made

    def start(self, *arguments: str, **environment: str) -> Process:
        process = Process({**self.environment, **environment}, *arguments)
        self.processes.append(process)
        process.expect("ready")
        return process

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()

    def leftovers(self) -> list[str]:
        """What lies in shared memory of this domain."""
        return [entry.name for entry in Path("/dev/shm").glob(f"cell{os.getuid()}_{self.domain}_*")]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    monkeypatch.setenv("CELL_MACHINE_DIR", str(tmp_path / "machine"))
    made = Machine(tmp_path / "machine", next(_domains))
    yield made
    made.close()
    assert not made.leftovers()
