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
from pathlib import Path
from typing import NamedTuple, Union

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
        if isinstance(item, Constant):
            constants.append(item)
        else:
            fields.append(item)
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
    if rest.startswith("="):
        if base not in PRIMITIVES or match["box"]:
            raise ValueError(f"a constant must be of a primitive type: {statement!r}")
        return Constant(name, base, _parse_value(rest[1:].strip(), FieldType(base)))
    if base not in PRIMITIVES:
        base = _full_name(base, package)
    container = ""
    if match["box"]:
        container = "bounded" if match["at_most"] else "array" if match["size"] else "sequence"
    field_type = FieldType(base, container, int(match["size"] or 0), int(match["bound"] or 0))
    rest = _without_comment(rest)
    return Field(name, field_type, _parse_value(rest, field_type) if rest else None)


def _full_name(base: str, package: str) -> str:
    parts = base.split("/")
    if len(parts) == 1:
        # The one name that a .msg file may leave unqualified, kept from ROS 1.
        return "std_msgs/msg/Header" if base == "Header" and package != "std_msgs" else f"{package}/msg/{base}"
    return base if len(parts) == 3 else f"{parts[0]}/msg/{parts[1]}"


def _without_comment(text: str) -> str:
    """Cuts a trailing comment; a # inside quotes is no comment."""
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#":
            return text[:index].strip()
    return text


def _parse_value(text: str, field_type: FieldType) -> Value:
    text = _without_comment(text)
    if field_type.container:
        item = FieldType(field_type.base, string_bound=field_type.string_bound)
        inner = text.strip().removeprefix("[").removesuffix("]").strip()
        return [_parse_value(part.strip(), item) for part in inner.split(",")] if inner else []
    base = field_type.base
    if base == "bool":
        if text.lower() not in ("true", "false", "0", "1"):
            raise ValueError(f"not a boolean: {text!r}")
        return text.lower() in ("true", "1")
    if base in STRINGS:
        quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
        if quoted:
            import ast  # noqa: PLC0415 (few definitions hold a string, and none of the standard ones)

            return str(ast.literal_eval(text))
        return text
    if base in FLOATS:
        return float(text)
    number = int(text, 0)
    return bytes([number]) if base == "byte" else number
