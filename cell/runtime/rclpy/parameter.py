"""Parameters: a name, a value, and its type."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import Enum
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
        ValueError: the value does not fit the type.
    """

    class Type(Enum):
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
            """The type of a Python value.

            Raises:
                TypeError: a value that no parameter can hold.
            """
            return _type_of(parameter_value)

        def check(self, parameter_value: Any) -> bool:
            """Whether a Python value is of this type."""
            return _fits(self, parameter_value)

    name: str
    value: T

    @classmethod
    def from_parameter_msg(cls, param_msg: ParameterMsg) -> Parameter[Any]:
        kind = Parameter.Type(param_msg.value.type)
        return Parameter(param_msg.name, kind, parameter_value_to_python(param_msg.value))

    def __init__(self, name: str, type_: Parameter.Type | None = None, value: Any = None) -> None:
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not isinstance(type_, Parameter.Type):
            raise TypeError("type must be an instance of `Parameter.Type`")
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
        if self._type_ is Parameter.Type.BYTE_ARRAY:
            message.byte_array_value = [bytes([octet]) if isinstance(octet, int) else octet for octet in self._value]
        elif self._type_ is not Parameter.Type.NOT_SET:
            value = self._value if isinstance(self._value, bool | int | float | str) else list(self._value)
            setattr(message, _FIELDS[self._type_.value], value)
        return message

    def to_parameter_msg(self) -> ParameterMsg:
        from rcl_interfaces.msg import Parameter as ParameterMsg  # noqa: PLC0415 (message classes load on use)

        return ParameterMsg(name=self._name, value=self.get_parameter_value())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parameter):
            return NotImplemented
        return (self._name, self._type_, self._value) == (other._name, other._type_, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Parameter(name={self._name!r}, type_={self._type_.name}, value={self._value!r})"


def _type_of(value: Any) -> Parameter.Type:
    if value is None:
        return Parameter.Type.NOT_SET
    for kind in _SCALARS:
        if _fits(kind, value):
            return kind
    if isinstance(value, Sequence | array):
        if _fits(Parameter.Type.BYTE_ARRAY, value) and len(value):
            return Parameter.Type.BYTE_ARRAY
        for kind in _ARRAYS:
            if _fits(kind, value):
                return kind
    raise TypeError(f"The given value '{value!r}' is not one of the allowed types")


_SCALARS = (Parameter.Type.BOOL, Parameter.Type.INTEGER, Parameter.Type.DOUBLE, Parameter.Type.STRING)
_ARRAYS = (
    Parameter.Type.BYTE_ARRAY,
    Parameter.Type.BOOL_ARRAY,
    Parameter.Type.INTEGER_ARRAY,
    Parameter.Type.DOUBLE_ARRAY,
    Parameter.Type.STRING_ARRAY,
)
_PYTHON: dict[Parameter.Type, type] = {
    Parameter.Type.BOOL: bool,
    Parameter.Type.INTEGER: int,
    Parameter.Type.DOUBLE: float,
    Parameter.Type.STRING: str,
    Parameter.Type.BYTE_ARRAY: bytes,
    Parameter.Type.BOOL_ARRAY: bool,
    Parameter.Type.INTEGER_ARRAY: int,
    Parameter.Type.DOUBLE_ARRAY: float,
    Parameter.Type.STRING_ARRAY: str,
}


def _fits(kind: Parameter.Type, value: Any) -> bool:
    if kind is Parameter.Type.NOT_SET:
        return value is None
    wanted = _PYTHON[kind]
    if kind in _ARRAYS:
        if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence | array):
            return False
        return all(_is_a(entry, wanted) for entry in value)
    return _is_a(value, wanted)


def _is_a(value: Any, wanted: type) -> bool:
    """A bool is no integer here, although Python says so."""
    if wanted is bytes:
        return isinstance(value, bytes) and len(value) == 1
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


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
    try:
        return Parameter("value", value=value).get_parameter_value()
    except TypeError:
        return Parameter("value", value=string_value).get_parameter_value()


def parameter_dict_from_yaml_file(
    parameter_file: str,
    use_wildcard: bool = False,
    target_nodes: list[str] | None = None,
    namespace: str = "",
) -> dict[str, ParameterMsg]:
    """Reads a parameter file for the named nodes (None: for all); values are messages.

    Raises:
        RuntimeError: a named node is not in the file, or the file is not of the right form.
    """
    from pathlib import Path  # noqa: PLC0415 (only for files)

    from ._arguments import read_params_file  # noqa: PLC0415 (only for files)

    try:
        overrides = read_params_file(Path(parameter_file))
    except ValueError as error:
        raise RuntimeError(str(error)) from None
    wildcards = [entry for entry in overrides if entry.pattern == "/**"]
    named = [entry for entry in overrides if entry.pattern != "/**"]
    if target_nodes is not None:
        wanted = {name.strip("/") for name in target_nodes}
        missing = wanted - {entry.pattern.strip("/") for entry in named}
        if missing and not (use_wildcard and wildcards):
            raise RuntimeError(f"Param file does not contain parameters for {', '.join(sorted(missing))}")
        named = [entry for entry in named if entry.pattern.strip("/") in wanted]
    chosen = (wildcards if use_wildcard else []) + named
    prefix = f"{namespace}{PARAMETER_SEPARATOR_STRING}" if namespace else ""
    return {entry.name: Parameter(prefix + entry.name, value=entry.value).to_parameter_msg() for entry in chosen}
