"""``cell init``: the folder of a new cell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cell.cli.command import overkill, positive_float, positive_int
from perception.errors import InputError

if TYPE_CHECKING:
    from cell.commissioning.choices import Choices, DeviceChoice

ROLES = ("gripper", "drive", "encoder", "safety")
BLOCK = ("encoder", "safety")
MEANS = {
    "gripper": "the gripper",
    "drive": "the belt's drive",
    "io": "the I/O block, encoder and safety inputs at once",
    "encoder": "the belt's encoder, where it is not the I/O block",
    "safety": "the safety inputs, where they are not the I/O block",
}


class InitCommand:
    """A new cell's folder."""

    help = "write a new cell's folder: launch file, commented params, their schema, and what to wire and set"
    example = (
        "cell init my-cell --gripper robotiq_2f85 --drive ls_g100 --io modbus_io\n"
        "cell init my-cell --simulated && cell run my-cell/cell.launch.yaml --parts 50"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("folder", metavar="FOLDER", type=Path, help="to be written; nothing is overwritten")
        for role, words in MEANS.items():
            parser.add_argument(f"--{role}", metavar="MODEL", help=words)
            parser.add_argument(f"--{role}-port", metavar="PORT", help=argparse.SUPPRESS)
            parser.add_argument(f"--{role}-unit", metavar="N", type=positive_int, help=argparse.SUPPRESS)
            parser.add_argument(f"--{role}-baudrate", metavar="BAUD", type=positive_int, help=argparse.SUPPRESS)
        words = "gripper, drive, io, encoder, safety"
        parser.add_argument_group(
            "of each device",
            f"--ROLE-port PATH, --ROLE-unit N, --ROLE-baudrate BAUD with ROLE one of {words}; by default its maker's",
        )
        parser.add_argument("--camera", metavar="SOURCE", help="number or path of a video device (default 0)")
        parser.add_argument("--rate", type=positive_float, metavar="HZ", help="pictures a second (default 10)")
        parser.add_argument("--model", metavar="ID_OR_FILE", help="the detector's model (default sim)")
        parser.add_argument("--overkill", type=overkill, help="share of good parts that may be rejected (default 0.05)")
        parser.add_argument("--policy", help="which part is picked next (default spt)")
        parser.add_argument("--belt-speed", type=positive_float, metavar="M/S", help="of the belt (default 0.2)")
        parser.add_argument("--simulated", action="store_true", help="with the simulator's devices, to try it out")
        parser.add_argument("--models", action="store_true", help="only list the devices that there are drivers for")
        parser.add_argument("--defaults", action="store_true", help="ask nothing, also on a terminal")

    def run(self, args: argparse.Namespace) -> int:
        from cell.commissioning import newcell  # noqa: PLC0415 (loads every driver)

        if args.models:
            return _list_models()
        newcell.refuse_what_is_there(args.folder.expanduser())
        if not args.defaults and sys.stdin.isatty() and sys.stdout.isatty():
            _ask(args, input)
        choices = choices_of(args)
        names = newcell.write(args.folder, choices)
        print(f"{args.folder}: {', '.join(names)}")
        print(f"read {args.folder / newcell.README}, then: cell config check {args.folder / newcell.LAUNCH}")
        return 0


def choices_of(args: argparse.Namespace) -> Choices:
    """What the command line chooses.

    Raises:
        InputError: a model that is not there, or cannot be what it is to be.
    """
    from cell.commissioning.choices import Choices  # noqa: PLC0415 (loads every driver)
    from perception.registry import find_model  # noqa: PLC0415
    from policies.registry import POLICIES  # noqa: PLC0415

    if args.policy is not None and args.policy not in POLICIES:
        raise InputError(f"there is no policy {args.policy!r}; known are {', '.join(sorted(POLICIES))}", key="--policy")
    if args.model is not None:
        find_model(args.model)
    given = {
        "camera": args.camera,
        "rate_hz": args.rate,
        "detector": args.model,
        "overkill": args.overkill,
        "policy": args.policy,
        "belt_speed_mps": args.belt_speed,
    }
    devices = tuple(_device(args, role) for role in ROLES)
    return Choices(
        devices, simulated=args.simulated, **{key: value for key, value in given.items() if value is not None}
    )


def _device(args: argparse.Namespace, role: str) -> DeviceChoice:
    from cell.commissioning.choices import choose  # noqa: PLC0415 (loads every driver)

    def said(what: str) -> str | int | None:
        own: str | int | None = getattr(args, f"{role}{what}")
        return own if own is not None or role not in BLOCK else getattr(args, f"io{what}")

    values = {what: said(f"_{what}") for what in ("port", "unit", "baudrate")}
    if args.simulated:
        extra = next((what for what, value in values.items() if value is not None), None)
        if extra is not None:
            flag = role if getattr(args, f"{role}_{extra}") is not None else "io"
            raise InputError("goes with real hardware, not with --simulated", key=f"--{flag}-{extra}")
    unit, baudrate, port = values["unit"], values["baudrate"], values["port"]
    model = said("")
    return choose(
        role,
        None if model is None else str(model),
        None if port is None else str(port),
        None if unit is None else int(unit),
        None if baudrate is None else int(baudrate),
        simulated=args.simulated,
    )


def _ask(args: argparse.Namespace, answer: Callable[[str], str]) -> None:
    """Ask for what no flag has said; an empty answer takes the default."""
    from cell.commissioning.choices import default_model  # noqa: PLC0415 (loads every driver)
    from cell.drivers import catalogue  # noqa: PLC0415

    def ask(words: str, default: str) -> str:
        try:
            return answer(f"{words} [{default}]: ").strip() or default
        except EOFError:
            return default

    for role, served in (("gripper", "gripper"), ("drive", "drive"), ("io", "encoder")):
        if getattr(args, role) is None:
            able = ", ".join(catalogue.models_for(served))
            setattr(args, role, ask(f"{MEANS[role]} ({able})", default_model(served)))
        if not args.simulated and getattr(args, f"{role}_port") is None:
            place = "cabinet" if role == "io" else role
            setattr(args, f"{role}_port", ask(f"port of {MEANS[role]}", f"/dev/serial/by-id/usb-{place}"))
    if not args.simulated and args.camera is None:
        args.camera = ask("camera: number or path of a video device", "0")


def _list_models() -> int:
    from cell.drivers import catalogue  # noqa: PLC0415 (loads every driver)

    for name, model in catalogue.models().items():
        print(f"{name:16} {', '.join(model.roles):18} {model.guide.title}")
    return 0
