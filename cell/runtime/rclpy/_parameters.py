"""The parameters of one node: declared ones, overrides, descriptors, callbacks.

What is checked, in which order, and the reasons given are rclpy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
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
Descriptors = dict[str, "ParameterDescriptor"]

# rclpy's tolerance for floating point ranges (Node.PARAM_REL_TOL).
RELATIVE_TOLERANCE = 1e-6


class ParameterStore:
    """What a node's parameter methods work on; the node adds the messages and events around it."""

    def __init__(self, overrides: dict[str, Parameter[Any]], allow_undeclared: bool, publish: Publish) -> None:
        """`publish(new, changed, deleted)` tells the world of a change."""
        self.overrides = overrides
        self.allow_undeclared = allow_undeclared
        self.values: dict[str, Parameter[Any]] = {}
        self.descriptors: Descriptors = {}
        # Each list in the order of the calls: what was added last comes first.
        self.pre_set: list[PreSetCallback] = []
        self.on_set: list[SetCallback] = []
        self.post_set: list[PostSetCallback] = []
        self._publish = publish

    def declare(self, parameter: Parameter[Any], descriptor: ParameterDescriptor) -> None:
        """Declares a parameter; one of type NOT_SET stands there without a value.

        Raises:
            InvalidParameterTypeException, InvalidParameterValueException: descriptor or callbacks refuse the value.
        """
        descriptors = {parameter.name: descriptor}
        result = self._set([parameter], descriptors, keep_unset=True)
        if result.successful:
            return
        if result.reason.startswith("Wrong parameter type"):
            raise InvalidParameterTypeException(parameter, Parameter.Type(descriptor.type).name)
        raise InvalidParameterValueException(parameter.name, parameter.value, result.reason)

    def undeclare(self, name: str) -> None:
        """Raises ParameterNotDeclaredException, ParameterImmutableException."""
        if name not in self.values:
            raise ParameterNotDeclaredException(name)
        if self.descriptors[name].read_only:
            raise ParameterImmutableException(name)
        del self.values[name]
        del self.descriptors[name]

    def get(self, name: str) -> Parameter[Any]:
        """Raises ParameterNotDeclaredException, ParameterUninitializedException."""
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
            TypeError: one is no Parameter.
        """
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        if self.pre_set:
            parameters = [entry for before in self.pre_set for entry in before(parameters)]
            if not parameters:
                return SetParametersResult(
                    successful=False,
                    reason="parameter list cannot be empty, this might be due to "
                    "pre_set_parameters_callback modifying the original parameters list.",
                )
        if not all(isinstance(parameter, Parameter) for parameter in parameters):
            raise TypeError(f"parameter must be instance of type '{Parameter!r}'")
        undeclared = [entry.name for entry in parameters if entry.name not in self.values]
        if undeclared and not self.allow_undeclared:
            raise ParameterNotDeclaredException(undeclared)
        return self._set(parameters, None, keep_unset=False)

    def set_descriptor(self, name: str, descriptor: ParameterDescriptor, alternative: Parameter[Any] | None) -> None:
        """Replaces a descriptor; where the value does not comply with it, the alternative takes its place.

        Raises:
            ParameterImmutableException: read-only.
            InvalidParameterValueException: neither complies.
        """
        if self.descriptors[name].read_only:
            raise ParameterImmutableException(name)
        current = self.get(name)
        for chosen in (current, current if alternative is None else alternative):
            problem = self._problem(chosen, descriptor, check_read_only=False)
            if not problem:
                self.values[name] = chosen
                self.descriptors[name] = descriptor
                return
        raise InvalidParameterValueException(name, chosen.value, problem)

    def matching(self, prefix: str) -> dict[str, Parameter[Any]]:
        """Parameters below a prefix, by their names without it."""
        lead = f"{prefix}." if prefix else ""
        return {name[len(lead) :]: value for name, value in self.values.items() if name.startswith(lead)}

    def _set(
        self, parameters: list[Parameter[Any]], descriptors: Descriptors | None, *, keep_unset: bool
    ) -> SetParametersResult:
        """Checks and sets. New descriptors are given at a declaration; read-only does not count then."""
        from rcl_interfaces.msg import SetParametersResult  # noqa: PLC0415 (message classes load on use)

        chosen = self.descriptors if descriptors is None else descriptors
        for parameter in parameters:
            if parameter.name not in chosen:
                continue
            problem = self._problem(parameter, chosen[parameter.name], check_read_only=descriptors is None)
            if problem:
                return SetParametersResult(successful=False, reason=problem)
        for callback in tuple(self.on_set):
            result = callback(parameters)
            if not result.successful:
                return result
        self._commit(parameters, descriptors, keep_unset=keep_unset)
        return SetParametersResult(successful=True)

    def _problem(self, parameter: Parameter[Any], descriptor: ParameterDescriptor, *, check_read_only: bool) -> str:
        """Why a descriptor refuses a value; empty where it does not. A dynamic type follows the value."""
        descriptor.name = parameter.name
        if check_read_only and descriptor.read_only:
            return f"Trying to set a read-only parameter: {parameter.name}."
        if descriptor.dynamic_typing:
            descriptor.type = parameter.type_.value
        elif parameter.type_ is Parameter.Type.NOT_SET:
            if parameter.name in self.values:
                return "Static parameter cannot be undeclared"
        elif parameter.type_.value != descriptor.type:
            return f"Wrong parameter type, expected '{Parameter.Type(descriptor.type)}' got '{parameter.type_}'"
        return range_problem(parameter, descriptor)

    def _commit(self, parameters: list[Parameter[Any]], descriptors: Descriptors | None, *, keep_unset: bool) -> None:
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        new: list[Parameter[Any]] = []
        changed: list[Parameter[Any]] = []
        deleted: list[Parameter[Any]] = []
        for parameter in parameters:
            name = parameter.name
            if parameter.type_ is Parameter.Type.NOT_SET and not keep_unset:
                deleted.append(parameter)
                self.values.pop(name, None)
                self.descriptors.pop(name, None)
                continue
            if descriptors is not None:
                self.descriptors[name] = descriptors[name]
            elif name not in self.descriptors:
                self.descriptors[name] = ParameterDescriptor(name=name, type=parameter.type_.value, dynamic_typing=True)
            known = self.values.get(name)
            (new if known is None or known.type_ is Parameter.Type.NOT_SET else changed).append(parameter)
            self.values[name] = parameter
        self._publish(new, changed, deleted)
        for callback in tuple(self.post_set):
            callback(parameters)


def range_problem(parameter: Parameter[Any], descriptor: ParameterDescriptor) -> str:
    """Why a value is outside of its range; empty where it is not. The ends of a range are always in it."""
    if parameter.type_ is Parameter.Type.INTEGER and descriptor.integer_range:
        return _integer_problem(parameter.name, parameter.value, descriptor.integer_range[0])
    if parameter.type_ is Parameter.Type.DOUBLE and descriptor.floating_point_range:
        return _floating_point_problem(parameter.name, parameter.value, descriptor.floating_point_range[0])
    return ""


def _integer_problem(name: str, value: int, limits: Any) -> str:
    low, high = sorted((limits.from_value, limits.to_value))
    if value in (low, high):
        return ""
    if not low < value < high:
        return f"Parameter {name} out of range. Min: {low}, Max: {high}, value: {value}"
    if limits.step and (value - low) % limits.step:
        return (
            f"The parameter value for {name} is not a valid step. "
            f"Min: {low}, max: {high}, value: {value}, step: {limits.step}"
        )
    return ""


def _floating_point_problem(name: str, value: float, limits: Any) -> str:
    low, high = sorted((limits.from_value, limits.to_value))
    if _close(value, low) or _close(value, high):
        return ""
    if not low < value < high:
        return f"Parameter {name} out of range Min: {low}, Max: {high}, value: {value}"
    if limits.step and not _close(low + round((value - low) / limits.step) * limits.step, value):
        return (
            f"The parameter value for {name} is not close enough to a valid step. "
            f"Min: {low}, max: {high}, value: {value}, step: {limits.step}"
        )
    return ""


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE)


__all__ = ["ParameterStore", "PostSetCallback", "PreSetCallback", "SetCallback", "range_problem"]
