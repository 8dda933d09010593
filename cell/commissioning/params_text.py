"""The params file of a new cell: every parameter with its default, meaning and unit, from the nodes' schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cell.commissioning.choices import PLACE_OF, Choices, DeviceChoice
from cell.drivers import catalogue
from cell.drivers.spec import Option
from cell.plugins import schema_of
from cell.schema import LINE_OPTIONS, unit_of

SHARED: Final = (
    "px_per_m",
    "width_px",
    "height_px",
    "model",
    "overkill",
    "window_m",
    "bins",
    "speed_mps",
    "max_speed_mps",
    "max_accel_mps2",
)
"""Written once, under ``/**``: several nodes take them, and all the same."""

SET_BY_THE_RUN: Final = frozenset({"use_sim_time", "after_crash", "clear", "seed", "simulated", "policy"})
"""What ``cell run`` says itself."""

COLUMN: Final = 34
WIDTH: Final = 120

HEADER: Final = """\
# yaml-language-server: $schema=cell.schema.json
# What the nodes of this cell are set to. SI units; positions in the cell frame: metres, origin on the belt under the
# middle of the camera's picture, x along the belt's travel, y to its left, z up.
# cell config check cell.launch.yaml checks it; what is left out has the default that is written here.
"""


def params_text(choices: Choices) -> str:
    """The whole file."""
    lines = [HEADER]
    lines += _section("/**", _shared(choices), "for every node that knows the parameter; its own section wins")
    for node in nodes_of(choices):
        lines += _section(node, _node(node, choices))
    return "\n".join(lines) + "\n"


def nodes_of(choices: Choices) -> tuple[str, ...]:
    """The nodes with parameters, in the order of the data's way."""
    camera = () if choices.simulated else ("camera",)
    return (*camera, "detector", "tracker", "policy", "picker", "gripper", "conveyor", "supervisor", "status")


def _section(name: str, body: Iterable[str], comment: str = "") -> Iterator[str]:
    lines = [f"    {line}" for line in body]
    if not lines:
        return
    yield _with_comment(f"{name}:", comment)
    yield "  ros__parameters:"
    yield from lines
    yield ""


def _shared(choices: Choices) -> Iterator[str]:
    given: dict[str, Any] = {
        "model": choices.detector,
        "overkill": choices.overkill,
        "speed_mps": choices.belt_speed_mps,
    }
    nodes = nodes_of(choices)
    for key in SHARED:
        schema = next((schema for schema in map(schema_of, nodes) if key in schema.model_fields), None)
        if schema is not None:
            yield from _field(schema, key, given)


def _node(node: str, choices: Choices) -> Iterator[str]:
    schema = schema_of(node)
    given: dict[str, Any] = {}
    if node == "camera":
        given = {"source": choices.camera, "rate_hz": choices.rate_hz}
    elif node == "policy":
        given = {"name": choices.policy}
    elif node == "picker" and any("vacuum" in catalogue.model(one.model).roles for one in choices.devices):
        # A cup comes down on a part, fingers around it.
        given = {"hand": "cup", "grip_z_m": 0.0115}
    elif node == "supervisor":
        given = {
            "autostart": choices.simulated,
            "watched": ("drive", "encoder", "gripper", "picker", "detector"),
        }
        if choices.simulated:
            # Emulated devices share the processors with everything else.
            given |= {"inputs_age_s": 0.25, "loss_s": 0.2}
    devices = {PLACE_OF[device.role]: device for device in choices.devices}
    for key in schema.model_fields:
        if f"{node}.{key}" in devices:
            yield from _device(key, devices[f"{node}.{key}"], _meaning(schema, key))
        elif key not in SHARED and key not in SET_BY_THE_RUN:
            yield from _field(schema, key, given)


def _field(schema: type[BaseModel], key: str, given: dict[str, Any]) -> Iterator[str]:
    field = schema.model_fields[key]
    default = given.get(key, field.get_default(call_default_factory=True))
    if default is PydanticUndefined:
        yield f"# {key}: must be set  # {_meaning(schema, key)}"
    elif isinstance(default, BaseModel):
        yield _with_comment(f"{key}:", _meaning(schema, key))
        for inner in type(default).model_fields:
            value = _value(getattr(default, inner))
            yield _with_comment(f"  {inner}: {value}", _meaning(type(default), inner))
    else:
        yield _with_comment(f"{key}: {_value(default)}", _meaning(schema, key))


def _device(key: str, device: DeviceChoice, meaning: str) -> Iterator[str]:
    yield _with_comment(f"{key}:", meaning)
    model = catalogue.model(device.model)
    yield _with_comment(f"  model: {device.model}", model.guide.title)
    where = "" if ":" in device.port else "ls /dev/serial/by-id lists yours; such a name survives a restart"
    yield _with_comment(f"  port: {_text(device.port)}", where)
    yield _with_comment(f"  unit: {device.unit}", "address on the Modbus")
    yield _with_comment(f"  baudrate: {device.baudrate}", "of its line; everybody on a port has the same")
    if model.options:
        yield "  # options:"
        for option in model.options:
            words = model.guide.options.get(option.name, LINE_OPTIONS.get(option.name, ""))
            yield _with_comment(f"  #   {option.name}: {_value(option.default)}", _ranged(words, option))


def _ranged(words: str, option: Option) -> str:
    bounds = f"{option.low:g} to {option.high:g}" if option.low is not None and option.high is not None else ""
    return "; ".join(part for part in (words, bounds or ", ".join(option.choices)) if part)


def _meaning(schema: type[BaseModel], key: str) -> str:
    words, unit = schema.model_fields[key].description or "", unit_of(key)
    return f"{words}, {unit}" if words and unit else words or unit


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A word as it is, everything else in quotation marks (JSON's are YAML's)."""
    plain = value.replace("/", "").replace("-", "").replace("_", "").replace(".", "").replace(":", "")
    bare = plain.isalnum() and value[0].isalpha() | value.startswith("/") and not value.endswith(":")
    return value if bare and value.lower() not in WORDS else json.dumps(value, ensure_ascii=False)


WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
"""What YAML takes for something else than text."""


def _with_comment(text: str, comment: str) -> str:
    # A file is read in an editor: the comment stands behind where it fits, else above.
    indent = text[: len(text) - len(text.lstrip())]
    if not comment:
        return text
    behind = f"{text:<{COLUMN - 4}}  # {comment}"
    if len(behind) + 4 <= WIDTH:
        return behind
    return f"{indent}# {comment}\n    {text}"
