"""Where the values of a structure stand in CDR: alignment, runs of fixed values, and the tables that pack them.

XCDR1 (OMG DDS-XTypes 1.3, 7.4.1): each primitive is aligned to its own size, counted from the end of the 4 bytes of
encapsulation. Where a string or a sequence comes before, the alignment is known at run time only; a run of fixed values
then has one `struct.Struct` for each of the 8 places that it may start at.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

from cell.runtime.interfaces import MessageDefinition

# struct codes of the primitives that have one; strings do not.
CODES = {
    "bool": "?",
    "byte": "c",
    "char": "B",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
SIZES = {"?": 1, "c": 1, "x": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}


class CdrError(ValueError):
    """A message cannot be written, or bytes are no message of the type that they are read as."""


class Cell:
    """One entry of a run: a count of values of one code; a count of 0 only aligns."""

    __slots__ = ("code", "count", "text")

    def __init__(self, code: str, text: str = "", count: int = 1) -> None:
        """`text` is the expression that is written, or the target that is read into."""
        self.code = code
        self.count = count
        self.text = text


def run_struct(cells: Sequence[Cell], start: int, order: str = "<") -> Struct:
    """The run with all its padding, for a start at that offset (only its place modulo 8 counts)."""
    position, text = start, order
    for cell in cells:
        size = SIZES[cell.code]
        padding = -position % size
        text += f"{padding}x" if padding else ""
        text += f"{cell.count}{cell.code}" if cell.count != 1 else cell.code
        position += padding + size * cell.count
    return Struct(text)


def run_table(cells: Sequence[Cell], origin: int, order: str = "<") -> tuple[Struct, ...]:
    """One Struct for each offset modulo 8; `origin` is the offset that alignment counts from."""
    made: dict[str, Struct] = {}
    table = (run_struct(cells, (place - origin) % 8, order) for place in range(8))
    return tuple(made.setdefault(entry.format, entry) for entry in table)


def smallest_size(definition: MessageDefinition, resolve: Any) -> int:
    """The least number of bytes that a structure takes, padding not counted: what bounds a hostile length."""
    total = 0
    for field in definition.fields:
        kind = field.type
        if kind.container in ("sequence", "bounded"):
            total += 4
            continue
        if kind.is_message:
            size = smallest_size(resolve(kind.base)._DEFINITION, resolve)
        else:
            size = SIZES[CODES[kind.base]] if kind.base in CODES else 4
        total += size * (kind.size if kind.container else 1)
    return max(total, 1)
