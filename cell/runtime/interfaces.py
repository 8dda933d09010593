"""Definitions of ROS 2 interfaces: where they lie, and what their `.msg`, `.srv` and `.action` files say.

Every interface package is read from `<root>/<package>/{msg,srv,action}`. Roots, the first that has a type wins:
the entries of `CELL_INTERFACE_PATH`, `share` of the entries of `AMENT_PREFIX_PATH`, then our own
(`cell/interfaces/share` for the standard packages, `cell/interfaces` for cell_msgs).

The grammar is that of the ROS 2 interface definition (design.ros2.org, "ROS 2 Interfaces": field types, default
values, constants, bounds).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Union

Value = Union[bool, int, float, str, bytes, list[object]]  # noqa: UP007 (evaluated at run time on Python 3.10)

KINDS = ("msg", "srv", "action")
INTEGER_RANGES: dict[str, tuple[int, int]] = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "char": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
FLOATS = ("float32", "float64")
STRINGS = ("string", "wstring")
PRIMITIVES = frozenset({"bool", "byte", *INTEGER_RANGES, *FLOATS, *STRINGS})
# The names that IDL, and with it rclpy, gives to the primitives of .msg files.
IDL_NAMES = {"bool": "boolean", "byte": "octet", "float32": "float", "float64": "double", "char": "uint8"}


class InterfaceError(Exception):
    """An interface is missing, or its file cannot be read; the message names file and line."""


class FieldType(NamedTuple):
    """The type of a field.

    `base` is a primitive's name or `package/msg/Type`; `container` is "" (one value), "array" (exactly `size`),
    "sequence" (any number) or "bounded" (at most `size`); `string_bound` is 0 where a string may be any length.
    """

    base: str
    container: str = ""
    size: int = 0
    string_bound: int = 0

    @property
    def is_message(self) -> bool:
        return "/" in self.base

    def __str__(self) -> str:
        base = self.base
        if self.is_message:
            package, _, name = base.split("/")
            base = f"{package}/{name}"
        else:
            base = IDL_NAMES.get(base, base)
        if self.string_bound:
            base = f"{base}<{self.string_bound}>"
        if self.container == "array":
            return f"{base}[{self.size}]"
        if self.container == "bounded":
            return f"sequence<{base}, {self.size}>"
        return f"sequence<{base}>" if self.container else base


class Field(NamedTuple):
    """A field in the order of the file; `default` is None where the type's zero applies."""

    name: str
    type: FieldType
    default: Value | None = None


class Constant(NamedTuple):
    name: str
    base: str
    value: Value


class MessageDefinition(NamedTuple):
    """One structure: a message, or a part of a service or an action. `name` is `package/kind/Type`."""

    name: str
    fields: tuple[Field, ...]
    constants: tuple[Constant, ...] = ()


class InterfaceDefinition(NamedTuple):
    """A file: one structure for a message, two for a service, three for an action."""

    name: str
    kind: str
    parts: tuple[MessageDefinition, ...]
    file: Path


_FIELD = re.compile(
    r"""(?P<base>[A-Za-z][\w/]*)(?:<=(?P<bound>\d+))?
        (?P<box>\[(?P<at_most><=)?(?P<size>\d*)\])?\s+
        (?P<name>[A-Za-z]\w*)\s*(?P<rest>.*)$""",
    re.VERBOSE,
)
# ROS 2's rules for names (design.ros2.org, "ROS 2 Interfaces", naming).
_FIELD_NAME = re.compile(r"(?!.*__)(?!.*_$)[a-z][a-z0-9_]*$")
_CONSTANT_NAME = re.compile(r"(?!.*__)(?!.*_$)[A-Z][A-Z0-9_]*$")
_PACKAGE_NAME = re.compile(r"(?!.*__)(?!.*_$)[a-z][a-z0-9_]*$")
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*$")
_PART_SUFFIXES = {"msg": ("",), "srv": ("_Request", "_Response"), "action": ("_Goal", "_Result", "_Feedback")}


def search_roots() -> list[Path]:
    """The folders that hold interface packages, in the order in which they are asked."""
    own = Path(__file__).parent.parent / "interfaces"
    roots = [Path(entry) for entry in os.environ.get("CELL_INTERFACE_PATH", "").split(os.pathsep) if entry]
    prefixes = [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
    return [*roots, *(prefix / "share" for prefix in prefixes), own / "share", own]


def package_folders(package: str) -> list[Path]:
    """Every folder of that name that holds interfaces; empty where the package is unknown."""
    folders = (root / package for root in search_roots())
    return [folder for folder in folders if any((folder / kind).is_dir() for kind in KINDS)]


def packages() -> list[str]:
    """The names of all interface packages that can be found, sorted."""
    found = set()
    for root in search_roots():
        if root.is_dir():
            found |= {folder.name for folder in root.iterdir() if any((folder / kind).is_dir() for kind in KINDS)}
    return sorted(found - {"share"})


def type_names(package: str, kind: str) -> list[str]:
    """The short names of a package's messages, services or actions, sorted."""
    return sorted({file.stem for folder in package_folders(package) for file in (folder / kind).glob(f"*.{kind}")})


def load(name: str) -> InterfaceDefinition:
    """Reads the definition of `package/kind/Type`.

    Raises:
        InterfaceError: no such interface, or its file is not well formed.
    """
    package, kind, short = name.split("/")
    for folder in package_folders(package):
        file = folder / kind / f"{short}.{kind}"
        if file.is_file():
            return parse(file.read_text(encoding="utf-8"), package, kind, short, file)
    searched = ", ".join(str(root) for root in search_roots())
    raise InterfaceError(f"no interface {name} in {searched}")


def parse(text: str, package: str, kind: str, short: str, file: Path) -> InterfaceDefinition:
    """Reads one file's text; `file` is named in errors.

    Raises:
        InterfaceError: a line is no field, constant or separator, or the number of parts is wrong.
    """
    sections: list[tuple[list[Field], list[Constant]]] = [([], [])]
    for number, line in enumerate(text.splitlines(), start=1):
        statement = line.strip()
        if not statement or statement.startswith("#"):
            continue
        if statement == "---":
            sections.append(([], []))
            continue
        fields, constants = sections[-1]
        try:
            item = _parse_line(statement, package)
        except (ValueError, SyntaxError) as error:
            raise InterfaceError(f"{file}:{number}: {error}") from None
        group: list[Any] = constants if isinstance(item, Constant) else fields
        if any(entry.name == item.name for entry in group):
            raise InterfaceError(f"{file}:{number}: the name {item.name!r} is used twice")
        group.append(item)
    suffixes = _PART_SUFFIXES[kind]
    if len(sections) != len(suffixes):
        raise InterfaceError(f"{file}: {len(sections)} parts divided by ---, {len(suffixes)} expected")
    name = f"{package}/{kind}/{short}"
    parts = tuple(
        MessageDefinition(name + suffix, tuple(fields), tuple(constants))
        for suffix, (fields, constants) in zip(suffixes, sections, strict=True)
    )
    return InterfaceDefinition(name, kind, parts, file)


def _parse_line(statement: str, package: str) -> Field | Constant:
    match = _FIELD.match(statement)
    if match is None:
        raise ValueError(f"not a field or a constant: {statement!r}")
    base, name, rest = match["base"], match["name"], match["rest"].strip()
    bound = int(match["bound"] or 0)
    if match["bound"] is not None and (base not in STRINGS or not bound):
        raise ValueError(f"a bound of a string must be positive, and only strings have one: {statement!r}")
    if rest.startswith("="):
        if base not in PRIMITIVES or match["box"]:
            raise ValueError(f"a constant must be of a primitive type: {statement!r}")
        if _CONSTANT_NAME.match(name) is None:
            raise ValueError(f"not the name of a constant (upper case, digits, single underscores): {name!r}")
        return Constant(name, base, _parse_value(rest[1:].strip(), FieldType(base, string_bound=bound)))
    if _FIELD_NAME.match(name) is None:
        raise ValueError(f"not the name of a field (lower case, digits, single underscores): {name!r}")
    if base not in PRIMITIVES:
        base = _full_name(base, package)
    container = ""
    if match["box"]:
        container = "bounded" if match["at_most"] else "array" if match["size"] else "sequence"
        if container != "sequence" and not int(match["size"] or 0):
            raise ValueError(f"a size or a limit must be positive: {statement!r}")
    field_type = FieldType(base, container, int(match["size"] or 0), bound)
    rest = _without_comment(rest)
    if rest and field_type.is_message:
        raise ValueError(f"only primitive types have defaults: {statement!r}")
    return Field(name, field_type, _parse_value(rest, field_type) if rest else None)


def _full_name(base: str, package: str) -> str:
    parts = base.split("/")
    if len(parts) == 1:
        # The one name that a .msg file may leave unqualified, kept from ROS 1.
        parts = ["std_msgs", "msg", base] if base == "Header" and package != "std_msgs" else [package, "msg", base]
    elif len(parts) == 2:
        parts.insert(1, "msg")
    if len(parts) != 3 or _PACKAGE_NAME.match(parts[0]) is None or _TYPE_NAME.match(parts[2].partition("_")[0]) is None:
        raise ValueError(f"not the name of a type: {base!r}")
    return "/".join(parts)


def _without_comment(text: str) -> str:
    """Cuts a trailing comment; a # inside quotes is no comment."""
    for index, character in _outside_quotes(text):
        if character == "#":
            return text[:index].strip()
    return text.strip()


def _outside_quotes(text: str) -> Iterator[tuple[int, str]]:
    """The characters that stand in no quoted text, with their places; a backslash escapes what follows it."""
    quote = ""
    escaped = False
    for index, character in enumerate(text):
        if quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == quote:
                quote = ""
        elif character in "'\"" and (not index or text[index - 1] in " \t,[="):
            quote = character
        else:
            yield index, character


def _parse_value(text: str, field_type: FieldType) -> Value:
    text = _without_comment(text)
    if not field_type.container:
        return _parse_single(text, field_type)
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"the default of an array must stand in brackets: {text!r}")
    values = [_parse_single(part, field_type) for part in _split(text[1:-1])]
    if field_type.container == "array" and len(values) != field_type.size:
        raise ValueError(f"{len(values)} defaults for {field_type.size} elements: {text!r}")
    if field_type.container == "bounded" and len(values) > field_type.size:
        raise ValueError(f"{len(values)} defaults for at most {field_type.size} elements: {text!r}")
    return list(values)


def _split(text: str) -> list[str]:
    """The elements of a list, divided by commas outside of quotes."""
    parts, start = [], 0
    for index, character in _outside_quotes(text):
        if character == ",":
            parts.append(text[start:index].strip())
            start = index + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts


def _parse_single(text: str, field_type: FieldType) -> bool | int | float | str | bytes:
    base = field_type.base
    if base == "bool":
        if text.lower() not in ("true", "false", "0", "1"):
            raise ValueError(f"not a boolean: {text!r}")
        return text.lower() in ("true", "1")
    if base in STRINGS:
        value = _unquote(text)
        if field_type.string_bound and len(value) > field_type.string_bound:
            raise ValueError(f"longer than {field_type.string_bound} characters: {text!r}")
        return value
    if base in FLOATS:
        return float(text)
    number = int(text, 0)
    low, high = INTEGER_RANGES.get(base, (0, 255))
    if not low <= number <= high:
        raise ValueError(f"{number} is out of the range of {base}, [{low}, {high}]")
    return bytes([number]) if base == "byte" else number


def _unquote(text: str) -> str:
    """A text without its quotes, with escapes as in C; a text without quotes is as it stands."""
    if text[:1] not in ("'", '"'):
        return text
    quote, inner = text[0], text[1:-1]
    if len(text) < 2 or text[-1] != quote or re.search(r"(?<!\\)(?:\\\\)*" + quote, inner):
        raise ValueError(f"a quote is missing or not escaped: {text!r}")
    return _ESCAPE.sub(_unescape, inner)


_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _unescape(match: re.Match[str]) -> str:
    word = match[0][1:]
    if len(word) > 1 and word[0] in "xuU":
        return chr(int(word[1:], 16))
    if word[0] in "01234567":
        return chr(int(word, 8))
    return _ESCAPED.get(word, word)
