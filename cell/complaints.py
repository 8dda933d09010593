"""What pydantic found wrong, in one plain sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from cell.documents import Key
from cell.plugins import nearest

KINDS: Final = {
    "float": "a number",
    "int": "a whole number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a group of keys",
    "model": "a group of keys",
    "finite": "a finite number",
}
"""The first word of pydantic's error type (``float_type``, ``int_from_float``, ...) and what was wanted."""

BOUNDS: Final = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One fault: the way to the value, the sentence, and whether it is a value that is not there."""

    way: Key
    message: str
    missing: bool = False


def complaints(error: ValidationError, schema: type[BaseModel]) -> Iterator[Complaint]:
    """Every fault of ``error``, in the order of the schema."""
    for found in error.errors(include_url=False):
        kind, given, context = found["type"], found["input"], found.get("ctx", {})
        way = found["loc"]
        if kind == "missing":
            # Of a list that is too short pydantic says that an index is missing.
            short = bool(way) and isinstance(way[-1], int)
            yield Complaint(way, "is missing", missing=not short)
        elif kind == "extra_forbidden":
            yield Complaint(way, f"unknown key{nearest(str(way[-1]), _fields(schema, way[:-1]))}")
        elif kind in BOUNDS:
            bound, word = BOUNDS[kind]
            yield Complaint(way, f"must be {word} {context[bound]}, not {_shown(given)}")
        elif kind == "literal_error":
            yield Complaint(way, f"must be {context['expected']}, not {_shown(given)}")
        elif kind == "string_too_short":
            yield Complaint(way, "must not be empty")
        elif kind == "too_long":
            yield Complaint(way, f"must have {context['max_length']} entries, not {context['actual_length']}")
        elif kind == "value_error":
            yield Complaint(way, str(context["error"]))
        else:
            wanted = KINDS.get(kind.split("_")[0])
            yield Complaint(way, f"must be {wanted}, not {_shown(given)}" if wanted else found["msg"])


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(list(value)) if isinstance(value, (list, tuple)) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(schema: type[BaseModel], way: Key) -> list[str]:
    """The keys that may stand below ``way``."""
    for part in way:
        found = schema.model_fields.get(str(part))
        models = (
            [kind for kind in (found.annotation, *get_args(found.annotation)) if isinstance(kind, type)]
            if found
            else []
        )
        inner = next((kind for kind in models if issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        schema = inner
    return list(schema.model_fields)
