"""The `--ros-args` section of a command line: remaps, parameters, parameter files, log levels.

Grammar: design.ros2.org, "ROS Command Line Arguments" and "Static Remapping via Command Line Arguments"; parameter
files as rcl_yaml_param_parser reads them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_NODE_PREFIX = re.compile(r"^([A-Za-z_]\w*):(?!=)(.*)$")
_LEVELS = {"unset": 0, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_FLAGS = frozenset(
    f"--{enable}-{what}"
    for enable in ("enable", "disable")
    for what in ("rosout-logs", "stdout-logs", "external-lib-logs")
)


class UnknownROSArgsError(Exception):
    """A `--ros-args` section holds what no rule knows."""

    def __init__(self, unknown: list[str]) -> None:
        super().__init__(f"Found unknown ROS arguments: {', '.join(repr(entry) for entry in unknown)}")
        self.unknown_args = unknown


class Remap(NamedTuple):
    """`from:=to`, for every node or for the node of that name."""

    node: str
    source: str
    target: str


class Override(NamedTuple):
    """A parameter's value; `pattern` says for which nodes (`/**`, `/*`, a name, a fully qualified name)."""

    pattern: str
    name: str
    value: Any


class Arguments:
    """What was read; overrides in the order of precedence, the last one wins."""

    def __init__(self) -> None:
        self.remaps: list[Remap] = []
        self.overrides: list[Override] = []
        self.log_levels: dict[str, int] = {}
        self.enclave = ""

    def node_name(self, given: str) -> str | None:
        return self._special("__node", given) or self._special("__name", given)

    def namespace(self, node: str) -> str | None:
        return self._special("__ns", node)

    def overrides_for(self, name: str, namespace: str) -> dict[str, Any]:
        """The parameters of one node, by name."""
        full_name = f"{namespace.rstrip('/')}/{name}"
        return {entry.name: entry.value for entry in self.overrides if _applies(entry.pattern, full_name, name)}

    def _special(self, key: str, node: str) -> str | None:
        return next((rule.target for rule in self.remaps if rule.source == key and rule.node in ("", node)), None)


def parse_arguments(args: list[str]) -> Arguments:
    """Reads every `--ros-args` section; everything outside is somebody else's.

    Raises:
        UnknownROSArgsError: an argument that no rule knows.
        ValueError: a known argument with a bad value; the message names it.
        OSError: a parameter file cannot be read.
    """
    parsed = Arguments()
    unknown: list[str] = []
    inside = False
    rest = iter(args)
    for argument in rest:
        if argument == "--ros-args":
            inside = True
        elif not inside:
            continue
        elif argument == "--":
            inside = False
        elif argument in _FLAGS:
            continue
        elif argument in _WITH_VALUE:
            value = next(rest, None)
            if value is None:
                raise ValueError(f"{argument} needs a value")
            _WITH_VALUE[argument](parsed, value)
        elif ":=" in argument:
            _remap(parsed, argument)
        else:
            unknown.append(argument)
    if unknown:
        raise UnknownROSArgsError(unknown)
    return parsed


def _remap(parsed: Arguments, rule: str) -> None:
    source, separator, target = rule.partition(":=")
    if not separator or not source or not target:
        raise ValueError(f"Couldn't parse remap rule: '-r {rule}'. Error: expected from:=to")
    node = ""
    match = _NODE_PREFIX.match(source)
    if match is not None and "://" not in source:
        node, source = match[1], match[2]
    parsed.remaps.append(Remap(node, source, target))


def _param(parsed: Arguments, rule: str) -> None:
    import yaml  # noqa: PLC0415 (slow to import, and few programs get parameters by argument)

    name, separator, text = rule.partition(":=")
    if not separator or not name:
        raise ValueError(f"Couldn't parse parameter override rule: '-p {rule}'. Error: expected name:=value")
    pattern = "/**"
    match = _NODE_PREFIX.match(name)
    if match is not None:
        pattern, name = match[1], match[2]
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"Couldn't parse parameter override rule: '-p {rule}'. Error: {error}") from None
    if isinstance(value, dict):
        parsed.overrides += [Override(pattern, key, entry) for key, entry in _flatten(value, f"{name}.")]
    else:
        parsed.overrides.append(Override(pattern, name, value))


def _params_file(parsed: Arguments, name: str) -> None:
    from pathlib import Path  # noqa: PLC0415 (only for files)

    parsed.overrides += read_params_file(Path(name))


def _log_level(parsed: Arguments, rule: str) -> None:
    logger, separator, level = rule.partition(":=")
    if not separator:
        logger, level = "", rule
    if level.lower() not in _LEVELS:
        raise ValueError(f"Couldn't parse log level rule: '--log-level {rule}'. Error: one of {', '.join(_LEVELS)}")
    parsed.log_levels[logger] = _LEVELS[level.lower()]


def _enclave(parsed: Arguments, name: str) -> None:
    parsed.enclave = name


def _ignored(parsed: Arguments, value: str) -> None:
    """Options of the C logging backend that have no meaning here."""


_WITH_VALUE = {
    "-r": _remap,
    "--remap": _remap,
    "-p": _param,
    "--param": _param,
    "--params-file": _params_file,
    "--log-level": _log_level,
    "-e": _enclave,
    "--enclave": _enclave,
    "--log-config-file": _ignored,
    "--log-file-name": _ignored,
}


def read_params_file(file: Path) -> list[Override]:
    """Reads `node: ros__parameters: ...`; node names nest by namespaces and may hold `*` and `**`.

    Raises:
        ValueError: not YAML, or not of that form; the message names the file.
        OSError: it cannot be read.
    """
    import yaml  # noqa: PLC0415 (see _param)

    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not YAML: {error}") from None
    if tree is None:
        return []
    if not isinstance(tree, dict):
        raise ValueError(f"{file}: expected node names at the top")
    return list(_nodes(file, tree, ""))


def _nodes(file: Path, tree: dict[Any, Any], prefix: str) -> list[Override]:
    found: list[Override] = []
    for key, value in tree.items():
        if not isinstance(value, dict):
            raise ValueError(f"{file}: {prefix}{key}: expected ros__parameters or a further namespace below it")
        if key == "ros__parameters":
            pattern = prefix.rstrip("/") or "/**"
            found += [Override(pattern, name, entry) for name, entry in _flatten(value, "")]
        else:
            found += _nodes(file, value, f"{prefix}{key}/")
    return found


def _flatten(tree: dict[Any, Any], prefix: str) -> list[tuple[str, Any]]:
    """Nested maps become names with dots."""
    flat: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            flat += _flatten(value, f"{prefix}{key}.")
        else:
            flat.append((f"{prefix}{key}", value))
    return flat


def _applies(pattern: str, full_name: str, name: str) -> bool:
    if "/" not in pattern and "*" not in pattern:
        return pattern in (name, full_name.lstrip("/"))
    # `**` stands for any number of tokens, `*` for one.
    if not pattern.startswith("/"):
        pattern = "/" + pattern
    expression = ""
    for token in pattern.strip("/").split("/"):
        expression += r"(/\w+)*" if token == "**" else "/" + re.escape(token).replace(r"\*", r"\w+")
    return re.fullmatch(expression, full_name) is not None


__all__ = ["Arguments", "Override", "Remap", "UnknownROSArgsError", "parse_arguments", "read_params_file"]
