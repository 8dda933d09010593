"""What is registered: nodes, drivers, links and simulators, by the entry points of every installed package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from pydantic import BaseModel

from cell.parameters import OWN
from perception.errors import InputError

NODES: Final = "cellwright.nodes"
DRIVERS: Final = "cellwright.drivers"
LINKS: Final = "cellwright.links"
SIMULATORS: Final = "cellwright.simulators"


@cache
def registered(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, sorted."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def node_names() -> tuple[str, ...]:
    """Every node that a launch file can start."""
    return tuple(sorted({*OWN, *registered(NODES)}))


def schema_of(node: str) -> type[BaseModel]:
    """The model of a node's parameters; a node of another package is imported for it.

    Raises:
        InputError: no such node, or it cannot be imported, or it brings no ``PARAMETERS``.
    """
    if node in OWN:
        return OWN[node]
    point = registered(NODES).get(node)
    if point is None:
        raise InputError(f"unknown node{nearest(node, node_names())}", key=node)
    try:
        schema = getattr(import_module(point.module), "PARAMETERS", None)
    except ImportError as error:
        raise InputError(f"this node cannot be imported: {error}", key=node) from error
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        raise InputError(f"{point.module} brings no PARAMETERS (a pydantic model)", key=node)
    return schema


def is_simulated(port: str) -> bool:
    """The port leads into a simulator, so that nothing real can move."""
    scheme, colon, _ = port.partition(":")
    return bool(colon) and scheme.partition("+")[0] in registered(SIMULATORS)


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'detector'?``, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
