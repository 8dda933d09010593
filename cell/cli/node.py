"""``cell node NAME...``: nodes in a process of their own, as launch files start them."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cell.announcing import PAGE_VARIABLE, Announcer, end_on_signals, end_with_parent
from cell.cli.simulator import SimulatorChoice, simulator_named
from cell.cli.wire import add_wire_flag, switch_wire
from cell.cmdline import NodeCommand as Words
from cell.cmdline import parse_node_words
from cell.config import NodeConfig, Origin, overrides_of, read_params, resolve
from cell.launching import NodeLaunch
from cell.liveness import MOVERS
from cell.plugins import NODES, SIMULATORS, nearest, node_names, registered
from cell.simfolder import SimFolder
from cell.urgency import go_before_others, settle
from perception.errors import InputError

if TYPE_CHECKING:
    from rclpy.node import Node

BAD_INPUT = 2
SPIN_S = 0.5


class NodeCommand:
    """Nodes."""

    help = "run nodes in a process of their own, as launch files start them"
    example = "cell node tracker --ros-args --params-file launch/hardware.params.yaml"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        add_wire_flag(parser)
        parser.add_argument("name", metavar="NAME", help=f"one or more of {', '.join(node_names())}")
        parser.add_argument(
            "words", nargs=argparse.REMAINDER, metavar="NAME ... --ros-args ...", help="as ROS 2 takes them"
        )

    def run(self, args: argparse.Namespace) -> int:
        announcer = Announcer()
        end_on_signals()
        try:
            switch_wire(args)
            end_with_parent()
            return _run([args.name, *args.words], announcer)
        except KeyboardInterrupt:
            return 0
        except InputError as error:
            if not announcer.heard:
                raise
            announcer.tell({"error": str(error)})
            return BAD_INPUT


def _run(words: list[str], announcer: Announcer) -> int:
    count = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    names, rest = words[:count], words[count:]
    for place, name in enumerate(names):
        if name not in registered(NODES):
            raise InputError(f"unknown node{nearest(name, node_names())}", key=name)
        if name in names[:place]:
            raise InputError("this node is named twice", key=name)
    if rest and rest[0] != "--ros-args":
        raise InputError("unknown flag; a node's own arguments follow --ros-args", key=rest[0])
    choice = _simulator(names)
    if choice is not None:
        return _simulate(choice, words, announcer)
    with contextlib.ExitStack() as undo:
        _spin(names, rest, announcer, undo)
    return 0


def _spin(names: list[str], words: list[str], announcer: Announcer, undo: contextlib.ExitStack) -> None:
    import rclpy  # noqa: PLC0415 (after the input is known to be good)
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: PLC0415

    from cell.cli.spinning import VISION, WATCH, Spinning  # noqa: PLC0415

    try:
        rclpy.init(args=words)
    except RuntimeError as error:
        # What is wrong with `--ros-args`, by both the embedded and the real rclpy.
        raise InputError(str(error).partition(", at ./src")[0]) from None
    undo.callback(rclpy.try_shutdown)
    nodes: dict[str, Node] = {}
    if any(name in (*WATCH, *MOVERS) for name in names):
        go_before_others()
    for name in names:
        node: Node = registered(NODES)[name].load()()
        undo.callback(node.destroy_node)
        nodes[name] = node
    page = _serve_page(nodes["status"], undo) if "status" in nodes else {}
    apart = {
        thread: [node for name, node in nodes.items() if name in its]
        for thread, its in (("vision", VISION), ("supervisor", WATCH))
    }
    own = [node for node in nodes.values() if not any(node in group for group in apart.values())]
    if not own:
        own = apart.pop("vision") or apart.pop("supervisor")
    threads = []
    for thread, group in apart.items():
        if group:
            threads.append(Spinning(thread, group))
            undo.callback(threads[-1].close)
    executor = SingleThreadedExecutor()
    undo.callback(executor.shutdown)
    for node in own:
        executor.add_node(node)
    settle()
    announcer.tell({"ready": True, **page})
    if page and not announcer.heard:
        print(f"The cell's page: {page['page']}", flush=True)
        print(f"Log in as engineer, once, on this machine: {page['login']}", flush=True)
    try:
        while rclpy.ok():
            executor.spin_once(timeout_sec=SPIN_S)
            for spinning in threads:
                spinning.check()
    except ExternalShutdownException:
        return


def _serve_page(status: Any, undo: contextlib.ExitStack) -> dict[str, str | None]:
    """The page of a status node: where it is, and how to log in."""
    from cell.hmi.server import PageServer  # noqa: PLC0415 (loads a web server)

    given = os.environ.pop(PAGE_VARIABLE, "")
    listening = socket.socket(fileno=int(given)) if given.isdigit() else None
    page = PageServer(
        status,
        host=str(status.setting("host", "127.0.0.1")),
        port=int(status.setting("port", 8080)),
        listening=listening,
    )
    undo.callback(page.stop)
    return {"page": page.start(), "login": page.login_url}


def _simulator(names: list[str]) -> SimulatorChoice | None:
    """The simulator that the nodes stand on, where all of them stand for hardware."""
    for scheme in registered(SIMULATORS):
        ours = [name.startswith(f"{scheme}_") for name in names]
        if any(ours):
            if not all(ours):
                other = names[ours.index(False)]
                raise InputError("simulated hardware has a process of its own; name only its nodes", key=other)
            return simulator_named(scheme, ())
    return None


def _simulate(choice: SimulatorChoice, words: list[str], announcer: Announcer) -> int:
    """Simulated hardware with its ports on this machine's state folder, as ``ros2 launch`` starts it."""
    from cell.cli.domain import Domain, chosen  # noqa: PLC0415 (only here)
    from cell.cli.sim_host import SimHost  # noqa: PLC0415

    try:
        command = parse_node_words(words)
    except ValueError as error:
        raise InputError(str(error)) from None
    own = [_resolved(name, command) for name in command.names]
    parameters = next((dict(config.values) for node, config in own if node.name == f"{choice.scheme}_camera"), {})
    simulator = choice.factory(parameters, seed=0, parts=None, source=None, lockstep=False)
    host = SimHost(
        SimFolder.of_this_process(),
        simulator,
        own,
        seed=0,
        parts=None,
        source=None,
        announcer=announcer,
        domain=Domain(chosen() or 0),
    )
    host.run()
    return 0


def _resolved(name: str, command: Words) -> tuple[NodeLaunch, NodeConfig]:
    files = [read_params(path) for path in command.params_files]
    config = resolve(name, files, overrides_of(command.parameters, Origin()))
    return NodeLaunch(
        name=name,
        args=command.args,
        params_files=tuple(command.params_files),
        parameters=MappingProxyType(command.parameters),
        remaps=MappingProxyType(command.remaps),
        file=Path("cell node"),
        line=None,
    ), config
