"""How fast a cell in real time reacts: from the emergency stop's contact, and from a node's silence, to Aborting.

The simulated hardware stands in this process, so that the instant of a cause is known; the controller is ``cell run``
in its own processes, told apart by nothing; a load keeps both cores busy with the detector's network, at the priority
that the cell gives its detector. The reaction counts when /cell/state has arrived here, so its way over the transport
is counted in.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cell.announcing import Announcer
from cell.cli.bench.figures import percentile
from cell.cli.sim_host import SimHost
from cell.cli.simulator import SimulatorChoice, simulator_of
from cell.launching import configure, default_launch, load_launch
from cell.packml import Event, State
from cell.simfolder import STATE_VARIABLE, SimFolder
from cell.urgency import HARDWARE, give_way, go_before_others
from perception.errors import InputError
from sim.bench import SimBench

READY_S: Final = 90.0
STEP_S: Final = 30.0
LOAD: Final = """
import sys
import numpy as np
from perception.inspection import Inspector
from perception.registry import find_model
inspector = Inspector(find_model("sim"), threads=2)
pixels = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
pixels[100:300, 200:330] = 220
while True:
    inspector.inspect(pixels)
"""
"""The detector's network without a pause, on as many threads as there are cores here."""


class RunFailed(RuntimeError):
    """The cell did not come to where it had to be."""


@dataclass
class Reactions:
    """What was measured, s. ``nuisance``: aborts that nobody had caused, each with its reason in words."""

    estop_s: list[float] = field(default_factory=list)
    silence_s: list[float] = field(default_factory=list)
    watched_s: float = 0.0
    nuisance: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Plain numbers."""
        found: dict[str, Any] = {"watched_s": round(self.watched_s, 1), "nuisance": list(self.nuisance)}
        for name, values in (("estop", self.estop_s), ("silence", self.silence_s)):
            if values:
                found[name] = {
                    "n": len(values),
                    "p50_s": round(percentile(values, 0.5), 4),
                    "p99_s": round(percentile(values, 0.99), 4),
                    "max_s": round(max(values), 4),
                }
        return found


class _Cell:
    """A running cell as its operator has it: states as they arrive, with the time of their arrival, and commands."""

    def __init__(self, domain: int) -> None:
        import rclpy  # noqa: PLC0415 (a command that never runs loads no graph)
        from cell_msgs.msg import CellState  # noqa: PLC0415
        from cell_msgs.srv import StateCommand  # noqa: PLC0415
        from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
        from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("reaction_operator", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._request = StateCommand.Request
        self._client = self._node.create_client(StateCommand, "/cell/command")
        self._changed = threading.Condition()
        self._entered: list[tuple[float, State, str]] = []
        self._node.create_subscription(CellState, "/cell/state", self._on_state, 50)
        self._thread = threading.Thread(target=self._spin, name="operator", daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException  # noqa: PLC0415

        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def _on_state(self, message: Any) -> None:
        now_s, state = time.monotonic(), State(message.state)
        with self._changed:
            if not self._entered or self._entered[-1][1] is not state:
                self._entered.append((now_s, state, message.reason))
                self._changed.notify_all()

    @property
    def state(self) -> State | None:
        """The newest; None before the first."""
        return self._entered[-1][1] if self._entered else None

    @property
    def reason(self) -> str:
        """Of the newest state."""
        return self._entered[-1][2] if self._entered else ""

    def wait(self, wanted: Sequence[State], timeout_s: float) -> tuple[float, State]:
        """When the cell came into one of these states, or was in it.

        Raises:
            RunFailed: not in time.
        """
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while self.state not in wanted:
                if not self._changed.wait(max(0.0, until_s - time.monotonic())):
                    stands = self.state.title if self.state is not None else "nothing yet"
                    raise RunFailed(f"not {wanted[0].title} within {timeout_s:.0f} s, but {stands}: {self.reason}")
            at_s, state, _ = self._entered[-1]
            return at_s, state

    def give(self, event: Event) -> None:
        """A command; whether it was taken shows in the state."""
        self._client.call_async(self._request(command=int(event), by="the benchmark"))

    def produce(self, timeout_s: float = READY_S) -> None:
        """Bring it to Execute from wherever it stands, as an operator does.

        Raises:
            RunFailed: it does not come.
        """
        next_command = {State.ABORTED: Event.CLEAR, State.STOPPED: Event.RESET, State.IDLE: Event.START}
        until_s = time.monotonic() + timeout_s
        while self.state is not State.EXECUTE:
            if time.monotonic() > until_s:
                raise RunFailed(f"never in Execute: {self.reason}")
            event = next_command.get(self.state) if self.state is not None else None
            if event is not None and self._client.service_is_ready():
                self.give(event)
            time.sleep(0.1)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._thread.join(5.0)
        self._node.destroy_node()
        self._context.try_shutdown()


class Rig:
    """A cell in real time with its hardware in this process. A context manager.

    Args:
        folder: for state and parameters.
        load: keep both cores busy with the detector's network.
        apart: nodes of control that are to have a process of their own, so that one of them can be stopped.
    """

    def __init__(self, folder: Path, *, load: bool = True, apart: Sequence[str] = ()) -> None:
        self._folder = folder
        self._load = load
        self._apart = tuple(apart)
        self._undo = contextlib.ExitStack()
        self.bench: SimBench
        self.cell: _Cell
        self.run: subprocess.Popen[bytes]

    def __enter__(self) -> Rig:
        try:
            self._open()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _open(self) -> None:
        go_before_others(HARDWARE)
        launch = _launch(self._folder, self._apart)
        state = self._folder / "state"
        state.mkdir(exist_ok=True)
        description = load_launch(launch)
        configs = configure(description)
        choice: SimulatorChoice | None = simulator_of(configs)
        if choice is None:
            raise InputError("has real ports only, there is nothing to measure", file=launch)
        self._undo.enter_context(
            _environment({STATE_VARIABLE: str(state), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"})
        )
        folder = SimFolder(state)
        folder.create()
        simulator = choice.factory(choice.parameters, seed=1, parts=None, source=None, lockstep=False)
        assert isinstance(simulator, SimBench)
        self.bench = simulator
        own = [
            (node, config) for node, config in zip(description.nodes, configs, strict=True) if choice.serves(node.name)
        ]
        from cell.cli.domain import Domain  # noqa: PLC0415

        domain = Domain()
        host = SimHost(folder, simulator, own, seed=1, parts=None, source=None, announcer=Announcer(), domain=domain)
        thread = threading.Thread(target=host.run, name="hardware", daemon=True)
        thread.start()
        self._undo.callback(thread.join, 20.0)
        self._undo.callback(_end_hardware, folder)
        log = (self._folder / "run.log").open("wb")
        self._undo.callback(log.close)
        words = [
            sys.executable,
            "-m",
            "cell.cli.main",
            "run",
            str(launch),
            "--port",
            "0",
            "--clear",
            "--state",
            str(state),
        ]
        self.run = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._undo.callback(_end, self.run)
        give_way(self.run.pid, 0)
        if self._load:
            loader = subprocess.Popen([sys.executable, "-c", LOAD], stdin=subprocess.DEVNULL)
            self._undo.callback(_end, loader)
            give_way(loader.pid)
        self.cell = _Cell(domain.number)
        self._undo.callback(self.cell.close)
        self.cell.wait([State.EXECUTE, State.ABORTED], READY_S)
        self.cell.produce()

    def press(self) -> float:
        """The emergency stop's contact opens; returns when, monotonic."""
        with self.bench._hall.lock:
            self.bench.world.cabinet.press_estop()
            return time.monotonic()

    def release(self) -> None:
        """It closes again."""
        with self.bench._hall.lock:
            self.bench.world.cabinet.release_estop()

    def process_of(self, node: str) -> int:
        """The process of a node that runs apart.

        Raises:
            RunFailed: there is none.
        """
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _parent(entry) == self.run.pid:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                if "node" in words and node in words:
                    return int(entry.name)
        raise RunFailed(f"no process of {node}")


def measure_estop(rig: Rig, count: int, found: Reactions, tell: Callable[[str], None], seed: int = 1) -> None:
    """Press the emergency stop ``count`` times, at random instants of production."""
    rng = random.Random(seed)
    for turn in range(count):
        _watch(rig, rng.uniform(0.2, 0.8), found)
        pressed_s = rig.press()
        aborting_s, _ = rig.cell.wait([State.ABORTING, State.ABORTED], STEP_S)
        found.estop_s.append(aborting_s - pressed_s)
        rig.cell.wait([State.ABORTED], STEP_S)
        rig.release()
        rig.cell.produce(STEP_S)
        tell(f"emergency stop {turn + 1}/{count}: {1e3 * found.estop_s[-1]:.1f} ms")


def measure_silence(rig: Rig, node: str, count: int, found: Reactions, tell: Callable[[str], None]) -> None:
    """Stop a node's process ``count`` times (SIGSTOP: it hangs, and nobody is told)."""
    rng = random.Random(2)
    for turn in range(count):
        _watch(rig, rng.uniform(0.2, 0.8), found)
        pid = rig.process_of(node)
        hung_s = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        try:
            aborting_s, _ = rig.cell.wait([State.ABORTING, State.ABORTED], STEP_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        found.silence_s.append(aborting_s - hung_s)
        rig.cell.wait([State.ABORTED], STEP_S)
        rig.cell.produce(STEP_S)
        tell(f"{node} hangs {turn + 1}/{count}: {1e3 * found.silence_s[-1]:.1f} ms")


def watch(rig: Rig, for_s: float, found: Reactions, tell: Callable[[str], None]) -> None:
    """Let it produce and count what stops it."""
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        _watch(rig, min(30.0, until_s - time.monotonic()), found)
        tell(f"{found.watched_s:.0f} s, {len(found.nuisance)} nuisance trips")


def measure(
    folder: Path,
    *,
    presses: int = 100,
    hangs: int = 30,
    watch_s: float = 60.0,
    load: bool = True,
    tell: Callable[[str], None] = lambda words: None,
) -> Reactions:
    """Everything, on a cell of its own whose gripper has a process of its own.

    Raises:
        RunFailed: the cell does not come up, or does not come back.
    """
    found = Reactions()
    with Rig(folder, load=load, apart=("gripper",)) as rig:
        watch(rig, watch_s, found, tell)
        measure_estop(rig, presses, found, tell)
        measure_silence(rig, "gripper", hangs, found, tell)
    return found


def _watch(rig: Rig, for_s: float, found: Reactions) -> None:
    began_s = time.monotonic()
    while (left_s := began_s + for_s - time.monotonic()) > 0.0:
        if rig.cell.state is not State.EXECUTE:
            found.nuisance.append(f"{rig.cell.state.title if rig.cell.state else '?'}: {rig.cell.reason}")
            rig.cell.produce()
        time.sleep(min(0.02, left_s))
    found.watched_s += time.monotonic() - began_s


def _launch(folder: Path, apart: Sequence[str]) -> Path:
    """The launch file of the simulated cell, with some nodes of control as processes of their own."""
    source = default_launch()
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    actions = []
    for action in content["launch"]:
        body = action.get("executable")
        words = body["cmd"].split() if body is not None else []
        if "supervisor" in words:
            own = [word for word in words if word not in apart]
            actions.append({"executable": {**body, "cmd": " ".join(own)}})
            end = words.index("--ros-args")
            for name in apart:
                command = " ".join(["cell", "node", name, *words[end:]])
                actions.append({"executable": {"name": name, "cmd": command, "respawn": "true"}})
        elif "status" not in words:
            actions.append(action)
    # A whole cell needs its page's node; headless it stays away.
    actions += [
        action for action in content["launch"] if "status" in action.get("executable", {}).get("cmd", "").split()
    ]
    text = yaml.safe_dump({"launch": actions}, sort_keys=False)
    params = (source.parent / "cell.params.yaml").read_text(encoding="utf-8")
    (folder / "cell.params.yaml").write_text(params, encoding="utf-8")
    path = folder / "reaction.launch.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)


def _end_hardware(folder: SimFolder) -> None:
    """It watches whether its folder is still the one that it made."""
    from cell.sim_channel import RunningSim  # noqa: PLC0415

    info = folder.info()
    if info is not None:
        sim = RunningSim(folder, info)
        sim.stop()
        sim.close()


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def main() -> int:
    """Measure and print, for ``make``."""
    import argparse  # noqa: PLC0415
    import json  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m sim.reaction", description=__doc__)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("--hangs", type=int, default=30)
    parser.add_argument("--watch", type=float, default=60.0, metavar="S")
    parser.add_argument("--no-load", action="store_true")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with contextlib.ExitStack() as undo:
        folder = args.folder or Path(undo.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(
            folder,
            presses=args.presses,
            hangs=args.hangs,
            watch_s=args.watch,
            load=not args.no_load,
            tell=_say,
        )
    sys.stdout.write(f"{json.dumps(found.summary(), indent=2)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
