"""Substitutions in launch files: ``$(var x)``, ``$(env X default)``, ``$(dirname)``, ``$(find-pkg-share cellwright)``.

They nest, and an argument may be quoted, as in ROS 2. A backslash takes the meaning from a dollar sign.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from cell.plugins import nearest

PACKAGE: Final = "cellwright"
DEEPEST: Final = 20


class SubstitutionError(ValueError):
    """A substitution that cannot be made; the caller knows the file and the line."""


@dataclass(frozen=True, slots=True)
class Call:
    """One ``$(name argument ...)``; each argument is text and calls in a row."""

    name: str
    arguments: tuple[Pieces, ...]


Pieces: TypeAlias = "tuple[str | Call, ...]"


@dataclass(slots=True)
class Scope:
    """What substitutions refer to: launch arguments and variables, and the folder of the file that is read.

    Attributes:
        values: arguments and variables by name.
        share: gives what ``$(find-pkg-share cellwright)`` means.
        folder: what ``$(dirname)`` means.
    """

    values: dict[str, str]
    share: Callable[[], Path]
    folder: Path = field(default_factory=Path)

    def copy(self) -> Scope:
        """A scope of its own that begins with what is set here."""
        return Scope(dict(self.values), self.share, self.folder)

    @contextmanager
    def in_file(self, path: Path) -> Iterator[None]:
        """While the actions of ``path`` are read."""
        before, self.folder = self.folder, path.absolute().parent
        try:
            yield
        finally:
            self.folder = before


def parse(text: str) -> Pieces:
    """Text with its substitutions taken apart.

    Raises:
        SubstitutionError: a bracket or a quotation mark is not closed, no name, nested too deeply.
    """
    pieces, end = _parse(text, 0, "", 0)
    assert end == len(text)
    return pieces


def evaluate(pieces: Pieces, scope: Scope) -> str:
    """The text that the pieces stand for.

    Raises:
        SubstitutionError: unknown substitution or variable, wrong number of arguments.
    """
    return "".join(piece if isinstance(piece, str) else _call(piece, scope) for piece in pieces)


def substitute(text: str, scope: Scope) -> str:
    """``evaluate(parse(text))``."""
    return evaluate(parse(text), scope)


def _parse(text: str, start: int, stop: str, depth: int) -> tuple[Pieces, int]:
    """Pieces from ``start`` up to any character of ``stop`` (not taken) or the end."""
    if depth > DEEPEST:
        raise SubstitutionError("substitutions are nested too deeply")
    pieces: list[str | Call] = []
    literal: list[str] = []
    at = start
    while at < len(text) and text[at] not in stop:
        if text.startswith("\\$", at):
            literal.append("$")
            at += 2
        elif text.startswith("$(", at):
            if literal:
                pieces.append("".join(literal))
                literal = []
            call, at = _parse_call(text, at + 2, depth + 1)
            pieces.append(call)
        else:
            literal.append(text[at])
            at += 1
    if literal:
        pieces.append("".join(literal))
    return tuple(pieces), at


def _parse_call(text: str, start: int, depth: int) -> tuple[Call, int]:
    words: list[Pieces] = []
    at = start
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            raise SubstitutionError("a substitution is not closed: ) is missing")
        if text[at] == ")":
            break
        if text[at] in "'\"":
            quote = text[at]
            word, at = _parse(text, at + 1, quote, depth)
            if at >= len(text):
                raise SubstitutionError(f"a quotation mark {quote} is not closed")
            at += 1
        else:
            word, at = _parse(text, at, " \t\n)", depth)
        words.append(word)
    if not words or len(words[0]) != 1 or not isinstance(words[0][0], str):
        raise SubstitutionError("a substitution begins with its name: $(var x)")
    return Call(name=words[0][0], arguments=tuple(words[1:])), at + 1


def _call(call: Call, scope: Scope) -> str:
    if call.name not in _CALLS:
        raise SubstitutionError(f"unknown substitution $({call.name}){nearest(call.name, _CALLS)}")
    fewest, most, function = _CALLS[call.name]
    if not fewest <= len(call.arguments) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} or {most}"
        raise SubstitutionError(f"$({call.name}) takes {wanted} arguments, not {len(call.arguments)}")
    return function(scope, *(evaluate(argument, scope) for argument in call.arguments))


def _var(scope: Scope, name: str, *default: str) -> str:
    if name in scope.values:
        return scope.values[name]
    if default:
        return default[0]
    raise SubstitutionError(f"no argument or variable {name!r}{nearest(name, scope.values)}")


def _env(_scope: Scope, name: str, *default: str) -> str:
    value = os.environ.get(name, *default)
    if value is None:
        raise SubstitutionError(f"the environment variable {name} is not set")
    return value


def _dirname(scope: Scope) -> str:
    return str(scope.folder)


def _share(scope: Scope, package: str) -> str:
    if package != PACKAGE:
        raise SubstitutionError(f"the package {package!r} is not known without ROS; only {PACKAGE} is")
    return str(scope.share())


_CALLS: Final[dict[str, tuple[int, int, Callable[..., str]]]] = {
    "var": (1, 2, _var),
    "env": (1, 2, _env),
    "dirname": (0, 0, _dirname),
    "find-pkg-share": (1, 1, _share),
}
"""Fewest and most arguments, and the function."""
