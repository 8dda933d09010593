"""One Python class for one message structure, with rclpy's surface.

As in rosidl's generated Python: keyword constructor, a default for each field, constants as class attributes,
`get_fields_and_field_types`, `SLOT_TYPES`, and the checks that rclpy makes with its field checks on (AssertionError).
Number sequences are `array.array`, fixed number arrays `numpy.ndarray`; buffers (bytes, bytearray, memoryview,
ndarray, array.array) of the right element type are kept as given, without a walk over their elements.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence, Set
from operator import attrgetter
from typing import Any

from cell.runtime.interfaces import FLOATS, INTEGER_RANGES, STRINGS, Field, FieldType, MessageDefinition

Resolve = Callable[[str], type[Any]]
Setter = Callable[[Any, Any], None]
Check = Callable[[Any], Any]

TYPECODES = {
    "int8": "b",
    "uint8": "B",
    "char": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_FLOAT32_MAX = 3.402823466e38  # IEEE 754 binary32
_DTYPES = {"char": "uint8"}
_PYTHON_TYPES: dict[str, type[Any]] = {"bool": bool, "byte": bytes}


class Message:
    """What all generated classes share; rclpy's generated classes have no common base, so nobody may rely on it."""

    __slots__: tuple[str, ...] = ()
    SLOT_TYPES: tuple[FieldType, ...] = ()
    _TYPE_NAME = ""
    _fields_and_field_types: dict[str, str] = {}  # noqa: RUF012 (set once, at generation)
    _freeze: Callable[[Any], None] | None = None

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Field names and the names of their types, in the definition's order."""
        return dict(cls._fields_and_field_types)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, slot), getattr(other, slot)) for slot in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{slot[1:]}={_show(getattr(self, slot))}" for slot in self.__slots__)
        return f"{type(self).__module__}.{type(self).__name__}({fields})"


def make_class(definition: MessageDefinition, resolve: Resolve) -> type[Any]:
    """Makes the class; `resolve` gives the class of a nested type by its full name."""
    package, kind, short = definition.name.split("/")
    fields = definition.fields
    namespace: dict[str, Any] = {
        "__module__": f"{package}.{kind}",
        "__doc__": f"{definition.name}: {', '.join(field.name for field in fields) or 'no fields'}.",
        "__slots__": tuple(f"_{field.name}" for field in fields),
        "SLOT_TYPES": tuple(field.type for field in fields),
        "_TYPE_NAME": definition.name,
        "_DEFINITION": definition,
        "_fields_and_field_types": {field.name: str(field.type) for field in fields},
    }
    nested = {field.name: resolve(field.type.base) for field in fields if field.type.is_message}
    namespace.update(_functions(fields, nested))
    namespace.update({constant.name: constant.value for constant in definition.constants})
    made = type(short, (Message,), namespace)
    for field in fields:
        store: Setter = made.__dict__[f"_{field.name}"].__set__
        setter = _setter(field, store, nested.get(field.name))
        setattr(made, field.name, property(attrgetter(f"_{field.name}"), setter, doc=str(field.type)))
    return made


def _functions(fields: Sequence[Field], nested: dict[str, type[Any]]) -> dict[str, Any]:
    """The constructor, and `_freeze` where a field can hold a buffer.

    They are compiled from text, since a loop over the fields would cost several times as much at each message.
    """
    scope: dict[str, Any] = {"_unset": _UNSET, "_reject": _reject, "_freeze_value": _freeze_value}
    signature = "".join(f", {field.name}=_unset" for field in fields)
    init = [f"def __init__(self{', *' if fields else ''}{signature}, **_unknown):"]
    init += ["    if _unknown:", "        _reject(self, _unknown)"]
    freeze = ["def _freeze(self):"]
    for number, field in enumerate(fields):
        name, field_type = field.name, field.type
        init.append(f"    if {name} is _unset:")
        init.append(f"        self._{name} = {_default(scope, number, field, nested.get(name))}")
        init.append("    else:")
        init.append(f"        self.{name} = {name}")
        if field_type.is_message:
            if nested[name]._freeze is None:
                continue
            if field_type.container:
                freeze += [f"    for item in self._{name}:", "        item._freeze()"]
            else:
                freeze.append(f"    self._{name}._freeze()")
        elif field_type.container and field_type.base in TYPECODES:
            freeze.append(f"    if self._{name}.__class__ is not _array:")
            freeze.append(f"        self._{name} = _freeze_value(self._{name})")
    scope["_array"] = array
    source = init + (freeze if len(freeze) > 1 else [])
    made: dict[str, Any] = {}
    exec("\n".join(source), scope, made)
    return made


def _default(scope: dict[str, Any], number: int, field: Field, nested: type[Any] | None) -> str:
    """The expression of a field's default; objects that it needs go into `scope`."""
    field_type, base, key = field.type, field.type.base, f"_d{number}"
    if nested is not None:
        scope[key] = nested
        if field_type.container == "array":
            return f"[{key}() for _ in range({field_type.size})]"
        return "[]" if field_type.container else f"{key}()"
    zero: Any = False if base == "bool" else b"\0" if base == "byte" else "" if base in STRINGS else 0
    zero = 0.0 if base in FLOATS else zero
    if not field_type.container:
        scope[key] = (float(field.default) if base in FLOATS else field.default) if field.default is not None else zero  # type: ignore[arg-type]
        return key
    values: Any = field.default
    if values is None:
        values = [zero] * (field_type.size if field_type.container == "array" else 0)
    if base not in TYPECODES:
        scope[key] = values
        return f"list({key})"
    if field_type.container == "array":
        import numpy as np  # noqa: PLC0415 (slow to import, and most types have no fixed array)

        scope[key] = np.array(values, dtype=_DTYPES.get(base, base))
        return f"{key}.copy()"
    scope["_array"] = array
    scope[key] = values
    return f"_array({TYPECODES[base]!r}, {key})" if values else f"_array({TYPECODES[base]!r})"


def _setter(field: Field, store: Setter, nested: type[Any] | None) -> Setter:
    name, field_type = field.name, field.type
    base = field_type.base
    if field_type.container:
        if nested is None and base in TYPECODES:
            convert = _fixed_array(name, field_type) if field_type.container == "array" else _buffer(name, field_type)
        else:
            convert = _object_list(name, field_type, nested)

        def set_converted(self: Any, value: Any) -> None:
            store(self, convert(value))

        return set_converted
    if base in INTEGER_RANGES:
        return _integer_setter(name, store, *INTEGER_RANGES[base])
    if base in FLOATS:
        return _float_setter(name, store, base)
    kind: type[Any] = nested or _PYTHON_TYPES.get(base, str)
    bound = field_type.string_bound

    def set_checked(self: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise AssertionError(
                f"The '{name}' field must be a sub message of type '{kind.__name__}'"
                if nested
                else f"The '{name}' field must be of type '{kind.__name__}'"
            )
        if bound and len(value) > bound:
            raise AssertionError(f"The '{name}' field must be string value not longer than {bound}")
        if kind is bytes and len(value) != 1:
            raise AssertionError(f"The '{name}' field must be of length 1")
        store(self, value)

    return set_checked


def _integer_setter(name: str, store: Setter, low: int, high: int) -> Setter:
    def set_integer(self: Any, value: Any) -> None:
        if not isinstance(value, int):
            raise AssertionError(f"The '{name}' field must be of type 'int'")
        if not low <= value <= high:
            raise AssertionError(f"The '{name}' field must be an integer in [{low}, {high}]")
        store(self, value)

    return set_integer


def _float_setter(name: str, store: Setter, base: str) -> Setter:
    limit = _FLOAT32_MAX if base == "float32" else math.inf

    def set_float(self: Any, value: Any) -> None:
        if not isinstance(value, float):
            raise AssertionError(f"The '{name}' field must be of type 'float'")
        if not -limit <= value <= limit and not math.isinf(value) and not math.isnan(value):
            raise AssertionError(f"The '{name}' field must be a float in [-{limit}, {limit}]")
        store(self, value)

    return set_float


def _check_length(name: str, field_type: FieldType, length: int) -> None:
    if field_type.container == "array" and length != field_type.size:
        raise AssertionError(f"The '{name}' field must have {field_type.size} elements, not {length}")
    if field_type.container == "bounded" and length > field_type.size:
        raise AssertionError(f"The '{name}' field must have at most {field_type.size} elements, not {length}")


def _buffer(name: str, field_type: FieldType) -> Check:
    """Number sequences: buffers of the right element type stay as they are, everything else becomes an array.array."""
    base = field_type.base
    code = TYPECODES[base]
    octets = code in "bB"

    def convert(value: Any) -> Any:
        kind = type(value)
        if kind is array:
            ready = value.typecode == code
        elif kind is bytes or kind is bytearray:
            ready = octets
        elif kind is memoryview:
            ready = value.ndim == 1 and value.format == code
        elif _is_ndarray(value):
            if value.ndim != 1:
                raise AssertionError(f"The '{name}' field must be one-dimensional, not of shape {value.shape}")
            ready = value.dtype == _DTYPES.get(base, base)
            if not ready:
                value = value.tolist()
        elif isinstance(value, str) or not isinstance(value, Iterable):
            raise AssertionError(f"The '{name}' field must be a sequence of '{base}'")
        else:
            ready = False
        if not ready:
            value = _numbers(name, base, code, value)
        if field_type.container == "bounded":
            _check_length(name, field_type, len(value))
        return value

    return convert


def _numbers(name: str, base: str, code: str, values: Iterable[Any]) -> array[Any]:
    """An array.array of the values; refuses what rclpy refuses: a number of another type or out of range."""
    values = values if isinstance(values, list | tuple) else list(values)
    wanted = float if base in FLOATS else int
    if not all(isinstance(value, wanted) for value in values):
        raise AssertionError(f"The '{name}' field must be a sequence of '{wanted.__name__}'")
    try:
        return array(code, values)
    except (TypeError, OverflowError) as error:
        raise AssertionError(f"The '{name}' field must be a sequence of '{base}': {error}") from None


def _fixed_array(name: str, field_type: FieldType) -> Check:
    """Fixed number arrays: an ndarray of the right type stays as it is, everything else is copied into one."""
    import numpy as np  # noqa: PLC0415 (see _default)

    base = field_type.base
    dtype = np.dtype(_DTYPES.get(base, base))

    def convert(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == (field_type.size,):
            return value
        if isinstance(value, bytes | bytearray) and dtype.itemsize == 1:
            value = np.frombuffer(bytes(value), dtype=dtype)
        elif isinstance(value, str) or not isinstance(value, Iterable):
            raise AssertionError(f"The '{name}' field must be a sequence of '{base}'")
        else:
            # Through array.array, so that numbers are checked as in a sequence.
            value = np.array(_numbers(name, base, TYPECODES[base], [_plain(item) for item in value]), dtype=dtype)
        _check_length(name, field_type, len(value))
        return value

    return convert


def _plain(value: Any) -> Any:
    """A NumPy number as Python's own, as rclpy's copy into an ndarray accepts it."""
    return value.item() if hasattr(value, "item") else value


def _object_list(name: str, field_type: FieldType, nested: type[Any] | None) -> Check:
    base = field_type.base
    kind: type[Any] = nested or _PYTHON_TYPES.get(base, str)
    bound = field_type.string_bound

    def convert(value: Any) -> Any:
        if base == "byte" and isinstance(value, bytes | bytearray):
            value = [bytes([octet]) for octet in value]
        if isinstance(value, str) or not isinstance(value, Sequence | Set):
            raise AssertionError(
                f"The '{name}' field must be a set or sequence and each value of type '{kind.__name__}'"
            )
        for item in value:
            if not isinstance(item, kind) or (bound and len(item) > bound):
                raise AssertionError(
                    f"The '{name}' field must be a set or sequence and each value of type '{kind.__name__}'"
                )
        if field_type.container != "sequence":
            _check_length(name, field_type, len(value))
        return value

    return convert


def _is_ndarray(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _freeze_value(value: Any) -> Any:
    """A published buffer may no longer be written through the message: all readers share it."""
    kind = type(value)
    if kind is bytes:
        return value
    if _is_ndarray(value):
        value.flags.writeable = False
    elif kind is memoryview:
        return value.toreadonly()
    elif kind is bytearray:
        return memoryview(value).toreadonly()
    return value


def _same(mine: Any, other: Any) -> bool:
    if _is_ndarray(mine) and _is_ndarray(other):
        return mine.shape == other.shape and bool((mine == other).all())
    if _is_buffer(mine) and _is_buffer(other):
        # Compares values, whatever holds them.
        return memoryview(mine) == memoryview(other)
    return bool(mine == other)


def _is_buffer(value: Any) -> bool:
    return isinstance(value, array | bytes | bytearray | memoryview) or _is_ndarray(value)


def _show(value: Any) -> str:
    if isinstance(value, array | bytearray | memoryview) or _is_ndarray(value):
        return repr(value.tolist() if hasattr(value, "tolist") else list(value))
    return repr(value)


def _reject(message: Message, unknown: dict[str, Any]) -> None:
    unknown.pop("check_fields", None)
    if unknown:
        raise AssertionError(f"Invalid arguments passed to constructor: {', '.join(sorted(unknown))}")


class _Unset:
    __slots__ = ()


_UNSET = _Unset()
