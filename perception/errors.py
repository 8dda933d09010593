"""The one error that means "what you gave us is wrong", shared by every package."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Wrong input from outside: a file, a flag, a device. The command line prints it as one line and exits 2.

    Args:
        message: what is wrong, in words, without a trailing full stop.
        file: the file at fault, if there is one.
        line: its line, counted from 1.
        key: the dotted key or the flag, for example ``gripper.port``.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        self.message = " ".join(str(message).split())
        self.file = str(file) if file is not None else None
        self.line = line
        self.key = key
        where = self.file or ""
        if self.file and line is not None:
            where += f":{line}"
        super().__init__(": ".join(part for part in (where, key, self.message) if part))
