"""The severities of log records."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["LoggingSeverity"]


class LoggingSeverity(IntEnum):
    """Severities, with the numbers of rcutils."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50
