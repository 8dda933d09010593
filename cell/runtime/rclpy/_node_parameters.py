"""The part of a node that concerns its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._arguments import Arguments
from ._parameters import ParameterStore, PostSetCallback, PreSetCallback, SetCallback
from .exceptions import ParameterAlreadyDeclaredException, ParameterNotDeclaredException
from .parameter import PARAMETER_SEPARATOR_STRING, Parameter, parameter_value_to_python
from .validate_parameter_name import validate_parameter_name

if TYPE_CHECKING:
    from rcl_interfaces.msg import ListParametersResult, ParameterDescriptor, ParameterValue, SetParametersResult

    from .clock import Clock
    from .publisher import Publisher

T = TypeVar("T")


class NodeParameters:
    """Declares, reads and sets parameters; a base of `Node`."""

    _rcl_store: ParameterStore
    _rcl_rules: list[Arguments]
    _rcl_name: str
    _rcl_namespace: str
    _clock: Clock
    _rcl_events: Publisher[Any] | None

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
        if value is None and descriptor is None:
            return self.declare_parameters("", [(name,)], ignore_override)[0]
        given = (name, value) if descriptor is None else (name, value, descriptor)
        return self.declare_parameters("", [given], ignore_override)[0]

    def declare_parameters(
        self,
        namespace: str,
        parameters: Sequence[tuple[Any, ...]],
        ignore_override: bool = False,
    ) -> list[Parameter[Any]]:
        """Declares several: (name), (name, value) or (name, value, descriptor) each.

        Raises:
            TypeError: a tuple of another form.
            Others: as `declare_parameter`; those before the bad one stay declared where a callback refuses it.
        """
        chosen = [
            self._rcl_declaration(namespace, index, entry, ignore_override) for index, entry in enumerate(parameters)
        ]
        known = [parameter.name for parameter, _ in chosen if parameter.name in self._rcl_store.values]
        if known:
            raise ParameterAlreadyDeclaredException(known)
        for parameter, descriptor in chosen:
            self._rcl_store.declare(parameter, descriptor)
        return [self._rcl_store.values[parameter.name] for parameter, _ in chosen]

    def _rcl_declaration(
        self, namespace: str, index: int, entry: tuple[Any, ...], ignore_override: bool
    ) -> tuple[Parameter[Any], ParameterDescriptor]:
        """A checked tuple, as the parameter that is to be set and its descriptor."""
        from rcl_interfaces.msg import ParameterDescriptor, ParameterValue  # noqa: PLC0415 (loads on use)

        if not isinstance(entry, tuple) or not 1 <= len(entry) <= 3:
            raise TypeError(
                f"Invalid parameter tuple length at index {index} in parameters list: {entry}; "
                "expecting length between 1 and 3"
            )
        name, value = entry[0], entry[1] if len(entry) > 1 else None
        descriptor = entry[2] if len(entry) > 2 else ParameterDescriptor()
        if not isinstance(name, str):
            raise TypeError(f"First element {name} at index {index} in parameters list is not a str.")
        if not isinstance(descriptor, ParameterDescriptor):
            raise TypeError(
                f"Third element {descriptor} at index {index} in parameters list is not a ParameterDescriptor."
            )
        if len(entry) == 1:
            import warnings  # noqa: PLC0415 (only here)

            warnings.warn(
                f"when declaring parameter named '{name}', declaring a parameter only providing its name is "
                "deprecated: give a default value, a type, or a descriptor with dynamic_typing=True",
                stacklevel=4,
            )
            descriptor.dynamic_typing = True
        if isinstance(value, Parameter.Type):
            if value is Parameter.Type.NOT_SET:
                raise ValueError(f"Cannot declare parameter {{{name}}} as statically typed of type NOT_SET")
            if descriptor.dynamic_typing:
                raise ValueError(
                    f"When declaring parameter {{{name}}} passing a descriptor with `dynamic_typing=True` "
                    "is not allowed when the parameter type is provided"
                )
            descriptor.type = value.value
            value = None
        elif isinstance(value, ParameterValue):
            if value.type == Parameter.Type.NOT_SET and not descriptor.dynamic_typing:
                raise ValueError(
                    "Cannot declare a statically typed parameter with default value of type PARAMETER_NOT_SET"
                )
            value = parameter_value_to_python(value)
        if value is not None and not descriptor.dynamic_typing:
            descriptor.type = Parameter.Type.from_parameter_value(value).value
        full_name = f"{namespace}.{name}" if namespace else name
        overrides = {} if ignore_override else self._rcl_store.overrides
        # The original looks for the name without the namespace; the name with it is what a file can tell apart.
        override = overrides.get(full_name, overrides.get(name))
        validate_parameter_name(full_name)
        if override is not None:
            value = override.value
        return Parameter(full_name, value=value), descriptor

    def undeclare_parameter(self, name: str) -> None:
        """Raises ParameterNotDeclaredException, ParameterImmutableException."""
        self._rcl_store.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        return name in self._rcl_store.values

    def get_parameter(self, name: str) -> Parameter[Any]:
        """Raises ParameterNotDeclaredException, ParameterUninitializedException."""
        return self._rcl_store.get(name)

    def get_parameters(self, names: list[str]) -> list[Parameter[Any]]:
        """Raises as `get_parameter`; TypeError for a name that is no string."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self._rcl_store.get(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter[Any] | None = None) -> Parameter[Any]:
        """The parameter, or the alternative where it has no value; without one, a parameter of type NOT_SET."""
        found = self._rcl_store.values.get(name)
        if found is not None and found.type_ is not Parameter.Type.NOT_SET:
            return found
        return Parameter(name, Parameter.Type.NOT_SET) if alternative_value is None else alternative_value

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter[Any]]:
        """The parameters below a prefix, by their names without it; the empty prefix gives all."""
        return self._rcl_store.matching(prefix)

    def get_parameter_type(self, name: str) -> Parameter.Type:
        """Raises ParameterNotDeclaredException."""
        if self.has_parameter(name):
            return self._rcl_store.values[name].type_
        if self._rcl_store.allow_undeclared:
            return Parameter.Type.NOT_SET
        raise ParameterNotDeclaredException(name)

    def get_parameter_types(self, names: list[str]) -> list[Parameter.Type]:
        """Raises ParameterNotDeclaredException; TypeError for a name that is no string."""
        if not all(isinstance(name, str) for name in names):
            raise TypeError("All names must be instances of type str")
        return [self.get_parameter_type(name) for name in names]

    def set_parameters(self, parameter_list: list[Parameter[Any]]) -> list[SetParametersResult]:
        """Sets each by itself; a result for each.

        Raises:
            ParameterNotDeclaredException: one is not declared; those before it are set.
        """
        return [self._rcl_store.set_atomically([parameter]) for parameter in parameter_list]

    def set_parameters_atomically(self, parameter_list: list[Parameter[Any]]) -> SetParametersResult:
        """Sets all or none.

        Raises:
            ParameterNotDeclaredException: one is not declared.
        """
        return self._rcl_store.set_atomically(parameter_list)

    def list_parameters(self, prefixes: list[str], depth: int) -> ListParametersResult:
        """Names below the prefixes (all without any), `depth` levels deep (0: any number), and their prefixes.

        Raises:
            TypeError: arguments of other types.
            ValueError: a negative depth.
        """
        from rcl_interfaces.msg import ListParametersResult  # noqa: PLC0415 (message classes load on use)

        if not isinstance(prefixes, list):
            raise TypeError("The prefixes argument must be a list")
        if not all(isinstance(prefix, str) for prefix in prefixes):
            raise TypeError("All prefixes must be instances of type str")
        if not isinstance(depth, int):
            raise TypeError("The depth must be instance of type int")
        if depth < 0:
            raise ValueError("The depth must be greater than or equal to zero")
        names = [name for name in self._rcl_store.values if _listed(name, prefixes, depth)]
        found = {name.rpartition(PARAMETER_SEPARATOR_STRING)[0]: None for name in names}
        found.pop("", None)
        return ListParametersResult(names=names, prefixes=list(found))

    def add_pre_set_parameters_callback(self, callback: PreSetCallback) -> None:
        """Called before parameters are checked, with their list; what it returns is set instead."""
        self._rcl_store.pre_set.insert(0, callback)

    def add_on_set_parameters_callback(self, callback: SetCallback) -> None:
        """Called before parameters are set, with their list; it may refuse. The last added is called first."""
        self._rcl_store.on_set.insert(0, callback)

    def add_post_set_parameters_callback(self, callback: PostSetCallback) -> None:
        """Called after parameters were declared or set. The last added is called first."""
        self._rcl_store.post_set.insert(0, callback)

    def remove_pre_set_parameters_callback(self, callback: PreSetCallback) -> None:
        """Raises ValueError where it was not added."""
        self._rcl_store.pre_set.remove(callback)

    def remove_on_set_parameters_callback(self, callback: SetCallback) -> None:
        """Raises ValueError where it was not added."""
        self._rcl_store.on_set.remove(callback)

    def remove_post_set_parameters_callback(self, callback: PostSetCallback) -> None:
        """Raises ValueError where it was not added."""
        self._rcl_store.post_set.remove(callback)

    def describe_parameter(self, name: str) -> ParameterDescriptor:
        """Raises ParameterNotDeclaredException."""
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        descriptor = self._rcl_store.descriptors.get(name)
        if descriptor is not None:
            return descriptor
        if self._rcl_store.allow_undeclared:
            return ParameterDescriptor()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names: list[str]) -> list[ParameterDescriptor]:
        """Raises ParameterNotDeclaredException."""
        return [self.describe_parameter(name) for name in names]

    def set_descriptor(
        self, name: str, descriptor: ParameterDescriptor, alternative_value: ParameterValue | None = None
    ) -> ParameterValue:
        """Replaces a descriptor; gives the value that then holds, which is the alternative where the old one no
        longer complies.

        Raises:
            ParameterNotDeclaredException: not declared.
            ParameterImmutableException: read-only.
            InvalidParameterValueException: neither value complies.
        """
        if not self.has_parameter(name):
            if not self._rcl_store.allow_undeclared:
                raise ParameterNotDeclaredException(name)
            return self.get_parameter(name).get_parameter_value()
        alternative: Parameter[Any] | None = None
        if alternative_value is not None:
            alternative = Parameter(
                name, Parameter.Type(alternative_value.type), parameter_value_to_python(alternative_value)
            )
        self._rcl_store.set_descriptor(name, descriptor, alternative)
        return self.get_parameter(name).get_parameter_value()

    # By the names of the original, for tests and tools that look behind the methods.

    @property
    def _parameters(self) -> dict[str, Parameter[Any]]:
        return self._rcl_store.values

    @property
    def _descriptors(self) -> dict[str, ParameterDescriptor]:
        return self._rcl_store.descriptors

    @property
    def _pre_set_parameters_callbacks(self) -> list[PreSetCallback]:
        return self._rcl_store.pre_set

    @property
    def _on_set_parameters_callbacks(self) -> list[SetCallback]:
        return self._rcl_store.on_set

    @property
    def _post_set_parameters_callbacks(self) -> list[PostSetCallback]:
        return self._rcl_store.post_set

    @property
    def _parameter_overrides(self) -> dict[str, Parameter[Any]]:
        return self._rcl_store.overrides

    def _rcl_collect_overrides(self, given: list[Parameter[Any]] | None) -> dict[str, Parameter[Any]]:
        """What the node's parameters are to be: from the command line, then from the program, which wins.

        As in rcl, the node's own arguments win over those of the process; for the order among entries see
        `Arguments.overrides_for`.
        """
        found: dict[str, Parameter[Any]] = {}
        entries = [
            entry
            for rules in reversed(self._rcl_rules)
            for entry in rules.overrides_for(self._rcl_name, self._rcl_namespace)
        ]
        for entry in entries:
            try:
                found[entry.name] = Parameter(entry.name, value=entry.value)
            except TypeError as error:
                raise ValueError(f"parameter {entry.name} of node {self._rcl_name}: {error}") from None
        for parameter in given or ():
            found[parameter.name] = parameter
        return found

    def _rcl_publish_event(
        self, new: list[Parameter[Any]], changed: list[Parameter[Any]], deleted: list[Parameter[Any]]
    ) -> None:
        publisher = self._rcl_events
        if publisher is None or not publisher.get_subscription_count():
            return
        from rcl_interfaces.msg import ParameterEvent  # noqa: PLC0415 (message classes load on use)

        publisher.publish(
            ParameterEvent(
                stamp=self._clock.now().to_msg(),
                node=f"{self._rcl_namespace.rstrip('/')}/{self._rcl_name}",
                new_parameters=[entry.to_parameter_msg() for entry in new],
                changed_parameters=[entry.to_parameter_msg() for entry in changed],
                deleted_parameters=[entry.to_parameter_msg() for entry in deleted],
            )
        )


def _listed(name: str, prefixes: list[str], depth: int) -> bool:
    """Whether `list_parameters` gives a name; a depth of 0 is any depth."""
    separator = PARAMETER_SEPARATOR_STRING
    if not prefixes:
        return not depth or name.count(separator) < depth
    return any(
        name == prefix
        or (name.startswith(prefix + separator) and (not depth or name[len(prefix) + 1 :].count(separator) < depth))
        for prefix in prefixes
    )
