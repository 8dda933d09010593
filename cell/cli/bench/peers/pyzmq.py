"""ZeroMQ over ipc, without a copy where the library offers that."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cell.cli.bench.peers import WAIT_S, Role

zmq: Any = import_module("zmq")

# Below this size pyzmq's copy is cheaper than its bookkeeping for none (its own default threshold is 64 KiB).
_COPY_BELOW = 65_536


class ZmqPeer:
    """One end of a PAIR."""

    def __init__(self, role: Role, key: str) -> None:
        self._context = zmq.Context()
        self._socket: Any = self._context.socket(zmq.PAIR)
        self._socket.setsockopt(zmq.RCVTIMEO, int(WAIT_S * 1000))
        self._socket.setsockopt(zmq.LINGER, 0)
        address = f"ipc://{key}.zmq"
        if role == "parent":
            self._socket.bind(address)
        else:
            self._socket.connect(address)

    def send(self, payload: bytes) -> None:
        self._socket.send(payload, copy=len(payload) < _COPY_BELOW)

    def receive(self) -> memoryview:
        try:
            frame = self._socket.recv(copy=False)
        except zmq.Again:
            raise TimeoutError("nothing came over ZeroMQ") from None
        buffer: memoryview = frame.buffer
        return buffer

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def open_peer(role: Role, key: str) -> ZmqPeer:
    return ZmqPeer(role, key)
