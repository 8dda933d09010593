"""The `--ros-args` section of a command line: remaps, parameters, parameter files, logging, the enclave.

Grammar: design.ros2.org, "ROS Command Line Arguments" and "Static Remapping via Command Line Arguments"; parameter
files as rcl_yaml_param_parser reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ._rclpy_errors import RCLInvalidROSArgsError, UnknownROSArgsError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from pathlib import Path

# Patterns as text: few programs get arguments, and compiling them takes longer than the rest of this module.
_TOKEN = r"[A-Za-z_]\w*"
_NODE_PREFIX = rf"({_TOKEN}):(?!=|//)((?s:.*))"
_NAME = rf"(rostopic://|rosservice://)?(~|(~/|/)?{_TOKEN}(/{_TOKEN})*)"
_NAMESPACE = rf"/({_TOKEN}(/{_TOKEN})*)?"
_LOGGER = r"[A-Za-z_][\w.]*"
_PARAMETER = r"[^\s:=]+"
_ENCLAVE = rf"/?({_TOKEN}(/{_TOKEN})*)?"
_LEVELS = {"unset": 0, "debug": 10, "info": 20, "warn": 30, "error": 40, "fatal": 50}
_SWITCHES = {
    "--enable-rosout-logs": ("rosout_logs", True),
    "--disable-rosout-logs": ("rosout_logs", False),
    "--enable-stdout-logs": ("stdout_logs", True),
    "--disable-stdout-logs": ("stdout_logs", False),
    "--enable-external-lib-logs": ("external_lib_logs", True),
    "--disable-external-lib-logs": ("external_lib_logs", False),
}


class Remap(NamedTuple):
    """`from:=to`, for every node or for the node of that name."""

    node: str
    source: str
    target: str


class Override(NamedTuple):
    """A parameter's value; `pattern` says for which nodes (`/**`, `/*`, a fully qualified name)."""

    pattern: str
    name: str
    value: Any


class Arguments:
    """What was read, overrides in the order of reading. A switch that is not set is None."""

    def __init__(self) -> None:
        self.remaps: list[Remap] = []
        self.overrides: list[Override] = []
        self.log_levels: dict[str, int] = {}
        self.rosout_logs: bool | None = None
        self.stdout_logs: bool | None = None
        self.external_lib_logs: bool | None = None
        self.log_config_file = ""
        self.log_file_name = ""
        self.enclave = "/"

    def node_name(self, given: str) -> str | None:
        return self._special(("__node", "__name"), given)

    def namespace(self, node: str) -> str | None:
        return self._special(("__ns",), node)

    def overrides_for(self, name: str, namespace: str) -> list[Override]:
        """The entries for one node; the last one of a parameter wins.

        As in rcl, all entries with the same pattern stand where the first of them stood: what a file says to a node
        wins over `-p name:=value` (which speaks to every node), if the file spoke to every node before.
        """
        if not self.overrides:
            return []
        from ._parameter_file import matches  # noqa: PLC0415 (only where there are parameters)

        full_name = f"{namespace.rstrip('/')}/{name}"
        first: dict[str, int] = {}
        for entry in self.overrides:
            first.setdefault(entry.pattern, len(first))
        fitting = {pattern for pattern in first if matches(pattern, full_name)}
        found = [entry for entry in self.overrides if entry.pattern in fitting]
        found.sort(key=lambda entry: first[entry.pattern])
        return found

    def _special(self, keys: tuple[str, ...], node: str) -> str | None:
        return next((rule.target for rule in self.remaps if rule.source in keys and rule.node in ("", node)), None)


def parse_arguments(args: list[str], problem: str = "Failed to parse ROS arguments") -> Arguments:
    """Reads every `--ros-args` section; everything outside is somebody else's. `problem` begins the error's text.

    Raises:
        UnknownROSArgsError: an argument that no rule knows.
        RCLInvalidROSArgsError: a known argument with a bad value; the message names it.
        UnicodeEncodeError: an argument that is no UTF-8.
    """
    parsed = Arguments()
    unknown: list[str] = []
    inside = False
    for argument in args:
        argument.encode()
    rest = iter(args)
    for argument in rest:
        if argument == "--ros-args":
            inside = True
        elif not inside:
            continue
        elif argument == "--":
            inside = False
        elif argument in _SWITCHES:
            setattr(parsed, *_SWITCHES[argument])
        elif argument in _WITH_VALUE:
            what, read = _WITH_VALUE[argument]
            value = next(rest, None)
            if value is None:
                raise RCLInvalidROSArgsError(f"{problem}: Couldn't parse trailing {argument} flag. No {what} found.")
            try:
                read(parsed, value)
            except (ValueError, OSError) as error:
                raise RCLInvalidROSArgsError(
                    f"{problem}: Couldn't parse {what}: '{argument} {value}'. Error: {error}"
                ) from None
        else:
            unknown.append(argument)
    if unknown:
        raise UnknownROSArgsError(unknown)
    return parsed


def _match(pattern: str, text: str) -> re.Match[str] | None:
    import re  # noqa: PLC0415 (see _TOKEN)

    return re.fullmatch(pattern, text, re.ASCII)


def _remap(parsed: Arguments, rule: str) -> None:
    source, separator, target = rule.partition(":=")
    if not separator:
        raise ValueError("expected from:=to")
    node = ""
    match = _match(_NODE_PREFIX, source)
    if match is not None:
        node, source = match[1], match[2]
    if source in ("__node", "__name"):
        if not _match(_TOKEN, target):
            raise ValueError(f"{target!r} is no node name")
    elif source == "__ns":
        if not _match(_NAMESPACE, target):
            raise ValueError(f"{target!r} is no fully qualified namespace")
    elif not _match(_NAME, source):
        raise ValueError(f"{source!r} cannot be remapped")
    elif not _match(_NAME, target):
        raise ValueError(f"{target!r} is no name to remap to")
    parsed.remaps.append(Remap(node, source, target))


def _param(parsed: Arguments, rule: str) -> None:
    import yaml  # noqa: PLC0415 (slow to import, and few programs get parameters by argument)

    from ._parameter_file import EVERY_NODE, load  # noqa: PLC0415 (see above)

    name, separator, text = rule.partition(":=")
    if not separator:
        raise ValueError("expected name:=value")
    pattern = EVERY_NODE
    match = _match(_NODE_PREFIX, name)
    if match is not None:
        pattern, name = f"/{match[1]}", match[2]
    if not _match(_PARAMETER, name):
        raise ValueError(f"{name!r} is no parameter name")
    try:
        value = load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    parsed.overrides.append(Override(pattern, name, _checked(value, name)))


def _params_file(parsed: Arguments, name: str) -> None:
    from pathlib import Path  # noqa: PLC0415 (only for files)

    parsed.overrides += read_params_file(Path(name))


def _log_level(parsed: Arguments, rule: str) -> None:
    logger, separator, level = rule.rpartition(":=")
    if separator and not _match(_LOGGER, logger):
        raise ValueError(f"{logger!r} is no logger name")
    if level.lower() not in _LEVELS:
        raise ValueError(f"{level!r} is none of {', '.join(_LEVELS)}")
    parsed.log_levels[logger] = _LEVELS[level.lower()]


def _enclave(parsed: Arguments, name: str) -> None:
    if not name or not _match(_ENCLAVE, name):
        raise ValueError(f"{name!r} is no enclave name")
    parsed.enclave = name if name.startswith("/") else f"/{name}"


def _log_config_file(parsed: Arguments, name: str) -> None:
    if not name:
        raise ValueError("expected a file")
    parsed.log_config_file = name


def _log_file_name(parsed: Arguments, name: str) -> None:
    if not name:
        raise ValueError("expected a name")
    parsed.log_file_name = name


_WITH_VALUE = {
    "-r": ("remap rule", _remap),
    "--remap": ("remap rule", _remap),
    "-p": ("parameter override rule", _param),
    "--param": ("parameter override rule", _param),
    "--params-file": ("params file", _params_file),
    "--log-level": ("log level rule", _log_level),
    "-e": ("enclave name", _enclave),
    "--enclave": ("enclave name", _enclave),
    "--log-config-file": ("log config file", _log_config_file),
    "--log-file-name": ("log file name prefix", _log_file_name),
}


def read_params_file(file: Path) -> list[Override]:
    """Reads `node: ros__parameters: ...`; node names nest by namespaces, may hold `*` and `**`, and may stand twice.

    Raises:
        ValueError: not YAML, or not of that form; the message names the file.
        OSError: it cannot be read.
    """
    import yaml  # noqa: PLC0415 (see _param)

    from ._parameter_file import compose  # noqa: PLC0415 (see _param)

    try:
        tree = compose(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8: {error}") from None
    if tree is None:
        return []
    if tree.id != "mapping":
        raise ValueError(f"{file}: expected node names at the top")
    try:
        return list(_nodes(tree, ""))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _nodes(tree: Any, prefix: str) -> Iterator[Override]:
    from ._parameter_file import PARAMETERS  # noqa: PLC0415 (see _param)

    for key, value in tree.value:
        line = key.start_mark.line + 1
        if value.id != "mapping":
            raise ValueError(
                f"{prefix}{key.value}: expected {PARAMETERS} or a further namespace below it, in line {line}"
            )
        if key.value == PARAMETERS:
            if not prefix:
                raise ValueError(f"{PARAMETERS} without a node's name, in line {line}")
            pattern = "/" + prefix.strip("/")
            for name, entry in _flatten(value, ""):
                yield Override(pattern, name, entry)
        else:
            yield from _nodes(value, f"{prefix.rstrip('/')}/{str(key.value).strip('/')}/".lstrip("/"))


def _flatten(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested maps become names with dots."""
    from ._parameter_file import construct  # noqa: PLC0415 (see _param)

    for key, value in tree.value:
        name = f"{prefix}{key.value}"
        if key.value == "<<" and value.id == "mapping":
            yield from _flatten(value, prefix)
        elif value.id == "mapping":
            yield from _flatten(value, f"{name}.")
        else:
            yield name, _checked(construct(value), f"{name}, in line {value.start_mark.line + 1}")


def _checked(value: Any, where: str) -> Any:
    """A scalar, or a list of scalars of one type."""
    if value is None:
        raise ValueError(f"no value for {where}")
    if isinstance(value, dict):
        raise ValueError(f"a mapping cannot be the value of {where}")
    if isinstance(value, list):
        if any(entry is None or isinstance(entry, (dict, list)) for entry in value):
            raise ValueError(f"a sequence holds scalars only: {where}")
        if len({type(entry) for entry in value}) > 1:
            raise ValueError(f"Sequence should be of same type: {where}")
    return value


__all__ = ["Arguments", "Override", "Remap", "UnknownROSArgsError", "parse_arguments", "read_params_file"]
