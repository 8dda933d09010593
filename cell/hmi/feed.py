"""What flows from the cell to many pages, made once for all of them and only while somebody looks.

Both feeds are pulled: a page asks for something newer than what it has and gets the latest. A slow page therefore
misses intermediate states, holds nothing in memory, and delays nobody. They live in the server's event loop and need no
lock; the cell itself is asked in a worker thread, so that a view which waits for the graph cannot stop the loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from cell.hmi.view import CellView, Picture

SNAPSHOT_PERIOD_S: Final = 0.2
"""Five times a second: quick for an eye, light for the cell PC."""

PICTURE_PERIOD_S: Final = 0.2
"""Every second frame of a camera at 10 frames/s: enough to follow a part by eye, half the encoding."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One snapshot as JSON texts by key, each with the version in which it last changed."""

    version: int
    texts: dict[str, str]
    changed: dict[str, int]
    age_s: float

    def since(self, version: int) -> str:
        """A JSON object with the keys that changed after ``version``; 0 gives all of them."""
        return "{" + ",".join(t for k, t in self.texts.items() if self.changed[k] > version) + "}"


class SnapshotFeed:
    """Snapshots at a bounded rate, whatever the number of pages that ask."""

    def __init__(self, cell: CellView, workers: Executor, clock: Callable[[], float]) -> None:
        self._cell = cell
        self._workers = workers
        self._clock = clock
        self._frame: Frame | None = None
        self._taken_s = 0.0
        self._asking: asyncio.Task[Frame] | None = None

    async def latest(self) -> Frame:
        """The newest frame, at most one period old. All who wait for a new one share one question to the cell."""
        if self._frame is not None and self._clock() - self._taken_s < SNAPSHOT_PERIOD_S:
            return self._frame
        return await self._ask()

    async def after(self, version: int) -> Frame:
        """Wait until the period is over, then give a frame newer than ``version``."""
        frame = await self.latest()
        while frame.version <= version:
            await asyncio.sleep(max(0.0, self._taken_s + SNAPSHOT_PERIOD_S - self._clock()))
            frame = await self.latest()
        return frame

    async def _ask(self) -> Frame:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._take())
        # Shielded: a page that leaves must not cancel the question that others wait for.
        return await asyncio.shield(self._asking)

    async def _take(self) -> Frame:
        loop = asyncio.get_running_loop()
        snapshot = await loop.run_in_executor(self._workers, self._cell.snapshot)
        before = self._frame
        version = before.version + 1 if before else 1
        texts = {
            key: f"{json.dumps(key)}:{json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False)}"
            for key, value in snapshot.items()
        }
        changed = {
            key: before.changed[key] if before and before.texts.get(key) == text else version
            for key, text in texts.items()
        }
        self._frame = Frame(version, texts, changed, float(snapshot["age_s"]))
        self._taken_s = self._clock()
        return self._frame


class PictureFeed:
    """Pictures at a bounded rate; the cell encodes one only when somebody asks for a newer one."""

    def __init__(self, cell: CellView, workers: Executor, clock: Callable[[], float]) -> None:
        self._cell = cell
        self._workers = workers
        self._clock = clock
        self._picture: Picture | None = None
        self._asked_s = -PICTURE_PERIOD_S
        self._asking: asyncio.Task[None] | None = None

    async def latest(self) -> Picture | None:
        """The newest picture, at most one period old, or None before the first."""
        if self._clock() - self._asked_s >= PICTURE_PERIOD_S:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.ensure_future(self._take())
            await asyncio.shield(self._asking)
        return self._picture

    async def after(self, sequence: int | None) -> Picture:
        """Wait for a picture other than number ``sequence`` (a restarted camera counts from the beginning again)."""
        picture = await self.latest()
        while picture is None or picture.sequence == sequence:
            await asyncio.sleep(max(0.0, self._asked_s + PICTURE_PERIOD_S - self._clock()))
            picture = await self.latest()
        return picture

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        self._asked_s = self._clock()
        self._picture = await loop.run_in_executor(self._workers, self._cell.picture)
