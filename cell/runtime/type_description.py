"""What an interface is made of, as data, and the hash of it that ROS 2 compares (REP 2011, RIHS01).

A hash is the SHA-256 of the description's JSON without default values; the numbers of the field types are those of
type_description_interfaces/msg/FieldType. Services and actions are described too, with the messages that they imply.
"""

from __future__ import annotations

import json
from typing import Any

from cell.runtime import messages
from cell.runtime.interfaces import FieldType, InterfaceError

PREFIX = "RIHS01_"

_BASES = {
    "int8": 2,
    "uint8": 3,
    "int16": 4,
    "uint16": 5,
    "int32": 6,
    "uint32": 7,
    "int64": 8,
    "uint64": 9,
    "float32": 10,
    "float64": 11,
    # IDL has no 8-bit number of that name: `char` of a .msg file is described as uint8.
    "char": 3,
    "bool": 15,
    "byte": 16,
    "string": 17,
    "wstring": 18,
}
_NESTED = 1
_BOUNDED_STRINGS = {"string": 21, "wstring": 22}
_CONTAINERS = {"": 0, "array": 48, "bounded": 96, "sequence": 144}
_EMPTY = FieldType("uint8")
_SERVICE_MEMBERS = (("request_message", "_Request"), ("response_message", "_Response"), ("event_message", "_Event"))
_ACTION_MEMBERS = (
    ("goal", "_Goal"),
    ("result", "_Result"),
    ("feedback", "_Feedback"),
    ("send_goal_service", "_SendGoal"),
    ("get_result_service", "_GetResult"),
    ("feedback_message", "_FeedbackMessage"),
)

# One structure: {"type_name": str, "fields": [...]}; the whole of an interface: with the structures that it refers to.
Structure = dict[str, Any]
Description = dict[str, Any]

_structures: dict[str, Structure] = {}
_hashes: dict[str, str] = {}


def type_hash(interface: type[Any]) -> str:
    """`RIHS01_<64 hex digits>` of a message, a service, an action, or a part of one.

    Raises:
        InterfaceError: the class is none of ours.
    """
    name = _name(interface)
    found = _hashes.get(name)
    if found is None:
        import hashlib  # noqa: PLC0415 (it loads OpenSSL, which few programs need)

        whole = description(interface)
        plain = {
            "type_description": _without_defaults(whole["type_description"]),
            "referenced_type_descriptions": [
                _without_defaults(entry) for entry in whole["referenced_type_descriptions"]
            ],
        }
        found = _hashes[name] = PREFIX + hashlib.sha256(json.dumps(plain).encode()).hexdigest()
    return found


def description(interface: type[Any]) -> Description:
    """The interface and everything that it refers to, in the form of type_description_interfaces/TypeDescription.

    Raises:
        InterfaceError: the class is none of ours.
    """
    top = _structure(_name(interface))
    return {"type_description": top, "referenced_type_descriptions": [_structure(name) for name in _references(top)]}


def description_message(interface: type[Any]) -> Any:
    """The same as a type_description_interfaces/msg/TypeDescription.

    Raises:
        InterfaceError: the class is none of ours.
    """
    whole = description(interface)
    return messages.interface("type_description_interfaces/msg/TypeDescription")(
        type_description=_structure_message(whole["type_description"]),
        referenced_type_descriptions=[_structure_message(entry) for entry in whole["referenced_type_descriptions"]],
    )


def dds_type_name(type_name: str) -> str:
    """The name on the wire: `std_msgs/msg/String` is `std_msgs::msg::dds_::String_`."""
    package, kind, short = type_name.split("/")
    return f"{package}::{kind}::dds_::{short}_"


def ros_type_name(dds_name: str) -> str:
    """The reverse of `dds_type_name`; empty where the name is not one of ROS 2."""
    package, _, rest = dds_name.partition("::")
    kind, _, short = rest.partition("::dds_::")
    if not (package and kind and short.endswith("_") and "::" not in kind):
        return ""
    return f"{package}/{kind}/{short[:-1]}"


def _name(interface: type[Any]) -> str:
    name = getattr(interface, "_TYPE_NAME", "")
    if not name:
        raise InterfaceError(f"{interface!r} is no interface of this runtime")
    return str(name)


def _structure(name: str) -> Structure:
    found = _structures.get(name)
    if found is None:
        interface = messages.interface(name)
        if hasattr(interface, "Impl"):
            fields = [_field(member, FieldType(name + suffix)) for member, suffix in _ACTION_MEMBERS]
        elif hasattr(interface, "Request"):
            fields = [_field(member, FieldType(name + suffix)) for member, suffix in _SERVICE_MEMBERS]
        else:
            fields = [_field(field.name, field.type, field.default) for field in interface._DEFINITION.fields]
        fields = fields or [_field("structure_needs_at_least_one_member", _EMPTY)]
        found = _structures[name] = {"type_name": name, "fields": fields}
    return found


def _field(name: str, kind: FieldType, default: Any = None) -> dict[str, Any]:
    number = _NESTED if kind.is_message else (_BOUNDED_STRINGS if kind.string_bound else _BASES)[kind.base]
    return {
        "name": name,
        "type": {
            "type_id": number + _CONTAINERS[kind.container],
            "capacity": kind.size,
            "string_capacity": kind.string_bound,
            "nested_type_name": kind.base if kind.is_message else "",
        },
        "default_value": "" if default is None else _default_text(default),
    }


def _default_text(default: Any) -> str:
    """As the original prints the value of IDL's annotation: lists of literals as a tuple's text."""
    if isinstance(default, bytes):
        return str(default[0])
    if isinstance(default, list):
        return f"({', '.join(repr(item) if not isinstance(item, bytes) else str(item[0]) for item in default)})"
    return str(default)


def _references(top: Structure) -> list[str]:
    found: set[str] = set()
    waiting = _nested(top)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _nested(_structure(name))
    return sorted(found)


def _nested(structure: Structure) -> list[str]:
    names = (field["type"]["nested_type_name"] for field in structure["fields"])
    return [name for name in names if name]


def _without_defaults(structure: Structure) -> Structure:
    fields = [{"name": field["name"], "type": field["type"]} for field in structure["fields"]]
    return {"type_name": structure["type_name"], "fields": fields}


def _structure_message(structure: Structure) -> Any:
    def resolve(short: str) -> type[Any]:
        return messages.interface(f"type_description_interfaces/msg/{short}")

    field, field_type = resolve("Field"), resolve("FieldType")
    return resolve("IndividualTypeDescription")(
        type_name=structure["type_name"],
        fields=[
            field(name=entry["name"], type=field_type(**entry["type"]), default_value=entry["default_value"])
            for entry in structure["fields"]
        ],
    )
