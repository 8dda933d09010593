"""Loggers, and the filters of a call site: `once`, `skip_first`, throttling.

What a call site may not change between its calls (the severity, the name, the filters), the order of the filters and
the errors are those of rclpy.
"""

from __future__ import annotations

import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from .._log_levels import levels
from .._log_output import Record, output
from .._rosout_registry import registry
from .logging_severity import LoggingSeverity

if TYPE_CHECKING:
    Context = dict[str, Any]

__all__ = [
    "LoggingFilter",
    "Once",
    "RcutilsLogger",
    "SkipFirst",
    "Throttle",
    "get_filters_from_kwargs",
    "supported_filters",
]

_SYSTEM_CLOCK = object()

# Files whose frames are no callers; a wrapper around the loggers may add its own.
_internal_callers = [__file__, __file__.replace("impl/rcutils_logger", "logging")]


def _find_caller(frame: FrameType) -> FrameType:
    """The first frame outside of rclpy's logging."""
    found: FrameType | None = frame
    while found is not None and any(name in found.f_code.co_filename for name in _internal_callers):
        frame, found = found, found.f_back
    return frame if found is None else found


class LoggingFilter:
    """What decides whether a call is logged; it keeps its state in the context of the call's site."""

    # Its parameters with their defaults; None: required.
    params: ClassVar[dict[str, Any]] = {}

    @classmethod
    def initialize_context(cls, context: Context, **kwargs: Any) -> None:
        """Puts the parameters into the context of a site that calls for the first time.

        Raises:
            TypeError: a required parameter is None.
            ValueError: a parameter is not of the right kind.
        """
        for name, default in cls.params.items():
            context[name] = kwargs.get(name, default)
            if context[name] is None:
                raise TypeError(f'Required parameter "{name}" was not specified for logging filter "{cls.__name__}"')

    @staticmethod
    def should_log(context: Context) -> bool:
        """Whether the call is logged; the context remembers what the next call has to know."""
        return True


class Throttle(LoggingFilter):
    """Lets a call pass when the last one that passed is long enough ago."""

    params: ClassVar[dict[str, Any]] = {"throttle_duration_sec": None, "throttle_time_source_type": _SYSTEM_CLOCK}

    @classmethod
    def initialize_context(cls, context: Context, **kwargs: Any) -> None:
        from rclpy.clock import Clock  # noqa: PLC0415 (clocks need contexts, which need logging)

        super().initialize_context(context, **kwargs)
        clock = context["throttle_time_source_type"]
        if clock is _SYSTEM_CLOCK:
            clock = Clock()
        if not isinstance(clock, Clock):
            raise ValueError(f'Received throttle_time_source_type of "{clock}" is not a clock instance')
        context["throttle_clock"] = clock
        context["throttle_last_logged"] = 0

    @staticmethod
    def should_log(context: Context) -> bool:
        now_ns = context["throttle_clock"].now().nanoseconds
        if now_ns < context["throttle_last_logged"] + context["throttle_duration_sec"] * 1e9:
            return False
        context["throttle_last_logged"] = now_ns
        return True


class SkipFirst(LoggingFilter):
    """Lets all calls pass but the first."""

    params: ClassVar[dict[str, Any]] = {"skip_first": None}

    @classmethod
    def initialize_context(cls, context: Context, **kwargs: Any) -> None:
        super().initialize_context(context, **kwargs)
        context["first_has_been_skipped"] = False

    @staticmethod
    def should_log(context: Context) -> bool:
        skipped: bool = context["first_has_been_skipped"]
        context["first_has_been_skipped"] = True
        return skipped


class Once(LoggingFilter):
    """Lets the first call pass only."""

    params: ClassVar[dict[str, Any]] = {"once": None}

    @classmethod
    def initialize_context(cls, context: Context, **kwargs: Any) -> None:
        super().initialize_context(context, **kwargs)
        context["has_been_logged_once"] = False

    @staticmethod
    def should_log(context: Context) -> bool:
        logged: bool = context["has_been_logged_once"]
        context["has_been_logged_once"] = True
        return not logged


# In the order in which they are asked.
supported_filters: dict[str, type[LoggingFilter]] = {"throttle": Throttle, "skip_first": SkipFirst, "once": Once}
_PARAMETERS = [name for entry in supported_filters.values() for name in entry.params]
_NONE: list[str] = []


def get_filters_from_kwargs(**kwargs: Any) -> list[str]:
    """The filters that keyword arguments ask for.

    Raises:
        TypeError: a required parameter of a filter is missing, or no filter knows a parameter.
    """
    found = []
    for name, entry in supported_filters.items():
        if not any(kwargs.get(parameter) for parameter in entry.params):
            continue
        found.append(name)
        for parameter, default in entry.params.items():
            if default is None and parameter not in kwargs:
                raise TypeError(
                    f'required parameter "{parameter}" not specified but is required for the logging filter "{name}"'
                )
    for parameter in kwargs:
        if parameter not in _PARAMETERS:
            raise TypeError(f'parameter "{parameter}" is not one of the recognized logging options "{_PARAMETERS}"')
    return found


class RcutilsLogger:
    """A logger; children have the parent's name, a dot and their own."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.logger_sublogger_namepair: tuple[str, str] | None = None
        self.contexts: dict[tuple[object, int], Context] = {}
        self._generation = -1
        self._level = 0

    def __del__(self) -> None:
        if self.logger_sublogger_namepair is not None:
            registry.remove_sublogger(*self.logger_sublogger_namepair)

    def get_child(self, name: str) -> RcutilsLogger:
        """A logger below this one; below a node's it is heard on /rosout as long as it lives.

        Raises:
            ValueError: an empty name.
        """
        if not name:
            raise ValueError("Child logger name must not be empty.")
        child = RcutilsLogger(f"{self.name}.{name}" if self.name else name)
        if self.name and registry.add_sublogger(self.name, name):
            child.logger_sublogger_namepair = (self.name, name)
        return child

    def set_level(self, level: LoggingSeverity | int) -> None:
        """Raises ValueError for a number that is no severity."""
        levels.set(self.name, LoggingSeverity(level))

    def get_effective_level(self) -> LoggingSeverity:
        """Its own level, else that of the nearest ancestor that has one."""
        return LoggingSeverity(levels.effective(self.name))

    def is_enabled_for(self, severity: LoggingSeverity | int) -> bool:
        """Whether a record of this severity would be written.

        Raises:
            ValueError: a number that is no severity.
        """
        if self._generation != levels.generation:
            self._generation = levels.generation
            self._level = levels.effective(self.name)
        return severity >= self._level if severity.__class__ is LoggingSeverity else self._enabled(severity)

    def log(self, message: str, severity: LoggingSeverity | int, **kwargs: Any) -> bool:
        """Logs a message; gives whether the level and the filters let it through.

        Args:
            message: the text.
            severity: its severity.
            **kwargs: `name` (of another logger), and the filters of this call site: `once`, `skip_first`,
                `throttle_duration_sec` (s), `throttle_time_source_type` (a clock; by default the system's).

        Raises:
            TypeError: the message is no text, or a filter's parameter is missing or unknown.
            ValueError: the severity, the name or the filters are others than at the last call from the same place.
        """
        if not self.is_enabled_for(severity):
            return False
        name = kwargs.pop("name", self.name) if kwargs else self.name
        filters = get_filters_from_kwargs(**kwargs) if kwargs else _NONE
        frame = _find_caller(sys._getframe(1))
        site = (frame.f_code, frame.f_lasti)
        context = self.contexts.get(site)
        if context is None:
            context = {"name": name, "severity": LoggingSeverity(severity), "filters": filters}
            for entry in filters:
                supported_filters[entry].initialize_context(context, **kwargs)
            self.contexts[site] = context
        else:
            _check_unchanged(context, severity, name, filters, kwargs)
        for entry in filters:
            if not supported_filters[entry].should_log(context):
                return False
        if not isinstance(message, str):
            raise TypeError(f"a log message is a str, not {type(message).__name__}")
        code = frame.f_code
        record = Record(
            context["severity"], name, message, time.time_ns(), code.co_name, code.co_filename, frame.f_lineno
        )
        output.write(record)
        if output.rosout:
            registry.publish(record)
        return True

    def debug(self, message: str, **kwargs: Any) -> bool:
        """`log` with DEBUG."""
        return self.log(message, LoggingSeverity.DEBUG, **kwargs)

    def info(self, message: str, **kwargs: Any) -> bool:
        """`log` with INFO."""
        return self.log(message, LoggingSeverity.INFO, **kwargs)

    def warning(self, message: str, **kwargs: Any) -> bool:
        """`log` with WARN."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def warn(self, message: str, **kwargs: Any) -> bool:
        """`warning`, by the name that it replaced."""
        return self.log(message, LoggingSeverity.WARN, **kwargs)

    def error(self, message: str, **kwargs: Any) -> bool:
        """`log` with ERROR."""
        return self.log(message, LoggingSeverity.ERROR, **kwargs)

    def fatal(self, message: str, **kwargs: Any) -> bool:
        """`log` with FATAL."""
        return self.log(message, LoggingSeverity.FATAL, **kwargs)

    def _enabled(self, severity: int) -> bool:
        return LoggingSeverity(severity) >= self._level


def _check_unchanged(context: Context, severity: int, name: str, filters: list[str], kwargs: Context) -> None:
    if severity != context["severity"]:
        raise ValueError("Logger severity cannot be changed between calls.")
    if name != context["name"]:
        raise ValueError("Logger name cannot be changed between calls.")
    if filters != context["filters"]:
        raise ValueError("Requested logging filters cannot be changed between calls.")
    for entry in filters:
        for key, default in supported_filters[entry].params.items():
            if context[key] != kwargs.get(key, default):
                raise ValueError("Logging filter parameters cannot be changed between calls.")
