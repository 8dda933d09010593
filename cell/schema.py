"""The published JSON Schemas of params and launch files, for editors and for people who write them by a program.

Complete: every node, every parameter with its meaning, unit and range, every installed driver with its options. A key
with a point in it (``bins.defect``) is the same parameter as the nested one, so both stand here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from cell.config import EVERY_NODE, PARAMETERS
from cell.drivers import catalogue
from cell.drivers.spec import Option
from cell.launching import KEYS
from cell.plugins import node_names, schema_of
from perception.registry import model_ids
from policies.registry import POLICIES

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

UNITS: Final[Mapping[str, str]] = {
    "_mps3": "m/s³",
    "_mps2": "m/s²",
    "_mps": "m/s",
    "_px_per_m": "px/m",
    "_m": "m",
    "_s": "s",
    "_n": "N",
    "_hz": "Hz",
    "_px": "px",
    "_rad": "rad",
    "_radps": "rad/s",
    "_pa": "Pa",
}
"""The unit that a name ends with; the longest ending counts."""

OWN_UNITS: Final[Mapping[str, str]] = {"px_per_m": "px/m", "mps_per_hz": "m/s per Hz", "counts_per_m": "1/m"}

DEVICE: Final = "Device"
KINDS: Final = {"number": "number", "whole": "integer", "flag": "boolean", "choice": "string"}
ROLES: Final = {
    ("GripperParameters", "device"): "gripper",
    ("ConveyorParameters", "drive"): "drive",
    ("ConveyorParameters", "encoder"): "encoder",
    ("SupervisorParameters", "safety"): "safety",
    ("ArmParameters", "device"): "arm",
}
"""What a device is to be, by the model and the field that it stands in."""

INSTEAD: Final = {"gripper": "vacuum"}
"""What else may stand there."""


def unit_of(name: str) -> str:
    """The SI unit in a parameter's name; empty where it has none."""
    if name in OWN_UNITS:
        return OWN_UNITS[name]
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def params_schema() -> dict[str, Any]:
    """The schema of a whole params file, every registered node in it.

    A file may hold a part of the parameters (another file may hold the rest), so nothing is required at the top.

    Raises:
        InputError: a registered node cannot be imported.
    """
    models = {name: schema_of(name) for name in node_names()}
    references, generated = models_json_schema([(model, "validation") for model in models.values()])
    definitions: dict[str, Any] = generated["$defs"]
    for title, definition in list(definitions.items()):
        _describe(definition)
        if title == DEVICE:
            continue
        for name, property_ in definition.get("properties", {}).items():
            role = ROLES.get((title, name))
            if role is not None:
                _as_device(property_, role, definitions)
    definitions["PolicyParameters"]["properties"]["name"]["enum"] = sorted(POLICIES)
    device = definitions.pop(DEVICE, None)
    if device is not None and _names(definitions, DEVICE):
        # A node of another package has a device of no known role: any model.
        definitions[DEVICE] = _device(device, sorted(catalogue.models()))
    nodes: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for name, model in models.items():
        whole = definitions[references[(model, "validation")]["$ref"].rpartition("/")[2]]
        # Another file may hold what this one does not.
        whole.pop("required", None)
        whole["properties"].update(_dotted(whole["properties"], definitions))
        for key in ("model",) if name in ("detector", "tracker", "status") else ():
            whole["properties"][key]["examples"] = list(model_ids())
        shared.update(whole["properties"])
        nodes[name] = _section(references[(model, "validation")])
    for name, known in list(nodes.items()):
        nodes[f"/{name}"] = known
    nodes[EVERY_NODE] = _section(
        {
            "type": "object",
            "description": "for every node that knows the parameter; a node's own section wins",
            "properties": shared,
            "additionalProperties": False,
        }
    )
    return {
        "$schema": DIALECT,
        "title": "cellwright params file",
        "description": "ROS 2 parameters of the nodes of a cell; SI units, positions in the cell frame",
        "type": "object",
        "properties": nodes,
        "additionalProperties": False,
        "$defs": definitions,
    }


def launch_schema() -> dict[str, Any]:
    """The schema of a launch file: the subset of ``ros2 launch``'s YAML that a cell reads."""
    notes = {
        "arg": "an argument of this file, name:=value on the command line",
        "let": "a variable from here on",
        "group": "actions with a scope of their own",
        "include": "another launch file",
        "executable": "one process with one node or several",
    }
    keys: dict[str, Any] = {
        "name": {"type": "string"},
        "default": {"type": ["string", "number", "boolean"]},
        "description": {"type": "string"},
        "value": {"type": ["string", "number", "boolean"]},
        "file": {"type": "string", "description": "$(dirname) is the folder of this file"},
        "choice": {"type": "array", "items": _keys({"value": {"type": ["string", "number", "boolean"]}})},
        "arg": {
            "type": "array",
            "items": _keys({"name": {"type": "string"}, "value": {"type": ["string", "number", "boolean"]}}),
        },
        "cmd": {
            "type": "string",
            "pattern": r"^\s*cell\s+node\s+",
            "description": "cell node NAME... --ros-args --params-file FILE -p name:=value -r from:=to",
        },
        "output": {"type": "string", "description": "read by ros2 launch only"},
        "respawn": {"type": ["string", "boolean"], "description": '"true": it comes back when it has died'},
        "respawn_delay": {"type": "number", "minimum": 0, "description": "from its death to the new start, s"},
        "respawn_max_retries": {"type": "integer", "description": "over the whole run; negative: no limit"},
        "scoped": {"type": "boolean"},
        "children": {"$ref": "#/$defs/actions"},
        "if": {"type": ["string", "boolean"]},
        "unless": {"type": ["string", "boolean"]},
    }
    required = {"arg": ["name"], "let": ["name", "value"], "include": ["file"], "executable": ["cmd"]}
    actions = {}
    for kind, names in KEYS.items():
        body = {**_keys({name: keys[name] for name in sorted(names)}), "description": notes[kind]}
        body["required"] = required.get(kind, ["children"])
        actions[kind] = {"anyOf": [body, {"$ref": "#/$defs/actions"}]} if kind == "group" else body
    one = {
        "type": "object",
        "properties": actions,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {
        "$schema": DIALECT,
        "title": "cellwright launch file",
        "description": "the part of ros2 launch's YAML that cell run reads",
        **_keys({"launch": {"$ref": "#/$defs/actions"}}),
        "required": ["launch"],
        "$defs": {"actions": {"type": "array", "items": one}},
    }


def option_schema(option: Option, meaning: str) -> dict[str, Any]:
    """One option of a driver."""
    found: dict[str, Any] = {"type": KINDS[option.kind], "default": option.default}
    if meaning:
        found["description"] = meaning
    if option.low is not None:
        found["minimum"] = option.low
    if option.high is not None:
        found["maximum"] = option.high
    if option.choices:
        found["enum"] = list(option.choices)
    return found


LINE_OPTIONS: Final[Mapping[str, str]] = {
    "parity": "of the line: none, even or odd",
    "stopbits": "of the line",
    "reply_timeout_s": "from the end of a request to the start of its reply, s",
}
"""Options of every model; all devices of a port agree on them."""


def _keys(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _describe(definition: dict[str, Any]) -> None:
    """The unit into each description, and none of pydantic's titles, which only repeat the keys."""
    definition.pop("title", None)
    for name, property_ in definition.get("properties", {}).items():
        property_.pop("title", None)
        unit = unit_of(name)
        words = property_.get("description", "")
        if unit and not re.search(rf"(^|[\s,(]){re.escape(unit)}($|[\s;,)])", words):
            property_["description"] = f"{words}, {unit}" if words else unit
        if "default" in property_ and "$ref" in property_:
            # A group's default is that of its members.
            property_.pop("default")


def _as_device(property_: dict[str, Any], role: str, definitions: dict[str, Any]) -> None:
    """A property that holds a device of one role: only the models that can be it, each with its own options."""
    title = f"{DEVICE}_{role}"
    if title not in definitions:
        names = sorted({*catalogue.models_for(role), *catalogue.models_for(INSTEAD.get(role, role))})
        definitions[title] = _device(definitions[DEVICE], names)
    property_.pop("allOf", None)
    property_["$ref"] = f"#/$defs/{title}"


def _device(device: dict[str, Any], names: list[str]) -> dict[str, Any]:
    found = copy.deepcopy(device)
    found["properties"]["model"]["enum"] = names
    # Another file may hold the rest of a device.
    found.pop("required", None)
    for name in names:
        for asked in catalogue.model(name).options:
            found["properties"].setdefault(f"options.{asked.name}", {})
    found["allOf"] = [_of_model(name) for name in names]
    return found


def _of_model(name: str) -> dict[str, Any]:
    model = catalogue.model(name)
    options = {
        option.name: option_schema(option, model.guide.options.get(option.name, LINE_OPTIONS.get(option.name, "")))
        for option in model.options
    }
    below = {
        "unit": {"default": model.guide.unit},
        "baudrate": {"default": model.guide.baudrate},
        "options": {"description": f"of {model.guide.title}", **_keys(options)},
        **{f"options.{key}": value for key, value in options.items()},
    }
    return {
        "if": {"properties": {"model": {"const": name}}, "required": ["model"]},
        "then": {"properties": below},
    }


def _dotted(properties: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Every nested parameter by its key with points."""
    found = {}
    for name, property_ in properties.items():
        reference = property_.get("$ref") or next(
            (part["$ref"] for part in property_.get("allOf", ()) if "$ref" in part), ""
        )
        inner = definitions.get(reference.rpartition("/")[2], {}).get("properties", {})
        for below, value in {**inner, **_dotted(inner, definitions)}.items():
            found[f"{name}.{below}"] = value
    return found


def _names(definitions: Mapping[str, Any], title: str) -> bool:
    return f'"#/$defs/{title}"' in repr(definitions).replace("'", '"')


def _section(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {PARAMETERS: parameters},
        "required": [PARAMETERS],
        "additionalProperties": False,
    }
