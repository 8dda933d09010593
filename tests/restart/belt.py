"""A belt that lives on in ``cell sim`` while its controller is killed again and again; ledger against referee."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from truth import ACCOUNTS, NEAR_M, findings

from cell.simfolder import SimFolder

VICTIM = Path(__file__).with_name("victim.py")
PARAMS = Path(__file__).resolve().parents[2] / "launch" / "cell.params.yaml"
PHASES = ("approach", "grip", "verify", "carry", "place", "retreat")
LIMIT_S = 120.0


@dataclass
class Kill:
    """When the controller dies: in a phase of the n-th pick that gets there, or so long after its start."""

    phase: str = ""
    pick: int = 1
    after_s: float = 0.0

    @classmethod
    def draw(cls, rng: random.Random) -> Kill:
        phase = rng.choice((*PHASES, "", ""))
        if not phase:
            return cls(after_s=rng.uniform(0.3, 12.0))
        return cls(phase, rng.choice((1, 1, 2)), rng.choice((0.0, rng.uniform(0.0, 0.4))))


@dataclass
class Ended:
    """One life of a controller."""

    status: int
    aborted_after_s: float | None
    lines: list[str]
    finished: dict[tuple[int, int], tuple[Any, ...]]


@dataclass
class Belt:
    """``cell sim`` with its state folder.

    Args:
        home: an empty folder.
        parts: how many are fed in all.
        seed: of the world.
        domain: ROS domain.
        defective: share of the parts that the arm is to take.
    """

    home: Path
    parts: int
    seed: int
    domain: int
    defective: float = 0.6
    lives: list[Ended] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.home / "state"
        scenario = self.home / "scenario.yaml"
        scenario.write_text(yaml.safe_dump({"feed": {"defective_share": self.defective, "rate_per_min": 30.0}}))
        content = yaml.safe_load(PARAMS.read_text())
        content["sim_camera"] = {"ros__parameters": {"scenario": str(scenario)}}
        self.params = self.home / "cell.params.yaml"
        self.params.write_text(yaml.safe_dump(content))
        self.environment = {
            **os.environ,
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_DOMAIN_ID": str(self.domain),
            "OMP_NUM_THREADS": "1",
        }
        self.environment.pop("CELL_CHECK_MUTATION", None)
        words = ["sim", f"params:={self.params}", "--parts", str(self.parts), "--seed", str(self.seed)]
        self._log = (self.home / "sim.log").open("wb")
        self.hardware = subprocess.Popen(
            [sys.executable, "-m", "cell.cli.main", *words, "--state", str(self.state)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.home,
        )
        until_s = time.monotonic() + LIMIT_S
        while SimFolder(self.state).info() is None:
            assert self.hardware.poll() is None and time.monotonic() < until_s, (self.home / "sim.log").read_text()
            time.sleep(0.05)

    def live(self, kill: Kill | None, *words: str) -> Ended:
        """One ``cell run --clear``, to its end or until it is killed."""
        environment = dict(self.environment)
        if kill is not None and kill.phase:
            environment |= {
                "KILL_PHASE": kill.phase,
                "KILL_PICK": str(kill.pick),
                "KILL_AFTER_S": str(kill.after_s),
            }
        before = self.finished()
        began_s = time.monotonic()
        process = subprocess.Popen(
            [
                *(sys.executable, str(VICTIM), "run", f"params:={self.params}", "--headless", "--clear"),
                *("--state", str(self.state), *words),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=self.home,
        )
        timer = threading.Timer(LIMIT_S + 4.0 * self.parts, process.kill)
        if kill is not None and not kill.phase:
            timer = threading.Timer(kill.after_s, process.kill)
        timer.start()
        out, _ = process.communicate()
        timer.cancel()
        lines = out.splitlines()
        first = next(
            (re.search(r"first state: (\w+) at ([\d.]+)", line) for line in lines if "first state:" in line), None
        )
        aborted_s = float(first[2]) - began_s if first is not None and first[1] == "Aborted" else None
        after = self.finished()
        lost = {key: line for key, line in before.items() if after.get(key) != line}
        assert not lost, f"finished lines were lost or changed: {lost}"
        ended = Ended(process.returncode, aborted_s, lines, after)
        self.lives.append(ended)
        return ended

    def ask(self, content: dict[str, Any]) -> dict[str, Any]:
        """A question to the simulator, from somebody who is no controller."""
        handle, name = SimFolder(self.state).socket_name()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(20.0)
            try:
                connection.connect(name)
            finally:
                os.close(handle)
            connection.sendall(json.dumps(content).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                got = connection.recv(1 << 16)
                assert got, "the simulator hung up"
                data += got
        answer: dict[str, Any] = json.loads(data)
        return answer

    @property
    def empty(self) -> bool:
        return bool(self.ask({"look": True})["figures"]["empty"])

    def truth(self) -> list[dict[str, Any]]:
        """The referee's fates."""
        return list(self.ask({"fates": True})["fates"])

    def finished(self) -> dict[tuple[int, int], tuple[Any, ...]]:
        """Every fate that stands in the ledger."""
        return {(row[0], row[1]): tuple(row) for row in self.rows("SELECT * FROM fate")}

    def rows(self, query: str) -> list[Any]:
        """From the ledger's file as it lies there."""
        path = self.state / "ledger.sqlite"
        if not path.exists():
            return []
        connection = sqlite3.connect(path, timeout=10.0)
        try:
            if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'fate'").fetchone()[0]:
                return []
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def findings(self) -> list[str]:
        """What ledger and referee do not agree on; the belt is empty and no controller runs."""
        return findings(self.rows(ACCOUNTS), self.truth(), NEAR_M)

    def close(self) -> None:
        self.hardware.send_signal(signal.SIGTERM)
        self.hardware.wait(30)
        self._log.close()


def sweep(belt: Belt, kills: list[Kill]) -> list[str]:
    """Kills one controller after the other, lets the last one empty the belt; returns findings."""
    pending = list(kills)
    for _ in range(3 * len(kills) + 5):
        if belt.empty and not pending:
            break
        kill = pending.pop(0) if pending and not belt.empty else None
        if belt.empty:
            pending.clear()
        belt.live(kill)
        if kill is None and belt.empty:
            break
    # What the last one has left open, if it was killed or had to abort.
    while belt.rows("SELECT 1 FROM run WHERE closed_s IS NULL"):
        belt.live(None, "--duration", "3")
        assert len(belt.lives) < 4 * len(kills) + 12
    return belt.findings()
