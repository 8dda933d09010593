"""`multiprocessing.Connection` over an AF_UNIX socket."""

from __future__ import annotations

import time
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from cell.cli.bench.peers import WAIT_S, Role


class ConnectionPeer:
    """One end of a connection."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    def send(self, payload: bytes) -> None:
        self._connection.send_bytes(payload)

    def receive(self) -> memoryview:
        if not self._connection.poll(WAIT_S):
            raise TimeoutError("nothing came over the connection")
        return memoryview(self._connection.recv_bytes())

    def close(self) -> None:
        self._connection.close()


def open_peer(role: Role, key: str) -> ConnectionPeer:
    address = f"{key}.socket"
    if role == "parent":
        with Listener(address, "AF_UNIX") as listener:
            return ConnectionPeer(listener.accept())
    until_s = time.monotonic() + WAIT_S
    while not Path(address).exists():
        if time.monotonic() > until_s:
            raise TimeoutError("the other end did not open")
        time.sleep(0.01)
    return ConnectionPeer(Client(address, "AF_UNIX"))
