"""What a field accepts: rclpy's checks with its field checks on, and its words (AssertionError).

Beyond rclpy, number sequences take any buffer of the right element type (bytes, bytearray, memoryview, ndarray) as it
is, without a walk over its elements.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections import UserList, UserString
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any

from cell.runtime.interfaces import FLOATS, INTEGER_RANGES, STRINGS, Field, FieldType

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
_FLOAT_MAX = {"float32": 3.402823466e38, "float64": 1.7976931348623157e308}  # IEEE 754
_PYTHON_TYPES: dict[str, type[Any]] = {"bool": bool, "byte": bytes}
_OCTETS = (bytes, bytearray, memoryview)


def setter(field: Field, store: Setter, nested: type[Any] | None) -> Setter:
    """What sets a field: checks, converts where that is due, and gives the value to `store`."""
    name, field_type = field.name, field.type
    base = field_type.base
    if field_type.container:
        if base not in TYPECODES:
            convert = _object_list(name, field_type, nested)
        else:
            convert = _fixed_array(name, field_type) if field_type.container == "array" else _buffer(name, field_type)

        def set_converted(self: Any, value: Any) -> None:
            store(self, convert(value))

        return set_converted
    if base in INTEGER_RANGES:
        return _integer_setter(name, store, base)
    if base in FLOATS:
        return _float_setter(name, store, base)
    if nested is not None:
        return _message_setter(name, store, nested)
    if base == "byte":
        return _byte_setter(name, store)
    return _plain_setter(name, store, bool if base == "bool" else str, field_type.string_bound)


def dtype_name(base: str) -> str:
    """NumPy's name of a number type of .msg files."""
    return "uint8" if base == "char" else base


def is_ndarray(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _integer_setter(name: str, store: Setter, base: str) -> Setter:
    low, high = INTEGER_RANGES[base]
    kind = "integer" if low else "unsigned integer"

    def set_integer(self: Any, value: Any) -> None:
        if not isinstance(value, int):
            raise AssertionError(f"The '{name}' field must be of type 'int'")
        if not low <= value <= high:
            raise AssertionError(f"The '{name}' field must be an {kind} in [{low}, {high}]")
        store(self, value)

    return set_integer


def _float_setter(name: str, store: Setter, base: str) -> Setter:
    limit = _FLOAT_MAX[base]
    kind = "float" if base == "float32" else "double"

    def set_float(self: Any, value: Any) -> None:
        if not isinstance(value, float):
            raise AssertionError(f"The '{name}' field must be of type 'float'")
        if not -limit <= value <= limit and not math.isinf(value) and not math.isnan(value):
            raise AssertionError(f"The '{name}' field must be a {kind} in [{-limit}, {limit}]")
        store(self, value)

    return set_float


def _message_setter(name: str, store: Setter, nested: type[Any]) -> Setter:
    def set_message(self: Any, value: Any) -> None:
        if not isinstance(value, nested):
            raise AssertionError(f"The '{name}' field must be a sub message of type '{nested.__name__}'")
        store(self, value)

    return set_message


def _byte_setter(name: str, store: Setter) -> Setter:
    def set_byte(self: Any, value: Any) -> None:
        if not isinstance(value, _OCTETS) or len(value) != 1:
            raise AssertionError(f"The '{name}' field must be of type 'bytes' or 'ByteString' with length 1")
        store(self, bytes(value))

    return set_byte


def _plain_setter(name: str, store: Setter, kind: type[Any], bound: int) -> Setter:
    def set_checked(self: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise AssertionError(f"The '{name}' field must be of type '{kind.__name__}'")
        if bound and len(value) > bound:
            raise AssertionError(f"The '{name}' field must be string value not longer than {bound}")
        store(self, value)

    return set_checked


def _buffer(name: str, field_type: FieldType) -> Check:
    """Number sequences: buffers of the right element type stay as they are, everything else becomes an array.array."""
    base = field_type.base
    code = TYPECODES[base]
    octets = code in "bB"
    bound = field_type.size if field_type.container == "bounded" else 0
    words = _description(field_type, "")

    def convert(value: Any) -> Any:
        kind = type(value)
        if kind is array:
            if value.typecode != code:
                raise AssertionError(f"The '{name}' array.array() must have the type code of '{code}'")
            if bound and len(value) > bound:
                raise AssertionError(f"The '{name}' array.array() must have a size <= {bound}")
            return value
        if kind is bytes or kind is bytearray:
            ready = octets
        elif kind is memoryview:
            ready = value.ndim == 1 and value.format == code and value.c_contiguous
        elif is_ndarray(value):
            if value.ndim != 1:
                raise AssertionError(f"The '{name}' field must be one-dimensional, not of shape {value.shape}")
            value = _numbers_of(name, base, value)
            ready = True
        else:
            ready = False
            if not _is_sequence(value):
                raise AssertionError(f"The '{name}' field must be {words}")
        if not ready:
            value = _numbers(name, base, value, words)
        if bound and len(value) > bound:
            raise AssertionError(f"The '{name}' field must be {words}")
        return value

    return convert


def _numbers_of(name: str, base: str, values: Any) -> Any:
    """An ndarray in the field's own type, converted in one go where its numbers allow it."""
    if values.dtype != dtype_name(base):
        if base in FLOATS:
            fits = values.dtype.kind == "f"
        else:
            low, high = INTEGER_RANGES[base]
            fits = values.dtype.kind in "iu" and (not len(values) or (values.min() >= low and values.max() <= high))
        if not fits:
            raise AssertionError(f"The '{name}' numpy.ndarray() must have the dtype of 'numpy.{dtype_name(base)}'")
        converted: array[Any] = array(TYPECODES[base])
        converted.frombytes(values.astype(dtype_name(base)).tobytes())
        return converted
    return values if values.flags.c_contiguous else values.copy()


def _numbers(name: str, base: str, values: Iterable[Any], words: str) -> array[Any]:
    """An array.array of the values; refuses what rclpy refuses: a number of another type or out of range."""
    values = values if isinstance(values, list | tuple) else list(values)
    wanted = float if base in FLOATS else int
    for value in values:
        if not isinstance(value, wanted):
            raise AssertionError(f"The '{name}' field must be {words}")
    try:
        made = array(TYPECODES[base], values)
    except (TypeError, OverflowError):
        raise AssertionError(f"The '{name}' field must be {words}") from None
    if base == "float32" and math.inf in map(abs, made) and math.inf not in map(abs, values):
        raise AssertionError(f"The '{name}' field must be {words}")
    return made


def _fixed_array(name: str, field_type: FieldType) -> Check:
    """Fixed number arrays: an ndarray of the right type and size stays as it is, all else is copied into one."""
    import numpy as np  # noqa: PLC0415 (slow to import, and most types have no fixed array)

    base = field_type.base
    size = field_type.size
    dtype = np.dtype(dtype_name(base))
    words = _description(field_type, "")

    def convert(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.dtype != dtype:
                raise AssertionError(f"The '{name}' numpy.ndarray() must have the dtype of 'numpy.{dtype}'")
            if value.size != size:
                raise AssertionError(f"The '{name}' numpy.ndarray() must have a size of {size}")
            return value if value.flags.c_contiguous else value.copy()
        if isinstance(value, _OCTETS) and dtype.itemsize == 1:
            value = np.frombuffer(bytes(value), dtype=dtype).copy()
        elif not _is_sequence(value):
            raise AssertionError(f"The '{name}' field must be {words}")
        else:
            # Through array.array, so that numbers are checked as in a sequence.
            value = np.array(_numbers(name, base, [_plain(item) for item in value], words), dtype=dtype)
        if len(value) != size:
            raise AssertionError(f"The '{name}' field must be {words}")
        return value

    return convert


def _plain(value: Any) -> Any:
    """A NumPy number as Python's own, as rclpy's copy into an ndarray accepts it."""
    return value.item() if hasattr(value, "item") else value


def _object_list(name: str, field_type: FieldType, nested: type[Any] | None) -> Check:
    base = field_type.base
    kind: type[Any] = nested or _PYTHON_TYPES.get(base, str)
    bound = field_type.string_bound
    size = field_type.size
    fixed, bounded = field_type.container == "array", field_type.container == "bounded"
    words = _description(field_type, kind.__name__)
    fields = tuple(nested._fields_and_field_types) if nested is not None else ()

    def convert(value: Any) -> Any:
        if base == "byte" and isinstance(value, _OCTETS):
            value = [bytes((octet,)) for octet in value]
        elif base == "bool" and is_ndarray(value) and value.dtype == bool and value.ndim == 1:
            value = value.tolist()
        if not _is_sequence(value):
            raise AssertionError(f"The '{name}' field must be {words}")
        if (fixed and len(value) != size) or (bounded and len(value) > size):
            raise AssertionError(f"The '{name}' field must be {words}")
        for item in value:
            if isinstance(item, kind):
                if bound and len(item) > bound:
                    raise AssertionError(f"The '{name}' field must be {words}")
            elif not fields or not all(hasattr(item, field) for field in fields):
                # rclpy lets anything into a list unless ROS_PYTHON_CHECK_FIELDS is set; here it has to have the fields.
                raise AssertionError(f"The '{name}' field must be {words}")
        return value

    return convert


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence | Set | UserList) and not isinstance(value, str | UserString)


def _description(field_type: FieldType, kind: str) -> str:
    """The words that rclpy's errors use for a list."""
    base = field_type.base
    words = "a set or sequence"
    if field_type.container == "array":
        words += f" with length {field_type.size}"
    elif field_type.container == "bounded":
        words += f" with length <= {field_type.size}"
    if base in INTEGER_RANGES:
        low, high = INTEGER_RANGES[base]
        return f"{words} and each value of type 'int' and each {'' if low else 'unsigned '}integer in [{low}, {high}]"
    if base in FLOATS:
        limit = _FLOAT_MAX[base]
        word = "float" if base == "float32" else "double"
        return f"{words} and each value of type 'float' and each {word} in [{-limit:f}, {limit:f}]"
    words += f" and each value of type '{kind}'"
    if base in STRINGS and field_type.string_bound:
        words += f" and each string value not longer than {field_type.string_bound}"
    return words
