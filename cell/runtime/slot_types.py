"""The types of a message's fields as objects: what `SLOT_TYPES` holds, in the terms of ROS 2's IDL.

The names and the attributes are those of rosidl_parser.definition, which generic tools look at.
"""

from __future__ import annotations

from typing import Any

from cell.runtime.interfaces import IDL_NAMES, FieldType, MessageDefinition


class AbstractType:
    """The base of all types; two are equal if they say the same."""

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    def __hash__(self) -> int:
        return hash((type(self).__name__, *(str(getattr(self, slot)) for slot in self.__slots__)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{slot}={getattr(self, slot)!r}' for slot in self.__slots__)})"


class AbstractNestableType(AbstractType):
    """What may stand in an array or a sequence."""

    __slots__ = ()


class BasicType(AbstractNestableType):
    """A number, a boolean or an octet, by its name in IDL."""

    __slots__ = ("typename",)

    def __init__(self, typename: str) -> None:
        self.typename = typename


class NamespacedType(AbstractNestableType):
    """Another message: its namespaces and its name."""

    __slots__ = ("name", "namespaces")

    def __init__(self, namespaces: list[str], name: str) -> None:
        self.namespaces = namespaces
        self.name = name

    def namespaced_name(self) -> tuple[str, ...]:
        return (*self.namespaces, self.name)


class AbstractGenericString(AbstractNestableType):
    __slots__ = ()

    def has_maximum_size(self) -> bool:
        return hasattr(self, "maximum_size")


class AbstractString(AbstractGenericString):
    __slots__ = ()


class AbstractWString(AbstractGenericString):
    __slots__ = ()


class UnboundedString(AbstractString):
    __slots__ = ()


class UnboundedWString(AbstractWString):
    __slots__ = ()


class BoundedString(AbstractString):
    __slots__ = ("maximum_size",)

    def __init__(self, maximum_size: int) -> None:
        self.maximum_size = maximum_size


class BoundedWString(AbstractWString):
    __slots__ = ("maximum_size",)

    def __init__(self, maximum_size: int) -> None:
        self.maximum_size = maximum_size


class AbstractNestedType(AbstractType):
    """Several values of one type."""

    __slots__ = ("value_type",)

    def __init__(self, value_type: AbstractNestableType) -> None:
        self.value_type = value_type


class Array(AbstractNestedType):
    __slots__ = ("size", "value_type")

    def __init__(self, value_type: AbstractNestableType, size: int) -> None:
        super().__init__(value_type)
        self.size = size

    def has_maximum_size(self) -> bool:
        return True


class AbstractSequence(AbstractNestedType):
    __slots__ = ("value_type",)


class UnboundedSequence(AbstractSequence):
    __slots__ = ("value_type",)

    def has_maximum_size(self) -> bool:
        return False


class BoundedSequence(AbstractSequence):
    __slots__ = ("maximum_size", "value_type")

    def __init__(self, value_type: AbstractNestableType, maximum_size: int) -> None:
        super().__init__(value_type)
        self.maximum_size = maximum_size

    def has_maximum_size(self) -> bool:
        return True


class SlotTypes:
    """`Message.SLOT_TYPES`, made when a class is first asked for it: most never are."""

    def __get__(self, instance: object, owner: type[Any]) -> tuple[AbstractType, ...]:
        definition: MessageDefinition = owner._DEFINITION
        made = owner._slot_types
        if made is None or len(made) != len(definition.fields):
            made = owner._slot_types = tuple(slot_type(field.type) for field in definition.fields)
        return made  # type: ignore[no-any-return]


def slot_type(field_type: FieldType) -> AbstractType:
    """One field's type as an object."""
    base = field_type.base
    item: AbstractNestableType
    if field_type.is_message:
        package, kind, short = base.split("/")
        item = NamespacedType([package, kind], short)
    elif base == "string":
        item = BoundedString(field_type.string_bound) if field_type.string_bound else UnboundedString()
    elif base == "wstring":
        item = BoundedWString(field_type.string_bound) if field_type.string_bound else UnboundedWString()
    else:
        item = BasicType(IDL_NAMES.get(base, base))
    if field_type.container == "array":
        return Array(item, field_type.size)
    if field_type.container == "bounded":
        return BoundedSequence(item, field_type.size)
    return UnboundedSequence(item) if field_type.container else item
