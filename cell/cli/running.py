"""A run of the cell in one process: in real time, or in simulated time. What both and a run in processes share."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import SingleThreadedExecutor

from cell.casualties import Casualties
from cell.cli.domain import Alone, Domain
from cell.cli.ending import Ending
from cell.cli.graph import Graph, begin
from cell.cli.interrupts import Interrupts
from cell.cli.plan import Plan, page_of
from cell.cli.reporting import Figures, StatusFigures, assemble
from cell.cli.simulator import Hardware
from cell.cli.spinning import VISION, WATCH, Spinning
from cell.cli.state import StateFolder
from cell.cli.watchdog import Watchdog
from cell.drivers.registry import Devices, use_devices
from cell.packml import Event, State
from cell.report import write_report
from cell.urgency import settle
from perception.errors import InputError

if TYPE_CHECKING:
    from cell.hmi.server import PageServer

ABORTED = 3
SWITCH_S = 0.0005
STOP_S = 10.0


class Run:
    """What every run has: nodes, devices, an end, a report. A context manager; ``go`` runs it."""

    simulated_time = False

    def __init__(self, args: argparse.Namespace, plan: Plan, state: StateFolder, *, crashed: bool) -> None:
        self.args = args
        self.plan = plan
        self.state = state
        self.crashed = crashed
        # What is to be undone at the end, the last one first.
        self.undo = contextlib.ExitStack()
        self.graph: Graph
        self.devices: Devices
        self.ending: Ending
        self.figures: Figures

    def __enter__(self) -> Run:
        try:
            self.open()
        except BaseException:
            self.undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.undo.close()

    @property
    def hardware(self) -> Hardware | None:
        """The simulated hardware, or None where it is real."""
        return self.plan.simulator

    @property
    def seed(self) -> int | None:
        """Of the simulated world."""
        return None if self.hardware is None else self.args.seed or 0

    def open(self) -> None:
        """Bring everything up; what cannot run is found here."""
        simulator = self.plan.simulator
        # A port in use is to be known before anything moves, and the page waits for nothing else.
        if simulator is not None:
            self.undo.callback(simulator.close)
            simulator.start()
        if self.simulated_time:
            self.undo.enter_context(Alone())
        else:
            self.undo.enter_context(contextlib.closing(Domain()))
        names = [node.name for node in self.plan.launch.nodes]
        self.bring_up(names, simulator.clock if simulator is not None else time.monotonic)
        self.figures = StatusFigures(self.graph["status"])
        if not self.args.headless:
            self.serve_page()
        self.end_by()

    def bring_up(self, names: list[str], clock: Callable[[], float]) -> None:
        """Devices and the nodes of these names."""
        self.devices = Devices(clock, threaded=not self.simulated_time)
        self.undo.callback(use_devices, None)
        self.undo.callback(self.devices.close)
        use_devices(self.devices)
        begin(use_signals=False)
        self.undo.callback(_shut_down)
        configs = self.plan.for_run(
            self.args,
            self.state.ledger,
            crashed=self.crashed,
            seed=self.seed,
            simulated=self.hardware is not None,
        )
        pairs = [
            (launch, config)
            for launch, config in zip(self.plan.launch.nodes, configs, strict=True)
            if launch.name in names
        ]
        self.graph = Graph(
            [launch for launch, _ in pairs],
            [config for _, config in pairs],
            extra={},
            use_sim_time=self.simulated_time,
        )
        self.undo.callback(self.graph.close)
        reconciled = self.graph["picker"].books.reconciled
        if reconciled is not None:
            stands = "; the cell stands in Aborted" if self.crashed else ""
            print(f"reconciled: {reconciled.words}{stands}", flush=True)

    def inject(self, executor: SingleThreadedExecutor) -> None:
        """Let happen what ``--faults`` says; what concerns the controller happens to this process's nodes."""
        if self.args.faults is None or self.hardware is None:
            return
        casualties = Casualties(self.graph.nodes, executor, die=_die, kill=self.kill)
        self.undo.callback(casualties.close)
        self.hardware.inject(self.args.faults, casualties)

    def kill(self, node: str) -> bool:
        """Kill the process of a node that lives elsewhere; False where there is none."""
        return False

    def end_by(self) -> None:
        """Know when the run is over."""
        args = self.args
        self.ending = Ending(
            self.graph,
            self.hardware,
            settled=lambda: self.figures.settled,
            parts=args.parts,
            duration_s=args.duration,
            unattended=args.headless,
        )

    def serve_page(self) -> None:
        """The page in this process."""
        from cell.hmi.server import PageServer  # noqa: PLC0415 (loads a web server)

        host, port = page_of(self.plan.configs)
        page: PageServer = PageServer(self.graph["status"], host=host, port=port)
        self.undo.callback(page.stop)
        tell_page(page.start(), page.login_url)

    def go(self) -> int:
        """Run to the end; returns the exit status."""
        raise TypeError("a run is of one kind or another")

    def finish(self, began_s: float, wall_began_s: float) -> int:
        """The report, and the exit status."""
        report = assemble(
            self.graph,
            self.hardware,
            self.figures,
            seed=self.seed,
            began_s=began_s,
            ended_s=self.graph["supervisor"].now_s,
            wall_s=time.perf_counter() - wall_began_s,
        )
        if self.args.report is not None:
            write_report(self.args.report, report)
        parts: dict[str, int] = {**report["parts"]}  # type: ignore[dict-item]
        fates = ", ".join(f"{count} {fate}" for fate, count in parts.items() if fate != "entered" and count)
        print(
            f"{parts['entered']} parts: {fates or 'none'}; {report['sim_s']:.0f} s in {report['wall_s']:.0f} s, "
            f"the cell stands in {report['packml']['state']}",
            flush=True,
        )
        return ABORTED if self.ending.state in (State.ABORTED, State.ABORTING) else 0


class LockstepRun(Run):
    """Simulated time: one thread, everybody idle before each step."""

    simulated_time = True

    def go(self) -> int:
        from rclpy.qos import QoSProfile  # noqa: PLC0415 (only here)
        from rosgraph_msgs.msg import Clock  # noqa: PLC0415 (only here)

        simulator = self.plan.simulator
        if simulator is None:
            raise InputError("simulated time needs the simulator", key="--speed")
        executor = SingleThreadedExecutor()
        for node in self.graph.nodes.values():
            executor.add_node(node)
        teller = self.graph["supervisor"].create_publisher(Clock, "/clock", QoSProfile(depth=1))

        def tell_time(now_ns: int) -> None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
            teller.publish(message)

        self.inject(executor)
        began_s, wall_began_s = simulator.clock(), time.perf_counter()
        pace = _pacer(self.args.speed, began_s) if self.args.speed > 0.0 else None
        try:
            simulator.run_lockstep(executor, self.devices, tell_time, self.ending, pace)
            return self.finish(began_s, wall_began_s)
        finally:
            executor.shutdown()


class LiveRun(Run):
    """Real time: control on this thread, the supervisor, pictures and each port on one of their own.

    Attributes:
        interrupts: entered; the run ends in order when a signal comes.
    """

    interrupts: Interrupts

    def go(self) -> int:
        # Every byte on a bus wakes a thread; with the usual 5 ms each would wait behind a picture that is judged.
        sys.setswitchinterval(SWITCH_S)
        control = SingleThreadedExecutor()
        self.undo.callback(control.shutdown)
        for name, node in self.graph.nodes.items():
            if name not in (*VISION, *WATCH):
                control.add_node(node)
        settle()
        threads = []
        for thread, its in (("vision", VISION), ("supervisor", WATCH)):
            nodes = [node for name, node in self.graph.nodes.items() if name in its]
            if nodes:
                threads.append(Spinning(thread, nodes))
                self.undo.callback(threads[-1].close)
        watchdog = Watchdog(self.graph["supervisor"])
        self.undo.callback(watchdog.close)
        self.inject(control)
        self.devices.start()
        began_s, wall_began_s = self.graph["supervisor"].now_s, time.perf_counter()
        try:
            self.interrupts.listen()
            while not self.ending():
                control.spin_once(timeout_sec=0.05)
                for spinning in threads:
                    spinning.check()
                self.look_after()
                watchdog.look()
        except KeyboardInterrupt:
            watchdog.stopping()
            self.stop(control)
        watchdog.stopping()
        return self.finish(began_s, wall_began_s)

    def look_after(self) -> None:
        """Called again and again while the run goes on."""

    def stop(self, control: SingleThreadedExecutor) -> None:
        """Ctrl-C and SIGTERM: a controlled stop, so that nothing is left moving."""
        supervisor = self.graph["supervisor"]
        print("stopping", flush=True)
        supervisor.give(Event.STOP, "the command line")
        until_s = time.monotonic() + STOP_S
        ended = (State.STOPPED, State.ABORTED, State.COMPLETE)
        while supervisor.machine.state not in ended and time.monotonic() < until_s:
            control.spin_once(timeout_sec=0.05)


def tell_page(url: str, login: str | None) -> None:
    """Where the page is, and how to log in."""
    print(f"The cell's page: {url}", flush=True)
    print(f"Log in as engineer, once, on this machine: {login}", flush=True)


def _die() -> None:
    """As a loss of power: nothing is closed, nothing is said."""
    os.kill(os.getpid(), signal.SIGKILL)


def _shut_down() -> None:
    if rclpy.ok():
        rclpy.shutdown()


def _pacer(factor: float, began_s: float) -> Callable[[float], None]:
    wall_began_s = time.monotonic()

    def pace(now_s: float) -> None:
        ahead_s = (now_s - began_s) / factor - (time.monotonic() - wall_began_s)
        if ahead_s > 0.001:
            time.sleep(ahead_s)

    return pace
