"""Where log records are written: the console, /rosout, and a file where one is asked for.

The console follows rcutils: RCUTILS_CONSOLE_OUTPUT_FORMAT, RCUTILS_COLORIZED_OUTPUT, RCUTILS_LOGGING_USE_STDOUT and
RCUTILS_LOGGING_BUFFERED_STREAM, read when logging starts (docs.ros.org, "About logging and logger configuration").
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .impl.logging_severity import LoggingSeverity

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_FORMAT = "[{severity}] [{time}] [{name}]: {message}"
_TOKEN = re.compile(r"\{(\w+)\}|\\([abfnrtv\\'\"])")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COLOURS = {10: "\033[32m", 20: "\033[0m", 30: "\033[33m", 40: "\033[31m", 50: "\033[31m"}
_NORMAL = "\033[0m"


class Record(NamedTuple):
    """One log record; `stamp_ns` is the system's time since 1970."""

    severity: LoggingSeverity
    name: str
    message: str
    stamp_ns: int
    function: str
    file: str
    line: int


Piece = Callable[[Record], str]
_PIECES: dict[str, Piece] = {
    "severity": lambda record: record.severity.name,
    "name": lambda record: record.name,
    "message": lambda record: record.message,
    "function_name": lambda record: record.function,
    "file_name": lambda record: record.file,
    "line_number": lambda record: str(record.line),
    "time": lambda record: f"{record.stamp_ns // 10**9:010d}.{record.stamp_ns % 10**9:09d}",
    "time_as_nanoseconds": lambda record: f"{record.stamp_ns:019d}",
    "date_time_with_ms": lambda record: (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.stamp_ns // 10**9))
        + f".{record.stamp_ns // 10**6 % 1000:03d}"
    ),
}


def formatter(text: str) -> Piece:
    """What makes a line of a record; an unknown token stays as it is written."""
    if text == DEFAULT_FORMAT:
        return lambda record: (
            f"[{record.severity.name}] [{record.stamp_ns // 10**9:010d}.{record.stamp_ns % 10**9:09d}] "
            f"[{record.name}]: {record.message}"
        )
    pieces: list[str | Piece] = []
    end = 0
    for match in _TOKEN.finditer(text):
        token, escape = match.groups()
        pieces.append(text[end : match.start()])
        pieces.append(_ESCAPES.get(escape, escape) if escape else _PIECES.get(token, match[0]))
        end = match.end()
    pieces.append(text[end:])
    return lambda record: "".join(piece if isinstance(piece, str) else piece(record) for piece in pieces)


class Output:
    """The places that records go to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.console = True
        self.rosout = True
        # Upstream writes a file for every process; here only where ROS_LOG_DIR names a place for it.
        self.file_wanted: bool | None = None
        self.file_prefix = ""
        self._file: Any = None
        self._format: Piece | None = None
        self._colour: bool | None = None
        self._use_stdout = False
        self._flush = True

    def start(self) -> None:
        """Reads the environment.

        Raises:
            RuntimeError: a variable holds what it cannot.
        """
        self._colour = _switch("RCUTILS_COLORIZED_OUTPUT")
        self._use_stdout = bool(_switch("RCUTILS_LOGGING_USE_STDOUT"))
        self._flush = _switch("RCUTILS_LOGGING_BUFFERED_STREAM") is not True
        self._format = formatter(os.environ.get("RCUTILS_CONSOLE_OUTPUT_FORMAT") or DEFAULT_FORMAT)

    def stop(self) -> None:
        """Closes the file; the next record reads the environment again."""
        with self._lock:
            self._format = self._colour = None
            self._use_stdout = False
            if self._file:
                self._file.close()
            self._file = None

    def write(self, record: Record) -> None:
        """Writes a record to the console, and to the file where there is one; a closed console is no error."""
        make_line = self._format
        if make_line is None:
            make_line = self._started()
        line = make_line(record)
        if self.console:
            self._to_console(record.severity, line)
        if self._file is None:
            with self._lock:
                if self._file is None:
                    self._file = self._open() or False
        if self._file:
            self._to_file(line)

    def _started(self) -> Piece:
        try:
            self.start()
        except RuntimeError as error:
            self._format = formatter(DEFAULT_FORMAT)
            self._to_console(LoggingSeverity.ERROR, f"[rcutils] error initializing logging: {error}")
        if self._format is None:
            self._format = formatter(DEFAULT_FORMAT)
        return self._format

    def _to_console(self, severity: int, line: str) -> None:
        stream = sys.stdout if self._use_stdout else sys.stderr
        try:
            if self._colour or (self._colour is None and stream.isatty()):
                line = f"{_COLOURS.get(severity, _NORMAL)}{line}{_NORMAL}"
            stream.write(line + "\n")
            if self._flush:
                stream.flush()
        except (AttributeError, OSError, ValueError):
            # No stream (pythonw, a daemon), a closed one or a broken pipe: the program goes on, as with rcutils.
            return

    def _to_file(self, line: str) -> None:
        try:
            with self._lock:
                self._file.write(line + "\n")
                self._file.flush()
        except (AttributeError, OSError, ValueError):
            return

    def _open(self) -> Any:
        wanted = bool(os.environ.get("ROS_LOG_DIR")) if self.file_wanted is None else self.file_wanted
        if not wanted:
            return None
        program = self.file_prefix or os.path.basename(sys.executable) or "python3"  # noqa: PTH119 (a name, no file)
        try:
            folder = directory()
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{program}_{os.getpid()}_{time.time_ns() // 10**6}.log"
            return (folder / name).open("a", encoding="utf-8")
        except OSError as error:
            self._to_console(LoggingSeverity.ERROR, f"Failed to create log file: {error}")
            return None


def directory() -> Path:
    """Where log files belong: ROS_LOG_DIR, else `log` in ROS_HOME, else ~/.ros/log.

    Raises:
        RuntimeError: no home directory is known.
    """
    from pathlib import Path  # noqa: PLC0415 (only for files)

    named = os.environ.get("ROS_LOG_DIR")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("ROS_HOME")
    return (Path(home).expanduser() if home else Path("~/.ros").expanduser()) / "log"


def _switch(name: str) -> bool | None:
    """A variable of rcutils that is 0 or 1; None where it is not set."""
    text = os.environ.get(name, "")
    if not text:
        return None
    if text not in ("0", "1"):
        raise RuntimeError(f"unexpected value [{text}] specified for {name}: it must be 0 or 1")
    return text == "1"


output = Output()

__all__ = ["DEFAULT_FORMAT", "Output", "Record", "directory", "formatter", "output"]
