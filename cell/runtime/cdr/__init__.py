"""Messages as bytes: XCDR1, little-endian, with the 4 bytes of encapsulation that DDS and MCAP put before it.

Byte for byte what ROS 2's middlewares write, for every class that the runtime generates: messages, and the parts of
services and actions. One function per class is compiled at its first use, and kept.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

from cell.runtime.cdr.decoding import ORIGIN, Decoder, Order, Reader
from cell.runtime.cdr.encoding import Encoder, Writer
from cell.runtime.cdr.layout import CdrError
from cell.runtime.messages import interface as _resolve

__all__ = ["HEADER", "CdrError", "deserialize", "gather", "serialize", "serialize_into", "serialized_size"]

MessageT = TypeVar("MessageT")

HEADER = b"\0\1\0\0"
# From this size on a number sequence is not copied out of the data: below it, a copy takes less than 2 us.
VIEW_BYTES = 16384

_NO_LIMIT = 1 << 62
_BAD_VALUES = (struct.error, AttributeError, TypeError, OverflowError, UnicodeError, ValueError)
_writers: dict[type[Any], Writer] = {}
_nested_writers: dict[type[Any], Writer] = {}
_readers: dict[type[Any], Reader] = {}
_swapped_readers: dict[type[Any], Reader] = {}
_nested_readers: dict[tuple[type[Any], str], Reader] = {}


def gather(message: Any) -> tuple[list[Any], int]:
    """The parts that follow one another in the serialised message, the header included, and their size in bytes.

    Big fields are the message's own buffers, not copies: use the parts before the message changes.

    Raises:
        CdrError: a field holds what its type does not allow.
    """
    parts: list[Any] = [HEADER]
    cls = message.__class__
    try:
        write = _writers.get(cls) or _writer(cls)
        return parts, 4 + write(message, parts.append, 0)
    except _BAD_VALUES as error:
        raise _unwritable(message, error) from error


def serialize(message: Any) -> bytes:
    """The message as bytes.

    Raises:
        CdrError: a field holds what its type does not allow.
    """
    parts: list[Any] = [HEADER]
    cls = message.__class__
    try:
        (_writers.get(cls) or _writer(cls))(message, parts.append, 0)
        return b"".join(parts)
    except _BAD_VALUES as error:
        raise _unwritable(message, error) from error


def serialized_size(message: Any) -> int:
    """The length of `serialize(message)`, without copying anything big.

    Raises:
        CdrError: a field holds what its type does not allow.
    """
    return gather(message)[1]


def serialize_into(message: Any, buffer: memoryview, offset: int = 0) -> int:
    """Writes the message into a buffer of bytes; gives how many were written. Each big field is copied once.

    Raises:
        CdrError: the buffer is too small, or a field holds what its type does not allow.
    """
    parts, size = gather(message)
    return fill(parts, size, buffer, offset)


def fill(parts: list[Any], size: int, buffer: memoryview, offset: int = 0) -> int:
    """Copies gathered parts into a buffer of bytes; gives how many bytes that were.

    Raises:
        CdrError: the buffer is too small.
    """
    if size > len(buffer) - offset:
        raise CdrError(f"{size} bytes do not fit into {len(buffer) - offset}")
    for part in parts:
        flat = part if part.__class__ is bytes else memoryview(part).cast("B")
        end = offset + len(flat)
        buffer[offset:end] = flat
        offset = end
    return size


def deserialize(interface: type[MessageT], data: bytes | bytearray | memoryview, *, copy: bool = False) -> MessageT:
    """The message that the bytes hold; bytes behind it (padding) are allowed.

    Number sequences above `VIEW_BYTES` become read-only views that keep `data` alive, all else is copied; with `copy`
    everything is. The caller must not change `data` while such a view lives.

    Raises:
        CdrError: the data are truncated, in another encapsulation than plain CDR, or no message of this type.
    """
    size = len(data)
    if data.__class__ is memoryview:
        if data.format != "B" or data.ndim != 1:
            data = data.cast("B")
            size = len(data)
        if size <= VIEW_BYTES:
            data = bytes(data)
    elif data.__class__ is bytearray and size <= VIEW_BYTES:
        data = bytes(data)
    try:
        kind = data[1]
        if data[0] or kind > 1:
            raise CdrError(f"not plain CDR: encapsulation {bytes(data[:2]).hex()}")
        readers = _readers if kind else _swapped_readers
        read = readers.get(interface) or _reader(interface, "<" if kind else ">")
        message: MessageT = read(data, ORIGIN, size, _NO_LIMIT if copy else VIEW_BYTES)[0]
    except (struct.error, IndexError):
        raise CdrError(f"{_name(interface)}: the data end in the middle of the message") from None
    except (OverflowError, ValueError) as error:
        raise CdrError(f"{_name(interface)}: {error}") from None
    return message


def _writer(cls: type[Any]) -> Writer:
    made = _writers[cls] = Encoder(_resolve, _nested_writer).compile(_definition(cls), at=0)
    return made


def _nested_writer(cls: type[Any]) -> Writer:
    made = _nested_writers.get(cls)
    if made is None:
        made = _nested_writers[cls] = Encoder(_resolve, _nested_writer).compile(_definition(cls), at=None)
    return made


def _reader(cls: type[Any], order: Order) -> Reader:
    _definition(cls)
    made = Decoder(_resolve, lambda nested: _nested_reader(nested, order), order).compile(cls, at=ORIGIN)
    (_readers if order == "<" else _swapped_readers)[cls] = made
    return made


def _nested_reader(cls: type[Any], order: Order) -> Reader:
    made = _nested_readers.get((cls, order))
    if made is None:
        decoder = Decoder(_resolve, lambda nested: _nested_reader(nested, order), order)
        made = _nested_readers[cls, order] = decoder.compile(cls, at=None)
    return made


def _definition(cls: type[Any]) -> Any:
    definition = getattr(cls, "_DEFINITION", None)
    if definition is None:
        raise CdrError(f"{cls.__module__}.{cls.__qualname__} is no message class")
    return definition


def _name(cls: Any) -> str:
    return getattr(cls, "_TYPE_NAME", "") or str(cls)


def _unwritable(message: Any, error: Exception) -> CdrError:
    if isinstance(error, CdrError):
        return error
    return CdrError(f"{_name(type(message))} cannot be serialised: {error}")
