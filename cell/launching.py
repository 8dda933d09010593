"""Launch files: the subset of ``ros2 launch``'s YAML that a cell needs, read without ROS.

Actions: ``arg``, ``let``, ``group``, ``include`` and ``executable`` with ``cmd: cell node NAME... --ros-args ...``,
each with ``if`` or ``unless``. As in ROS 2 a group has a scope of its own, an include has not, and an ``arg`` keeps a
value that is set already. What ROS 2 would read and this does not is refused, never skipped.

One ``executable`` is one process under ``ros2 launch``; nodes that are named together share it. ``cell run`` gives a
process of its own to what may die alone, which is what says ``respawn: "true"``, and runs the others itself.
"""

from __future__ import annotations

import math
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cell.cmdline import parse_node_command
from cell.config import EVERY_NODE, NodeConfig, Origin, ParamsFile, overrides_of, read_params, resolve
from cell.documents import Document, Key, read_yaml
from cell.plugins import nearest, node_names, schema_of
from cell.substitutions import Scope, SubstitutionError, substitute
from cell.wiring import check_wiring
from perception.errors import InputError

FALSE: Final = frozenset({"false", "False", "0"})
TRUE: Final = frozenset({"true", "True", "1"})
"""What ROS 2 takes for a condition."""

KEYS: Final = {
    "arg": {"name", "default", "description", "choice", "if", "unless"},
    "let": {"name", "value", "if", "unless"},
    "group": {"children", "scoped", "if", "unless"},
    "include": {"file", "arg", "if", "unless"},
    "executable": {"cmd", "name", "output", "respawn", "respawn_delay", "respawn_max_retries", "if", "unless"},
}
"""Every action and what may stand in it. ``output`` of an executable only matters to ``ros2 launch``."""


@dataclass(frozen=True, slots=True)
class Respawn:
    """How a process that has died is started again, as ROS 2 has it.

    Attributes:
        delay_s: from its death to the new start.
        max_retries: how often in all; negative: without a limit.
    """

    delay_s: float = 0.0
    max_retries: int = -1


@dataclass(frozen=True, slots=True)
class NodeLaunch:
    """One node that a launch file starts.

    Attributes:
        name: of the node, as in ``cell node NAME``.
        args: what follows the names in ``cell node NAME...``, word by word.
        params_files: of ``--params-file``, in order.
        parameters: of ``-p name:=value``, dotted names.
        remaps: of ``-r from:=to``.
        file, line: where it stands.
    """

    name: str
    args: tuple[str, ...]
    params_files: tuple[Path, ...]
    parameters: MappingProxyType[str, Any]
    remaps: MappingProxyType[str, str]
    file: Path
    line: int | None


@dataclass(frozen=True, slots=True)
class ProcessLaunch:
    """One ``executable``: its name (by default that of its first node), its nodes, and how it comes back."""

    name: str
    nodes: tuple[NodeLaunch, ...]
    respawn: Respawn | None = None


@dataclass(frozen=True, slots=True)
class LaunchDescription:
    """What a launch file starts: its processes in order, and every argument with the value it got."""

    processes: tuple[ProcessLaunch, ...]
    arguments: MappingProxyType[str, str]

    @property
    def nodes(self) -> tuple[NodeLaunch, ...]:
        """Every node, in order."""
        return tuple(node for process in self.processes for node in process.nodes)


def default_launch() -> Path:
    """The launch file of the simulated cell: installed under ``share``, or beside the packages in a source tree.

    Raises:
        InputError: it is in neither place.
    """
    beside = Path(__file__).resolve().parent.parent / "launch" / "cell.launch.yaml"
    if beside.is_file():
        return beside
    return share_folder() / "launch" / "cell.launch.yaml"


def share_folder() -> Path:
    """What ``$(find-pkg-share cellwright)`` means."""
    source_tree = Path(__file__).resolve().parent.parent
    if (source_tree / "launch" / "cell.launch.yaml").is_file():
        return source_tree
    places = [Path(base) / "share" / "cellwright" for base in (sysconfig.get_path("data"), sys.prefix)]
    for place in places:
        if place.is_dir():
            return place
    raise InputError("the installed launch files are missing; install cellwright again", file=places[0])


def load_launch(path: str | Path, arguments: Mapping[str, str] | None = None) -> LaunchDescription:
    """Read a launch file.

    Args:
        path: the file.
        arguments: values of its arguments, as ``name:=value`` on the command line gives them.

    Raises:
        InputError: anything wrong, with the file, the line and the key.
    """
    given = dict(arguments or {})
    reader = _Reader()
    reader.read(Path(path), Scope(dict(given), share_folder))
    for name in given:
        if name not in reader.arguments:
            raise InputError(f"no such argument{nearest(name, reader.arguments)}", file=path, key=f"{name}:=")
    if not reader.processes:
        raise InputError("starts no node", file=path)
    return LaunchDescription(processes=tuple(reader.processes), arguments=MappingProxyType(reader.arguments))


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """``name:=value`` words of a command line.

    Raises:
        InputError: a word of another form, or a name twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition(":=")
        if not sign or not name:
            raise InputError("a launch argument has the form name:=value", key=word)
        if name in found:
            raise InputError("this launch argument stands twice", key=f"{name}:=")
        found[name] = value
    return found


def configure(
    launch: LaunchDescription, overrides: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[NodeConfig, ...]:
    """Every node of a launch with all that is set on it, checked also against each other.

    Args:
        launch: the description.
        overrides: by node or ``/**``, dotted values that win over every file; what no launched node knows is left out.
            What a ``-p`` sets for several nodes holds for those of them that know it.

    Raises:
        InputError: anything wrong in a params file, a missing value, two devices in one place.
    """
    files: dict[Path, ParamsFile] = {}
    configs = []
    for process in launch.processes:
        for node in process.nodes:
            for path in node.params_files:
                if path not in files:
                    files[path] = read_params(path)
            place = Origin(str(node.file), node.line, node.name)
            leaves = overrides_of(_meant_for(node, process), place)
            leaves += overrides_of(_from_outside(node.name, overrides or {}), Origin())
            configs.append(resolve(node.name, [files[path] for path in node.params_files], leaves, place))
    check_wiring(configs)
    return tuple(configs)


def _meant_for(node: NodeLaunch, process: ProcessLaunch) -> dict[str, Any]:
    """What ``-p`` sets on this node of a process: what it knows, and what none of them knows, to be refused."""
    known = schema_of(node.name).model_fields
    others = {key for other in process.nodes for key in schema_of(other.name).model_fields}
    return {
        key: value
        for key, value in node.parameters.items()
        if key.partition(".")[0] in known or key.partition(".")[0] not in others
    }


def _from_outside(node: str, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    known = schema_of(node).model_fields
    shared = {key: value for key, value in overrides.get(EVERY_NODE, {}).items() if key.partition(".")[0] in known}
    return {**shared, **overrides.get(node, {})}


@dataclass(frozen=True, slots=True)
class _Action:
    """One action of a launch file: its keys, and errors that name the line of each."""

    document: Document
    body: dict[str, Any]
    key: Key
    scope: Scope

    def error(self, message: str, *below: str | int) -> InputError:
        # The list indices that lead to an action say less than its line.
        show = (str(self.key[-1]), *below)
        return self.document.error(message, (*self.key, *below), show)

    def plain(self, name: str, default: str | None = None) -> str:
        """A value as it stands."""
        return self._text(self.body, name, default)

    def text(self, name: str) -> str:
        """A value with its substitutions made."""
        return self._substituted(self.plain(name), name)

    def entries(self, name: str, keys: set[str]) -> list[dict[str, str]]:
        """A list of groups of keys (``arg`` of an include), each value with its substitutions made."""
        items = self.body.get(name, [])
        if not isinstance(items, list):
            raise self.error("must be a list", name)
        found = []
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise self.error("must be a group of keys", name, index)
            for key in item:
                if key not in keys:
                    raise self.error(f"unknown key{nearest(key, keys)}", name, index, key)
            texts = {key: self._text(item, key, None, name, index) for key in keys}
            found.append({key: self._substituted(text, name, index, key) for key, text in texts.items()})
        return found

    def wanted(self) -> bool:
        """What ``if`` or ``unless`` say."""
        if "if" in self.body and "unless" in self.body:
            raise self.error("if and unless exclude each other", "unless")
        for name, truth in (("if", True), ("unless", False)):
            if name in self.body:
                value = self.text(name).strip()
                if value not in TRUE | FALSE:
                    raise self.error(f"must be true or false, not {value!r}", name)
                return (value in TRUE) is truth
        return True

    def _text(self, body: dict[str, Any], name: str, default: str | None, *above: str | int) -> str:
        if name not in body:
            if default is None:
                raise self.error("is missing", *above, name)
            return default
        value = body[name]
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, (str, int, float)):
            raise self.error("must be text", *above, name)
        return str(value)

    def _substituted(self, text: str, *below: str | int) -> str:
        try:
            return substitute(text, self.scope)
        except SubstitutionError as error:
            raise self.error(str(error), *below) from None


class _Reader:
    """Walks the actions of a file and of what it includes."""

    def __init__(self) -> None:
        self.processes: list[ProcessLaunch] = []
        self.arguments: dict[str, str] = {}
        self._trail: list[Path] = []
        self._do = {
            "arg": self._arg,
            "let": self._let,
            "group": self._group,
            "include": self._include,
            "executable": self._executable,
        }

    def read(self, path: Path, scope: Scope) -> None:
        """All actions of one file."""
        document = read_yaml(path)
        if not isinstance(document.data, dict) or "launch" not in document.data:
            raise InputError("is no launch file: it must begin with launch:", file=path, line=1)
        for key in document.data:
            if key != "launch":
                raise document.error("only launch may stand here", (key,))
        self._trail.append(path.resolve())
        with scope.in_file(path):
            self._actions(document, document.data["launch"], ("launch",), scope)
        self._trail.pop()

    def _actions(self, document: Document, items: Any, key: Key, scope: Scope) -> None:
        if not isinstance(items, list):
            raise document.error("must be a list of actions", key, key[-1:])
        for index, item in enumerate(items):
            if not isinstance(item, dict) or len(item) != 1:
                raise document.error(f"must be one action ({', '.join(KEYS)})", (*key, index), key[-1:])
            ((kind, body),) = item.items()
            here = (*key, index, kind)
            if kind not in KEYS:
                raise document.error(f"unknown action{nearest(kind, KEYS)}", here, (kind,))
            if kind == "group" and isinstance(body, list):
                self._actions(document, body, here, scope.copy())
                continue
            if not isinstance(body, dict):
                raise document.error("must be a group of keys", here, (kind,))
            for name in body:
                if name not in KEYS[kind]:
                    raise document.error(f"unknown key{nearest(name, KEYS[kind])}", (*here, name), (kind, name))
            action = _Action(document, body, here, scope)
            if action.wanted():
                self._do[kind](action)

    def _arg(self, action: _Action) -> None:
        name = action.plain("name")
        action.plain("description", "")
        values = action.scope.values
        if name not in values:
            if "default" not in action.body:
                raise action.error(f"the argument {name} is missing: give {name}:=VALUE", "name")
            values[name] = action.text("default")
        choices = [entry["value"] for entry in action.entries("choice", {"value"})]
        if choices and values[name] not in choices:
            raise action.error(f"{name} must be one of {', '.join(choices)}, not {values[name]!r}", "choice")
        self.arguments[name] = values[name]

    def _let(self, action: _Action) -> None:
        action.scope.values[action.text("name")] = action.text("value")

    def _group(self, action: _Action) -> None:
        scoped = action.body.get("scoped", True)
        if not isinstance(scoped, bool):
            raise action.error("must be true or false", "scoped")
        if "children" not in action.body:
            raise action.error("is missing", "children")
        scope = action.scope.copy() if scoped else action.scope
        self._actions(action.document, action.body["children"], (*action.key, "children"), scope)

    def _include(self, action: _Action) -> None:
        path = Path(action.text("file"))
        if "\0" in str(path) or not path.is_file():
            raise action.error(f"{path} does not exist", "file")
        if path.resolve() in self._trail:
            raise action.error(f"{path.name} includes itself", "file")
        for entry in action.entries("arg", {"name", "value"}):
            action.scope.values[entry["name"]] = entry["value"]
        self.read(path, action.scope)

    def _executable(self, action: _Action) -> None:
        action.plain("output", "")
        respawn = _respawn(action)
        try:
            command = parse_node_command(action.plain("cmd"), action.scope)
        except InputError:
            raise
        except ValueError as error:
            raise action.error(str(error), "cmd") from None
        started = [node.name for process in self.processes for node in process.nodes]
        for name in command.names:
            if name not in node_names():
                raise action.error(f"unknown node {name!r}{nearest(name, node_names())}", "cmd")
            if name in started:
                raise action.error(f"the node {name} is started twice", "cmd")
            started.append(name)
        name = action.text("name") if "name" in action.body else command.names[0]
        if any(process.name == name for process in self.processes):
            raise action.error(f"two processes are named {name!r}", "name")
        for path in command.params_files:
            if "\0" in str(path) or not path.is_file():
                raise action.error(f"the params file {path} does not exist", "cmd")
        nodes = tuple(
            NodeLaunch(
                name=node,
                args=command.args,
                params_files=tuple(command.params_files),
                parameters=MappingProxyType(command.parameters),
                remaps=MappingProxyType(command.remaps),
                file=action.document.path,
                line=action.document.line((*action.key, "cmd")),
            )
            for node in command.names
        )
        self.processes.append(ProcessLaunch(name, nodes, respawn))


def _respawn(action: _Action) -> Respawn | None:
    """What an executable says about coming back; ROS 2 reads ``respawn`` as text, the others as numbers."""
    delay_s, retries = action.body.get("respawn_delay", 0.0), action.body.get("respawn_max_retries", -1)
    if isinstance(delay_s, bool) or not isinstance(delay_s, (int, float)) or not 0.0 <= delay_s < math.inf:
        raise action.error("must be a number of seconds", "respawn_delay")
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise action.error("must be a whole number", "respawn_max_retries")
    value = action.text("respawn").strip() if "respawn" in action.body else "false"
    if value not in TRUE | FALSE:
        raise action.error(f"must be true or false, not {value!r}", "respawn")
    return Respawn(float(delay_s), retries) if value in TRUE else None
