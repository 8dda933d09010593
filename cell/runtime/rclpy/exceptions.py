"""The exceptions that rclpy raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._rclpy_errors import InvalidHandle, TimerCancelledError

if TYPE_CHECKING:
    from rclpy.parameter import Parameter

__all__ = [
    "InvalidHandle",
    "InvalidNamespaceException",
    "InvalidNodeNameException",
    "InvalidParameterException",
    "InvalidParameterTypeException",
    "InvalidParameterValueException",
    "InvalidServiceNameException",
    "InvalidTopicNameException",
    "NameValidationException",
    "NoParameterOverrideProvidedException",
    "NoTypeSupportImportedException",
    "NotInitializedException",
    "ParameterAlreadyDeclaredException",
    "ParameterException",
    "ParameterImmutableException",
    "ParameterNotDeclaredException",
    "ParameterUninitializedException",
    "ROSInterruptException",
    "TimeSourceChangedError",
    "TimerCancelledError",
]


class NotInitializedException(Exception):
    """Something was used before `rclpy.init()`, or after the shut-down."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__("rclpy.init() has not been called." + (f" msg:{message}" if message else ""))


class NoTypeSupportImportedException(Exception):
    """A type that is no message, service or action."""

    def __init__(self, *args: object) -> None:
        super().__init__("no type_support imported", *args)


class NameValidationException(Exception):
    """A name that ROS 2 does not allow; the message points at the character."""

    def __init__(self, name_type: str, name: str, error_msg: str, invalid_index: int, *args: object) -> None:
        self.name_type = name_type
        self.name = name
        self.error_msg = error_msg
        self.invalid_index = invalid_index
        pointer = " " * invalid_index + "^"
        super().__init__(f"Invalid {name_type}: {error_msg}:\n  '{name}'\n   {pointer}", *args)


class InvalidNamespaceException(NameValidationException):
    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: object) -> None:
        super().__init__("namespace", name, error_msg, invalid_index, *args)


class InvalidNodeNameException(NameValidationException):
    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: object) -> None:
        super().__init__("node name", name, error_msg, invalid_index, *args)


class InvalidTopicNameException(NameValidationException):
    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: object) -> None:
        super().__init__("topic name", name, error_msg, invalid_index, *args)


class InvalidServiceNameException(NameValidationException):
    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: object) -> None:
        super().__init__("service name", name, error_msg, invalid_index, *args)


class ParameterException(Exception):
    """Something is wrong with parameters; `args[0]` says what, `args[1]` lists which."""

    def __init__(self, error_msg: str, parameters: tuple[str, ...], *args: object) -> None:
        super().__init__(error_msg, parameters, *args)


class ParameterNotDeclaredException(ParameterException):
    def __init__(self, parameters: str | list[str], *args: object) -> None:
        super().__init__("Invalid access to undeclared parameter(s)", _names(parameters), *args)


class ParameterAlreadyDeclaredException(ParameterException):
    def __init__(self, parameters: str | list[str], *args: object) -> None:
        super().__init__("Parameter(s) already declared", _names(parameters), *args)


class InvalidParameterException(ParameterException):
    def __init__(self, parameter: str, *args: object) -> None:
        super().__init__("Invalid parameter name", _names(parameter), *args)


class InvalidParameterTypeException(ParameterException):
    """A value's type is not the declared one."""

    def __init__(self, desired_parameter: Parameter[Any], expected_type: str, *args: object) -> None:
        message = (
            f"Trying to set parameter '{desired_parameter.name}' to '{desired_parameter.value}' of type "
            f"'{desired_parameter.type_.name}', expecting type '{expected_type}'"
        )
        super().__init__(message, (desired_parameter.name,), *args)


class InvalidParameterValueException(ParameterException):
    """A value was refused by a range or by a callback."""

    def __init__(self, parameter: str, value: object, reason: str, *args: object) -> None:
        super().__init__(f"Invalid parameter value ({value}) for parameter. Reason: {reason}", (parameter,), *args)


class ParameterImmutableException(ParameterException):
    def __init__(self, parameter: str, *args: object) -> None:
        super().__init__("Attempted to modify read-only parameter", _names(parameter), *args)


class ParameterUninitializedException(ParameterException):
    """A parameter was declared by its type alone and has no value yet."""

    def __init__(self, parameter: str, *args: object) -> None:
        super().__init__("The parameter is not initialized", _names(parameter), *args)


class NoParameterOverrideProvidedException(ParameterException):
    def __init__(self, parameter: str, *args: object) -> None:
        super().__init__("The parameter has no override", _names(parameter), *args)


class ROSInterruptException(Exception):
    """A sleep was ended by the shut-down."""

    def __init__(self) -> None:
        super().__init__("rclpy.shutdown() has been called")


def _names(parameters: str | list[str]) -> tuple[str, ...]:
    return (parameters,) if isinstance(parameters, str) else tuple(parameters)


class TimeSourceChangedError(Exception):
    """The clock's source of time changed while a coroutine slept on it."""

    def __init__(self) -> None:
        super().__init__("time source changed")
