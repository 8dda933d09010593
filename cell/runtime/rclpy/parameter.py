"""Parameters: a name, a value, and its type."""

from __future__ import annotations

from array import array
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from rcl_interfaces.msg import Parameter as ParameterMsg
    from rcl_interfaces.msg import ParameterValue

__all__ = [
    "PARAMETER_SEPARATOR_STRING",
    "Parameter",
    "get_parameter_value",
    "parameter_dict_from_yaml_file",
    "parameter_value_to_python",
]

PARAMETER_SEPARATOR_STRING = "."

T = TypeVar("T")

# ParameterType of rcl_interfaces, and the field of ParameterValue that holds a value of the type.
_FIELDS = (
    "",
    "bool_value",
    "integer_value",
    "double_value",
    "string_value",
    "byte_array_value",
    "bool_array_value",
    "integer_array_value",
    "double_array_value",
    "string_array_value",
)


class Parameter(Generic[T]):
    """A parameter.

    Raises:
        TypeError: `type_` is no type, or no parameter can hold the value.
        ValueError: the value does not fit the type.
    """

    class Type(IntEnum):
        """The types, with the numbers of rcl_interfaces/ParameterType."""

        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

        @classmethod
        def from_parameter_value(cls, parameter_value: Any) -> Parameter.Type:
            """The type of a Python value; an empty sequence is a BYTE_ARRAY.

            Raises:
                TypeError: a value that no parameter can hold.
            """
            return _type_of(parameter_value)

        def check(self, parameter_value: Any) -> bool:
            """Whether a Python value is of this type."""
            return _fits(self, parameter_value)

        # By name in texts too, where Python 3.10 and 3.11 would show the number of an IntEnum.
        __str__ = Enum.__str__

        def __format__(self, format_spec: str) -> str:
            return format(str(self), format_spec)

    name: str
    value: T

    @classmethod
    def from_parameter_msg(cls, param_msg: ParameterMsg) -> Parameter[Any]:
        """Raises ValueError for an unknown type."""
        kind = Parameter.Type(param_msg.value.type)
        value: Any = getattr(param_msg.value, _FIELDS[kind]) if kind else None
        if kind >= Parameter.Type.BYTE_ARRAY and not isinstance(value, list | tuple | array):
            value = list(value)
        return cls(param_msg.name, kind, value)

    def __init__(self, name: str, type_: Parameter.Type | None = None, value: Any = None) -> None:
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError(f"type must be an instance of '{Parameter.Type!r}'")
        if not type_.check(value):
            raise ValueError(f"Type '{type_}' and value '{value}' do not agree")
        self._name = name
        self._type_ = type_
        self._value = value

    @property  # type: ignore[no-redef]
    def name(self) -> str:
        return self._name

    @property
    def type_(self) -> Parameter.Type:
        return self._type_

    @property  # type: ignore[no-redef]
    def value(self) -> T:
        return self._value  # type: ignore[no-any-return]

    def get_parameter_value(self) -> ParameterValue:
        """The value as a message."""
        from rcl_interfaces.msg import ParameterValue  # noqa: PLC0415 (message classes load on use)

        message = ParameterValue(type=self._type_.value)
        if self._type_:
            value = list(self._value) if self._type_ >= Parameter.Type.BYTE_ARRAY else self._value
            setattr(message, _FIELDS[self._type_], value)
        return message

    def to_parameter_msg(self) -> ParameterMsg:
        from rcl_interfaces.msg import Parameter as ParameterMsg  # noqa: PLC0415 (message classes load on use)

        return ParameterMsg(name=self._name, value=self.get_parameter_value())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameter):
            return NotImplemented
        if (self._name, self._type_) != (other._name, other._type_):
            return False
        if self._type_ >= Parameter.Type.BYTE_ARRAY:
            return list(self._value) == list(other._value)
        return bool(self._value == other._value)

    def __hash__(self) -> int:
        # A value may be a list; parameters of one name seldom meet in one set.
        return hash((self._name, self._type_))

    def __repr__(self) -> str:
        return f"Parameter(name={self._name!r}, type_={self._type_.name}, value={self._value!r})"


_SCALARS: tuple[tuple[type, Parameter.Type], ...] = (
    (bool, Parameter.Type.BOOL),
    (int, Parameter.Type.INTEGER),
    (float, Parameter.Type.DOUBLE),
    (str, Parameter.Type.STRING),
)
_ARRAYS: tuple[tuple[type, Parameter.Type], ...] = (
    (bytes, Parameter.Type.BYTE_ARRAY),
    (bool, Parameter.Type.BOOL_ARRAY),
    (int, Parameter.Type.INTEGER_ARRAY),
    (float, Parameter.Type.DOUBLE_ARRAY),
    (str, Parameter.Type.STRING_ARRAY),
)
_SCALAR_OF = {kind: python for python, kind in _SCALARS}
_ENTRY_OF = {kind: python for python, kind in _ARRAYS}


def _type_of(value: Any) -> Parameter.Type:
    if value is None:
        return Parameter.Type.NOT_SET
    for python, kind in _SCALARS:
        if isinstance(value, python):
            return kind
    if not isinstance(value, list | tuple | array):
        raise TypeError(f"The given value is not one of the allowed types '{value}'.")
    for python, kind in _ARRAYS:
        if all(isinstance(entry, python) for entry in value):
            return kind
    raise TypeError(f"The given value is not a list of one of the allowed types '{value}'.")


def _fits(kind: Parameter.Type, value: Any) -> bool:
    if kind is Parameter.Type.NOT_SET:
        return value is None
    if kind in _SCALAR_OF:
        return isinstance(value, _SCALAR_OF[kind])
    numbers = kind in (Parameter.Type.INTEGER_ARRAY, Parameter.Type.DOUBLE_ARRAY)
    if not isinstance(value, list | tuple) and not (numbers and isinstance(value, array)):
        return False
    if kind is Parameter.Type.BYTE_ARRAY:
        return all(isinstance(entry, bytes) and len(entry) == 1 for entry in value)
    return all(isinstance(entry, _ENTRY_OF[kind]) for entry in value)


def parameter_value_to_python(parameter_value: ParameterValue) -> Any:
    """The Python value of a message.

    Raises:
        RuntimeError: an unknown type.
    """
    kind = parameter_value.type
    if not 0 <= kind < len(_FIELDS):
        raise RuntimeError(f"unexpected parameter type {kind}")
    if kind == Parameter.Type.NOT_SET.value:
        return None
    value = getattr(parameter_value, _FIELDS[kind])
    return list(value) if kind >= Parameter.Type.BYTE_ARRAY.value else value


def get_parameter_value(string_value: str) -> ParameterValue:
    """The value that a text means as YAML, as a message; text that is no parameter value stays a string."""
    import yaml  # noqa: PLC0415 (slow to import, and only for text)

    try:
        value = yaml.safe_load(string_value)
    except yaml.YAMLError:
        value = string_value
    return _value_message(value, string_value)


def parameter_dict_from_yaml_file(
    parameter_file: str,
    use_wildcard: bool = False,
    target_nodes: list[str] | None = None,
    namespace: str = "",
) -> dict[str, ParameterMsg]:
    """Reads a parameter file for the named nodes (None or none: for all); values are messages, by their names.

    Entries with `*` or `**` in the name count with `use_wildcard`, and those of exact names win over them.
    `namespace` is put in front of each parameter's name as it is.

    Raises:
        RuntimeError: there is nothing for the nodes in the file, or it is not of the right form.
        FileNotFoundError: there is no such file.
    """
    from ._parameter_file import read_entries  # noqa: PLC0415 (only for files)

    found: dict[str, Any] = {}
    for values in read_entries(parameter_file, use_wildcard, target_nodes):
        found.update(_flatten(values, namespace))
    messages: dict[str, ParameterMsg] = {}
    for name, value in found.items():
        from rcl_interfaces.msg import Parameter as ParameterMsg  # noqa: PLC0415 (message classes load on use)

        messages[name] = ParameterMsg(name=name, value=_value_message(value, str(value)))
    return messages


def _flatten(tree: dict[Any, Any], prefix: str) -> dict[str, Any]:
    """Nested maps become names with dots."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}{PARAMETER_SEPARATOR_STRING}"))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _value_message(value: Any, text: str) -> ParameterValue:
    """A value of YAML as a message: what no parameter can hold is the text, and an empty list is one of bools."""
    if value is None:
        return Parameter("", Parameter.Type.STRING, text).get_parameter_value()
    if isinstance(value, list) and not value:
        return Parameter("", Parameter.Type.BOOL_ARRAY, value).get_parameter_value()
    try:
        return Parameter("", value=value).get_parameter_value()
    except (TypeError, ValueError):
        return Parameter("", Parameter.Type.STRING, text).get_parameter_value()
