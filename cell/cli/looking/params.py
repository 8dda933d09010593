"""``cell param``: the parameters of a running node, read and set through its parameter services."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from cell.cli.command import existing_file, output_file
from cell.cli.looking.names import node_name
from cell.cli.looking.services import ask
from cell.cli.looking.session import Session, add_session_flags
from perception.errors import InputError

REFUSED = 1
ANSWER_S = 5.0
# rcl_interfaces/msg/ParameterType
_FIELDS = {
    1: "bool_value",
    2: "integer_value",
    3: "double_value",
    4: "string_value",
    5: "byte_array_value",
    6: "bool_array_value",
    7: "integer_array_value",
    8: "double_array_value",
    9: "string_array_value",
}
_SCALARS: dict[type, int] = {bool: 1, int: 2, float: 3, str: 4}
_LIST_OFFSET = 5


class Remote:
    """The parameters of one node.

    Raises:
        InputError: at every call, if the node does not answer.
    """

    def __init__(self, session: Session, node: str) -> None:
        self._session = session
        self.node = session.find("node", node, lambda: session.nodes(hidden=True))

    def names(self) -> list[str]:
        from rcl_interfaces.srv import ListParameters  # noqa: PLC0415

        answer = self._ask(ListParameters, "list_parameters", ListParameters.Request())
        return sorted(answer.result.names)

    def values(self, names: list[str]) -> dict[str, Any]:
        """Values by name; None for what is not set."""
        from rcl_interfaces.srv import GetParameters  # noqa: PLC0415

        answer = self._ask(GetParameters, "get_parameters", GetParameters.Request(names=names))
        return {name: from_value(value) for name, value in zip(names, answer.values, strict=True)}

    def existing(self, name: str) -> Any:
        """One value.

        Raises:
            InputError: the node has no such parameter; the nearest name is shown.
        """
        names = self.names()
        if name not in names:
            from difflib import get_close_matches  # noqa: PLC0415

            near = get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f" (cell param list {self.node})"
            raise InputError(f"{self.node} has no such parameter{hint}", key=name)
        return self.values([name])[name]

    def set(self, values: dict[str, Any]) -> list[tuple[str, str]]:
        """Sets values one by one; gives those that were refused, with the node's reason."""
        from rcl_interfaces.msg import Parameter  # noqa: PLC0415
        from rcl_interfaces.srv import SetParameters  # noqa: PLC0415

        request = SetParameters.Request(
            parameters=[Parameter(name=name, value=to_value(value, name)) for name, value in values.items()]
        )
        answer = self._ask(SetParameters, "set_parameters", request)
        return [
            (name, result.reason) for name, result in zip(values, answer.results, strict=True) if not result.successful
        ]

    def _ask(self, interface: Any, service: str, request: Any) -> Any:
        answer = ask(self._session, interface, f"{self.node}/{service}", request, ANSWER_S)
        if answer is None:
            raise InputError(f"did not answer within {ANSWER_S:g} s (it may have no parameter services)", key=self.node)
        return answer


class ListCommand:
    """The parameters of a node, or of all."""

    help = "list the parameters of a node, or of all nodes"
    example = "cell param list /picker"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser, optional=True)
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            if args.node is not None:
                print("\n".join(Remote(session, args.node).names()))
                return 0
            session.settle()
            for node in session.nodes():
                print(f"{node}:")
                try:
                    for name in Remote(session, node).names():
                        print(f"  {name}")
                except InputError as error:
                    print(f"  ({error.message})")
        return 0


class GetCommand:
    """One value."""

    help = "print the value of a parameter"
    example = "cell param get /picker use_sim_time"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser)
        parser.add_argument("parameter", metavar="NAME", help="the parameter")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        with Session(args) as session:
            print(_shown(Remote(session, args.node).existing(args.parameter)))
        return 0


class SetCommand:
    """One value, set."""

    help = "set a parameter of a running node"
    example = "cell param set /policy name dp"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser)
        parser.add_argument("parameter", metavar="NAME", help="the parameter")
        parser.add_argument("value", metavar="VALUE", help="YAML: 3 is an integer, 3.0 a double, '3' a string")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        value = _read_yaml(args.value, "VALUE")
        with Session(args) as session:
            remote = Remote(session, args.node)
            before = remote.existing(args.parameter)
            if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            refused = remote.set({args.parameter: value})
            for name, reason in refused:
                print(f"{remote.node} refused {name}: {reason or 'no reason given'}", file=sys.stderr)
            if refused:
                return REFUSED
            print(f"{args.parameter}: {_shown(before)} -> {_shown(remote.values([args.parameter])[args.parameter])}")
        return 0


class DumpCommand:
    """All values as a file that `--params-file` takes."""

    help = "write a node's parameters as YAML, as --params-file and cell param load read it"
    example = "cell param dump /picker --out picker.yaml"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser)
        parser.add_argument("--out", type=output_file, metavar="FILE.yaml", help="instead of printing")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        import yaml  # noqa: PLC0415

        with Session(args) as session:
            remote = Remote(session, args.node)
            values = {name: value for name, value in remote.values(remote.names()).items() if value is not None}
        document = {remote.node: {"ros__parameters": _nested(values)}}
        text = yaml.safe_dump(document, sort_keys=True, allow_unicode=True)
        if args.out is None:
            print(text, end="")
        else:
            args.out.write_text(text, encoding="utf-8")
        return 0


class LoadCommand:
    """Values from a file."""

    help = "set a running node's parameters from a YAML file"
    example = "cell param load /picker picker.yaml"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        node_name(parser)
        parser.add_argument("file", type=existing_file, metavar="FILE.yaml", help="as cell param dump writes it")
        add_session_flags(parser)

    def run(self, args: argparse.Namespace) -> int:
        document = _read_yaml(args.file.read_text(encoding="utf-8"), str(args.file))
        with Session(args) as session:
            remote = Remote(session, args.node)
            wanted = _of_node(document, remote.node, args.file)
            # What is so already need not be set: a dump also holds what a node never lets anybody change.
            present = remote.values(sorted(set(wanted) & set(remote.names())))
            values = {name: value for name, value in wanted.items() if name not in present or present[name] != value}
            refused = remote.set(values) if values else []
        for name, reason in refused:
            print(f"{remote.node} refused {name}: {reason or 'no reason given'}", file=sys.stderr)
        same = f", {len(wanted) - len(values)} were so already" if len(values) < len(wanted) else ""
        print(f"{len(values) - len(refused)} of {len(values)} parameters set{same}")
        return REFUSED if refused else 0


def to_value(value: Any, name: str) -> Any:
    """A plain value as rcl_interfaces/msg/ParameterValue.

    Raises:
        InputError: no parameter can hold it.
    """
    from rcl_interfaces.msg import ParameterValue  # noqa: PLC0415

    kind = _SCALARS.get(type(value))
    if isinstance(value, list):
        if value and all(isinstance(item, float | int) and not isinstance(item, bool) for item in value):
            # One double among the numbers makes all of them doubles.
            value = [float(item) for item in value] if any(isinstance(item, float) for item in value) else value
        kinds = {type(item) for item in value} or {str}
        element = _SCALARS.get(kinds.pop()) if len(kinds) == 1 else None
        kind = element + _LIST_OFFSET if element is not None else None
    if value is None:
        return ParameterValue()
    if kind is None:
        raise InputError(f"no parameter can hold {value!r}", key=name)
    try:
        return ParameterValue(type=kind, **{_FIELDS[kind]: value})
    except (AssertionError, OverflowError) as error:
        raise InputError(f"{value!r} does not fit ({error})", key=name) from None


def from_value(value: Any) -> Any:
    """A ParameterValue as a plain value; None where it is not set."""
    field = _FIELDS.get(value.type)
    if field is None:
        return None
    found = getattr(value, field)
    if value.type == 5:
        return [item[0] if isinstance(item, bytes) else int(item) for item in found]
    return list(found) if value.type > _LIST_OFFSET else found


def _shown(value: Any) -> str:
    import yaml  # noqa: PLC0415

    if value is None:
        return "not set"
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=100_000)
    return text.rstrip("\n").removesuffix("\n...")


def _read_yaml(text: str, key: str) -> Any:
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"not YAML{line}: {getattr(error, 'problem', None) or error}", key=key) from None


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """`a.b: 1` as `a: {b: 1}`, where no parameter is called `a`."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        parts = name.split(".")
        if any(".".join(parts[:n]) in values for n in range(1, len(parts))):
            tree[name] = value
            continue
        branch = tree
        for part in parts[:-1]:
            branch = branch.setdefault(part, {})
        branch[parts[-1]] = value
    return tree


def _of_node(document: Any, node: str, file: Path) -> dict[str, Any]:
    """The parameters that a file gives a node: under its full name, its short name, or `/**`."""
    if not isinstance(document, dict):
        raise InputError("wants the name of a node, then ros__parameters", file=file)
    found: dict[str, Any] = {}
    for key in ("/**", node.rpartition("/")[2], node):
        section = document.get(key)
        if section is None:
            continue
        if not isinstance(section, dict) or not isinstance(section.get("ros__parameters"), dict):
            raise InputError("wants ros__parameters with names and values", file=file, key=key)
        found.update(_flat(section["ros__parameters"]))
    if not found:
        raise InputError(f"gives {node} nothing (it names {', '.join(map(str, document))})", file=file)
    return found


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found
