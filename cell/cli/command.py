"""One command of ``cell``: what it must offer, and the argument types that commands share.

Another package adds a command by an entry point in the group ``cellwright.commands``: its name is the words after
``cell`` ("eval detector"), its value a class without arguments that fits ``Command``.
"""

from __future__ import annotations

import argparse
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from cell.report import check_writable
from perception.errors import InputError

OVERKILL: Final = (0.01, 0.20)
"""The rates of false rejects for which a model's card holds thresholds."""


class Command(Protocol):
    """A command.

    Attributes:
        help: one line for ``cell --help``, without a full stop.
        example: one or more lines that a person can paste; ends the command's own ``--help``.
    """

    help: str
    example: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare arguments. Nothing heavy is imported here."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit status.

        Raises:
            InputError: wrong input; printed as one line, exit status 2.
        """
        ...


def positive_int(text: str) -> int:
    """A whole number from 1."""
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return value


def natural_int(text: str) -> int:
    """A whole number from 0."""
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return value


def positive_float(text: str) -> float:
    """A finite number above 0."""
    value = _number(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text!r}")
    return value


def speed(text: str) -> float:
    """How many simulated seconds pass in a real one; 0 means lockstep, as fast as it can."""
    value = _number(text)
    if value < 0.0:
        raise argparse.ArgumentTypeError(f"must be 0 (as fast as it can) or above, not {text!r}")
    return value


def overkill(text: str) -> float:
    """The share of good parts that may be rejected, a fraction."""
    low, high = OVERKILL
    value = _number(text)
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must be a fraction from {low:.2f} to {high:.2f}, not {text!r}")
    return value


def port_number(text: str) -> int:
    """A TCP port; 0 takes any free one."""
    value = _whole(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return value


def existing_file(text: str) -> Path:
    """A file that can be read."""
    if stat.S_ISDIR(_mode(text)):
        raise argparse.ArgumentTypeError(f"{text} is a folder, not a file")
    return _readable(text, os.R_OK)


def existing_dir(text: str) -> Path:
    """A folder that can be read."""
    if not stat.S_ISDIR(_mode(text)):
        raise argparse.ArgumentTypeError(f"{text} is a file, not a folder")
    return _readable(text, os.R_OK | os.X_OK)


def existing_path(text: str) -> Path:
    """A file or a folder that can be read."""
    return existing_dir(text) if stat.S_ISDIR(_mode(text)) else existing_file(text)


def output_file(text: str) -> Path:
    """A file to write: its folder exists and takes files. Asked before any work, so that no result is lost after it."""
    try:
        check_writable(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def one_of(*words: str) -> Callable[[str], str]:
    """A word out of a list, with the nearest one named when it is misspelt."""

    def parse(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(words)}, not {text!r}")
        return text

    return parse


def _mode(text: str) -> int:
    try:
        return Path(text).stat().st_mode if text else 0
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(f"{text} does not exist") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise argparse.ArgumentTypeError(f"{text} cannot be read ({reason})") from None


def _readable(text: str, wanted: int) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("needs a name, not an empty one")
    if not os.access(text, wanted):
        raise argparse.ArgumentTypeError(f"{text} cannot be read (no permission)")
    return Path(text)


def _whole(text: str) -> int:
    try:
        return int(text, 10)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")
    return value
