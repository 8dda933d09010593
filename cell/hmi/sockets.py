"""The two streams of the page: snapshots, and pictures on demand.

A page says "next" when it has shown what it got. A picture is sent only then. Snapshots are pushed, but once a page has
said "next" it gets no further one before it says so again: a browser that is starved would otherwise queue them inside
itself, where no buffer of ours is seen to fill, and show old ones as new.
"""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from cell.hmi.feed import PictureFeed, SnapshotFeed

MAX_SOCKETS: Final = 64
"""WebSockets at a time, two for each page; more are turned away rather than slowing the cell."""

SEND_TIMEOUT_S: Final = 15.0
"""A page that takes nothing for so long is gone; its socket is given up."""

TRY_AGAIN_LATER: Final = 1013
"""WebSocket close code (IANA registry)."""

GONE = (WebSocketDisconnect, asyncio.CancelledError, asyncio.TimeoutError)
"""How a stream ends when the page leaves: none of these is a fault."""


class _Asks:
    """What a page said: ``open`` is set while a "next" is not answered, ``heard`` once there was one."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.heard = False

    def hear(self) -> None:
        self.heard = True
        self.open.set()


async def _push_snapshots(socket: WebSocket, feed: SnapshotFeed, asks: _Asks) -> None:
    version = 0
    while True:
        if asks.heard:
            await asks.open.wait()
        frame = await feed.after(version)
        asks.open.clear()
        # This waits while the page's buffers are full; what changes meanwhile goes out as one frame afterwards.
        await asyncio.wait_for(socket.send_text(frame.since(version)), SEND_TIMEOUT_S)
        version = frame.version


async def _push_pictures(socket: WebSocket, feed: PictureFeed, asks: _Asks) -> None:
    sequence: int | None = None
    while True:
        await asks.open.wait()
        picture = await feed.after(sequence)
        asks.open.clear()
        await asyncio.wait_for(socket.send_bytes(picture.jpeg), SEND_TIMEOUT_S)
        sequence = picture.sequence


async def _take_asks(socket: WebSocket, asks: _Asks) -> None:
    """Take what the page sends, until it leaves; whatever it says means "next"."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        asks.hear()


def add_sockets(app: FastAPI, snapshots: SnapshotFeed, pictures: PictureFeed) -> None:
    """Add ``/ws`` (snapshots) and ``/ws/picture`` (a JPEG for each message that the page sends)."""
    open_sockets: set[WebSocket] = set()

    async def serve(socket: WebSocket, *, with_pictures: bool) -> None:
        if len(open_sockets) >= MAX_SOCKETS:
            await socket.close(TRY_AGAIN_LATER)
            return
        open_sockets.add(socket)
        try:
            await socket.accept()
            await converse(socket, with_pictures=with_pictures)
        finally:
            open_sockets.discard(socket)

    async def converse(socket: WebSocket, *, with_pictures: bool) -> None:
        asks = _Asks()
        pushing = _push_pictures(socket, pictures, asks) if with_pictures else _push_snapshots(socket, snapshots, asks)
        tasks = [asyncio.ensure_future(pushing), asyncio.ensure_future(_take_asks(socket, asks))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            # A view that raises ends the stream and shows in the log, as in a request.
            if isinstance(result, BaseException) and not isinstance(result, GONE):
                raise result

    @app.websocket("/ws")
    async def state_socket(socket: WebSocket) -> None:
        await serve(socket, with_pictures=False)

    @app.websocket("/ws/picture")
    async def picture_socket(socket: WebSocket) -> None:
        await serve(socket, with_pictures=True)
