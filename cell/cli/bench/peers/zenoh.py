"""Zenoh, peer to peer on this machine: large payloads in shared memory, small ones over its local link."""

from __future__ import annotations

import json
import time
from importlib import import_module
from typing import Any

from cell.cli.bench.peers import WAIT_S, Role

zenoh: Any = import_module("zenoh")

_SHARED_FROM = 65_536
_POOL = 64 << 20


class ZenohPeer:
    """One end: a publisher on one key, a subscriber on the other."""

    def __init__(self, role: Role, key: str) -> None:
        config = zenoh.Config()
        config.insert_json5("scouting/multicast/enabled", "false")
        endpoint = json.dumps([f"unixsock-stream/{key}.zenoh"])
        config.insert_json5("listen/endpoints" if role == "parent" else "connect/endpoints", endpoint)
        if role == "child":
            config.insert_json5("listen/endpoints", "[]")
        config.insert_json5("transport/shared_memory/enabled", "true")
        self._session: Any = zenoh.open(config)
        out, into = ("bench/there", "bench/back") if role == "parent" else ("bench/back", "bench/there")
        self._publisher: Any = self._session.declare_publisher(out)
        self._subscriber = self._session.declare_subscriber(into, zenoh.handlers.FifoChannel(16))
        self._provider = zenoh.shm.ShmProvider.default_backend(_POOL)
        until_s = time.monotonic() + WAIT_S
        while not self._publisher.matching_status.matching:
            if time.monotonic() > until_s:
                raise TimeoutError("the other end did not open")
            time.sleep(0.01)

    def send(self, payload: bytes) -> None:
        if len(payload) >= _SHARED_FROM:
            slot = self._provider.alloc(len(payload), policy=zenoh.shm.BlockOn(zenoh.shm.GarbageCollect()))
            slot[:] = payload
            self._publisher.put(slot)
        else:
            self._publisher.put(payload)

    def receive(self) -> memoryview:
        # The binding gives no view on shared memory, only a copy of it.
        payload = self._subscriber.recv().payload
        shared = payload.as_shm()
        return memoryview(bytes(shared) if shared is not None else payload.to_bytes())

    def close(self) -> None:
        self._session.close()


def open_peer(role: Role, key: str) -> ZenohPeer:
    return ZenohPeer(role, key)
