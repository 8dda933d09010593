"""What is said on a Grbl 1.1 serial port, without I/O: lines out and their answers, real-time characters, reports.

Source: Grbl v1.1 documentation, "Interface" and "Jogging" [V]. A line is answered by ``ok`` or ``error:N``; ``?`` (a
status report), ``!``, ``0x18`` (soft reset) and ``0x85`` (jog cancel) are single characters that are obeyed at once and
not answered by a line. A controller that was reset says ``Grbl 1.1h ['$' for help]``, one that has stopped for its own
reasons ``ALARM:N``; it then takes nothing but ``$X`` behind a reset.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

STATUS_QUERY: Final = b"?"
JOG_CANCEL: Final = b"\x85"
SOFT_RESET: Final = b"\x18"
# Longer than any line of Grbl's; what is longer without an end is noise.
MOST_LINE: Final = 256

_REPORT = re.compile(r"<([A-Za-z]+)(?::\d+)?((?:\|[^|<>]*)*)>")
_NUMBER = r"-?\d+(?:\.\d+)?"
_POSITION = re.compile(rf"[MW]Pos:({_NUMBER})(?:,{_NUMBER})*")
_FEED = re.compile(rf"FS?:({_NUMBER})(?:,{_NUMBER})?")


@dataclass(frozen=True, slots=True)
class Report:
    """A status report: the state's word, the first axis in mm, the feed in mm/min."""

    state: str
    position_mm: float
    feed_mm_min: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """The controller has stopped for its own reasons."""

    code: int


@dataclass(frozen=True, slots=True)
class Answer:
    """To the oldest line that is not yet answered; ``error`` 0: it was taken."""

    error: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """It was reset."""

    version: str


@dataclass(frozen=True, slots=True)
class Version:
    """What it is, asked by ``$I``."""

    version: str


Said = Report | Alarm | Answer | Welcome | Version


def parse(line: str) -> Said | None:
    """One line; None: nothing that matters here (``[MSG:...]``, an empty line), or nothing that Grbl says."""
    if line == "ok":
        return Answer(0)
    if line.startswith("<"):
        return _report(line)
    for word, kind in (("error:", Answer), ("ALARM:", Alarm)):
        if line.startswith(word) and line[len(word) :].isascii() and line[len(word) :].isdigit():
            return kind(int(line[len(word) :][:4]))
    if line.startswith("Grbl "):
        return Welcome(line.split()[1])
    if line.startswith("[VER:") and line.endswith("]"):
        return Version(line[5:-1])
    return None


def _report(line: str) -> Report | None:
    whole = _REPORT.fullmatch(line)
    if whole is None:
        return None
    position_mm: float | None = None
    feed_mm_min = 0.0
    for part in whole.group(2).split("|"):
        if (found := _POSITION.fullmatch(part)) is not None:
            position_mm = float(found.group(1))
        elif (found := _FEED.fullmatch(part)) is not None:
            feed_mm_min = float(found.group(1))
    return None if position_mm is None else Report(whole.group(1), position_mm, feed_mm_min)


class Lines:
    """Cuts what comes in into lines, and gives each answer to the line that it belongs to.

    Args:
        say: told everything else that was said.
    """

    def __init__(self, say: Callable[[Said], None]) -> None:
        self.noise_bytes = 0
        self._say = say
        self._received = bytearray()
        self._pending: deque[tuple[Callable[[int], None], float]] = deque()

    @property
    def pending(self) -> int:
        """Lines that are not yet answered."""
        return len(self._pending)

    @property
    def oldest_s(self) -> float | None:
        """Since when the oldest of them waits."""
        return self._pending[0][1] if self._pending else None

    def sent(self, on_answer: Callable[[int], None], now: float) -> None:
        """A line went out; ``on_answer`` is told the number of its error, 0: none."""
        self._pending.append((on_answer, now))

    def forget(self) -> None:
        """What was sent will not be answered any more."""
        self._pending.clear()

    def feed(self, data: bytes) -> None:
        """Bytes that came."""
        self._received += data
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._take(line)
        if len(self._received) > MOST_LINE:
            self.noise_bytes += len(self._received)
            self._received.clear()

    def _take(self, line: bytes) -> None:
        try:
            said = parse(line.decode("ascii").strip())
        except UnicodeDecodeError:
            self.noise_bytes += len(line)
            return
        if isinstance(said, Answer):
            if self._pending:
                self._pending.popleft()[0](said.error)
        elif said is not None:
            if isinstance(said, Welcome | Alarm):
                self._pending.clear()
            self._say(said)
