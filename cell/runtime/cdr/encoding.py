"""Compiles the function that writes one class as CDR.

It gathers the parts of a message (packed runs, strings, whole buffers) instead of copying them: joined, they are the
bytes; copied one after the other, they fill a slot of shared memory. An image is touched once, at that copy.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from cell.runtime.cdr.layout import CODES, SIZES, CdrError, Cell, run_struct, run_table
from cell.runtime.interfaces import Field, FieldType, MessageDefinition

Resolve = Callable[[str], Any]
Append = Callable[[Any], None]
Writer = Callable[[Any, Append, int], int]

_PADDING = b"\0\0\0\0"


class Encoder:
    """Writes the text of one function `write(m, a, o)`: message, append, offset; it gives the offset of the end."""

    def __init__(self, resolve: Resolve, nested_writer: Callable[[type[Any]], Writer]) -> None:
        self._resolve = resolve
        self._nested_writer = nested_writer
        self._scope: dict[str, Any] = {
            "_padding": _PADDING,
            "_wide": wide,
            "_octets": octets,
            "_wrong_length": wrong_length,
        }
        self._lines: list[str] = []
        self._run: list[Cell] = []
        self._at: int | None = None
        self._names = 0

    def compile(self, definition: MessageDefinition, *, at: int | None) -> Writer:
        """The function; `at` is where the structure starts, None where that is only known when it is called."""
        self._at = at
        self._structure(definition, "m", "    ")
        self._flush("    ")
        end = "o" if self._at is None else str(self._at)
        source = "\n".join(["def write(m, a, o=0):", *self._lines, f"    return {end}"])
        made: dict[str, Any] = {}
        exec(compile(source, f"<cdr writer of {definition.name}>", "exec"), self._scope, made)
        writer: Writer = made["write"]
        return writer

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _emit(self, indent: str, *lines: str) -> None:
        self._lines += [indent + line for line in lines]

    def _structure(self, definition: MessageDefinition, owner: str, indent: str) -> None:
        if not definition.fields:
            # IDL has no empty structure; ROS 2 puts one octet into it.
            self._run.append(Cell("x"))
        for field in definition.fields:
            self._field(field, f"{owner}._{field.name}", indent)

    def _field(self, field: Field, value: str, indent: str) -> None:
        kind = field.type
        if kind.container:
            self._container(field, value, indent)
        elif kind.is_message:
            name = self._name("m")
            self._emit(indent, f"{name} = {value}")
            self._structure(self._resolve(kind.base)._DEFINITION, name, indent)
        elif kind.base in CODES:
            self._run.append(Cell(CODES[kind.base], value))
        else:
            self._string(kind, value, indent)

    def _string(self, kind: FieldType, value: str, indent: str) -> None:
        name = self._name("e")
        if kind.base == "wstring":
            self._emit(indent, f"{name} = _wide({value})")
            self._run.append(Cell("I", f"len({name}) >> 2"))
        else:
            self._emit(indent, f"{name} = {value}.encode()")
            self._run.append(Cell("I", f"len({name}) + 1"))
        self._flush(indent)
        self._dynamic(indent)
        self._emit(indent, f"a({name})", f"o += len({name})")
        if kind.base == "string":
            # The terminator is the first byte of the next run.
            self._run.append(Cell("x"))

    def _container(self, field: Field, value: str, indent: str) -> None:
        kind = field.type
        name, count = self._name("v"), self._name("n")
        self._emit(indent, f"{name} = {value}")
        code = CODES.get(kind.base, "")
        if kind.container == "array":
            if code not in ("", "?", "c"):
                self._run.append(Cell(code, count=0))
                self._flush(indent)
                self._emit(indent, f"a({name})")
                self._advance(kind.size * SIZES[code], indent)
                return
            self._emit(indent, f"if len({name}) != {kind.size}: _wrong_length({field.name!r}, {name}, {kind.size})")
            if code:
                self._run.append(Cell(code, f"*{name}", kind.size))
                return
        else:
            self._emit(indent, f"{count} = len({name})")
            if kind.container == "bounded":
                self._emit(indent, f"if {count} > {kind.size}: _wrong_length({field.name!r}, {name}, {kind.size})")
            self._run.append(Cell("I", count))
        self._flush(indent)
        self._dynamic(indent)
        if code in ("?", "c"):
            self._emit(indent, f"a({'bytes' if code == '?' else '_octets'}({name}))", f"o += {count}")
        elif code:
            size = SIZES[code]
            self._emit(indent, f"if {count}:")
            if size == 8:
                self._emit(indent, "    if o & 7:", "        a(_padding)", "        o += 4")
            self._emit(indent, f"    a({name})", f"    o += {count} * {size}" if size > 1 else f"    o += {count}")
        else:
            self._elements(kind, name, indent)

    def _elements(self, kind: FieldType, name: str, indent: str) -> None:
        item = self._name("x")
        self._emit(indent, f"for {item} in {name}:")
        if kind.is_message:
            writer = self._name("_w")
            self._scope[writer] = self._nested_writer(self._resolve(kind.base))
            self._emit(indent, f"    o = {writer}({item}, a, o)")
            return
        self._string(FieldType(kind.base), item, indent + "    ")
        self._flush(indent + "    ")

    def _flush(self, indent: str) -> None:
        """Emits the run that was gathered."""
        run, self._run = self._run, []
        if not run:
            return
        name = self._name("_s")
        arguments = ", ".join(cell.text for cell in run if cell.code != "x" and cell.count)
        if self._at is not None:
            made = run_struct(run, self._at)
            if made.size:
                self._scope[name] = made.pack
                self._emit(indent, f"a({name}({arguments}))")
                self._at += made.size
            return
        table = run_table(run, 0)
        if len(set(table)) == 1:
            if table[0].size:
                self._scope[name] = table[0].pack
                self._emit(indent, f"a({name}({arguments}))", f"o += {table[0].size}")
            return
        self._scope[name] = table
        self._emit(indent, f"s = {name}[o & 7]", f"a(s.pack({arguments}))", "o += s.size")

    def _advance(self, size: int, indent: str) -> None:
        if self._at is None:
            self._emit(indent, f"o += {size}")
        else:
            self._at += size

    def _dynamic(self, indent: str) -> None:
        """From here on the offset is a variable."""
        if self._at is not None:
            self._emit(indent, f"o = {self._at}")
            self._at = None


def wide(text: str) -> bytes:
    """A wstring as ROS 2's middlewares write it: 4 bytes for each UTF-16 code unit, no terminator."""
    units: array[int] = array("H")
    units.frombytes(text.encode("utf-16-le", "surrogatepass"))
    return array("I", units).tobytes()


def octets(values: Any) -> bytes:
    joined = b"".join(values)
    if len(joined) != len(values):
        raise CdrError("each element of a byte sequence must be one byte long")
    return joined


def wrong_length(name: str, values: Any, size: int) -> None:
    raise CdrError(f"{name} holds {len(values)} elements, but {size} are its size or its limit")
