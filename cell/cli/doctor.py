"""``cell doctor``: what is installed, connected, calibrated, fresh and licensed; and a bundle of it for others."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cell.cli.command import natural_int, output_file, positive_float
from cell.simfolder import STATE_VARIABLE, default_state

if TYPE_CHECKING:
    from cell.commissioning.findings import Finding

FAULTY = 1
MARKS = {"ok": "ok     ", "note": "-      ", "warning": "warning", "fault": "FAULT  "}


class DoctorCommand:
    """One line a finding."""

    help = "look at what is installed, connected, calibrated, fresh and licensed: one line each, exit 1 on a fault"
    example = (
        "cell doctor my-cell/cell.launch.yaml\n"
        "cell doctor --only devices --only clock\n"
        "cell doctor --bundle help.zip    # config, versions, alarms, logs, ledger, without secrets\n"
        "cell doctor --capture wire.txt --seconds 20    # every byte on the lines of the running cell"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "launch", nargs="?", metavar="LAUNCH.yaml", help="launch file (default: the simulated cell)"
        )
        parser.add_argument("arguments", nargs="*", metavar="name:=value", help="arguments of the launch file")
        parser.add_argument("--state", type=Path, metavar="DIR", help="the cell's state folder")
        parser.add_argument(
            "--only", action="append", default=[], metavar="NAME", help="only this check; may be repeated"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--bundle", type=output_file, metavar="OUT.zip", help="write what others need to help")
        parser.add_argument(
            "--capture",
            type=output_file,
            metavar="FILE",
            help="record what goes over the wires, of the running cell or of the config's ports, and nothing else",
        )
        parser.add_argument(
            "--seconds", type=positive_float, default=10.0, metavar="S", help="how long, for the capture (10 s)"
        )
        parser.add_argument(
            "--parts", type=natural_int, default=500, metavar="N", help="of the ledger's newest, in the bundle (500)"
        )
        parser.add_argument(
            "--listen", type=positive_float, default=5.0, metavar="S", help="to a running cell, for the bundle (5 s)"
        )

    def run(self, args: argparse.Namespace) -> int:
        from cell.commissioning.doctor import examine, patient_of  # noqa: PLC0415 (loads every driver)
        from cell.launching import parse_arguments  # noqa: PLC0415

        words, file = list(args.arguments), args.launch
        if file is not None and ":=" in file:
            words.insert(0, file)
            file = None
        state = (args.state or default_state()).expanduser()
        before = os.environ.get(STATE_VARIABLE)
        # Ports of a simulator are found by it.
        os.environ[STATE_VARIABLE] = str(state)
        try:
            patient = patient_of(None if file is None else Path(file), parse_arguments(words), state)
            if args.capture is not None:
                from cell.commissioning.wire import record  # noqa: PLC0415 (only with one)

                print(record(patient, args.capture, args.seconds, lambda words: print(words, file=sys.stderr)))
                return 0
            for finding in examine(patient, args.only):
                if not args.json:
                    print(line(finding), flush=True)
            if args.bundle is not None:
                from cell.commissioning.bundle import write_bundle  # noqa: PLC0415 (only with one)

                contents = write_bundle(args.bundle, patient, parts=args.parts, listen_s=args.listen)
                if not args.json:
                    print(contents, flush=True)
        finally:
            if before is None:
                del os.environ[STATE_VARIABLE]
            else:
                os.environ[STATE_VARIABLE] = before
        faults = sum(finding.grade.value == "fault" for finding in patient.found)
        warnings = sum(finding.grade.value == "warning" for finding in patient.found)
        if args.json:
            found = [finding.as_dict() for finding in patient.found]
            print(json.dumps({"faults": faults, "warnings": warnings, "findings": found}, indent=2, ensure_ascii=False))
        else:
            print(f"{len(patient.found)} lines: {faults} faults, {warnings} warnings", file=sys.stderr)
        return FAULTY if faults else 0


def line(finding: Finding) -> str:
    """One finding as people read it."""
    advice = f"  -> {finding.advice}" if finding.advice else ""
    return f"{MARKS[finding.grade.value]} {finding.check:12}{finding.subject}: {finding.words}{advice}"
