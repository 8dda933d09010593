"""The command line ``cell``: finds the command by its words, loads that one module, and keeps bad input to one line."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Final, NoReturn, cast

from cell.cli import completion
from cell.cli.command import Command
from perception.errors import InputError

GROUP: Final = "cellwright.commands"
OK: Final = 0
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
"""128 + the signal's number, as a shell counts what a signal ended."""

ABOUT: Final = "The controller of a physical-AI robot cell, and the simulator that stands in for its hardware."


class Parser(argparse.ArgumentParser):
    """Argparse without its usage dump: a wrong argument is an ``InputError`` that names the flag."""

    def __init__(self, prog: str, command: Command) -> None:
        lines = "\n".join(f"  {line.strip()}" for line in command.example.strip().splitlines())
        super().__init__(
            prog=prog,
            description=_sentence(command.help),
            epilog=f"example:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def flags(self) -> list[str]:
        """Every flag of this parser."""
        return [flag for action in self._actions for flag in action.option_strings]

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            words = unknown.split()
            word = next((word for word in words if word.startswith("-")), words[0] if words else "")
            kind = "unknown flag" if word.startswith("-") else "unexpected argument"
            raise InputError(f"{kind}{_nearest(word.split('=')[0], self.flags())} ({self.prog} --help)", key=word)
        name, colon, rest = message.removeprefix("argument ").partition(": ")
        if colon and message.startswith("argument "):
            raise InputError(rest, key=name)
        raise InputError(f"{message} ({self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, also of ``--help`` and of wrong input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"cell: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"cellwright {version('cellwright')}")
        return OK
    commands = find_commands()
    if completion.wanted():
        completion.complete(commands)
    words = _leading_words(arguments)
    name = next((" ".join(words[:n]) for n in range(len(words), 0, -1) if " ".join(words[:n]) in commands), None)
    if name is None:
        return _without_command(arguments, words, commands)
    command = load(commands[name])
    parser = Parser(f"cell {name}", command)
    command.configure(parser)
    return command.run(parser.parse_args(arguments[len(name.split()) :]))


def find_commands() -> dict[str, EntryPoint]:
    """Every command by its words, sorted; the first of two with one name counts."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(" ".join(point.name.split()), point)
    return dict(sorted(found.items()))


def load(point: EntryPoint) -> Command:
    """Import one command's module and make the command.

    Raises:
        InputError: the module or the class is not there, for example because an extra is not installed.
    """
    try:
        return cast(Command, point.load()())
    except (ImportError, AttributeError) as error:
        raise InputError(f"this command cannot be loaded: {error}", key=point.name) from error


def _leading_words(arguments: Iterable[str]) -> list[str]:
    words: list[str] = []
    for argument in arguments:
        if argument.startswith("-"):
            break
        words.append(argument)
    return words


def _without_command(arguments: list[str], words: list[str], commands: Mapping[str, EntryPoint]) -> int:
    if not commands:
        raise InputError("no command is installed; run pip install -e . in the source tree")
    group = {name: point for name, point in commands.items() if name.split()[:1] == words[:1]} if words else {}
    wants_help = not arguments or any(argument in {"-h", "--help"} for argument in arguments)
    if wants_help and not words:
        print(_overview("cell COMMAND", ABOUT, commands))
        return OK
    if group and len(words) == 1:
        if wants_help:
            print(_overview(f"cell {words[0]} COMMAND", "", group))
            return OK
        raise InputError(f"say which: {', '.join(name.partition(' ')[2] for name in group)}", key=words[0])
    if not words:
        raise InputError(
            f"unknown flag{_nearest(arguments[0], ['--help', '--version'])} (cell --help)", key=arguments[0]
        )
    known = [*commands, *{name.split()[0] for name in commands}]
    wanted = " ".join(words[:2]) if group else words[0]
    raise InputError(f"unknown command{_nearest(wanted, known)} (cell --help lists all)", key=wanted)


def _overview(usage: str, about: str, commands: Mapping[str, EntryPoint]) -> str:
    width = max(len(name) for name in commands) + 2
    lines = [f"usage: {usage} ...", ""]
    if about:
        lines += [about, ""]
    lines.append("commands:")
    for name, point in commands.items():
        try:
            line = load(point).help
        except InputError as error:
            line = f"({error.message})"
        lines.append(f"  {name:<{width}}{line}")
    lines += ["", f"{usage} --help shows a command's arguments and an example.", "cell --version shows the version."]
    return "\n".join(lines)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _sentence(line: str) -> str:
    return line[:1].upper() + line[1:].rstrip(".") + "."


if __name__ == "__main__":
    raise SystemExit(main())
