"""The parameters of one node: declared ones, overrides, descriptors, callbacks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from .parameter import Parameter

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult

SetCallback = Callable[[list[Parameter[Any]]], "SetParametersResult"]
PreSetCallback = Callable[[list[Parameter[Any]]], "list[Parameter[Any]]"]
PostSetCallback = Callable[[list[Parameter[Any]]], None]
Publish = Callable[[list[Parameter[Any]], list[Parameter[Any]], list[Parameter[Any]]], None]


class ParameterStore:
    """What a node's parameter methods work on; the node adds the messages and events around it."""

    def __init__(self, overrides: dict[str, Parameter[Any]], allow_undeclared: bool, publish: Publish) -> None:
        """`publish(new, changed, deleted)` tells the world of a change."""
        self.overrides = overrides
        self.allow_undeclared = allow_undeclared
        self.values: dict[str, Parameter[Any]] = {}
        self.descriptors: dict[str, ParameterDescriptor] = {}
        self.pre_set: list[PreSetCallback] = []
        self.on_set: list[SetCallback] = []
        self.post_set: list[PostSetCallback] = []
        self._publish = publish

    def declare(
        self,
        name: str,
        value: Any,
        descriptor: ParameterDescriptor | None,
        ignore_override: bool,
    ) -> Parameter[Any]:
        """Declares a parameter; `value` may be a value, or a `Parameter.Type` for one without a value.

        Raises:
            ParameterAlreadyDeclaredException, InvalidParameterException, InvalidParameterTypeException,
            InvalidParameterValueException, ValueError: it cannot be declared so.
        """
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        check_parameter_name(name)
        if name in self.values:
            raise ParameterAlreadyDeclaredException(name)
        by_type = isinstance(value, Parameter.Type)
        if by_type and value is Parameter.Type.NOT_SET:
            raise ValueError("Cannot declare parameter of type NOT_SET")
        descriptor = ParameterDescriptor() if descriptor is None else descriptor
        if not isinstance(descriptor, ParameterDescriptor):
            raise TypeError(f"the descriptor of {name} is not a ParameterDescriptor")
        override = None if ignore_override else self.overrides.get(name)
        declared = value if by_type else Parameter.Type.from_parameter_value(value)
        if not by_type and value is None and override is None and not descriptor.dynamic_typing:
            raise ValueError(f"a value, a type or dynamic_typing is needed to declare parameter {name!r} statically")
        parameter = override if override is not None else Parameter(name, value=None if by_type else value)
        if not descriptor.dynamic_typing:
            kind = declared if declared is not Parameter.Type.NOT_SET else parameter.type_
            descriptor.type = kind.value
            if parameter.type_ not in (kind, Parameter.Type.NOT_SET):
                raise InvalidParameterTypeException(parameter, kind.name)
        descriptor.name = name
        problem = range_problem(parameter, descriptor)
        if problem:
            raise InvalidParameterValueException(name, parameter.value, problem)
        self.descriptors[name] = descriptor
        if parameter.type_ is not Parameter.Type.NOT_SET:
            self._ask([parameter], lambda entry, reason: InvalidParameterValueException(name, entry.value, reason))
        self.values[name] = parameter
        if parameter.type_ is not Parameter.Type.NOT_SET:
            self._publish([parameter], [], [])
            for callback in reversed(self.post_set):
                callback([parameter])
        return parameter

    def undeclare(self, name: str) -> None:
        if name not in self.values:
            raise ParameterNotDeclaredException(name)
        if self.descriptors[name].read_only:
            raise ParameterImmutableException(name)
        gone = self.values.pop(name)
        del self.descriptors[name]
        self._publish([], [], [gone])

    def get(self, name: str) -> Parameter[Any]:
        parameter = self.values.get(name)
        if parameter is None:
            if self.allow_undeclared:
                return Parameter(name, Parameter.Type.NOT_SET, None)
            raise ParameterNotDeclaredException(name)
        if parameter.type_ is Parameter.Type.NOT_SET and not self.descriptors[name].dynamic_typing:
            raise ParameterUninitializedException(name)
        return parameter

    def set_atomically(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        """Sets all or none of them; the result says why none.

        Raises:
            ParameterNotDeclaredException: one is not declared.
        """
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        for before in self.pre_set:
            parameters = before(parameters)
            if not parameters:
                return SetParametersResult(
                    successful=False,
                    reason="parameter list cannot be empty, this might be due to "
                    "pre_set_parameters_callback modifying the original parameters list.",
                )
        undeclared = [entry.name for entry in parameters if entry.name not in self.values]
        if undeclared and not self.allow_undeclared:
            raise ParameterNotDeclaredException(undeclared)
        for parameter in parameters:
            problem = self._problem(parameter)
            if problem:
                return SetParametersResult(successful=False, reason=problem)
        for callback in reversed(self.on_set):
            result = callback(parameters)
            if not result.successful:
                return result
        self._commit(parameters)
        return SetParametersResult(successful=True)

    def matching(self, prefix: str) -> dict[str, Parameter[Any]]:
        """Parameters below a prefix, by their names without it."""
        lead = f"{prefix}." if prefix else ""
        return {
            name.removeprefix(lead): value
            for name, value in self.values.items()
            if name.startswith(lead) and value.type_ is not Parameter.Type.NOT_SET
        }

    def _problem(self, parameter: Parameter[Any]) -> str:
        descriptor = self.descriptors.get(parameter.name)
        if descriptor is None:
            return ""
        if descriptor.read_only:
            return f"Trying to set a read-only parameter: {parameter.name}."
        expected = descriptor.type
        if not descriptor.dynamic_typing and expected and parameter.type_.value != expected:
            wanted = Parameter.Type(expected).name
            return (
                f"Wrong parameter type, expected '{Parameter.Type[wanted]}' got '{parameter.type_}'"
                f" for {parameter.name}"
            )
        return range_problem(parameter, descriptor)

    def _ask(self, parameters: list[Parameter[Any]], error: Callable[[Parameter[Any], str], Exception]) -> None:
        for callback in reversed(self.on_set):
            result = callback(parameters)
            if not result.successful:
                raise error(parameters[0], result.reason)

    def _commit(self, parameters: list[Parameter[Any]]) -> None:
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        new: list[Parameter[Any]] = []
        changed: list[Parameter[Any]] = []
        deleted: list[Parameter[Any]] = []
        for parameter in parameters:
            known = self.values.get(parameter.name)
            was_set = known is not None and known.type_ is not Parameter.Type.NOT_SET
            if parameter.type_ is Parameter.Type.NOT_SET:
                if was_set:
                    deleted.append(parameter)
                self.values.pop(parameter.name, None)
                self.descriptors.pop(parameter.name, None)
                continue
            (changed if was_set else new).append(parameter)
            if known is None:
                self.descriptors[parameter.name] = ParameterDescriptor(
                    name=parameter.name, type=parameter.type_.value, dynamic_typing=True
                )
            self.values[parameter.name] = parameter
        self._publish(new, changed, deleted)
        for callback in reversed(self.post_set):
            callback(parameters)


def check_parameter_name(name: str) -> None:
    """Raises InvalidParameterException."""
    if not isinstance(name, str) or not name or not re.fullmatch(r"[^\s]+", name):
        raise InvalidParameterException(name)


def range_problem(parameter: Parameter[Any], descriptor: ParameterDescriptor) -> str:
    """Why a value is outside of its range; empty where it is not.

    Raises:
        InvalidParameterValueException: the descriptor gives more than one range.
    """
    if parameter.type_ is Parameter.Type.INTEGER:
        for limits in _single(parameter, descriptor.integer_range):
            low, high, step = limits.from_value, limits.to_value, limits.step
            value = parameter.value
            if value in (low, high):
                return ""
            if not low <= value <= high:
                return f"Parameter {parameter.name} out of range Min: {low}, Max: {high}, value: {value}"
            if step and (value - low) % step:
                return f"The parameter value for {parameter.name} is not a valid step: Min: {low}, Step: {step}"
    elif parameter.type_ is Parameter.Type.DOUBLE:
        for limits in _single(parameter, descriptor.floating_point_range):
            low, high, step = limits.from_value, limits.to_value, limits.step
            value = parameter.value
            if _close(value, low) or _close(value, high):
                return ""
            if not low <= value <= high:
                return f"Parameter {parameter.name} out of range Min: {low}, Max: {high}, value: {value}"
            if step and not _close((value - low) / step, round((value - low) / step)):
                return f"The parameter value for {parameter.name} is not close to a step: Min: {low}, Step: {step}"
    return ""


def _single(parameter: Parameter[Any], ranges: Iterable[Any]) -> list[Any]:
    found = list(ranges)
    if len(found) > 1:
        raise InvalidParameterValueException(parameter.name, parameter.value, "more than one range in the descriptor")
    return found


def _close(one: float, other: float) -> bool:
    # The tolerance of rclpy's floating point ranges.
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)


__all__ = [
    "ParameterStore",
    "PostSetCallback",
    "PreSetCallback",
    "SetCallback",
    "check_parameter_name",
    "range_problem",
]
