"""``cell interface``: which message, service and action types there are, and what one of them holds."""

from __future__ import annotations

import argparse
import difflib

from cell.cli.looking.names import type_name
from cell.runtime import interfaces
from perception.errors import InputError


class ListCommand:
    """The types."""

    help = "list the message, service and action types, of one package or of all"
    example = "cell interface list cell_msgs"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("package", nargs="?", metavar="PACKAGE", help="only this package")

    def run(self, args: argparse.Namespace) -> int:
        packages = interfaces.packages()
        if args.package is not None and args.package not in packages:
            near = difflib.get_close_matches(args.package, packages, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(packages)}"
            raise InputError(f"no such package of interfaces{hint}", key=args.package)
        for package in packages if args.package is None else [args.package]:
            for kind in interfaces.KINDS:
                for short in interfaces.type_names(package, kind):
                    print(f"{package}/{kind}/{short}")
        return 0


class ShowCommand:
    """One type."""

    help = "show what a message, service or action type holds"
    example = "cell interface show sensor_msgs/msg/Image"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        type_name(parser, "")
        parser.add_argument("--comments", action="store_true", help="with the comments of the definition")

    def run(self, args: argparse.Namespace) -> int:
        name = _full(args.type)
        try:
            print("\n".join(_lines(name, comments=args.comments)))
        except interfaces.InterfaceError as error:
            raise InputError(str(error), key=args.type) from None
        return 0


def _full(name: str) -> str:
    """`package/kind/Type` of what a person wrote.

    Raises:
        InputError: there is no such type.
    """
    parts = name.split("/")
    if len(parts) == 3 and parts[1] in interfaces.KINDS and parts[2] in interfaces.type_names(parts[0], parts[1]):
        return name
    if len(parts) == 2:
        for kind in interfaces.KINDS:
            if parts[1] in interfaces.type_names(parts[0], kind):
                return f"{parts[0]}/{kind}/{parts[1]}"
    known = [
        f"{package}/{kind}/{short}"
        for package in interfaces.packages()
        for kind in interfaces.KINDS
        for short in interfaces.type_names(package, kind)
    ]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else " (cell interface list shows them)"
    raise InputError(f"no such type{hint}", key=name)


def _lines(name: str, *, comments: bool, indent: str = "") -> list[str]:
    """The lines of a definition, what a field's own type holds indented below it."""
    definition = interfaces.load(name)
    fields = iter([field for part in definition.parts for field in part.fields])
    constants = {constant.name for part in definition.parts for constant in part.constants}
    lines = []
    for raw in definition.file.read_text(encoding="utf-8").splitlines():
        statement = raw if comments else _bare(raw)
        if not statement.strip():
            continue
        lines.append(f"{indent}{statement.rstrip()}")
        words = _bare(raw).split()
        if len(words) < 2 or words[1].partition("=")[0] in constants:
            continue
        base = next(fields).type.base
        if "/" in base:
            lines += _lines(base, comments=comments, indent=f"{indent}\t")
    return lines


def _bare(line: str) -> str:
    """A line without its comment; a # inside quotes is none."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#":
            return line[:index].rstrip()
    return line.rstrip()
