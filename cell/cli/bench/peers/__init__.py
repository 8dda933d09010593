"""Ways for bytes to get from one process to another, each behind the same few calls.

A pair of processes opens the same way with the same key; the parent sends and waits for the child's answer. What is
sent is 64 bytes, or one 1920x1080x3 picture; a receiver gets a buffer that it can read.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, Literal, Protocol

Role = Literal["parent", "child"]


class Peer(Protocol):
    """One end of the pair."""

    def send(self, payload: bytes) -> None:
        """Sends bytes that the caller does not change any more."""
        ...

    def receive(self) -> memoryview:
        """Waits for the next bytes.

        Raises:
            TimeoutError: nothing came within 10 s.
        """
        ...

    def close(self) -> None: ...


WAIT_S: Final = 10.0
PEERS: Final = {
    "cellwright": "cell.cli.bench.peers.cellwright:open_peer",
    "pyzmq": "cell.cli.bench.peers.pyzmq:open_peer",
    "zenoh": "cell.cli.bench.peers.zenoh:open_peer",
    "dora-rs": "cell.cli.bench.peers.dora:open_peer",
    "cyclonedds": "cell.cli.bench.peers.cyclonedds:open_peer",
    "multiprocessing": "cell.cli.bench.peers.multiprocessing:open_peer",
}


def open_peer(name: str, role: Role, key: str) -> Peer:
    """Opens one end and waits for the other.

    Raises:
        ImportError: the library is not installed.
    """
    module, _, function = PEERS[name].partition(":")
    opener: Callable[[Role, str], Peer] = getattr(import_module(module), function)
    return opener(role, key)
