"""Params files: what the nodes of a cell are set to, checked before anything starts.

A params file is ROS 2's own: node names, or ``/**`` for every node that knows the parameter, each with
``ros__parameters``. Later files win over earlier ones, a node's own section over ``/**``, and what a launch file's
``-p`` sets over both. Every error names the file, line and key at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from cell.complaints import Complaint, complaints
from cell.documents import Document, Key, dotted, read_yaml
from cell.parameters import OWN
from cell.plugins import nearest, node_names, schema_of
from perception.errors import InputError

EVERY_NODE: Final = "/**"
PARAMETERS: Final = "ros__parameters"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a file's line, or a flag."""

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def error(self, message: str) -> InputError:
        """An ``InputError`` that points here."""
        return InputError(message, file=self.file, line=self.line, key=self.key)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a params file: its way below the node (``("device", "port")``), the value, where it stands."""

    way: tuple[str, ...]
    value: Any
    origin: Origin


@dataclass(frozen=True, slots=True)
class ParamsFile:
    """A checked params file: its values by node, ``/**`` among them, in the order of the file."""

    path: Path
    nodes: MappingProxyType[str, tuple[Leaf, ...]]


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """One node as it is to run.

    Attributes:
        name: of the node.
        parameters: everything, defaults included, as the node's schema has it.
        values: what files and flags set, flat and dotted, as ROS parameters.
        origins: where each of those was written.
    """

    name: str
    parameters: BaseModel
    values: MappingProxyType[str, Any]
    origins: MappingProxyType[str, Origin] = field(repr=False)

    def origin(self, key: str) -> Origin:
        """Where ``key`` was written; for what nobody wrote, only its name."""
        return self.origins.get(key, Origin(key=f"{self.name}.{key}"))


def read_params(path: str | Path) -> ParamsFile:
    """Read and check one params file. Values that are missing are no fault here: another file may hold them.

    Raises:
        InputError: with the file, the line and the key.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise InputError("must hold node names with ros__parameters", file=path, line=1)
    nodes: dict[str, tuple[Leaf, ...]] = {}
    for written, section in document.data.items():
        name = written if written == EVERY_NODE else written.removeprefix("/")
        if name != EVERY_NODE and name not in node_names():
            raise document.error(f"unknown node{nearest(name, [*node_names(), EVERY_NODE])}", (written,))
        if name in nodes:
            raise document.error("this node stands twice", (written,))
        nodes[name] = tuple(_leaves(document, written, section))
    for name, leaves in nodes.items():
        if name == EVERY_NODE:
            _check_shared(leaves)
        else:
            _check(name, leaves, whole=False)
    return ParamsFile(path=document.path, nodes=MappingProxyType(nodes))


def resolve(
    name: str,
    files: Sequence[ParamsFile] = (),
    overrides: Sequence[Leaf] = (),
    place: Origin | None = None,
    *,
    whole: bool = True,
) -> NodeConfig:
    """Everything that is set on one node.

    Args:
        name: of the node.
        files: its params files, later ones win.
        overrides: values that win over all files, for example a launch file's ``-p``.
        place: where the node is named, for errors on what is missing.
        whole: refuse it where something that must be set is not; else ``parameters`` may be partly filled.

    Raises:
        InputError: unknown node or key, wrong value, or a value that must be set and is not.
    """
    known = schema_of(name).model_fields
    leaves: list[Leaf] = []
    for params in files:
        leaves += [leaf for leaf in params.nodes.get(EVERY_NODE, ()) if leaf.way[0] in known]
        leaves += params.nodes.get(name, ())
    leaves += overrides
    model = _check(name, leaves, whole=whole, place=place)
    merged = _merge(leaves)
    return NodeConfig(
        name=name,
        parameters=model,
        values=MappingProxyType({".".join(leaf.way): leaf.value for leaf in merged if leaf.value != {}}),
        origins=MappingProxyType({".".join(leaf.way): leaf.origin for leaf in merged}),
    )


def overrides_of(values: Mapping[str, Any], origin: Origin) -> tuple[Leaf, ...]:
    """Dotted values from a flag or a launch file as overrides."""
    return tuple(Leaf(way=tuple(key.split(".")), value=value, origin=origin) for key, value in values.items())


def _leaves(document: Document, node: str, section: Any) -> Iterator[Leaf]:
    if not isinstance(section, dict) or PARAMETERS not in section:
        raise document.error(f"must hold {PARAMETERS}", (node,))
    for key in section:
        if key != PARAMETERS:
            raise document.error(f"only {PARAMETERS} may stand here", (node, key))
    values = section[PARAMETERS]
    if values is None:
        return
    if not isinstance(values, dict):
        raise document.error("must hold parameters with their values", (node, PARAMETERS))
    seen: set[tuple[str, ...]] = set()
    for way, key, value in _walk(values, (), (node, PARAMETERS)):
        if way in seen:
            raise document.error("this parameter stands twice", key, (node, *way))
        seen.add(way)
        where = Origin(str(document.path), document.line(key), dotted((node, *way)))
        if not all(way):
            raise where.error("a part of this key is empty")
        yield Leaf(way=way, value=value, origin=where)


def _walk(values: dict[str, Any], way: tuple[str, ...], key: Key) -> Iterator[tuple[tuple[str, ...], Key, Any]]:
    for name, value in values.items():
        # ``device.port: ...`` and ``device: {port: ...}`` are one parameter.
        below = (*way, *name.split("."))
        if isinstance(value, dict) and value:
            yield from _walk(value, below, (*key, name))
        else:
            yield below, (*key, name), value


def _merge(leaves: Sequence[Leaf]) -> list[Leaf]:
    """The leaves that count: of those at one way, and of those above and below each other, the last."""
    kept: list[Leaf] = []
    for leaf in leaves:
        kept = [old for old in kept if not _covers(leaf.way, old.way) and not _covers(old.way, leaf.way)]
        kept.append(leaf)
    return kept


def _covers(upper: tuple[str, ...], lower: tuple[str, ...]) -> bool:
    return lower[: len(upper)] == upper


def _check_shared(leaves: Sequence[Leaf]) -> None:
    """``/**``: each parameter is known to some node, and right for those that know it."""
    for leaf in leaves:
        users = [name for name, schema in OWN.items() if leaf.way[0] in schema.model_fields]
        # Nodes of other packages are imported for their schema, so they are asked last.
        for name in () if users else node_names():
            if leaf.way[0] in schema_of(name).model_fields:
                users.append(name)
        if not users:
            every = {key for name in node_names() for key in schema_of(name).model_fields}
            raise leaf.origin.error(f"no node knows this parameter{nearest(leaf.way[0], every)}")
        for name in users:
            _check(name, [leaf], whole=False)


def _check(name: str, leaves: Sequence[Leaf], *, whole: bool, place: Origin | None = None) -> BaseModel:
    """Validate; ``whole`` says that nothing may be missing. Returns a model (partly filled where not ``whole``)."""
    schema = schema_of(name)
    merged = _merge(leaves)
    content: dict[str, Any] = {}
    for leaf in merged:
        level = content
        for part in leaf.way[:-1]:
            level = level.setdefault(part, {})
        level[leaf.way[-1]] = leaf.value
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        for complaint in complaints(error, schema):
            if complaint.missing and not whole:
                continue
            raise _locate(name, complaint, merged, place) from None
    return schema.model_construct(**content)


def _locate(name: str, complaint: Complaint, leaves: Sequence[Leaf], place: Origin | None) -> InputError:
    key = dotted((name, *complaint.way))
    words = tuple(part for part in complaint.way if isinstance(part, str))
    # What is missing is reported where its neighbours stand.
    near = words[:-1] if complaint.missing else words
    exact = [leaf for leaf in leaves if near and (_covers(leaf.way, words) or _covers(near, leaf.way))]
    origin = exact[0].origin if exact else place or Origin()
    return InputError(complaint.message, file=origin.file, line=origin.line, key=key)
