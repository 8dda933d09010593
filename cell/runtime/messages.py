"""The modules `std_msgs.msg`, `cell_msgs.srv`, ... and the classes in them, made on first use.

A class is generated when its name is first asked for (PEP 562), so that importing a package costs nothing for the types
that nobody uses. Services and actions are classes that hold their parts (`Request`, `Goal`, ...); an action also gets
the services and the message that rclpy's action protocol sends (`Impl`).
"""

from __future__ import annotations

import threading
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from cell.runtime import interfaces
from cell.runtime.interfaces import Field, FieldType, InterfaceDefinition, InterfaceError, MessageDefinition
from cell.runtime.message_class import InterfaceMeta, make_class

_classes: dict[str, type[Any]] = {}
_lock = threading.RLock()


def interface(name: str) -> type[Any]:
    """The class of `package/kind/Type`; the same object at every call.

    Raises:
        InterfaceError: no such interface, or its definition is not well formed.
    """
    found = _classes.get(name)
    if found is not None:
        return found
    with _lock:
        found = _classes.get(name)
        if found is None:
            package, kind, short = name.split("/")
            # The name of a type has no underscore: what follows one is a part of a service or an action.
            head = short.partition("_")[0]
            if kind == "msg" or head == short:
                _make(interfaces.load(name))
            else:
                interface(f"{package}/{kind}/{head}")
                if short.endswith("_Event") and name.removesuffix("_Event") in _classes:
                    _register(event_definition(name.removesuffix("_Event")))
            found = _classes.get(name)
            if found is None:
                raise InterfaceError(f"no interface {name}")
    return found


def _make(definition: InterfaceDefinition) -> None:
    if definition.kind == "msg":
        _register(definition.parts[0])
    elif definition.kind == "srv":
        _make_service(definition.name, *definition.parts)
    else:
        _make_action(definition)


def _register(definition: MessageDefinition) -> type[Any]:
    made = _classes[definition.name] = make_class(definition, interface)
    return made


class _EventClass:
    """`Service.Event`, the message of service introspection, made when it is first asked for."""

    def __get__(self, instance: object, owner: type[Any]) -> type[Any]:
        return interface(f"{owner._TYPE_NAME}_Event")


def event_definition(name: str) -> MessageDefinition:
    """The message that tells of one step of a call (REP 2012)."""
    return MessageDefinition(
        f"{name}_Event",
        (
            Field("info", FieldType("service_msgs/msg/ServiceEventInfo")),
            Field("request", FieldType(f"{name}_Request", "bounded", 1)),
            Field("response", FieldType(f"{name}_Response", "bounded", 1)),
        ),
    )


def _make_service(name: str, request: MessageDefinition, response: MessageDefinition) -> type[Any]:
    package, kind, short = name.split("/")
    members = {
        "Request": _register(request),
        "Response": _register(response),
        "Event": _EventClass(),
        "__module__": f"{package}.{kind}",
        "__doc__": f"Service {name}.",
        "__slots__": (),
        "_TYPE_NAME": name,
    }
    made = _classes[name] = InterfaceMeta(short, (), members)
    return made


def _make_action(definition: InterfaceDefinition) -> None:
    """Also makes the parts of the action protocol (design.ros2.org, "Actions", sections on services and topics)."""
    name = definition.name
    package, kind, short = name.split("/")
    goal, result, feedback = (_register(part) for part in definition.parts)
    goal_id = Field("goal_id", FieldType("unique_identifier_msgs/msg/UUID"))
    stamp = Field("stamp", FieldType("builtin_interfaces/msg/Time"))

    def structure(suffix: str, *fields: Field) -> MessageDefinition:
        return MessageDefinition(name + suffix, fields)

    send_goal = _make_service(
        f"{name}_SendGoal",
        structure("_SendGoal_Request", goal_id, Field("goal", FieldType(f"{name}_Goal"))),
        structure("_SendGoal_Response", Field("accepted", FieldType("bool")), stamp),
    )
    get_result = _make_service(
        f"{name}_GetResult",
        structure("_GetResult_Request", goal_id),
        structure(
            "_GetResult_Response", Field("status", FieldType("int8")), Field("result", FieldType(f"{name}_Result"))
        ),
    )
    feedback_message = _register(
        structure("_FeedbackMessage", goal_id, Field("feedback", FieldType(f"{name}_Feedback")))
    )
    module = f"{package}.{kind}"
    protocol = {
        "SendGoalService": send_goal,
        "GetResultService": get_result,
        "FeedbackMessage": feedback_message,
        "CancelGoalService": interface("action_msgs/srv/CancelGoal"),
        "GoalStatusMessage": interface("action_msgs/msg/GoalStatusArray"),
        "__module__": module,
        "__qualname__": f"{short}.Impl",
        "__slots__": (),
    }
    members = {
        "Goal": goal,
        "Result": result,
        "Feedback": feedback,
        "Impl": type("Impl", (), protocol),
        "__module__": module,
        "__doc__": f"Action {name}.",
        "__slots__": (),
        "_TYPE_NAME": name,
    }
    _classes[name] = InterfaceMeta(short, (), members)


def find_module(name: str) -> ModuleSpec | None:
    """The spec of `package` or `package.kind`, or None where no such interfaces are found."""
    package, _, kind = name.partition(".")
    if not package.isidentifier():
        return None
    folders = interfaces.package_folders(package)
    if not folders or (kind and not any((folder / kind).is_dir() for folder in folders)):
        return None
    spec = ModuleSpec(name, _InterfaceLoader(), origin=str(folders[0]))  # type: ignore[arg-type]
    # A package without a folder of modules: its children come from the finder again.
    spec.submodule_search_locations = []
    return spec


class _InterfaceLoader:
    """Fills an interface module; its classes are made when they are first asked for.

    No subclass of `importlib.abc.Loader`: importing that module takes longer than all of ours.
    """

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        package, _, kind = module.__name__.partition(".")
        namespace = module.__dict__
        namespace["__cell_interface__"] = True
        namespace["__doc__"] = f"Interfaces of {package}, generated from their definitions."
        if not kind:
            return
        names = interfaces.type_names(package, kind)
        namespace["__all__"] = names

        def get(short: str) -> type[Any]:
            if short.startswith("__"):
                raise AttributeError(short)
            try:
                made = interface(f"{package}/{kind}/{short}")
            except InterfaceError as error:
                if short in names:
                    raise
                raise AttributeError(f"module {module.__name__!r} has no attribute {short!r}") from error
            namespace[short] = made
            return made

        namespace["__getattr__"] = get
        namespace["__dir__"] = lambda: sorted({*namespace, *names})
