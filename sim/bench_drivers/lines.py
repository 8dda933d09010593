"""Emulated lines in a process of their own, so that what is measured shares no interpreter with what measures.

``python -m sim.bench_drivers.lines '{"device": "gripper", ...}'`` prints the ptys as a list, obeys ``unplug``, ``plug``
and ``counts`` line by line, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from sim.emulators.line_faults import LineQuality, NoisyLine
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RegisterDevice, RtuSlave
from sim.ptys import PtyPort

UNIT: Final = 9
BAUD: Final = 115200
STATUS: Final = 0x07D0


@dataclass
class StillFingers:
    """Two fingers that do not move."""

    width_m: float = 0.085
    moving: bool = False
    contact: str = "none"
    current_a: float = 0.0

    def command(self, width_m: float, speed_mps: float, force_n: float) -> None:
        self.width_m = width_m

    def halt(self) -> None:
        self.moving = False


class StillPlant:
    """A world in which nothing happens."""

    def __init__(self) -> None:
        self.gripper: Any = StillFingers()
        self.belt: Any = None
        self.cabinet: Any = None

    def advance(self, now_s: float) -> None:
        """Nothing happens."""


class ClockDevice:
    """Even registers hold their own address, odd ones the time at which they were read, in ms: so a value shows which
    question it answers, and when that was asked."""

    functions = frozenset((3, 4))

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        return [stamp_ms(now) if place % 2 else place for place in range(address, address + count)]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        raise AssertionError("nobody writes here")

    def tick(self, now: float) -> float | None:
        return None


def come_first() -> None:
    """Let this process, and threads that it starts from now on, run before others, as far as the system allows: what is
    measured is not to be what else the machine does. Lines and clients, ours and the peers', do alike."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)


def stamp_ms(now: float) -> int:
    """What an odd register of a ``ClockDevice`` shows."""
    return int(now * 1000.0) & 0xFFFF


def is_right(values: Sequence[int], address: int, asked_s: float) -> bool:
    """Registers of a ``ClockDevice`` from an even address on answer the question that was asked then, or later."""
    asked_ms = stamp_ms(asked_s)
    for place, value in enumerate(values, address):
        if place % 2:
            if (value - asked_ms) & 0xFFFF > 0x7FFF:
                return False
        elif value != place:
            return False
    return True


class Lines:
    """The process, as whoever measures sees it; a context.

    Args:
        device: ``gripper`` or ``clock``.
        count: how many lines.
        strict: frames that follow too soon are not answered.
        spin: on time, at some cost.
        quality, seed: of the lines.
    """

    def __init__(
        self,
        device: str = "gripper",
        *,
        count: int = 1,
        strict: bool = True,
        spin: bool = False,
        quality: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        setup = {"device": device, "count": count, "strict": strict, "spin": spin, "quality": quality, "seed": seed}
        self._folder = tempfile.TemporaryDirectory(prefix="cell-bench-")
        words = [sys.executable, "-m", "sim.bench_drivers.lines", json.dumps({**setup, "folder": self._folder.name})]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.paths: list[str] = self._hear()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, word: str) -> Any:
        """``unplug``, ``plug`` or ``counts``; returns the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._hear()

    def close(self) -> None:
        """End the process. Callable twice."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
            self._process.wait(10.0)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._folder.cleanup()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the emulated lines ended")
        return json.loads(line)


def _serve(setup: dict[str, Any]) -> None:
    slaves, ports, noises = [], [], []
    for number in range(setup["count"]):
        device: RegisterDevice = Robotiq2F85Device(StillPlant()) if setup["device"] == "gripper" else ClockDevice()
        slave = RtuSlave(UNIT, device, baudrate=BAUD, strict=setup["strict"])
        if setup["quality"]:
            noise = NoisyLine(LineQuality(**setup["quality"]), setup["seed"] + number)
            slave.fault = noise
            noises.append(noise)
        link = Path(setup["folder"]) / f"line{number}"
        port = PtyPort(f"{number}", slave, time.monotonic, BAUD, lock=threading.RLock(), link=link, spin=setup["spin"])
        port.start()
        slaves.append(slave)
        ports.append(port)
    _say([port.path for port in ports])
    for words in sys.stdin:
        if words.strip() == "counts":
            counts: dict[str, int] = {}
            for noise in noises:
                for kind, count in noise.counts.items():
                    counts[kind] = counts.get(kind, 0) + count
            counts["disturbed"] = sum(noise.disturbed for noise in noises)
            counts["too_soon"] = sum(slave.too_soon for slave in slaves)
            counts["answered"] = sum(slave.answered for slave in slaves)
            _say(counts)
            continue
        for port in ports:
            (port.unplug if words.strip() == "unplug" else port.plug)()
        _say(time.monotonic())
    for port in ports:
        port.close()


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # A pty answers more evenly when its threads do not wait 5 ms for each other.
    sys.setswitchinterval(0.0005)
    # The line is the measure: it is not to be late because something else runs.
    come_first()
    _serve(json.loads(sys.argv[1]))
