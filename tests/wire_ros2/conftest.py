"""Peers that are not ours: built from source where Debian's packages are, each a process that a test starts and ends.

The wire runs on 127.0.0.1 only, in a domain of its own for each test.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

PEERS = Path(__file__).parent / "peers"
MISSING = "apt install libfastrtps-dev libfastcdr-dev cyclonedds-dev cyclonedds-tools g++"
_LONG_S = 60.0


class Peer:
    """A running peer; its lines as they come."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()

    def wait(self, what: Callable[[list[str]], Any], timeout_s: float = _LONG_S) -> Any:
        """Blocks until `what(lines)` is true, and gives what it gave."""
        with self._changed:
            assert self._changed.wait_for(lambda: what(self.lines), timeout_s), self.lines[-10:]
            return what(self.lines)

    def line(self, start: str) -> str:
        """The first line that starts so, once it is there."""
        found = self.wait(lambda lines: next((line for line in lines if line.startswith(start)), ""))
        return str(found)

    def count(self, start: str, number: int) -> list[str]:
        """The lines that start so, once there are that many."""
        self.wait(lambda lines: sum(line.startswith(start) for line in lines) >= number)
        return [line for line in self.lines if line.startswith(start)]

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_LONG_S)

    def close(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(10.0)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self._thread.join(_LONG_S)
        self.process.stdout and self.process.stdout.close()


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def fast_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The peer on Fast DDS, as an executable."""
    if shutil.which("g++") is None or not Path("/usr/include/fastdds").is_dir():
        pytest.skip(f"no Fast DDS to test against ({MISSING})")
    target = tmp_path_factory.mktemp("fast") / "fast_peer"
    source = PEERS / "fast_peer.cpp"
    _compile(["g++", "-std=c++17", "-O2", "-o", str(target), str(source), "-lfastrtps", "-lfastcdr", "-pthread"])
    return target


@pytest.fixture(scope="session")
def cyclone_peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The peer on Cyclone's C library, as an executable."""
    if shutil.which("g++") is None or shutil.which("idlc") is None or not Path("/usr/include/dds/dds.h").is_file():
        pytest.skip(f"no Cyclone DDS to test against ({MISSING})")
    folder = tmp_path_factory.mktemp("cyclone")
    _compile(["idlc", "-o", str(folder), str(PEERS / "String.idl")])
    target = folder / "cyclone_peer"
    sources = [str(PEERS / "cyclone_peer.c"), str(folder / "String.c")]
    _compile(["gcc", "-O2", f"-I{folder}", "-o", str(target), *sources, "-lddsc"])
    return target


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A domain of this test's own, with the wire switched on and kept on this machine."""
    pytest.importorskip("cyclonedds", reason="the wire needs the extra dds")
    monkeypatch.setenv("CELL_WIRE", "dds")
    monkeypatch.setenv("ROS_LOCALHOST_ONLY", "1")
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    monkeypatch.delenv("CYCLONEDDS_URI", raising=False)
    # Not seeded: several runs on one machine must not meet.
    return random.SystemRandom().randrange(100, 201)


@pytest.fixture
def start_peer(domain: int) -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def start(executable: Path, *arguments: object, **environment: str) -> Peer:
        peers.append(Peer([str(executable), str(domain), *map(str, arguments)], environment))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


class Graph:
    """A context on the wire, its nodes, and a thread that spins them."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self.domain = domain
        self.context = Context()
        rclpy.init(context=self.context, args=[], domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Any] = []
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        with suppress(ExternalShutdownException):
            self.executor.spin()

    def node(self, name: str, **options: Any) -> Any:
        from rclpy.node import Node

        node = Node(name, context=self.context, **options)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def close(self) -> None:
        self.executor.shutdown()
        self._thread.join(10.0)
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


OWN_PEER = PEERS / "own_peer.py"


@pytest.fixture
def own_peer(domain: int) -> Iterator[Callable[..., Peer]]:
    """Starts a process of ours that has the wire alone, and nothing of what joins processes on one machine."""
    peers: list[Peer] = []

    def start(role: str) -> Peer:
        # In the tests' own process the range is set for all tests; here the wire is wanted.
        peers.append(Peer([sys.executable, str(OWN_PEER), str(domain), role]))
        peers[-1].line("ready")
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


@pytest.fixture
def graph(domain: int) -> Iterator[Graph]:
    made = Graph(domain)
    yield made
    made.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds; fails after a long time."""

    def wait(condition: Callable[[], Any], timeout_s: float = _LONG_S) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.005)

    return wait
