"""One simulated belt in lockstep and a controller that dies on it again and again, at exact events, in this process.

A death is an exception out of the node graph. What the killed process would have left is the ledger's files as they lie
at that instant: they are copied, and the next controller gets the copy. What the dead one does while it is cleared away
reaches neither the belt nor the next one's files.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cell.cli.plan import Plan
from cell.cli.run import RunCommand, _plan
from cell.cli.running import LockstepRun
from cell.cli.state import LEDGER, StateFolder
from cell.ledger import Ledger, ended_badly
from cell.nodes.picker import PickerNode
from cell.sequence import PickSequence
from sim.bench import SimBench

PARAMS = Path(__file__).resolve().parents[2] / "launch" / "cell.params.yaml"
KINDS = (
    *("approach", "grip", "verify", "carry", "place", "retreat"),  # a phase of a pick has begun
    *("before line", "after line"),  # of the ledger
    *("before fingers", "after fingers"),  # a command to the gripper
    "time",
)


class Killed(BaseException):
    """The controller is gone."""


@dataclasses.dataclass(frozen=True)
class Death:
    """At the how many-th event of a kind (``time``: instant of the run), and how long nobody is there then."""

    kind: str
    count: int
    blind_s: float
    latest_s: float = 60.0
    """What does not come to pass by then does not; the controller then dies all the same."""

    @classmethod
    def draw(cls, rng: random.Random) -> Death:
        kind = rng.choice(KINDS)
        most = {"before line": 14, "after line": 14, "time": 2500}.get(kind, 2)
        return cls(kind, rng.randint(1, most), rng.choice((0.3, 1.0, 3.0, 10.0)), latest_s=20.0)


class _Kept:
    """A bench that outlives its runs."""

    def __init__(self, bench: SimBench) -> None:
        self._bench = bench

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bench, name)

    def close(self) -> None:
        """The hardware stays."""


class Lives:
    """A belt and its controllers.

    Args:
        home: an empty folder.
        parts: how many are fed.
        seed: of the world.
        model: of the detector; None: the one that is installed.
        defective: share of the parts that the arm is to take.
    """

    def __init__(self, home: Path, *, parts: int, seed: int, model: Path | None = None, defective: float = 0.5) -> None:
        self.home = home
        scenario = home / "scenario.yaml"
        scenario.write_text(yaml.safe_dump({"feed": {"defective_share": defective, "rate_per_min": 30.0}}))
        content = yaml.safe_load(PARAMS.read_text())
        content["sim_camera"] = {"ros__parameters": {"scenario": str(scenario)}}
        params = home / "cell.params.yaml"
        params.write_text(yaml.safe_dump(content))
        parser = argparse.ArgumentParser()
        RunCommand().configure(parser)
        words = [f"params:={params}", "--parts", str(parts), "--seed", str(seed), "--speed", "0", "--headless"]
        words += ["--clear", *(["--model", str(model)] if model is not None else [])]
        self.args = parser.parse_args(words)
        self.plan = _plan(self.args)
        bench = self.plan.simulator
        assert isinstance(bench, SimBench)
        self.bench = bench
        self.number = 0
        self.died: list[str] = []
        self.aborted: list[str] = []
        self.state.mkdir()

    @property
    def state(self) -> Path:
        """The present controller's folder."""
        return self.home / f"state{self.number}"

    def live(self, death: Death | None = None) -> bool:
        """One controller, until it dies or the belt is empty; True where it died."""
        plan: Plan = dataclasses.replace(self.plan, simulator=_Kept(self.bench))  # type: ignore[arg-type]
        folder = StateFolder(self.state)
        patches = pytest.MonkeyPatch()
        before = _fates(folder.ledger)
        try:
            run = LockstepRun(self.args, plan, folder, crashed=ended_badly(folder.ledger))
            with run:
                if death is not None:
                    self._arm(patches, death, run)
                status = run.go()
                if status:
                    self.aborted.append(run.graph["supervisor"].machine.reason)
            died = False
        except Killed as killed:
            self.died.append(str(killed))
            died = True
        finally:
            patches.undo()
            folder.close()
        if died:
            self.number += 1
            assert death is not None
            self._pass(death.blind_s)
        after = _fates(self.state / LEDGER)
        changed = {key: line for key, line in before.items() if after.get(key) != line}
        assert not changed, f"finished lines were lost or changed: {changed}"
        return died

    def _die(self, what: str) -> None:
        following = self.home / f"state{self.number + 1}"
        following.mkdir()
        for path in self.state.glob(f"{LEDGER}*"):
            shutil.copyfile(path, following / path.name)
        raise Killed(what)

    def _arm(self, patches: pytest.MonkeyPatch, death: Death, run: LockstepRun) -> None:
        """Have the controller die at that event."""
        count, began_s = 0, self.bench.now_s()

        def event(what: str) -> None:
            nonlocal count
            if self.bench.now_s() - began_s > death.latest_s:
                self._die(f"too late, {run.graph['picker']._sequence.phase.value}")
            if what == death.kind:
                count += 1
                if count == death.count:
                    self._die(f"{what} {count}, {run.graph['picker']._sequence.phase.value}")

        def around(owner: type, name: str, before: str, after: str) -> None:
            genuine: Callable[..., Any] = getattr(owner, name)

            def wrapped(*words: Any) -> Any:
                event(before)
                answer = genuine(*words)
                event(after)
                return answer

            patches.setattr(owner, name, wrapped)

        step = PickSequence.step
        phases = {"last": "idle"}

        def stepped(sequence: PickSequence, *words: Any) -> Any:
            outputs = step(sequence, *words)
            if outputs.phase.value != phases["last"]:
                phases["last"] = outputs.phase.value
                event(outputs.phase.value)
            return outputs

        patches.setattr(PickSequence, "step", stepped)
        around(Ledger, "_submit", "before line", "after line")
        around(PickerNode, "_command", "before fingers", "after fingers")
        around(type(run.ending), "__call__", "time", "")

    def _pass(self, seconds: float) -> None:
        """Time without a controller."""
        clock: Any = self.bench.clock
        end_s = clock.seconds + seconds
        while True:
            wanted_s = self.bench._hall.poll(clock.seconds)
            if wanted_s is None or wanted_s >= end_s:
                break
            clock.seconds = max(wanted_s, clock.seconds + 1e-6)
        clock.seconds = end_s

    def rows(self, query: str) -> list[Any]:
        """From the ledger."""
        with contextlib.closing(sqlite3.connect(self.state / LEDGER)) as connection:
            return connection.execute(query).fetchall()

    def truth(self) -> list[dict[str, Any]]:
        """The referee's."""
        return self.bench.fates()

    def close(self) -> None:
        self.bench.close()


@contextlib.contextmanager
def lives(home: Path, **options: Any) -> Iterator[Lives]:
    """As ``Lives``, ended at the end."""
    it = Lives(home, **options)
    try:
        yield it
    finally:
        it.close()


def _fates(path: Path) -> dict[tuple[int, int], tuple[Any, ...]]:
    if not path.exists():
        return {}
    # A copy is read: the reader would else clear the log away that the dead one has left.
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        copy = path.parent / "look"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copyfile(file, copy / file.name)
        connection.execute("ATTACH ? AS it", (str(copy / path.name),))
        if not connection.execute("SELECT count(*) FROM it.sqlite_master WHERE name = 'fate'").fetchone()[0]:
            return {}
        return {(row[0], row[1]): tuple(row) for row in connection.execute("SELECT * FROM it.fate")}
