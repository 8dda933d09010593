"""Loggers by name, their levels, and where their records go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._log_levels import levels
from ._log_output import directory, output
from .impl.logging_severity import LoggingSeverity
from .impl.rcutils_logger import RcutilsLogger

if TYPE_CHECKING:
    from pathlib import Path

    from ._arguments import Arguments

__all__ = [
    "LoggingSeverity",
    "RcutilsLogger",
    "clear_config",
    "get_logger",
    "get_logger_effective_level",
    "get_logger_level",
    "get_logging_directory",
    "get_logging_severity_from_string",
    "initialize",
    "set_logger_level",
    "shutdown",
]

_root_logger = RcutilsLogger()


def get_logger(name: str) -> RcutilsLogger:
    """The logger of a name.

    Raises:
        ValueError: an empty name.
    """
    if not name:
        raise ValueError("Logger name must not be empty.")
    return _root_logger.get_child(name)


def initialize() -> None:
    """Reads the environment; a first record does so by itself.

    Raises:
        RuntimeError: a variable holds what it cannot.
    """
    output.start()


def shutdown() -> None:
    """Forgets all levels, and closes the file."""
    levels.clear()
    output.stop()


def clear_config() -> None:
    """Forgets all levels, and reads the environment again.

    Raises:
        RuntimeError: as `initialize`.
    """
    shutdown()
    initialize()


def set_logger_level(name: str, level: LoggingSeverity | int, detailed_error: bool = False) -> None:
    """Sets the level of a logger and of those below it; the empty name is the root.

    Raises:
        ValueError: a number that is no severity.
    """
    levels.set(name, LoggingSeverity(level))


def get_logger_level(name: str) -> LoggingSeverity:
    """The level that was set for exactly this name; UNSET where none was."""
    return LoggingSeverity(levels.get(name))


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """The level that counts for a logger: its own, else that of the nearest ancestor that has one."""
    return LoggingSeverity(levels.effective(name))


def get_logging_severity_from_string(log_severity: str) -> LoggingSeverity:
    """The severity of a name, in letters of either case.

    Raises:
        RuntimeError: a name that is no severity.
    """
    found = LoggingSeverity.__members__.get(log_severity.upper())
    if found is None:
        raise RuntimeError(f"failed to get log severity from name: {log_severity!r} is no severity")
    return found


def get_logging_directory() -> Path:
    """Where log files belong: ROS_LOG_DIR, else `log` in ROS_HOME, else ~/.ros/log.

    The embedded runtime writes a file only where ROS_LOG_DIR is set or `--enable-external-lib-logs` is given.

    Raises:
        RuntimeError: no home directory is known.
    """
    return directory()


def _configure(arguments: Arguments) -> None:
    """Takes the levels and places from a command line."""
    for name, level in arguments.log_levels.items():
        levels.set(name, level)
    output.console = arguments.stdout_logs is not False
    output.rosout = arguments.rosout_logs is not False
    output.file_wanted = arguments.external_lib_logs
    output.file_prefix = arguments.log_file_name
