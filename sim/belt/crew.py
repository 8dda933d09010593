"""Threads that share out one piece of work after another, in a few microseconds."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue

Span = tuple[int, int]
Job = Callable[[int, int], None]
Work = tuple[Job, "deque[Span]", "SimpleQueue[BaseException | None]"]


class Crew:
    """The calling thread and some more; whoever is free takes the next span.

    On a busy machine the others may come late: then the caller has done most of it, and waits for no one that has
    nothing in hand.

    Args:
        more: threads besides the caller.
    """

    def __init__(self, more: int) -> None:
        self._calls: list[SimpleQueue[Work | None]] = [SimpleQueue() for _ in range(more)]
        for call in self._calls:
            threading.Thread(target=_serve, args=(call,), name="belts", daemon=True).start()

    def run(self, job: Job, spans: Iterable[Span]) -> None:
        """Do the job on every span; back when all are done."""
        left = deque(spans)
        others = len(left)
        done: SimpleQueue[BaseException | None] = SimpleQueue()
        for call in self._calls:
            call.put((job, left, done))
        while left:
            try:
                low, high = left.popleft()
            except IndexError:
                break
            job(low, high)
            others -= 1
        for _ in range(others):
            error = done.get()
            if error is not None:
                raise error

    def close(self) -> None:
        """End the threads."""
        for call in self._calls:
            call.put(None)
        self._calls = []


def _serve(calls: SimpleQueue[Work | None]) -> None:
    while (work := calls.get()) is not None:
        job, left, done = work
        while left:
            try:
                low, high = left.pop()  # from the other end: each core finds its belts in its own cache
            except IndexError:
                break
            try:
                job(low, high)
            except BaseException as error:  # the caller raises it
                done.put(error)
            else:
                done.put(None)
