"""The part of a node that concerns its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._arguments import Arguments
from ._parameters import ParameterStore, PostSetCallback, PreSetCallback, SetCallback
from .exceptions import ParameterNotDeclaredException
from .parameter import Parameter

if TYPE_CHECKING:
    from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult

    from .clock import Clock
    from .publisher import Publisher

T = TypeVar("T")


class NodeParameters:
    """Declares, reads and sets parameters; a base of `Node`."""

    _store: ParameterStore
    _rules: list[Arguments]
    _name: str
    _namespace: str
    _clock: Clock
    _events: Publisher[Any] | None

    @overload
    def declare_parameter(
        self,
        name: str,
        value: T,
        descriptor: ParameterDescriptor | None = None,
        ignore_override: bool = False,
    ) -> Parameter[T]: ...

    @overload
    def declare_parameter(
        self,
        name: str,
        value: Parameter.Type | None = None,
        descriptor: ParameterDescriptor | None = None,
        ignore_override: bool = False,
    ) -> Parameter[Any]: ...

    def declare_parameter(
        self,
        name: str,
        value: Any = None,
        descriptor: ParameterDescriptor | None = None,
        ignore_override: bool = False,
    ) -> Parameter[Any]:
        """Declares a parameter with its default value, or with its type alone; overrides win over the default.

        Raises:
            ParameterAlreadyDeclaredException, InvalidParameterException, InvalidParameterTypeException,
            InvalidParameterValueException, ValueError: it cannot be declared so.
        """
        return self._store.declare(name, value, descriptor, ignore_override)

    def declare_parameters(
        self,
        namespace: str,
        parameters: Sequence[tuple[Any, ...]],
        ignore_override: bool = False,
    ) -> list[Parameter[Any]]:
        """Declares several: (name), (name, value) or (name, value, descriptor) each.

        Raises:
            TypeError: a tuple of another form.
        """
        declared = []
        for entry in parameters:
            if not isinstance(entry, tuple) or not 1 <= len(entry) <= 3 or not isinstance(entry[0], str):
                raise TypeError(f"Invalid parameter tuple: {entry!r}")
            name, value, descriptor = (*entry, None, None)[:3]
            full_name = f"{namespace}.{name}" if namespace else name
            declared.append(self.declare_parameter(full_name, value, descriptor, ignore_override))
        return declared

    def undeclare_parameter(self, name: str) -> None:
        """Raises ParameterNotDeclaredException, ParameterImmutableException."""
        self._store.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        return name in self._store.values

    def get_parameter(self, name: str) -> Parameter[Any]:
        """Raises ParameterNotDeclaredException, ParameterUninitializedException."""
        return self._store.get(name)

    def get_parameters(self, names: list[str]) -> list[Parameter[Any]]:
        """Raises as `get_parameter`; TypeError for a name that is no string."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self._store.get(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter[Any] | None = None) -> Parameter[Any]:
        """The parameter, or the alternative where it is not set; without one, a parameter of type NOT_SET."""
        if alternative_value is None:
            alternative_value = Parameter(name, Parameter.Type.NOT_SET)
        return self._store.values.get(name, alternative_value)

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter[Any]]:
        return self._store.matching(prefix)

    def get_parameter_type(self, name: str) -> Parameter.Type:
        """Raises ParameterNotDeclaredException."""
        if self.has_parameter(name):
            return self._store.values[name].type_
        if self._store.allow_undeclared:
            return Parameter.Type.NOT_SET
        raise ParameterNotDeclaredException(name)

    def get_parameter_types(self, names: list[str]) -> list[Parameter.Type]:
        """Raises ParameterNotDeclaredException."""
        return [self.get_parameter_type(name) for name in names]

    def set_parameters(self, parameter_list: list[Parameter[Any]]) -> list[SetParametersResult]:
        """Sets each by itself; a result for each.

        Raises:
            ParameterNotDeclaredException: one is not declared; those before it are set.
        """
        return [self._store.set_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter[Any]]) -> SetParametersResult:
        """Sets all or none.

        Raises:
            ParameterNotDeclaredException: one is not declared.
        """
        return self._store.set_atomically(parameter_list)

    def list_parameters(self, prefixes: list[str], depth: int) -> Any:
        """The names (and prefixes) of parameters, as rcl_interfaces/ListParametersResult."""
        from .parameter_service import list_parameters  # noqa: PLC0415 (only when it is asked for)

        return list_parameters(self._store, prefixes, depth)

    def add_pre_set_parameters_callback(self, callback: PreSetCallback) -> None:
        """Called first, with the list; what it returns is set instead."""
        self._store.pre_set.insert(0, callback)

    def add_on_set_parameters_callback(self, callback: SetCallback) -> None:
        """Called before parameters are set, with their list; it may refuse. The last added is called first."""
        self._store.on_set.append(callback)

    def add_post_set_parameters_callback(self, callback: PostSetCallback) -> None:
        """Called after parameters were set."""
        self._store.post_set.append(callback)

    def remove_pre_set_parameters_callback(self, callback: PreSetCallback) -> None:
        self._store.pre_set.remove(callback)

    def remove_on_set_parameters_callback(self, callback: SetCallback) -> None:
        self._store.on_set.remove(callback)

    def remove_post_set_parameters_callback(self, callback: PostSetCallback) -> None:
        self._store.post_set.remove(callback)

    def describe_parameter(self, name: str) -> ParameterDescriptor:
        """Raises ParameterNotDeclaredException."""
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        descriptor = self._store.descriptors.get(name)
        if descriptor is not None:
            return descriptor
        if self._store.allow_undeclared:
            return ParameterDescriptor()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names: list[str]) -> list[ParameterDescriptor]:
        """Raises ParameterNotDeclaredException."""
        return [self.describe_parameter(name) for name in names]

    def set_descriptor(self, name: str, descriptor: ParameterDescriptor, alternative_value: Any = None) -> Any:
        """Replaces a descriptor; gives the value that then holds.

        Raises:
            ParameterNotDeclaredException: not declared.
        """
        if not self.has_parameter(name):
            if self._store.allow_undeclared:
                return self.get_parameter(name).get_parameter_value()
            raise ParameterNotDeclaredException(name)
        descriptor.name = name
        if not descriptor.dynamic_typing and not descriptor.type:
            descriptor.type = self._store.values[name].type_.value
        self._store.descriptors[name] = descriptor
        return self.get_parameter(name).get_parameter_value()

    def _collect_overrides(self, given: list[Parameter[Any]] | None) -> dict[str, Parameter[Any]]:
        """From the command line (global, then the node's own), then from the program, which wins."""
        found: dict[str, Parameter[Any]] = {}
        for rules in reversed(self._rules):
            for name, value in rules.overrides_for(self._name, self._namespace).items():
                try:
                    found[name] = Parameter(name, value=value)
                except TypeError as error:
                    raise ValueError(f"parameter {name} of node {self._name}: {error}") from None
        for parameter in given or ():
            found[parameter.name] = parameter
        return found

    def _publish_event(
        self, new: list[Parameter[Any]], changed: list[Parameter[Any]], deleted: list[Parameter[Any]]
    ) -> None:
        publisher = self._events
        if publisher is None or not publisher.get_subscription_count():
            return
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        publisher.publish(
            ParameterEvent(
                stamp=self._clock.now().to_msg(),
                node=f"{self._namespace.rstrip('/')}/{self._name}",
                new_parameters=[entry.to_parameter_msg() for entry in new],
                changed_parameters=[entry.to_parameter_msg() for entry in changed],
                deleted_parameters=[entry.to_parameter_msg() for entry in deleted],
            )
        )
