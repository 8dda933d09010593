"""``cmd: cell node NAME... --ros-args ...`` of a launch file, taken apart."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cell.documents import parse_value
from cell.substitutions import Call, Scope, evaluate, parse

FORM: Final = "must be: cell node NAME... --ros-args ..."
# Stand in for substitutions while the text around them is split; of the private use area, so never in a command.
OPEN: Final = "\ue000"
CLOSE: Final = "\ue001"


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """What follows ``cell node``.

    Attributes:
        names: of the nodes, which share one process.
        args: the words after them.
        params_files, parameters, remaps: what those words ask for.
    """

    names: tuple[str, ...]
    args: tuple[str, ...]
    params_files: list[Path] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    remaps: dict[str, str] = field(default_factory=dict)


def parse_node_command(cmd: str, scope: Scope) -> NodeCommand:
    """Take a ``cmd`` apart.

    Raises:
        ValueError: what is wrong, in words; the caller knows the file and the line.
    """
    words = split(cmd, scope)
    if words[:2] != ["cell", "node"]:
        raise ValueError(FORM)
    return parse_node_words(words[2:])


def parse_node_words(words: Sequence[str]) -> NodeCommand:
    """Take apart what follows ``cell node``: the names, then ROS arguments.

    Raises:
        ValueError: what is wrong, in words.
    """
    count = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    if not count:
        raise ValueError(FORM)
    command = NodeCommand(names=tuple(words[:count]), args=tuple(words[count:]))
    rest = iter(command.args)
    first = next(rest, None)
    if first is None:
        return command
    if first != "--ros-args":
        raise ValueError(f"{FORM}, not {first!r}")
    for word in rest:
        if word == "--":
            extra = next(rest, None)
            if extra is not None:
                raise ValueError(f"{FORM}, nothing after --, not {extra!r}")
        elif word == "--params-file":
            command.params_files.append(Path(_value(word, rest)))
        elif word in {"-p", "--param"}:
            _add_parameter(command, _value(word, rest))
        elif word in {"-r", "--remap"}:
            _add_remap(command, _value(word, rest))
        elif word == "--log-level":
            _value(word, rest)
        else:
            raise ValueError(f"unknown ROS argument {word!r} (known: --params-file, -p, -r, --log-level)")
    return command


def split(cmd: str, scope: Scope) -> list[str]:
    """Words as a shell splits them; what a substitution gives is never split, as in ROS 2."""
    if OPEN in cmd or CLOSE in cmd:
        raise ValueError("holds a character of Unicode's private use area")
    calls: list[Call] = []
    text = ""
    for piece in parse(cmd):
        if isinstance(piece, str):
            text += piece
        else:
            text += f"{OPEN}{len(calls)}{CLOSE}"
            calls.append(piece)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}") from None
    return [_fill(word, calls, scope) for word in words]


def _fill(word: str, calls: list[Call], scope: Scope) -> str:
    first, *others = word.split(OPEN)
    filled = first
    for other in others:
        number, _, after = other.partition(CLOSE)
        filled += evaluate((calls[int(number)],), scope) + after
    return filled


def _value(flag: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if not value:
        raise ValueError(f"{flag} needs a value")
    return value


def _pair(flag: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition(":=")
    if not sign or not name or not value:
        raise ValueError(f"{flag} has the form name:=value, not {text!r}")
    return name, value


def _add_parameter(command: NodeCommand, text: str) -> None:
    name, written = _pair("-p", text)
    if ":" in name or not all(name.split(".")):
        raise ValueError(f"{name!r} is no parameter's name")
    if name in command.parameters:
        raise ValueError(f"-p {name} stands twice")
    value = parse_value(written)
    command.parameters[name] = written if isinstance(value, dict) or value is None else value


def _add_remap(command: NodeCommand, text: str) -> None:
    old, new = _pair("-r", text)
    if old.startswith("__") or ":" in old:
        raise ValueError(f"-r {old} is not read: a node keeps its name, by which config and messages know it")
    if old in command.remaps:
        raise ValueError(f"-r {old} stands twice")
    command.remaps[old] = new
