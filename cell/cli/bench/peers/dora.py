"""dora-rs: two nodes of a dataflow, which its own command starts (`dora run`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dora
import pyarrow as pa

from cell.cli.bench.peers import WAIT_S, Role


class DoraPeer:
    """One node: an output `out`, an input `into`."""

    def __init__(self) -> None:
        self._node: Any = dora.Node()

    def send(self, payload: bytes) -> None:
        self._node.send_output(
            "out",
            pa.array(memoryview(payload), type=pa.uint8())
            if len(payload) < 4096
            else pa.Array.from_buffers(pa.uint8(), len(payload), [None, pa.py_buffer(payload)]),
        )

    def receive(self) -> memoryview:
        while True:
            event = self._node.next(timeout=WAIT_S)
            if event is None or event["type"] == "STOP":
                raise TimeoutError("nothing came over dora")
            if event["type"] == "INPUT":
                return memoryview(event["value"].to_numpy(zero_copy_only=True))

    def close(self) -> None:
        return None


def open_peer(role: Role, key: str) -> DoraPeer:
    return DoraPeer()


def run_pair(key: str, words: list[str], counts: list[str], timeout_s: float) -> str:
    """Runs both nodes until they end; gives what went wrong, or nothing."""
    python, *rest = words

    def node(name: str, other: str, arguments: list[str]) -> dict[str, Any]:
        return {
            "id": name,
            "path": python,
            "args": " ".join([*rest, *arguments]),
            "inputs": {"into": {"source": f"{other}/out", "queue_size": 10}},
            "outputs": ["out"],
        }

    flow = {"nodes": [node("parent", "child", ["parent", *counts]), node("child", "parent", ["child"])]}
    file = Path(f"{key}.yml")
    file.write_text(json.dumps(flow))
    command = [str(Path(sys.executable).with_name("dora")), "run", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s, cwd=file.parent)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]
