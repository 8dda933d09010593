"""``cell drivers``: which models there are, what one device shows, who is on a port. Nothing here writes to any."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cell.cli.command import positive_float, positive_int
from cell.simfolder import STATE_VARIABLE, default_state
from perception.errors import InputError

if TYPE_CHECKING:
    from cell.drivers.probing import Probe
    from cell.drivers.spec import DeviceSpec

FAULTY = 1
NOBODY = 1
MOST_UNITS = 247


class ListCommand:
    """One line a model."""

    help = "list the models of devices: what each can be, how it is reached, how far its driver is verified"
    example = "cell drivers list\ncell drivers list --role drive"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--role", metavar="ROLE", help="only models that can be this (gripper, drive, ...)")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def run(self, args: argparse.Namespace) -> int:
        from cell.drivers import catalogue  # noqa: PLC0415 (loads every driver)

        if args.role is not None and args.role not in catalogue.ROLES:
            raise InputError(f"no role {args.role!r}; there are: {', '.join(catalogue.ROLES)}", key="--role")
        shown = [model for model in catalogue.models().values() if args.role in (None, *model.roles)]
        if args.json:
            rows = [
                {
                    "model": model.name,
                    "title": model.guide.title,
                    "roles": list(model.roles),
                    "link": model.link,
                    "unit": model.guide.unit,
                    "baudrate": model.guide.baudrate,
                    "verified": [tier.name.lower() for tier in model.guide.tiers],
                }
                for model in shown
            ]
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        for model in shown:
            verified = ", ".join(tier.value for tier in model.guide.tiers) or "nothing is said"
            print(f"{model.name:16} {', '.join(model.roles):44} {model.link:12} {model.guide.title}")
            print(f"{'':16} verified by: {verified}")
        return 0


class ProbeCommand:
    """One device: who it is, what it reads, how its line does."""

    help = "look at one device: identity, values, statistics of its line; nothing is written"
    example = (
        "cell drivers probe gripper.device my-cell/cell.launch.yaml\n"
        "cell drivers probe --model delta_ms300 --port /dev/ttyUSB0 --unit 1 --baudrate 9600"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("device", nargs="?", metavar="NODE.ROLE", help="of the config, for example gripper.device")
        parser.add_argument(
            "launch", nargs="?", metavar="LAUNCH.yaml", help="launch file (default: the simulated cell)"
        )
        parser.add_argument("--model", metavar="MODEL", help="instead of one of the config: a model")
        parser.add_argument("--port", metavar="PORT", help="its port")
        parser.add_argument("--unit", type=positive_int, metavar="N", help="its unit (default: its maker's)")
        parser.add_argument("--baudrate", type=positive_int, metavar="B", help="of its line (default: its maker's)")
        parser.add_argument("--seconds", type=positive_float, default=1.0, metavar="S", help="to read for (1 s)")
        parser.add_argument("--state", type=Path, metavar="DIR", help="the cell's state folder")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, args: argparse.Namespace) -> int:
        import os  # noqa: PLC0415 (beside its only use)

        from cell.drivers.probing import probe  # noqa: PLC0415 (loads every driver)

        state = (args.state or default_state()).expanduser()
        before = os.environ.get(STATE_VARIABLE)
        # Ports of a simulator are found by it.
        os.environ[STATE_VARIABLE] = str(state)
        try:
            spec = spec_of(args, state)
            found = probe(spec, args.seconds)
        finally:
            if before is None:
                del os.environ[STATE_VARIABLE]
            else:
                os.environ[STATE_VARIABLE] = before
        if args.json:
            print(json.dumps(as_dict(spec, found), indent=2, ensure_ascii=False))
        else:
            print("\n".join(lines_of(spec, found)))
        faulty = not found.connected or any(judgement.grade.value == "fault" for _, judgement in found.checks)
        return FAULTY if faulty else 0


class ScanCommand:
    """Who is on a port."""

    help = "ask who is on a port: speeds and units in turn, one register each; nothing is written"
    example = "cell drivers scan /dev/ttyUSB0\ncell drivers scan /dev/ttyUSB0 --units 1-32 --baudrates 9600,19200"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("port", metavar="PORT", help="a path, tcp://HOST:PORT, or SCHEME:NAME")
        parser.add_argument("--units", type=units, metavar="A-B,C", help="to ask (default: 1-10 and every maker's)")
        parser.add_argument(
            "--baudrates", type=baudrates, metavar="B,B", help="to try (default: those that devices come with)"
        )
        parser.add_argument("--stopbits", type=int, choices=(1, 2), default=1, help="of the line (1)")
        parser.add_argument("--state", type=Path, metavar="DIR", help="the state folder of a simulator's ports")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def run(self, args: argparse.Namespace) -> int:
        import os  # noqa: PLC0415 (beside its only use)

        from cell.commissioning.occupancy import holders  # noqa: PLC0415 (reads /proc)
        from cell.drivers import catalogue  # noqa: PLC0415 (loads every driver)
        from cell.drivers.links import speaks_tcp  # noqa: PLC0415
        from cell.drivers.probing import scan, usual  # noqa: PLC0415

        if args.state is not None:
            os.environ[STATE_VARIABLE] = str(args.state.expanduser())
        others = [words for _, words in holders(args.port)] if args.port.startswith("/") else []
        others = [words for words in others if not words.startswith("cell sim")]
        if others:
            raise InputError(f"{args.port} is in use by {others[0]}: a cell that runs is not disturbed", key="PORT")
        guides = [model.guide for model in catalogue.models().values()]
        asked = args.units or usual([*range(1, 11), *(guide.unit for guide in guides)])
        speeds = args.baudrates or usual(sorted((guide.baudrate for guide in guides), reverse=True))
        if speaks_tcp(args.port):
            speeds = speeds[:1]

        def told(baudrate: int, unit: int) -> None:
            if sys.stderr.isatty():
                print(f"\r{baudrate} baud, unit {unit}   ", end="", file=sys.stderr, flush=True)

        rows = []
        for found in scan(args.port, speeds, asked, stopbits=args.stopbits, told=told):
            rows.append(
                {
                    "baudrate": found.baudrate,
                    "unit": found.unit,
                    "models": list(found.models),
                    "words": found.words,
                }
            )
            if not args.json:
                if sys.stderr.isatty():
                    print("\r", end="", file=sys.stderr)
                models = ", ".join(found.models) or "unknown"
                print(f"{found.baudrate} baud, unit {found.unit}: {models}: {found.words}", flush=True)
        if args.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
        elif not rows:
            print(f"nobody answers on {args.port} ({len(asked)} units at {', '.join(map(str, speeds))} baud)")
        return 0 if rows else NOBODY


def spec_of(args: argparse.Namespace, state: Path) -> DeviceSpec:
    """The device that the command line means.

    Raises:
        InputError: it means none, or one that a running cell uses.
    """
    from cell.commissioning.devices import not_to_be_opened  # noqa: PLC0415 (loads every driver)
    from cell.commissioning.doctor import patient_of  # noqa: PLC0415
    from cell.drivers import catalogue  # noqa: PLC0415
    from cell.drivers.spec import DeviceSpec  # noqa: PLC0415
    from cell.plugins import nearest  # noqa: PLC0415

    if (args.device is None) == (args.model is None):
        raise InputError("name a device of the config (gripper.device), or a model and its port", key="--model")
    if args.model is not None:
        if args.port is None:
            raise InputError("needs a port", key="--port")
        known = catalogue.models()
        if args.model not in known:
            message = f"no driver for {args.model!r}{nearest(args.model, known)}; there are: {', '.join(known)}"
            raise InputError(message, key="--model")
        guide = known[args.model].guide
        spec = DeviceSpec(
            args.model,
            args.model,
            args.port,
            args.unit or guide.unit,
            args.baudrate or guide.baudrate,
            key="--model",
        )
        patient = patient_of(None, {}, state)
    else:
        patient = patient_of(None if args.launch is None else Path(args.launch), {}, state)
        if patient.trouble is not None:
            raise patient.trouble
        by_name = {device.name: device.spec for device in patient.devices}
        if args.device not in by_name:
            near = nearest(args.device, by_name)
            raise InputError(f"the config has no device {args.device!r}{near}; it has: {', '.join(by_name)}")
        spec = by_name[args.device]
    refused = not_to_be_opened(patient, spec)
    if refused is not None:
        raise InputError(f"{spec.port}: {refused.words}; {refused.advice}", key="--port" if args.model else args.device)
    return spec


def lines_of(spec: DeviceSpec, found: Probe) -> list[str]:
    """A probe as people read it."""
    lines = [f"{spec.model} on {spec.port}, unit {spec.unit}, {spec.baudrate} baud"]
    for name, judgement in found.checks:
        advice = f"  -> {judgement.advice}" if judgement.advice else ""
        lines.append(f"  {judgement.grade.value:8} {name}: {judgement.words}{advice}")
    lines.append(
        f"  {'connected' if found.connected else 'NOT connected'}" + (f": {found.error}" if found.error else "")
    )
    for name, (value, good) in found.values.items():
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        lines.append(f"  {name:28} {shown}{'' if good else '  (old)'}")
    statistics = found.statistics
    lines.append(
        f"  {statistics['answered']:.0f} of {statistics['requests']:.0f} requests answered,"
        f" {statistics['rate_hz']:.1f}/s,"
        f" {1e3 * statistics['latency_p50_s']:.1f} ms (p99 {1e3 * statistics['latency_p99_s']:.1f} ms);"
        f" {statistics['timeouts']:.0f} timed out, {statistics['corrupt']:.0f} corrupt,"
        f" {statistics['exceptions']:.0f} refused, {statistics['noise_bytes']:.0f} bytes of noise"
    )
    return lines


def as_dict(spec: DeviceSpec, found: Probe) -> dict[str, object]:
    """A probe for programs."""
    return {
        "model": spec.model,
        "port": spec.port,
        "unit": spec.unit,
        "baudrate": spec.baudrate,
        "checks": [
            {"name": name, "grade": judgement.grade.value, "words": judgement.words, "advice": judgement.advice}
            for name, judgement in found.checks
        ],
        "connected": found.connected,
        "error": found.error,
        "values": {name: {"value": value, "good": good} for name, (value, good) in found.values.items()},
        "statistics": found.statistics,
    }


def units(text: str) -> tuple[int, ...]:
    """``1-10,65``."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise argparse.ArgumentTypeError(f"must be units such as 1-10,65, not {text!r}")
        found += range(int(first), int(last if dash else first) + 1)
    if not found or not all(1 <= unit <= MOST_UNITS for unit in found):
        raise argparse.ArgumentTypeError(f"must be units within 1..{MOST_UNITS}, not {text!r}")
    return tuple(dict.fromkeys(found))


def baudrates(text: str) -> tuple[int, ...]:
    """``9600,19200``."""
    from cell.drivers.registry import Devices  # noqa: PLC0415

    found = [int(part) if part.isdecimal() else 0 for part in text.split(",")]
    if not found or not all(rate in Devices.BAUDRATES for rate in found):
        known = ", ".join(map(str, Devices.BAUDRATES))
        raise argparse.ArgumentTypeError(f"must be of {known}, not {text!r}")
    return tuple(dict.fromkeys(found))
