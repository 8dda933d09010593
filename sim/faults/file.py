"""A file of faults (``cell run --faults FILE.yaml``): read, checked, with file, line and key in every error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cell.complaints import complaints
from cell.documents import Document, Key, read_yaml
from cell.plugins import nearest
from sim.faults.kinds import KINDS, Fault


def read_faults(path: str | Path) -> tuple[Fault, ...]:
    """Every fault of a file, in its order.

    Raises:
        InputError: no YAML, an unknown fault or key, a value of the wrong type or out of range.
    """
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise document.error("must hold the key 'faults' with a list", ())
    for key in document.data:
        if key != "faults":
            raise document.error(f"unknown key{nearest(key, ['faults'])}", (key,))
    listed = document.data.get("faults")
    if not isinstance(listed, list) or not listed:
        raise document.error("must be a list of faults with at least one entry", ("faults",))
    return tuple(_fault(document, entry, ("faults", index)) for index, entry in enumerate(listed))


def parse_faults(plain: Sequence[Any]) -> tuple[Fault, ...]:
    """Faults from plain values that were checked before, as they come from another process."""
    return TypeAdapter(tuple[Fault, ...]).validate_python(plain)


def plain_faults(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Faults as plain values."""
    return [fault.model_dump(mode="json", exclude_none=True) for fault in faults]


def _fault(document: Document, entry: Any, at: Key) -> Fault:
    if not isinstance(entry, dict):
        raise document.error("must be a group of keys: what, when, ...", at)
    what = entry.get("what")
    if what is None:
        raise document.error("is missing", (*at, "what"))
    kind = KINDS.get(what) if isinstance(what, str) else None
    if kind is None:
        raise document.error(f"unknown fault {what!r}{nearest(str(what), KINDS)}", (*at, "what"))
    try:
        return kind.model_validate(entry)  # type: ignore[return-value]
    except ValidationError as error:
        first = next(iter(complaints(error, kind)))
        raise document.error(first.message, (*at, *first.way)) from None
