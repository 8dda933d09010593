"""``cell config schema`` and ``cell config check``."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from cell.cli.command import existing_file
from cell.documents import read_yaml
from perception.errors import InputError


class SchemaCommand:
    """Prints the JSON Schema of params files, or of launch files."""

    help = "print the JSON Schema of params files, for editors; with --launch that of launch files"
    example = "cell config schema > cell.schema.json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Which of both."""
        parser.add_argument("--launch", action="store_true", help="the schema of launch files")

    def run(self, args: argparse.Namespace) -> int:
        """Print it."""
        from cell.schema import launch_schema, params_schema  # noqa: PLC0415 (imports every node's schema)

        print(json.dumps(launch_schema() if args.launch else params_schema(), indent=2, ensure_ascii=False))
        return 0


class CheckCommand:
    """Checks launch and params files, one line each."""

    help = "check launch files and params files: file, line and key of what is wrong"
    example = "cell config check my-cell/cell.launch.yaml my-cell/cell.params.yaml"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """One file or more."""
        parser.add_argument(
            "files", metavar="FILE", nargs="+", type=existing_file, help="a launch file or a params file"
        )

    def run(self, args: argparse.Namespace) -> int:
        """Check all; every fault gets its line, and so does what is not there on this machine (``warning:``).

        Raises:
            InputError: for the last fault.
        """
        wrong: list[InputError] = []
        for path in args.files:
            try:
                found = check(path)
            except InputError as error:
                wrong.append(error)
                continue
            for warning in found.warnings:
                print(f"cell: warning: {warning}", file=sys.stderr)
            wrong += found.faults
            if not found.faults:
                print(f"{path}: {found.words}")
        for earlier in wrong[:-1]:
            print(f"cell: {earlier}", file=sys.stderr)
        if wrong:
            raise wrong[-1]
        return 0


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that can be read: what it holds, in a few words, and what is wrong with it."""

    words: str
    faults: tuple[InputError, ...]
    warnings: tuple[InputError, ...]


def check(path: Path) -> Checked:
    """Check one file of either kind.

    Raises:
        InputError: it cannot be read as one, with the file, the line and the key.
    """
    from cell.commissioning import settings  # noqa: PLC0415 (loads every driver)
    from cell.config import EVERY_NODE, read_params, resolve  # noqa: PLC0415 (pydantic, at use)
    from cell.launching import configure, load_launch  # noqa: PLC0415
    from cell.wiring import check_wiring  # noqa: PLC0415

    content = read_yaml(path).data
    if isinstance(content, dict) and "launch" in content:
        nodes = configure(load_launch(path))
        words = f"a launch file in order: {', '.join(node.name for node in nodes)}"
    else:
        params = read_params(path)
        nodes = tuple(resolve(name, [params], whole=False) for name in params.nodes if name != EVERY_NODE)
        check_wiring(nodes)
        words = f"a params file in order: {', '.join(params.nodes)}"
    return Checked(
        words, tuple({str(fault): fault for fault in settings.faults(nodes)}.values()), tuple(settings.warnings(nodes))
    )
