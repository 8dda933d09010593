"""Compiles the function that reads one class from CDR.

Lengths are checked against what is left of the buffer before anything is made of them, so that a hostile buffer can
neither hang the reader nor make it allocate more than a small multiple of the buffer's own size.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Literal

from cell.runtime.cdr.layout import CODES, SIZES, CdrError, Cell, run_struct, run_table, smallest_size
from cell.runtime.interfaces import Field, FieldType, MessageDefinition
from cell.runtime.message_fields import TYPECODES

Resolve = Callable[[str], Any]
Reader = Callable[[Any, int, int, int], Any]
Order = Literal["<", ">"]

# Alignment counts from here: after the encapsulation.
ORIGIN = 4


class Decoder:
    """Writes the text of one function `read(b, o, end, big)`: buffer, offset, its end, and from where on to view.

    It gives the message and the offset behind it. Number sequences above `big` bytes become read-only views.
    """

    def __init__(self, resolve: Resolve, nested_reader: Callable[[type[Any]], Reader], order: Order) -> None:
        """`order` is "<" or ">"."""
        self._resolve = resolve
        self._nested_reader = nested_reader
        self._order = order
        self._scope: dict[str, Any] = {
            "_new": object.__new__,
            "_array": array,
            "_truncated": truncated,
            "_too_long": too_long,
            "_narrow": narrow if order == "<" else narrow_swapped,
            "_view": view,
        }
        self._lines: list[str] = []
        self._run: list[Cell] = []
        self._at: int | None = None
        self._names = 0

    def compile(self, cls: type[Any], *, at: int | None) -> Reader:
        """The function; `at` is where the structure starts, None where that is only known when it is called."""
        definition: MessageDefinition = cls._DEFINITION
        self._at = at
        self._scope["_c"] = cls
        self._emit("    ", "m = _new(_c)")
        self._structure(definition, "m", "    ")
        self._flush("    ")
        end = "o" if self._at is None else str(self._at)
        source = "\n".join(["def read(b, o, end, big):", *self._lines, f"    return m, {end}"])
        made: dict[str, Any] = {}
        exec(compile(source, f"<cdr reader of {definition.name}>", "exec"), self._scope, made)
        reader: Reader = made["read"]
        return reader

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _emit(self, indent: str, *lines: str) -> None:
        self._lines += [indent + line for line in lines]

    def _structure(self, definition: MessageDefinition, owner: str, indent: str) -> None:
        if not definition.fields:
            self._run.append(Cell("x"))
        for field in definition.fields:
            self._field(field, f"{owner}._{field.name}", indent)

    def _field(self, field: Field, target: str, indent: str) -> None:
        kind = field.type
        if kind.container == "array":
            self._fixed_array(kind, target, indent)
        elif kind.container:
            self._sequence(field, target, indent)
        elif kind.is_message:
            name, key = self._name("m"), self._name("_c")
            nested = self._scope[key] = self._resolve(kind.base)
            self._emit(indent, f"{target} = {name} = _new({key})")
            self._structure(nested._DEFINITION, name, indent)
        elif kind.base in CODES:
            self._run.append(Cell(CODES[kind.base], target))
        else:
            self._string(kind, target, indent)

    def _string(self, kind: FieldType, target: str, indent: str) -> None:
        count = self._name("n")
        self._run.append(Cell("I", count))
        self._flush(indent)
        self._dynamic(indent)
        unit = "4 * " if kind.base == "wstring" else ""
        self._emit(indent, f"e = o + {unit}{count}", "if e > end: _truncated()")
        if kind.string_bound:
            over = kind.string_bound + (kind.base == "string")
            self._emit(indent, f"if {count} > {over}: _too_long({count}, {over})")
        if kind.base == "wstring":
            self._emit(indent, f"{target} = _narrow(b[o:e])", "o = e")
        else:
            text = f'str(b[o:e - 1], "utf-8", "replace") if {count} else ""'
            self._emit(indent, f"{target} = {text}", "o = e")

    def _fixed_array(self, kind: FieldType, target: str, indent: str) -> None:
        code = CODES.get(kind.base, "")
        if not code:
            self._flush(indent)
            self._dynamic(indent)
            self._elements(kind, target, str(kind.size), indent)
            return
        if code in ("?", "c"):
            names = [self._name("b") for _ in range(kind.size)]
            self._run += [Cell(code, name) for name in names]
            self._flush(indent)
            self._emit(indent, f"{target} = [{', '.join(names)}]")
            return
        import numpy as np  # noqa: PLC0415 (slow to import, and most types have no fixed array)

        key = self._name("_t")
        dtype = np.dtype("uint8" if kind.base == "char" else kind.base)
        self._scope["_frombuffer"] = np.frombuffer
        self._scope[key] = dtype.newbyteorder(self._order)
        self._scope[f"{key}n"] = dtype
        self._run.append(Cell(code, count=0))
        self._flush(indent)
        size = kind.size * SIZES[code]
        start = "o" if self._at is None else str(self._at)
        native = ".copy()" if self._order == "<" else f".astype({key}n)"
        self._emit(indent, f"if {start} + {size} > end: _truncated()")
        self._emit(indent, f"{target} = _frombuffer(b, {key}, {kind.size}, {start}){native}")
        if self._at is None:
            self._emit(indent, f"o += {size}")
        else:
            self._at += size

    def _sequence(self, field: Field, target: str, indent: str) -> None:
        kind = field.type
        count = self._name("n")
        self._run.append(Cell("I", count))
        self._flush(indent)
        self._dynamic(indent)
        if kind.container == "bounded":
            self._emit(indent, f"if {count} > {kind.size}: _too_long({count}, {kind.size})")
        code = CODES.get(kind.base, "")
        if not code:
            self._elements(kind, target, count, indent)
            return
        size = SIZES[code]
        if size == 8:
            self._emit(indent, f"if {count}: o += ({ORIGIN} - o) & 7")
        self._emit(indent, f"e = o + {count} * {size}" if size > 1 else f"e = o + {count}")
        self._emit(indent, "if e > end: _truncated()")
        if code == "?":
            self._emit(indent, f"{target} = list(map(bool, b[o:e]))")
        elif code == "c":
            self._emit(indent, f"{target} = [bytes((i,)) for i in b[o:e]]")
        else:
            typecode = TYPECODES[kind.base]
            swap = self._order == ">" and size > 1
            if not swap:
                self._emit(indent, f"if e - o > big: {target} = _view(b, o, e, {typecode!r})", "else:")
                indent += "    "
            self._emit(indent, f"v = _array({typecode!r})", "v.frombytes(b[o:e])", f"{target} = v")
            if swap:
                self._emit(indent, "v.byteswap()")
            else:
                indent = indent[4:]
        self._emit(indent, "o = e")

    def _elements(self, kind: FieldType, target: str, count: str, indent: str) -> None:
        """Strings or messages, one after the other."""
        name = self._name("v")
        least = 4 if not kind.is_message else smallest_size(self._resolve(kind.base)._DEFINITION, self._resolve)
        self._emit(indent, f"if {count} * {least} > end - o: _truncated()")
        self._emit(indent, f"{target} = {name} = []", f"for _ in range({count}):")
        if kind.is_message:
            reader = self._name("_r")
            self._scope[reader] = self._nested_reader(self._resolve(kind.base))
            self._emit(indent, f"    x, o = {reader}(b, o, end, big)", f"    {name}.append(x)")
            return
        self._string(FieldType(kind.base, string_bound=kind.string_bound), "x", indent + "    ")
        self._emit(indent, f"    {name}.append(x)")

    def _flush(self, indent: str) -> None:
        run, self._run = self._run, []
        if not run:
            return
        name = self._name("_s")
        targets = "".join(f"{cell.text}, " for cell in run if cell.code != "x" and cell.count)
        if self._at is not None:
            made = run_struct(run, self._at - ORIGIN, self._order)
            self._scope[name] = made.unpack_from
            if targets:
                self._emit(indent, f"{targets} = {name}(b, {self._at})")
            elif made.size:
                self._emit(indent, f"{name}(b, {self._at})")
            self._at += made.size
            return
        table = run_table(run, ORIGIN, self._order)
        assign = f"{targets} = " if targets else ""
        if len(set(table)) == 1:
            if table[0].size:
                self._scope[name] = table[0].unpack_from
                self._emit(indent, f"{assign}{name}(b, o)", f"o += {table[0].size}")
            return
        self._scope[name] = table
        self._emit(indent, f"s = {name}[o & 7]", f"{assign}s.unpack_from(b, o)", "o += s.size")

    def _dynamic(self, indent: str) -> None:
        """From here on the offset is a variable."""
        if self._at is not None:
            self._emit(indent, f"o = {self._at}")
            self._at = None


def truncated() -> None:
    raise CdrError("the data end in the middle of the message")


def too_long(count: int, limit: int) -> None:
    raise CdrError(f"a length of {count}, but the type allows {limit}")


def view(data: Any, start: int, end: int, typecode: Any) -> Any:
    """A read-only view on a part of the data, as numbers."""
    return memoryview(data)[start:end].toreadonly().cast(typecode)


def narrow(data: bytes) -> str:
    units: array[int] = array("I")
    units.frombytes(data)
    return array("H", units).tobytes().decode("utf-16-le", "replace")


def narrow_swapped(data: bytes) -> str:
    units: array[int] = array("I")
    units.frombytes(data)
    units.byteswap()
    return array("H", units).tobytes().decode("utf-16-le", "replace")
