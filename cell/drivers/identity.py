"""Whether the device that answers is the one that the config means, asked anew whenever it may have been exchanged.

A driver tells its bus how to know its device (``bus.identify(Identity(request, wrong))``). From then on the bus asks
before anything else: at the start, when the port was opened anew, and when the device has been silent. Until the answer
is right no value of it counts and no command goes out; a wrong one is an error in words, and is asked again now and
then, in case somebody puts the right device back.

A stop is different. To a device that merely fell silent it goes out at once; behind a port that was opened anew it
waits for the answer, and goes out without one if nobody answers. Only to a device that is known to be another one it
is not sent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from cell.drivers.frames import Request
from cell.drivers.modbus import QUEUE_LIMIT, Done, Failure, Priority, Reply


@dataclass(frozen=True, slots=True)
class Identity:
    """How a driver knows its device.

    Attributes:
        request: a read that changes nothing and that every device of the model answers.
        wrong: None if these registers are the model's, else one line on what answers instead.
    """

    request: Request
    wrong: Callable[[tuple[int, ...]], str | None]


@dataclass(frozen=True, slots=True)
class Submission:
    """A request that somebody handed in."""

    request: Request
    on_done: Done
    priority: Priority
    key: Hashable
    retries: int | None


class Standing(enum.Enum):
    """What is known of who answers."""

    UNKNOWN = enum.auto()
    ASKED = enum.auto()
    RIGHT = enum.auto()
    WRONG = enum.auto()


@dataclass(slots=True)
class Guard:
    """Keeps requests to one unit back until its identity is known.

    Attributes:
        standing: what is known.
        words: what is wrong.
        reopened: the port was opened anew since the device was known.
        waiting: requests that were handed in meanwhile, in their order.
    """

    identity: Identity
    standing: Standing = Standing.UNKNOWN
    words: str | None = None
    reopened: bool = True
    waiting: list[Submission] = field(default_factory=list)

    def admits(self, priority: Priority) -> bool:
        """A request of this priority may go out now."""
        if self.standing is Standing.RIGHT:
            return True
        return priority is Priority.STOP and self.standing is not Standing.WRONG and not self.reopened

    def hold(self, item: Submission, now: float) -> None:
        """Keep a request until the identity is known, or end it at once."""
        if self.standing is Standing.WRONG:
            item.on_done(self.refusal(item.request, now))
        elif len(self.waiting) >= QUEUE_LIMIT and item.priority is not Priority.STOP:
            item.on_done(Reply(item.request, now, failure=Failure.QUEUE_FULL))
        else:
            self.waiting.append(item)

    def judge(self, reply: Reply, now: float) -> list[Submission]:
        """The answer to the question, or that there is none. Returns what may go out now; ends what may not."""
        waiting, self.waiting = self.waiting, []
        if reply.ok:
            self.words = self.identity.wrong(reply.values)
        elif reply.failure is Failure.EXCEPTION:
            self.words = f"another device answers: it refuses to say what it is (code {reply.exception})"
        else:
            self.standing = Standing.UNKNOWN
            for item in waiting:
                if item.priority is not Priority.STOP:
                    item.on_done(Reply(item.request, now, failure=reply.failure))
            return [item for item in waiting if item.priority is Priority.STOP]
        if self.words is not None:
            self.standing = Standing.WRONG
            for item in waiting:
                item.on_done(self.refusal(item.request, now))
            return []
        self.standing = Standing.RIGHT
        self.reopened = False
        return waiting

    def refusal(self, request: Request, now: float) -> Reply:
        """How a request to the wrong device ends."""
        return Reply(request, now, failure=Failure.UNIDENTIFIED, detail=f"the wrong device answers: {self.words}")

    def doubt(self) -> None:
        """The device fell silent: it may have been exchanged."""
        if self.standing is Standing.RIGHT:
            self.standing = Standing.UNKNOWN

    def forget(self, failure: Failure, now: float) -> None:
        """The port is gone: whoever answers at the next one is unknown."""
        self.standing, self.reopened, self.words = Standing.UNKNOWN, True, None
        waiting, self.waiting = self.waiting, []
        for item in waiting:
            item.on_done(Reply(item.request, now, failure=failure))
