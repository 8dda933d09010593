"""``cell completion``: what a shell needs to complete commands, flags, and the names of what is running."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint

SHELLS = ("bash", "zsh", "fish")


class CompletionCommand:
    """The script for a shell."""

    help = "print the script that lets a shell complete cell's commands, flags and names"
    example = 'eval "$(cell completion bash)"      # in ~/.bashrc\ncell completion fish | source'

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("shell", choices=SHELLS, help="the shell")

    def run(self, args: argparse.Namespace) -> int:
        from argcomplete.shell_integration import shellcode  # noqa: PLC0415 (only here)

        print(shellcode(["cell"], shell=args.shell))
        return 0


def wanted() -> bool:
    """True if a shell is asking for completions of the line that is being typed."""
    return "_ARGCOMPLETE" in os.environ


def complete(commands: Mapping[str, EntryPoint]) -> None:
    """Answers the shell, on the descriptor that it reads, and ends the process."""
    import argcomplete  # noqa: PLC0415

    from cell.cli.main import load  # noqa: PLC0415 (main asks for this module)

    line, point = os.environ.get("COMP_LINE", ""), int(os.environ.get("COMP_POINT", "0") or 0)
    typed = line.encode()[:point].decode(errors="ignore").split()[1:]
    parser = argparse.ArgumentParser(prog="cell", add_help=False)
    _add(parser, commands, typed, load)
    argcomplete.autocomplete(parser, exclude=["-h"])
    sys.exit(0)


def _add(parser: argparse.ArgumentParser, commands: Mapping[str, EntryPoint], typed: list[str], load: object) -> None:
    """One level of words as sub-commands; only the command that is meant is loaded."""
    words: dict[str, dict[str, EntryPoint]] = {}
    for name, point in commands.items():
        head, _, rest = name.partition(" ")
        words.setdefault(head, {})[rest] = point
    level = parser.add_subparsers()
    for head, below in words.items():
        sub = level.add_parser(head, add_help=False)
        if not typed or typed[0] != head:
            continue
        if "" in below:
            load(below[""]).configure(sub)  # type: ignore[operator]
        else:
            _add(sub, below, typed[1:], load)
