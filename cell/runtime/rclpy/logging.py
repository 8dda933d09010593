"""Loggers: levels by name, and filters for a call site (`once`, `skip_first`, throttling)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from .clock import Clock

__all__ = [
    "LoggingSeverity",
    "RcutilsLogger",
    "clear_config",
    "get_logger",
    "get_logger_effective_level",
    "get_logger_level",
    "get_logging_severity_from_string",
    "initialize",
    "set_logger_level",
    "shutdown",
]


class LoggingSeverity(IntEnum):
    """Severities, as in rcutils."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


Sink = Callable[["LoggingSeverity", str, str, FrameType], None]

_levels: dict[str, int] = {}
_lock = threading.Lock()
# Where records go beside stderr: a node with enable_rosout adds /rosout for its logger's name.
_sinks: dict[str, list[Sink]] = {}


class _Site:
    """What a call site remembers between its calls."""

    __slots__ = ("last_ns", "once", "skipped")

    def __init__(self) -> None:
        self.once = False
        self.skipped = False
        self.last_ns: int | None = None


class RcutilsLogger:
    """A logger; children have the parent's name, a dot and their own."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._sites: dict[tuple[Any, int], _Site] = {}

    def get_child(self, name: str) -> RcutilsLogger:
        """A logger below this one.

        Raises:
            ValueError: an empty name.
        """
        if not name:
            raise ValueError("Child logger name must not be empty.")
        return RcutilsLogger(f"{self.name}.{name}" if self.name else name)

    def set_level(self, level: LoggingSeverity | int) -> None:
        set_logger_level(self.name, level)

    def get_effective_level(self) -> LoggingSeverity:
        return get_logger_effective_level(self.name)

    def is_enabled_for(self, severity: LoggingSeverity | int) -> bool:
        return severity >= _effective(self.name)

    def debug(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.DEBUG, kwargs)

    def info(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.INFO, kwargs)

    def warning(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.WARN, kwargs)

    def warn(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.WARN, kwargs)

    def error(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.ERROR, kwargs)

    def fatal(self, message: str, **kwargs: Any) -> bool:
        return self._log(message, LoggingSeverity.FATAL, kwargs)

    def log(self, message: str, severity: LoggingSeverity | int, name: str | None = None, **kwargs: Any) -> bool:
        """Logs a message; gives whether it passed the level and the filters.

        `once`, `skip_first`, `throttle_duration_sec` and `throttle_time_source_type` (a clock) count per call site.
        """
        return self._log(message, LoggingSeverity(severity), kwargs, name)

    def _log(self, message: str, severity: LoggingSeverity, filters: dict[str, Any], name: str | None = None) -> bool:
        if severity < _effective(self.name):
            return False
        frame = sys._getframe(2)
        if filters and not self._passes(frame, filters):
            return False
        logger = self.name if name is None else name
        _emit(severity, logger, str(message))
        for sink in _sinks.get(self.name.partition(".")[0], ()) if _sinks else ():
            sink(severity, logger, str(message), frame)
        return True

    def _passes(self, frame: FrameType, filters: dict[str, Any]) -> bool:
        unknown = set(filters) - {"once", "skip_first", "throttle_duration_sec", "throttle_time_source_type"}
        if unknown:
            raise TypeError(f"unknown logging filters: {', '.join(sorted(unknown))}")
        if "throttle_time_source_type" in filters and "throttle_duration_sec" not in filters:
            raise TypeError("required parameter 'throttle_duration_sec' not specified")
        site = self._sites.setdefault((frame.f_code, frame.f_lasti), _Site())
        if filters.get("skip_first") and not site.skipped:
            site.skipped = True
            return False
        if filters.get("throttle_duration_sec") is not None:
            clock: Clock | None = filters.get("throttle_time_source_type")
            now_ns = time.monotonic_ns() if clock is None else clock.now().nanoseconds
            if site.last_ns is not None and 0 <= now_ns - site.last_ns < filters["throttle_duration_sec"] * 1e9:
                return False
            site.last_ns = now_ns
        if filters.get("once"):
            if site.once:
                return False
            site.once = True
        return True


_root = RcutilsLogger()


def get_logger(name: str) -> RcutilsLogger:
    """The logger of a name.

    Raises:
        ValueError: an empty name.
    """
    if not name:
        raise ValueError("Logger name must not be empty.")
    return _root.get_child(name)


def initialize() -> None:
    """There is nothing to set up; kept for programs that call it."""


def shutdown() -> None:
    """There is nothing to tear down; kept for programs that call it."""


def clear_config() -> None:
    """Forgets all levels."""
    _levels.clear()


def set_logger_level(name: str, level: LoggingSeverity | int, detailed_error: bool = False) -> bool:
    """Sets the level of a logger and of those below it; the empty name is the root."""
    with _lock:
        _levels[name] = int(LoggingSeverity(level))
    return True


def get_logger_level(name: str) -> LoggingSeverity:
    """The level that was set for exactly this name; UNSET where none was."""
    return LoggingSeverity(_levels.get(name, 0))


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """The level that counts for a logger: its own, else that of the nearest parent."""
    return LoggingSeverity(_effective(name))


def get_logging_severity_from_string(log_severity: str) -> LoggingSeverity:
    """Raises KeyError for a name that is no severity."""
    return LoggingSeverity[log_severity.upper()]


def _effective(name: str) -> int:
    if not _levels:
        return 20
    while name:
        level = _levels.get(name)
        if level:
            return level
        name = name.rpartition(".")[0]
    return _levels.get("") or 20


def _apply_levels(levels: dict[str, int]) -> None:
    for name, level in levels.items():
        set_logger_level(name, level)


def _emit(severity: LoggingSeverity, name: str, message: str) -> None:
    """rcutils' default form, on stderr: `[INFO] [seconds.nanoseconds] [name]: message`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    stream: TextIO = sys.stderr
    stream.write(f"[{severity.name}] [{seconds}.{nanoseconds:09d}] [{name}]: {message}\n")
    stream.flush()
