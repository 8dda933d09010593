"""One Python class for one message structure, with rclpy's surface.

As in rosidl's generated Python: keyword constructor, a default for each field, constants as class attributes,
`get_fields_and_field_types`, `SLOT_TYPES`, and the checks that rclpy makes with its field checks on. Number sequences
are `array.array`, fixed number arrays `numpy.ndarray`; buffers of the right element type are kept as given.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from cell.runtime.interfaces import FLOATS, STRINGS, Field, FieldType, MessageDefinition
from cell.runtime.message_copies import SHARED_BYTES, settled, settled_array, thawed
from cell.runtime.message_fields import TYPECODES, Setter, dtype_name, is_ndarray, setter
from cell.runtime.slot_types import SlotTypes

Resolve = Callable[[str], type[Any]]


class InterfaceMeta(type):
    """The class of all interface classes: says that their support is there, as rosidl's generated metaclasses do."""

    _TYPE_SUPPORT: ClassVar[object] = "cell.runtime"

    @classmethod
    def __import_type_support__(cls) -> None:
        """Nothing to load: the classes are made from their definitions."""


class Message(metaclass=InterfaceMeta):
    """What all generated classes share; rclpy's generated classes have no common base, so nobody may rely on it."""

    __slots__: tuple[str, ...] = ()
    SLOT_TYPES: Any = SlotTypes()
    _TYPE_NAME = ""
    _DEFINITION = MessageDefinition("", ())
    _slot_types: tuple[Any, ...] | None = None
    _fields_and_field_types: ClassVar[dict[str, str]] = {}

    def _snapshot(self) -> Any:
        """The message as it is now, for readers: nothing that happens to the original is seen in it."""
        return _copier(type(self), "_snapshot")(self)

    def _share(self) -> Any:
        """A reader's own message of a snapshot: what can change is copied, the big buffers are the same."""
        return _copier(type(self), "_share")(self)

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Field names and the names of their types, in the definition's order."""
        return dict(cls._fields_and_field_types)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented if isinstance(other, Message) else False
        return all(_same(getattr(self, slot), getattr(other, slot)) for slot in type(self).__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        fields = ", ".join(f"{slot[1:]}={_show(getattr(self, slot))}" for slot in type(self).__slots__)
        return f"{type(self).__module__}.{type(self).__name__}({fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), tuple(thawed(getattr(self, slot)) for slot in type(self).__slots__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from copy import deepcopy  # noqa: PLC0415 (whoever copies has it loaded)

        return _restore(type(self), tuple(deepcopy(thawed(getattr(self, slot)), memo) for slot in type(self).__slots__))


def make_class(definition: MessageDefinition, resolve: Resolve) -> type[Any]:
    """Makes the class; `resolve` gives the class of a nested type by its full name."""
    package, kind, short = definition.name.split("/")
    fields = definition.fields
    nested = {field.name: resolve(field.type.base) for field in fields if field.type.is_message}
    namespace: dict[str, Any] = {
        "__module__": f"{package}.{kind}",
        "__doc__": f"{definition.name}: {', '.join(field.name for field in fields) or 'no fields'}.",
        "__slots__": tuple(f"_{field.name}" for field in fields),
        "_TYPE_NAME": definition.name,
        "_DEFINITION": definition,
        "_fields_and_field_types": {field.name: str(field.type) for field in fields},
        "__init__": _constructor(fields, nested),
    }
    namespace.update({constant.name: constant.value for constant in definition.constants})
    namespace.update({f"{field.name.upper()}__DEFAULT": field.default for field in fields if field.default is not None})
    made: type[Any] = InterfaceMeta(short, (Message,), namespace)
    for field in fields:
        store: Setter = made.__dict__[f"_{field.name}"].__set__
        put = setter(field, store, nested.get(field.name))
        setattr(made, field.name, property(attrgetter(f"_{field.name}"), put, doc=str(field.type)))
    return made


def _constructor(fields: Sequence[Field], nested: dict[str, type[Any]]) -> Any:
    """Compiled from text, since a loop over the fields would cost several times as much at each message."""
    scope: dict[str, Any] = {"_unset": _UNSET, "_reject": _reject, "_array": array}
    signature = "".join(f", {field.name}=_unset" for field in fields)
    lines = [f"def __init__(self{', *' if fields else ''}{signature}, **_unknown):"]
    lines += ["    if _unknown:", "        _reject(self, _unknown)"]
    for number, field in enumerate(fields):
        name = field.name
        lines.append(f"    if {name} is _unset:")
        lines.append(f"        self._{name} = {_default(scope, number, field, nested.get(name))}")
        lines.append("    else:")
        lines.append(f"        self.{name} = {name}")
    made: dict[str, Any] = {}
    exec("\n".join(lines), scope, made)
    return made["__init__"]


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

        scope[key] = np.array(values, dtype=dtype_name(base))
        return f"{key}.copy()"
    scope[key] = values
    return f"_array({TYPECODES[base]!r}, {key})" if values else f"_array({TYPECODES[base]!r})"


def _copier(cls: type[Any], name: str) -> Callable[[Any], Any]:
    """The compiled `_snapshot` or `_share` of a class, which replaces the method that asks for it."""
    owner = next(entry for entry in cls.__mro__ if "_DEFINITION" in entry.__dict__)
    compiled = owner.__dict__.get(name)
    if compiled is None:
        compiled = _CopyText(owner, name).compile()
        setattr(owner, name, compiled)
    return compiled  # type: ignore[no-any-return]


class _CopyText:
    """Compiles `_snapshot` or `_share` of a class: structures that it holds are copied in place, without calls."""

    def __init__(self, cls: type[Any], name: str) -> None:
        self._cls = cls
        self._function = name
        self._names = 0
        self._lines = [f"def {name}(m):"]
        self._scope: dict[str, Any] = {
            "_new": object.__new__,
            "_array": array,
            "_settled": settled,
            "_settled_array": settled_array,
        }

    def compile(self) -> Any:
        self._structure(self._cls, "m", "n")
        self._lines.append("    return n")
        made: dict[str, Any] = {}
        exec("\n".join(self._lines), self._scope, made)
        return made[self._function]

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _structure(self, cls: type[Any], source: str, target: str) -> None:
        key = self._name("_c")
        self._scope[key] = cls
        lines = self._lines
        lines.append(f"    {target} = _new({key})")
        for field in cls._DEFINITION.fields:
            kind, slot = field.type, f"_{field.name}"
            if kind.is_message and not kind.container:
                inner, copy = self._name("m"), self._name("n")
                lines.append(f"    {inner} = {source}.{slot}")
                self._structure(_nested(cls, field.name), inner, copy)
                lines.append(f"    {target}.{slot} = {copy}")
            elif kind.is_message:
                copier = self._name("_f")
                self._scope[copier] = _copier(_nested(cls, field.name), self._function)
                lines.append(f"    {target}.{slot} = [{copier}(x) for x in {source}.{slot}]")
            elif not kind.container:
                lines.append(f"    {target}.{slot} = {source}.{slot}")
            elif kind.base not in TYPECODES:
                lines.append(f"    {target}.{slot} = [*{source}.{slot}]")
            else:
                lines.append(f"    v = {source}.{slot}")
                lines.append(f"    {target}.{slot} = {self._numbers(kind)}")

    def _numbers(self, kind: FieldType) -> str:
        if self._function == "_share":
            if kind.container == "array":
                return f"v.copy() if v.nbytes <= {SHARED_BYTES} else v"
            return "v[:] if v.__class__ is _array else v"
        if kind.container == "array":
            return "_settled_array(v)"
        return f"v[:] if v.__class__ is _array and len(v) <= {SHARED_BYTES // 8} else _settled(v)"


def _nested(cls: type[Any], name: str) -> type[Any]:
    """The class of a field that holds messages."""
    from cell.runtime.messages import interface  # noqa: PLC0415 (it imports this module)

    field = next(entry for entry in cls._DEFINITION.fields if entry.name == name)
    return interface(field.type.base)


def _restore(cls: Any, values: tuple[Any, ...]) -> Any:
    made = cls.__new__(cls)
    for slot, value in zip(cls.__slots__, values, strict=True):
        setattr(made, slot, value)
    return made


def _same(mine: Any, other: Any) -> bool:
    if is_ndarray(mine) and is_ndarray(other):
        return mine.shape == other.shape and bool((mine == other).all())
    if _is_buffer(mine) and _is_buffer(other):
        # Compares values, whatever holds them.
        return memoryview(mine) == memoryview(other)
    return bool(mine == other)


def _is_buffer(value: Any) -> bool:
    return isinstance(value, array | bytes | bytearray | memoryview) or is_ndarray(value)


def _show(value: Any) -> str:
    if isinstance(value, array | bytearray | memoryview) or is_ndarray(value):
        return repr(value.tolist() if hasattr(value, "tolist") else list(value))
    return repr(value)


def _reject(message: Message, unknown: dict[str, Any]) -> None:
    unknown.pop("check_fields", None)
    if unknown:
        raise AssertionError(f"Invalid arguments passed to constructor: {', '.join(sorted(unknown))}")


class _Unset:
    __slots__ = ()


_UNSET = _Unset()
