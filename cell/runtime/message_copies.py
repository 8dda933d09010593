"""How messages are kept from changing under their readers, and how a change is found out.

A snapshot of a message has a shell, lists and small buffers of its own. A big buffer is shared by all snapshots, and
therefore made read-only first: an ndarray with everything that it is a view of, or else a copy of it.
"""

from __future__ import annotations

from array import array
from typing import Any

from cell.runtime.interfaces import MessageDefinition
from cell.runtime.message_fields import is_ndarray

# Up to this size a number sequence is copied for each reader, who may then change it as in rclpy; above, it is shared.
SHARED_BYTES = 16384


class MutationError(RuntimeError):
    """A message that was on its way to its readers has changed: `CELL_CHECK_MUTATION=1` looks for that."""


def checks_mutation() -> bool:
    import os  # noqa: PLC0415 (the environment is asked when an endpoint is made)

    return os.environ.get("CELL_CHECK_MUTATION") == "1"


def require_unchanged(message: Any, before: dict[str, int], topic: str, moment: str) -> None:
    """Raises MutationError, which names the topic and the field, where the message is not what it was."""
    name = changed_field(message, before)
    if name:
        raise MutationError(f"{topic}: the field {name!r} of a {message._TYPE_NAME} changed {moment}")


def settled(value: Any) -> Any:
    """What a snapshot holds for a number sequence: a small copy, or a buffer that nobody can write to any more."""
    kind = value.__class__
    if kind is bytes:
        return value
    if kind is array:
        if len(value) * value.itemsize <= SHARED_BYTES:
            return value[:]
        return memoryview(value.tobytes()).cast(value.typecode)
    if kind is memoryview:
        return value if _is_settled_view(value) else memoryview(value.tobytes()).cast(value.format)
    if kind is bytearray:
        return bytes(value)
    if is_ndarray(value):
        return _settled_ndarray(value)
    return value


def settled_array(value: Any) -> Any:
    """The same for a fixed array, which is an ndarray in rclpy too: up to a size, each reader gets one of its own."""
    if value.nbytes <= SHARED_BYTES:
        return value.copy()
    return _settled_ndarray(value)


def _settled_ndarray(value: Any) -> Any:
    chain = [value]
    base = value.base
    while base is not None:
        if is_ndarray(base):
            chain.append(base)
            base = base.base
        elif base.__class__ is bytes or (base.__class__ is memoryview and _is_settled_view(base)):
            break
        else:
            # Memory of another kind: somebody may hold a way to write to it.
            value = value.copy()
            chain = [value]
            break
    for part in chain:
        part.flags.writeable = False
    return value


def _is_settled_view(view: memoryview) -> bool:
    """True if nothing can change what the view shows."""
    if not view.readonly:
        return False
    owner: Any = view.obj
    if owner.__class__ is bytes:
        return True
    if is_ndarray(owner):
        while is_ndarray(owner):
            if owner.flags.writeable:
                return False
            owner = owner.base
        return owner is None or owner.__class__ is bytes
    return False


def thawed(value: Any) -> Any:
    """A buffer as something that can be pickled and changed."""
    return array(value.format, value) if value.__class__ is memoryview else value


def fingerprints(message: Any) -> dict[str, int]:
    """A number for the contents of each field, which changes when they do."""
    definition: MessageDefinition = message._DEFINITION
    return {field.name: _fingerprint(getattr(message, f"_{field.name}")) for field in definition.fields}


def changed_field(message: Any, before: dict[str, int]) -> str:
    """The first field whose contents are not what they were; empty where all are."""
    return next((name for name, number in fingerprints(message).items() if number != before[name]), "")


def _fingerprint(value: Any) -> int:
    import zlib  # noqa: PLC0415 (only while mutation is checked)

    if hasattr(value, "_DEFINITION"):
        return hash(tuple(fingerprints(value).values()))
    if isinstance(value, list | tuple):
        return hash(tuple(_fingerprint(item) for item in value))
    if isinstance(value, array | bytearray | memoryview) or is_ndarray(value):
        return zlib.crc32(memoryview(value).cast("B"))
    # Equal values of other types and NaN count as unchanged where they print the same.
    return hash(repr(value)) if isinstance(value, float) else hash(value)
