"""From one process to another: round trips of 64 bytes, and pictures one after the other.

A child echoes what it gets. For a picture it touches every page and answers with the time at which it was done
(CLOCK_MONOTONIC is one clock for both processes); the next picture is sent when the answer is there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cell.cli.bench.figures import percentile
from cell.cli.bench.peers import open_peer

SMALL: Final = bytes(range(64))
PICTURE_SIZE: Final = 1920 * 1080 * 3
PAGE: Final = 4096
WARM_UP: Final = 20
LIMIT_S: Final = 120
STOP: Final = b"stop"


@dataclass(frozen=True, slots=True)
class Crossing:
    """One round of one peer: round trip in us (p50, p99), picture in ms (p50, p99), pictures a second."""

    rtt_us: tuple[float, float]
    image_ms: tuple[float, float]
    fps: float
    n_small: int
    n_images: int


def cross(name: str, *, n_small: int, n_images: int) -> Crossing:
    """Measures one peer in a fresh pair of processes.

    Raises:
        ImportError: the peer's library is not installed.
        OSError, RuntimeError, TimeoutError: the pair did not work.
    """
    with tempfile.TemporaryDirectory(prefix="cell-bench-") as folder:
        key = f"{folder}/pair"
        words, counts = [sys.executable, "-m", "cell.cli.bench.crossing", name, key], [str(n_small), str(n_images)]
        fault = _dora_pair(key, words, counts) if name == "dora-rs" else _pair(words, counts)
        result = Path(f"{key}.result")
        if not result.is_file():
            if fault.startswith(("ImportError", "ModuleNotFoundError")):
                raise ImportError(fault)
            raise RuntimeError(f"{name}: {fault or 'it ended without a result'}")
        numbers = [float(word) for word in result.read_text().split()]
    return Crossing((numbers[0], numbers[1]), (numbers[2], numbers[3]), numbers[4], n_small, n_images)


def _pair(words: list[str], counts: list[str]) -> str:
    """Runs both ends in processes of their own: nothing that was loaded before slows one peer down."""
    child = subprocess.Popen([*words, "child"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        done = subprocess.run([*words, "parent", *counts], check=False, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"it took more than {LIMIT_S} s"
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(2.0)
        child.kill()
        child.wait()
    return (done.stderr.strip().splitlines() or [""])[-1]


def _dora_pair(key: str, words: list[str], counts: list[str]) -> str:
    from cell.cli.bench.peers.dora import run_pair  # noqa: PLC0415 (only with the extra bench)

    return run_pair(key, words, counts, LIMIT_S)


def touch(picture: memoryview) -> int:
    """Reads a byte of every page, as whoever uses the picture will."""
    return int(np.frombuffer(picture, dtype=np.uint8)[::PAGE].sum())


def _child(name: str, key: str) -> None:
    peer = open_peer(name, "child", key)
    while True:
        payload = peer.receive()
        if len(payload) == PICTURE_SIZE:
            touch(payload)
            del payload
            peer.send(time.monotonic_ns().to_bytes(8, "little"))
        elif bytes(payload) == STOP:
            break
        else:
            peer.send(bytes(payload))
    peer.close()


def _parent(name: str, key: str, n_small: int, n_images: int) -> list[float]:
    peer = open_peer(name, "parent", key)
    trips = []
    for number in range(n_small + WARM_UP):
        began_ns = time.monotonic_ns()
        peer.send(SMALL)
        peer.receive()
        if number >= WARM_UP:
            trips.append((time.monotonic_ns() - began_ns) / 1e3)
    picture = np.random.default_rng(1).integers(0, 255, PICTURE_SIZE, dtype=np.uint8).tobytes()
    pictures, first_ns = [], 0
    for number in range(n_images + WARM_UP):
        began_ns = time.monotonic_ns()
        if number == WARM_UP:
            first_ns = began_ns
        peer.send(picture)
        ready_ns = int.from_bytes(peer.receive(), "little")
        if number >= WARM_UP:
            pictures.append((ready_ns - began_ns) / 1e6)
    fps = n_images / (time.monotonic_ns() - first_ns) * 1e9
    peer.send(STOP)
    time.sleep(0.05)
    peer.close()
    return [percentile(trips, 0.5), percentile(trips, 0.99), percentile(pictures, 0.5), percentile(pictures, 0.99), fps]


def _main() -> None:
    name, key, role, *counts = sys.argv[1:]
    if role == "child":
        _child(name, key)
        return
    result = _parent(name, key, *map(int, counts))
    Path(f"{key}.result").write_text(" ".join(f"{value:.4f}" for value in result))
    # Some libraries' threads outlive their sessions; the figures are out.
    os._exit(0)


if __name__ == "__main__":
    _main()
