"""Messages as YAML that people read and write, by nothing but what every generated message class offers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

from perception.errors import InputError

SHORT: Final = 128
"""Longer sequences and strings are cut in what is shown, unless asked for whole."""
KINDS: Final = ("msg", "srv", "action")


def load_interface(name: str, kind: str) -> Any:
    """The class of `package/Type` or `package/kind/Type`.

    Raises:
        InputError: not such a name, or no such interface.
    """
    parts = name.split("/")
    if len(parts) == 2:
        parts.insert(1, kind)
    if len(parts) != 3 or parts[1] not in KINDS:
        raise InputError(f"not the name of a type: write it like std_msgs/{kind}/...", key=name)
    if parts[1] != kind:
        raise InputError(f"is a type of kind {parts[1]}, not {kind}", key=name)
    try:
        return getattr(importlib.import_module(f"{parts[0]}.{kind}"), parts[2])
    except (ImportError, AttributeError):
        raise InputError(f"no such {kind} type (cell interface list shows them)", key=name) from None


def to_plain(value: Any, *, limit: int | None = SHORT) -> Any:
    """A message, or a field of one, as what YAML and JSON can hold; cut after `limit` elements."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: to_plain(getattr(value, name), limit=limit) for name in value.get_fields_and_field_types()}
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if limit is None or len(value) <= limit else f"{value[:limit]}..."
    if isinstance(value, bytes) and len(value) == 1:
        return value[0]
    if hasattr(value, "dtype") and not hasattr(value, "__len__"):
        return value.item()
    return _plain_sequence(value, limit)


def _plain_sequence(value: Any, limit: int | None) -> list[Any]:
    cut = limit is not None and len(value) > limit
    kept = value[:limit] if cut else value
    items = kept.tolist() if hasattr(kept, "tolist") else [to_plain(item, limit=limit) for item in kept]
    return [*items, f"... {len(value) - (limit or 0)} more"] if cut else items


def to_yaml(message: Any, *, limit: int | None = SHORT, flow: bool = False) -> str:
    """A message as YAML, without the last line's end; with `flow` on one line."""
    import yaml  # noqa: PLC0415 (slow to import)

    plain = to_plain(message, limit=limit)

    class Dumper(yaml.SafeDumper):
        """Fields below each other, the numbers of a sequence beside each other."""

        def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
            return super().represent_mapping(tag, mapping, flow_style=flow or not mapping)

    style = True if flow else None
    text = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=style, width=100_000)
    return text.rstrip("\n").removesuffix("\n...")


def from_yaml(text: str, interface: Any, *, now: Any = None) -> Any:
    """A message of a class, filled from YAML text.

    `header: auto` and `stamp: now` take the time `now` (a builtin_interfaces/msg/Time), as `ros2 topic pub` does.

    Raises:
        InputError: not YAML, or a field is unknown or of another type.
    """
    import yaml  # noqa: PLC0415 (slow to import)

    try:
        values = yaml.safe_load(text) if text.strip() else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at column {mark.column + 1}" if mark is not None else ""
        raise InputError(f"not YAML{where}: {getattr(error, 'problem', None) or error}", key="message") from None
    message = interface()
    fill(message, values if values is not None else {}, now=now)
    return message


def fill(message: Any, values: Any, *, path: str = "", now: Any = None) -> None:
    """Sets fields of a message.

    Raises:
        InputError: a field is unknown or of another type; the message names it with its path.
    """
    types = message.get_fields_and_field_types()
    if isinstance(values, list) and len(values) == len(types):
        values = dict(zip(types, values, strict=True))
    if not isinstance(values, Mapping):
        raise InputError(f"wants fields ({', '.join(types) or 'none'}), not {values!r}", key=path or "message")
    for name, value in values.items():
        key = f"{path}.{name}" if path else str(name)
        if name not in types:
            known = ", ".join(types)
            raise InputError(f"no such field; there is {known}" if known else "the type has no fields", key=key)
        try:
            _set(message, name, types[name], value, key=key, now=now)
        except InputError:
            raise
        except (AssertionError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{value!r} does not fit {types[name]} ({error})", key=key) from None


def _set(message: Any, name: str, type_name: str, value: Any, *, key: str, now: Any) -> None:
    current = getattr(message, name)
    if type_name == "std_msgs/Header" and value == "auto":
        current.stamp = now
    elif type_name == "builtin_interfaces/Time" and value == "now":
        setattr(message, name, now)
    elif hasattr(current, "get_fields_and_field_types"):
        fill(current, value, path=key, now=now)
    elif "/" in type_name:
        setattr(message, name, _nested_list(type_name, value, key, now))
    elif type_name in ("double", "float") and isinstance(value, int) and not isinstance(value, bool):
        setattr(message, name, float(value))
    elif type_name == "octet" and isinstance(value, int):
        setattr(message, name, bytes([value]))
    elif type_name == "string" and not isinstance(value, str):
        # YAML reads 1 and true as a number and a truth; the field says that text was meant.
        setattr(message, name, str(value))
    elif ("double" in type_name or "float" in type_name) and isinstance(value, list):
        setattr(message, name, [float(item) for item in value])
    else:
        setattr(message, name, value)


def _nested_list(type_name: str, value: Any, key: str, now: Any) -> list[Any]:
    """The messages of a sequence or an array (`sequence<package/Type>`, `package/Type[3]`)."""
    if not isinstance(value, list):
        raise InputError(f"wants a list, not {value!r}", key=key)
    element = type_name.removeprefix("sequence<").partition(">")[0].partition(",")[0].partition("[")[0]
    interface = load_interface(element, "msg")
    items = []
    for index, entry in enumerate(value):
        item = interface()
        fill(item, entry, path=f"{key}[{index}]", now=now)
        items.append(item)
    return items
