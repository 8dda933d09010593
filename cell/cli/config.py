"""``cell config schema`` and ``cell config check``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cell.cli.command import existing_file
from cell.documents import read_yaml
from perception.errors import InputError


class SchemaCommand:
    """Prints the JSON Schema of params files."""

    help = "print the JSON Schema of params files, for editors"
    example = "cell config schema > cell.schema.json"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """No arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Print it."""
        from cell.schema import params_schema  # noqa: PLC0415 (imports every node's schema)

        print(json.dumps(params_schema(), indent=2))
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
        """Check all; every wrong file gets its line, the exit status is that of the worst.

        Raises:
            InputError: for the last wrong file.
        """
        wrong: list[InputError] = []
        for path in args.files:
            try:
                print(f"{path}: {check(path)}")
            except InputError as error:
                wrong.append(error)
        for earlier in wrong[:-1]:
            print(f"cell: {earlier}", file=sys.stderr)
        if wrong:
            raise wrong[-1]
        return 0


def check(path: Path) -> str:
    """Check one file of either kind; returns what it holds, in a few words.

    Raises:
        InputError: with the file, the line and the key.
    """
    from cell.config import EVERY_NODE, read_params, resolve  # noqa: PLC0415 (pydantic, at use)
    from cell.launching import configure, load_launch  # noqa: PLC0415
    from cell.wiring import check_wiring  # noqa: PLC0415

    content = read_yaml(path).data
    if isinstance(content, dict) and "launch" in content:
        nodes = configure(load_launch(path))
        return f"a launch file in order: {', '.join(node.name for node in nodes)}"
    params = read_params(path)
    names = [name for name in params.nodes if name != EVERY_NODE]
    check_wiring(resolve(name, [params], whole=False) for name in names)
    return f"a params file in order: {', '.join(params.nodes)}"
