"""The two services by which others read and set the levels of a process's loggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import logging
from .impl.logging_severity import LoggingSeverity
from .qos import qos_profile_services_default

if TYPE_CHECKING:
    from .node import Node

__all__ = ["LoggingService"]


class LoggingService:
    """`~/get_logger_levels` and `~/set_logger_levels` of a node that was made with `enable_logger_service`."""

    def __init__(self, node: Node) -> None:
        from rcl_interfaces.srv import GetLoggerLevels, SetLoggerLevels  # noqa: PLC0415 (message classes load on use)

        name = node.get_name()
        for interface, service, callback in (
            (GetLoggerLevels, "get_logger_levels", self._get_logger_levels),
            (SetLoggerLevels, "set_logger_levels", self._set_logger_levels),
        ):
            node.create_service(interface, f"{name}/{service}", callback, qos_profile=qos_profile_services_default)

    def _get_logger_levels(self, request: Any, response: Any) -> Any:
        from rcl_interfaces.msg import LoggerLevel  # noqa: PLC0415 (message classes load on use)

        for name in request.names:
            try:
                level = logging.get_logger_level(name)
            except RuntimeError:
                level = LoggingSeverity.UNSET
            response.levels.append(LoggerLevel(name=name, level=int(level)))
        return response

    def _set_logger_levels(self, request: Any, response: Any) -> Any:
        from rcl_interfaces.msg import SetLoggerLevelsResult  # noqa: PLC0415 (message classes load on use)

        for entry in request.levels:
            result = SetLoggerLevelsResult(successful=True)
            try:
                logging.set_logger_level(entry.name, entry.level, detailed_error=True)
            except ValueError:
                result = SetLoggerLevelsResult(successful=False, reason="Failed reason: Invalid logger level.")
            except RuntimeError as error:
                result = SetLoggerLevelsResult(successful=False, reason=str(error))
            response.results.append(result)
        return response
