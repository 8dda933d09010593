"""Parameter files: which of their entries are for a node, and what their scalars mean to rcl.

Form: `node: ros__parameters: ...`; the names of nodes nest by namespaces and may hold `*` and `**`.
"""

from __future__ import annotations

import re
from typing import Any

PARAMETERS = "ros__parameters"
EVERY_NODE = "/**"

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|\d+)")
_REAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|()\.(nan|NaN|NAN)")
_INT64 = 2**63


def compose(text: str) -> Any:
    """The tree of a YAML text, with duplicate keys; its scalars know whether they are plain. None for an empty text.

    Raises:
        yaml.YAMLError: not YAML.
    """
    import yaml  # noqa: PLC0415 (slow to import, and only for parameters)

    class Loader(yaml.BaseLoader):
        """Marks the scalars that are plain and without a tag."""

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            node: yaml.ScalarNode = super().compose_scalar_node(anchor)
            node.is_plain = event.implicit[0] and event.tag is None  # type: ignore[attr-defined]
            return node

    return yaml.compose(text, Loader=Loader)


def load(text: str) -> Any:
    """Reads YAML with the scalars of rcl_yaml_param_parser: 1e3 is a number, 010 is eight, y is true, ~ is text.

    Raises:
        yaml.YAMLError: not YAML.
    """
    node = compose(text)
    return None if node is None else construct(node)


def construct(node: Any) -> Any:
    """The value of a node; of a key that stands twice in a mapping, the last one."""
    if node.id == "mapping":
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value == "<<" and value.id == "mapping":
                found = {**construct(value), **found}
            else:
                found[str(key.value)] = construct(value)
        return found
    if node.id == "sequence":
        return [construct(entry) for entry in node.value]
    if not node.is_plain:
        return node.value
    return scalar(node.value) if node.value else None


def scalar(text: str) -> bool | int | float | str:
    """The value of a plain scalar, as rcl reads it."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.fullmatch(text):
        number = _strtoll(text)
        if number is not None and -_INT64 <= number < _INT64:
            return number
    special = _SPECIAL.fullmatch(text)
    if special:
        return float(f"{special[1] or ''}{(special[2] or special[4]).lower()}")
    if _REAL.fullmatch(text):
        return float(text)
    return text


def _strtoll(text: str) -> int | None:
    """C's strtoll with base 0: 0x is hexadecimal, a leading 0 octal."""
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    try:
        if digits[:2].lower() == "0x":
            return sign * int(digits, 16)
        return sign * int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    except ValueError:
        return None


def read_entries(file: str, use_wildcard: bool, targets: list[str] | None) -> list[dict[str, Any]]:
    """The parameters for some nodes (None or none: for all), the one that wins last; as rclpy, with YAML's scalars.

    Raises:
        RuntimeError: nothing is there for these nodes, or the file is not of the form.
        FileNotFoundError: there is no such file.
    """
    from pathlib import Path  # noqa: PLC0415 (only for files)

    import yaml  # noqa: PLC0415 (see compose)

    tree = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    if not isinstance(tree, dict):
        raise RuntimeError(f"{file}: YAML file is not a valid ROS parameter file")
    entries = list(_nodes(tree, ""))
    if not use_wildcard:
        entries = [entry for entry in entries if "*" not in entry[0]]
    if targets:
        names = ["/" + name.lstrip("/") for name in targets]
        entries = [entry for entry in entries if any(matches(entry[0], name, zero=False) for name in names)]
    if not entries:
        raise RuntimeError(f"{file}: Param file does not contain any valid parameters")
    entries.sort(key=lambda entry: rank(entry[0]))
    return [values for _, values in entries]


def _nodes(tree: dict[Any, Any], prefix: str) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for key, value in tree.items():
        name = f"{prefix}/{str(key).strip('/')}"
        if not isinstance(value, dict):
            raise RuntimeError(f"YAML file is not a valid ROS parameter file for node {name}")
        if PARAMETERS in value:
            if not isinstance(value[PARAMETERS], dict):
                raise RuntimeError(f"YAML file is not a valid ROS parameter file for node {name}")
            found.append((name, value[PARAMETERS]))
        found += _nodes({inner: entry for inner, entry in value.items() if inner != PARAMETERS}, name)
    return found


def rank(pattern: str) -> int:
    """What wins: every node's entry is below a wildcard's, and that below the entry of a name."""
    return 0 if pattern == EVERY_NODE else 1 if "*" in pattern else 2


def matches(pattern: str, full_name: str, *, zero: bool = True) -> bool:
    """Whether an entry's name stands for a node's full name; `**` stands for any number of tokens, `*` for one.

    `zero` says whether `**` may stand for none, as in an override; in `parameter_dict_from_yaml_file` it may not.
    """
    pattern = "/" + pattern.lstrip("/")
    if pattern == EVERY_NODE:
        return True
    if "*" not in pattern:
        return pattern == full_name
    expression = ""
    for token in pattern.strip("/").split("/"):
        if token == "**":
            expression += r"(/\w+)" + ("*" if zero else "+")
        else:
            expression += "/" + re.escape(token).replace(r"\*", r"\w+")
    return re.fullmatch(expression, full_name) is not None


__all__ = ["EVERY_NODE", "PARAMETERS", "compose", "construct", "load", "matches", "rank", "read_entries", "scalar"]
