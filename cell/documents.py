"""YAML files that people write: read into plain values, with the line of every key, so that an error can name it.

Of YAML only what ROS 2 reads as well: one document, UTF-8, words as keys, no anchors, no dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import yaml

from perception.errors import InputError

Key: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings and indices of lists from the top."""

MAX_BYTES: Final = 1_000_000
"""A config of a cell has a few kilobytes; anything above this is another file by mistake."""

MAX_BRACKETS: Final = 100
"""Open at once. PyYAML's time grows with the square of it; a params file has two or three."""

TAGS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null"))
"""The types of values that ROS 2 parameters and launch files know."""


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file.

    Attributes:
        path: where it lies.
        data: dict, list, str, int, float, bool or None, nested.
        lines: for every key and list item, its line counted from 1.
    """

    path: Path
    data: Any
    lines: MappingProxyType[Key, int]

    def line(self, key: Key) -> int | None:
        """The line of ``key``, or of the nearest thing above it that has one."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return None

    def error(self, message: str, key: Key, show: Key | None = None) -> InputError:
        """An ``InputError`` at ``key``; ``show`` is the key to name where it is not the whole way from the top."""
        return InputError(
            message, file=self.path, line=self.line(key), key=dotted(key if show is None else show) or None
        )


def dotted(key: Key) -> str:
    """``("gripper", "window_m", 1)`` as ``gripper.window_m[1]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(path: str | Path) -> Document:
    """Read one YAML file.

    Raises:
        InputError: missing, not UTF-8, wrong YAML, a key twice, an anchor, a key that is no word, empty.
    """
    path = Path(path)
    text = _read_text(path)
    lines: dict[Key, int] = {}
    try:
        # PyYAML's C parser recurses without a limit; this one raises RecursionError.
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise InputError("is empty", file=path)
            data = _Reading(path, loader, lines).value(root, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "is no YAML"
        raise InputError(f"wrong YAML: {message}", file=path, line=mark.line + 1 if mark else None) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError("wrong YAML: a control character", file=path, line=line) from error
    except RecursionError as error:
        raise InputError("wrong YAML: nested too deeply", file=path) from error
    return Document(path=path, data=data, lines=MappingProxyType(lines))


def parse_value(text: str) -> Any:
    """A value as it stands on a command line (``name:=value``), by the same rules as in a file; text that is no YAML
    value stays text, as in ROS 2."""
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            return None if root is None else _Reading(Path("value"), loader, {}).value(root, ())
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, InputError):
        return text


class _Loader(yaml.SafeLoader):
    """Without dates (ROS 2 has no such type), and with ``1e5`` as a number, which YAML 1.1 takes for text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own class attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Turns nodes into values and notes lines on the way."""

    path: Path
    loader: _Loader
    lines: dict[Key, int]
    seen: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, key: Key) -> Any:
        """The value of a node; ``key`` is the way to it."""
        # The composer hands out one node twice where an alias stands: no tree, and possibly without an end.
        if id(node) in self.seen:
            raise InputError(
                "aliases (*name) are not read", file=self.path, line=self.lines.get(key), key=dotted(key) or None
            )
        self.seen.add(id(node))
        if node.tag not in TAGS:
            raise self.error(f"values of the type {node.tag.rpartition(':')[2]} are not read", node, key)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.note((*key, index), item)
                items.append(self.value(item, (*key, index)))
            return items
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError) as error:
            raise self.error(f"cannot be read as a value: {error}", node, key) from error

    def mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        """A mapping; every key is a word and stands once."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            name = self.value(key_node, key) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(name, str) or not name:
                raise self.error("a key must be a word", key_node, key)
            if name in found:
                first = self.lines[(*key, name)]
                raise self.error(f"this key stands twice, first in line {first}", key_node, (*key, name))
            self.note((*key, name), key_node)
            found[name] = self.value(value_node, (*key, name))
        return found

    def note(self, key: Key, node: yaml.Node) -> None:
        self.lines[key] = node.start_mark.line + 1

    def error(self, message: str, node: yaml.Node, key: Key) -> InputError:
        return InputError(message, file=self.path, line=node.start_mark.line + 1, key=dotted(key) or None)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("does not exist", file=path) from None
    except IsADirectoryError:
        raise InputError("is a folder, not a file", file=path) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"cannot be read: {reason}", file=path) from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES // 1_000_000} MB, so no config file", file=path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 text", file=path, line=line) from error
    depth = 0
    for bracket in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if bracket[0] in "[{" else max(0, depth - 1)
        if depth > MAX_BRACKETS:
            line = text.count("\n", 0, bracket.start()) + 1
            raise InputError("wrong YAML: nested too deeply", file=path, line=line)
    return text
