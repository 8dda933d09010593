"""The published JSON Schema of params files, for editors and for people who write them by a program."""

from __future__ import annotations

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from cell.config import EVERY_NODE, PARAMETERS
from cell.plugins import node_names, schema_of

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def params_schema() -> dict[str, Any]:
    """The schema of a whole params file, every registered node in it.

    A file may hold a part of the parameters (another file may hold the rest), so nothing is required at the top.

    Raises:
        InputError: a registered node cannot be imported.
    """
    models = {name: schema_of(name) for name in node_names()}
    references, definitions = models_json_schema([(model, "validation") for model in models.values()])
    nodes: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for name, model in models.items():
        whole = definitions["$defs"][references[(model, "validation")]["$ref"].rpartition("/")[2]]
        whole.pop("required", None)
        shared.update(whole.get("properties", {}))
        nodes[name] = _section(references[(model, "validation")])
    nodes[EVERY_NODE] = _section({"type": "object", "properties": shared, "additionalProperties": False})
    return {
        "$schema": DIALECT,
        "title": "cellwright params file",
        "description": "ROS 2 parameters of the nodes of a cell; SI units, positions in the cell frame",
        "type": "object",
        "properties": nodes,
        "additionalProperties": False,
        "$defs": definitions["$defs"],
    }


def _section(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {PARAMETERS: parameters},
        "required": [PARAMETERS],
        "additionalProperties": False,
    }
