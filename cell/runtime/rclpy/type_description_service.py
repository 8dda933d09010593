"""The service `~/get_type_description`: what the types are made of that a node publishes, takes, serves or calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .node import Node

__all__ = ["START_TYPE_DESCRIPTION_SERVICE_PARAM", "TypeDescriptionService"]

START_TYPE_DESCRIPTION_SERVICE_PARAM = "start_type_description_service"
_SUFFIX = "get_type_description"


class TypeDescriptionService:
    """Serves a node's type descriptions while its parameter `start_type_description_service` is true."""

    def __init__(self, node: Node) -> None:
        """Raises ValueError where the parameter is no boolean."""
        self._name = f"{node.get_fully_qualified_name()}/{_SUFFIX}"
        self._service: Any = None
        self.enabled = _is_wanted(node)
        if self.enabled:
            from type_description_interfaces.srv import GetTypeDescription  # noqa: PLC0415 (loads on use)

            self._service = node.create_service(GetTypeDescription, self._name, self._answer)

    def destroy(self) -> None:
        if self._service is not None:
            self._service.destroy()
            self._service = None

    @staticmethod
    def _answer(request: Any, response: Any) -> Any:
        from cell.runtime import interfaces, type_description  # noqa: PLC0415 (few ask)
        from cell.runtime.messages import interface  # noqa: PLC0415 (as above)

        try:
            found = interface(request.type_name)
        except (interfaces.InterfaceError, ValueError):
            response.failure_reason = f"Type '{request.type_name}' is not known"
            return response
        known = type_description.type_hash(found)
        if request.type_hash and request.type_hash != known:
            response.failure_reason = (
                f"Type hash '{request.type_hash}' for '{request.type_name}' is not known, only '{known}'"
            )
            return response
        response.type_description = type_description.description_message(found)
        if request.include_type_sources:
            described = response.type_description
            names = [described.type_description.type_name]
            names += [entry.type_name for entry in described.referenced_type_descriptions]
            response.type_sources = _sources(names, interfaces)
        response.successful = True
        return response


def _is_wanted(node: Node) -> bool:
    if not node.has_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM):
        from rcl_interfaces.msg import ParameterDescriptor  # noqa: PLC0415 (message classes load on use)

        descriptor = ParameterDescriptor(
            name=START_TYPE_DESCRIPTION_SERVICE_PARAM,
            type=1,
            description="If enabled, start the ~/get_type_description service.",
            read_only=True,
        )
        node.declare_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM, True, descriptor)
    wanted = node.get_parameter(START_TYPE_DESCRIPTION_SERVICE_PARAM).value
    if not isinstance(wanted, bool):
        raise ValueError(f"Invalid type for parameter '{START_TYPE_DESCRIPTION_SERVICE_PARAM}', should be bool")
    return wanted


def _sources(names: list[str], interfaces: Any) -> list[Any]:
    """The texts of the files; a part that a service or an action implies has none of its own."""
    from type_description_interfaces.msg import TypeSource  # noqa: PLC0415 (message classes load on use)

    sources = []
    for name in names:
        package, kind, short = name.split("/")
        head = short.partition("_")[0]
        text, encoding = "", "implicit"
        if kind == "msg" or head == short:
            file = interfaces.load(f"{package}/{kind}/{head}").file
            text, encoding = file.read_text(encoding="utf-8"), kind
        sources.append(TypeSource(type_name=name, encoding=encoding, raw_file_contents=text))
    return sources
