"""What differs between kinds of line, as the master sees it: framing, silence, and how a late reply is told apart."""

from __future__ import annotations

from typing import Protocol

from cell.drivers.frames import Match, Request
from cell.drivers.line_statistics import LineStatistics


class Framing(Protocol):
    """One line's bytes. One request at most is out: ``begin``, then ``take`` until it is answered or given up.

    Attributes:
        statistics: of the line; what is thrown away is counted here.
        request_s: how long the request that is out takes on the wire, s.
        whole_s: the same with its reply.
        heard: bytes have come since the request that is out began.
        doubtful: a late reply to an earlier request would fit the one that is out, or was last.
    """

    statistics: LineStatistics
    request_s: float
    whole_s: float
    heard: bool
    doubtful: bool

    def free_s(self, request: Request, now: float, urgent: bool = False) -> float:
        """From when on the line is free for this request; an urgent one waits for nothing but the silence."""
        ...

    def begin(self, request: Request, now: float) -> bytes:
        """The frame of one attempt."""
        ...

    def take(self, data: bytes, now: float) -> Match | None:
        """Bytes that came while a request is out; its reply, when they hold it.

        Raises:
            ConnectionError: the stream is out of step, the connection is of no use any more.
        """
        ...

    def stray(self, data: bytes, now: float) -> None:
        """Bytes that came while none is out. Raises as ``take``."""
        ...

    def give_up(self, now: float) -> bool:
        """The request that is out has had its time; True if something came, but not its reply.

        Raises:
            ConnectionError: nobody is at the other end any more.
        """
        ...

    def forget(self) -> None:
        """The port is gone, and what was under way with it."""
        ...
