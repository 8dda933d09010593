"""``cell run``: the whole cell in this process, simulated or real."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cell.cli.command import (
    existing_path,
    natural_int,
    output_file,
    overkill,
    port_number,
    positive_float,
    positive_int,
    speed,
)
from cell.cli.simulator import Simulator, simulator_of
from cell.cli.state import StateFolder, default_state
from cell.config import NodeConfig
from cell.launching import LaunchDescription, configure, default_launch, load_launch, parse_arguments
from cell.packml import State
from cell.report import write_report
from perception.errors import InputError

ABORTED = 3
REQUIRED = ("supervisor", "picker", "status")
SWITCH_S = 0.0005
VISION = ("camera", "sim_camera", "detector")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run, checked: the launch, every node's values, the simulator if the ports lead to one."""

    launch: LaunchDescription
    configs: tuple[NodeConfig, ...]
    simulator: Simulator | None


class RunCommand:
    """The whole cell."""

    help = "run the whole cell; without a file, the simulated one"
    example = "cell run --parts 200 --seed 1 --speed 0 --headless --report r.json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "launch", nargs="?", metavar="LAUNCH.yaml", help="launch file (default: the simulated cell)"
        )
        parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the launch file")
        parser.add_argument("--parts", type=positive_int, help="end after so many parts")
        parser.add_argument("--duration", type=positive_float, metavar="S", help="end after so many seconds")
        parser.add_argument(
            "--speed", type=speed, default=1.0, help="simulated seconds a second; 0: lockstep, as fast as it can"
        )
        parser.add_argument("--seed", type=natural_int, default=0, help="of the simulated world (default 0)")
        parser.add_argument("--headless", action="store_true", help="no page")
        parser.add_argument("--port", type=port_number, help="of the page (default 8080; 0: any free one)")
        parser.add_argument("--model", metavar="ID_OR_FILE", help="the detector's model")
        parser.add_argument("--overkill", type=overkill, help="share of good parts that may be rejected")
        parser.add_argument(
            "--source", type=existing_path, metavar="DIR_OR_VIDEO", help="real images that ride as parts, each once"
        )
        parser.add_argument("--state", type=Path, metavar="DIR", help="ledger and history")
        parser.add_argument("--clear", action="store_true", help="Clear, Reset and Start after a crash")
        parser.add_argument("--report", type=output_file, metavar="OUT.json", help="write what happened")

    def run(self, args: argparse.Namespace) -> int:
        plan = _plan(args)
        state = StateFolder((args.state or default_state()).expanduser())
        try:
            return _run(args, plan, state)
        finally:
            state.close()


def _plan(args: argparse.Namespace) -> Plan:
    words = list(args.arguments)
    file = args.launch
    if file is not None and ":=" in file:
        words.insert(0, file)
        file = None
    launch = load_launch(file or default_launch(), parse_arguments(words))
    missing = [name for name in REQUIRED if name not in {node.name for node in launch.nodes}]
    if missing:
        raise InputError(f"a whole cell needs the node '{missing[0]}'", file=file or default_launch())
    overrides = _overrides(args)
    configs = configure(launch, overrides)
    found = simulator_of(configs)
    if found is None:
        for flag in ("source", "seed"):
            if getattr(args, flag):
                raise InputError("is only for a simulated cell, this one has real ports", key=f"--{flag}")
        if args.speed != 1.0:
            raise InputError("a cell with real ports runs at speed 1", key="--speed")
        return Plan(launch, configs, None)
    factory, parameters = found
    simulator = factory(parameters, seed=args.seed, parts=args.parts, source=args.source, lockstep=args.speed != 1.0)
    shared = {**simulator.overrides().get("/**", {}), **overrides.pop("/**", {})}
    return Plan(launch, configure(launch, {**overrides, "/**": shared}), simulator)


def _overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    shared: dict[str, Any] = {}
    if args.model is not None:
        shared["model"] = args.model
    if args.overkill is not None:
        shared["overkill"] = args.overkill
    return {"/**": shared, "status": {"port": args.port} if args.port is not None else {}}


def _run(args: argparse.Namespace, plan: Plan, state: StateFolder) -> int:
    # rclpy and every node behind it are loaded here, after the input is known to be good.
    from cell.ledger import ended_badly  # noqa: PLC0415

    crashed = ended_badly(state.ledger)
    if crashed and args.headless and not args.clear:
        print(
            f"cell: the last run on {state.path} had no clean end: the cell stands in Aborted (--clear goes on)",
            file=sys.stderr,
        )
        return ABORTED
    run = _LiveRun if args.speed == 1.0 else _LockstepRun
    with run(args, plan, state, crashed=crashed) as cell:
        return cell.go()


class _Run:
    """What a run in real time and one in simulated time have in common: the nodes, the page, the end, the report."""

    simulated_time = False

    def __init__(self, args: argparse.Namespace, plan: Plan, state: StateFolder, *, crashed: bool) -> None:
        self.args = args
        self.plan = plan
        self._state = state
        self._crashed = crashed
        self._page: Any = None
        self._graph: Any = None

    def __enter__(self) -> _Run:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _open(self) -> None:
        import rclpy  # noqa: PLC0415

        from cell.cli.ending import Ending  # noqa: PLC0415
        from cell.cli.graph import Graph, begin  # noqa: PLC0415
        from cell.drivers.registry import Devices, use_devices  # noqa: PLC0415

        args, simulator = self.args, self.plan.simulator
        # A port in use is to be known before anything moves, and the page waits for nothing else.
        if simulator is not None:
            simulator.start()
        clock = simulator.clock if simulator is not None else time.monotonic
        self.devices = Devices(clock, threaded=not self.simulated_time)
        use_devices(self.devices)
        begin(use_signals=False)
        self._rclpy = rclpy
        self._graph = Graph(
            self.plan.launch.nodes,
            self._with_run_values(),
            extra={"status": {"simulated": simulator is not None}},
            use_sim_time=self.simulated_time,
        )
        if not args.headless:
            self._serve_page()
        self.ending = Ending(
            self._graph, simulator, parts=args.parts, duration_s=args.duration, unattended=args.headless
        )

    def _with_run_values(self) -> tuple[NodeConfig, ...]:
        """The nodes' values with what only this run knows."""
        policy = next((str(c.values.get("name", "spt")) for c in self.plan.configs if c.name == "policy"), "spt")
        speed_mps = next((c.values["speed_mps"] for c in self.plan.configs if "speed_mps" in c.values), 0.2)
        own: dict[str, dict[str, Any]] = {
            "picker": {"ledger": str(self._state.ledger), "seed": self.args.seed},
            "supervisor": {"after_crash": self._crashed, "clear": self.args.clear, "speed_mps": speed_mps},
            "status": {"policy": policy},
        }
        return configure(self.plan.launch, _merged(_flat(self.plan.configs), own))

    def _serve_page(self) -> None:
        from cell.hmi.server import PageServer  # noqa: PLC0415

        values = next(c for c in self.plan.configs if c.name == "status").parameters
        self._page = PageServer(
            self._graph["status"],
            host=str(getattr(values, "host", "127.0.0.1")),
            port=int(getattr(values, "port", 8080)),
        )
        url = self._page.start()
        print(f"The cell's page: {url}", flush=True)
        print(f"Log in as engineer, once, on this machine: {self._page.login_url}", flush=True)

    def go(self) -> int:
        """Run to the end; returns the exit status."""
        raise TypeError("a run is either live or in lockstep")

    def _finish(self, began_s: float, wall_began_s: float) -> int:
        from cell.cli.reporting import assemble  # noqa: PLC0415

        graph = self._graph
        report = assemble(
            graph,
            self.plan.simulator,
            seed=self.args.seed if self.plan.simulator is not None else None,
            began_s=began_s,
            ended_s=graph["supervisor"].now_s,
            wall_s=time.perf_counter() - wall_began_s,
        )
        if self.args.report is not None:
            write_report(self.args.report, report)
        parts = report["parts"]
        fates = ", ".join(f"{count} {fate}" for fate, count in parts.items() if fate != "entered" and count)
        print(
            f"{parts['entered']} parts: {fates or 'none'}; {report['sim_s']:.0f} s in {report['wall_s']:.0f} s, "
            f"the cell stands in {report['packml']['state']}",
            flush=True,
        )
        return ABORTED if self.ending.state in (State.ABORTED, State.ABORTING) else 0

    def _close(self) -> None:
        from cell.drivers.registry import use_devices  # noqa: PLC0415

        if self._page is not None:
            self._page.stop()
        if self._graph is not None:
            self._graph.close()
        devices = getattr(self, "devices", None)
        if devices is not None:
            devices.close()
            use_devices(None)
        if self.plan.simulator is not None:
            self.plan.simulator.close()
        rclpy = getattr(self, "_rclpy", None)
        if rclpy is not None and rclpy.ok():
            rclpy.shutdown()


class _LockstepRun(_Run):
    """Simulated time: one thread, everybody idle before each step."""

    simulated_time = True

    def go(self) -> int:
        from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415
        from rclpy.qos import QoSProfile  # noqa: PLC0415
        from rosgraph_msgs.msg import Clock  # noqa: PLC0415

        simulator = self.plan.simulator
        if simulator is None:
            raise InputError("simulated time needs the simulator", key="--speed")
        executor = SingleThreadedExecutor()
        for node in self._graph.nodes.values():
            executor.add_node(node)
        teller = self._graph["supervisor"].create_publisher(Clock, "/clock", QoSProfile(depth=1))

        def tell_time(now_ns: int) -> None:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
            teller.publish(message)

        began_s, wall_began_s = simulator.clock(), time.perf_counter()
        pace = _pacer(self.args.speed, began_s) if self.args.speed > 0.0 else None
        try:
            simulator.run_lockstep(executor, self.devices, tell_time, self.ending, pace)
            return self._finish(began_s, wall_began_s)
        finally:
            executor.shutdown()


class _LiveRun(_Run):
    """Real time: control on this thread, pictures on one of their own, each port on one of its own."""

    def go(self) -> int:
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: PLC0415

        # Every byte on a bus wakes a thread; with the usual 5 ms each would wait behind a picture that is being judged.
        sys.setswitchinterval(SWITCH_S)
        control, vision = SingleThreadedExecutor(), SingleThreadedExecutor()
        for name, node in self._graph.nodes.items():
            (vision if name in VISION else control).add_node(node)
        failed: list[BaseException] = []

        def look() -> None:
            try:
                vision.spin()
            except ExternalShutdownException:
                return
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=look, name="vision", daemon=True)
        self.devices.start()
        began_s, wall_began_s = self._graph["supervisor"].now_s, time.perf_counter()
        with _signals_as_interrupt():
            try:
                thread.start()
                while not self.ending():
                    control.spin_once(timeout_sec=0.05)
                    if failed:
                        raise failed[0]
            except KeyboardInterrupt:
                self._stop(control)
            status = self._finish(began_s, wall_began_s)
        vision.shutdown()
        control.shutdown()
        thread.join(5.0)
        return status

    def _stop(self, control: Any) -> None:
        """Ctrl-C and SIGTERM: a controlled stop, so that nothing is left moving."""
        from cell.packml import Event  # noqa: PLC0415

        supervisor = self._graph["supervisor"]
        print("stopping", flush=True)
        supervisor.give(Event.STOP, "the command line")
        until_s = time.monotonic() + 10.0
        ended = (State.STOPPED, State.ABORTED, State.COMPLETE)
        while supervisor.machine.state not in ended and time.monotonic() < until_s:
            control.spin_once(timeout_sec=0.05)


class _signals_as_interrupt:  # noqa: N801 (reads as a statement)
    """SIGTERM raises KeyboardInterrupt like Ctrl-C does, while this is entered on the main thread."""

    def __enter__(self) -> None:
        self._before: Any = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _pacer(factor: float, began_s: float) -> Callable[[float], None]:
    wall_began_s = time.monotonic()

    def pace(now_s: float) -> None:
        ahead_s = (now_s - began_s) / factor - (time.monotonic() - wall_began_s)
        if ahead_s > 0.001:
            time.sleep(ahead_s)

    return pace


def _flat(configs: tuple[NodeConfig, ...]) -> dict[str, dict[str, Any]]:
    return {config.name: dict(config.values) for config in configs}


def _merged(first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
