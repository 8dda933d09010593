"""A connection to one other process: what waits to be sent, and what arrives."""

from __future__ import annotations

import _socket as socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cell.runtime.machine.frames import DATAGRAM_BYTES, FRAME_LIMIT_BYTES, HEAD, LAST, PART, PART_BYTES

if TYPE_CHECKING:
    from cell.runtime.pump import Pump

# How many datagrams are read before other connections have their turn.
_BURST = 64
# Datagrams that follow each other faster than that are read together, ns.
_DENSE_NS = 20_000
_SEND_BUFFER_BYTES = 1 << 20


class Link:
    """Sends without ever blocking. What the peer does not take yet waits here.

    Of one writer's messages at most as many wait as its readers keep, then the oldest goes.
    """

    def __init__(
        self,
        connection: socket.socket,
        pump: Pump,
        on_end: Callable[[Link], None],
    ) -> None:
        """`on_end` is called in the pump."""
        self._socket = connection
        self._send = connection.send
        self._fileno = connection.fileno()
        self._pump = pump
        self._on_end = on_end
        self._lock = threading.Lock()
        # What waits, in its order: a frame, or the number of a writer whose oldest frame is meant.
        self._waiting: deque[bytes | int] = deque()
        self._held: dict[int, deque[bytes]] = {}
        self._rest = memoryview(b"")
        self._broken = False
        self._parts = bytearray()
        self._last_ns = 0
        connection.setblocking(False)
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def listen(self, on_frame: Callable[[bytes], None]) -> None:
        """Calls `on_frame` in the pump for each frame from now on."""
        self._on_frame = on_frame
        self._pump.attach(self._fileno, self._read)

    @property
    def waiting(self) -> int:
        """How many frames the peer has not taken yet."""
        return len(self._waiting)

    def send(self, data: bytes) -> None:
        """Sends a frame that must not be lost; from any thread."""
        with self._lock:
            if self._sent(data):
                return
            self._waiting.append(data)
            self._flush()

    def send_message(self, data: bytes, number: int, depth: int) -> None:
        """Sends a message of the writer `number`; while the peer does not take it, only the last `depth` wait."""
        with self._lock:
            if not self._waiting and not self._rest and len(data) <= DATAGRAM_BYTES:
                try:
                    self._send(data)
                    return
                except BlockingIOError:
                    pass
                except OSError:
                    # The peer is gone; reading says so, too.
                    self._broken = True
            if self._broken:
                return
            held = self._held.setdefault(number, deque())
            held.append(data)
            if len(held) > depth:
                # It has a place for each of its frames already: the new one comes in the place of the oldest.
                held.popleft()
            else:
                self._waiting.append(number)
            self._flush()

    def withdraw(self, data: bytes) -> bool:
        """Takes back a frame that still waits; False where it is gone."""
        with self._lock:
            try:
                self._waiting.remove(data)
            except ValueError:
                return False
            return True

    def close(self) -> None:
        """Ends the connection; `on_end` is not called."""
        with self._lock:
            if self._broken and self._fileno < 0:
                return
            self._broken = True
            self._waiting.clear()
            self._held.clear()
            fileno, self._fileno = self._fileno, -1
        self._pump.detach(fileno)
        self._socket.close()

    def forget(self) -> None:
        """In the child of a fork: closes this process' copy of the descriptor."""
        self._broken = True
        self._lock = threading.Lock()
        self._socket.close()

    def _sent(self, data: bytes) -> bool:
        """Sends at once, where nothing waits; the lock is held."""
        if self._broken:
            return True
        if self._waiting or self._rest or len(data) > DATAGRAM_BYTES:
            return False
        try:
            self._socket.send(data)
        except BlockingIOError:
            return False
        except OSError:
            # The peer is gone; reading says so, too.
            self._broken = True
        return True

    def _flush(self) -> None:
        """Sends what waits, as far as the peer takes it; the lock is held."""
        try:
            while True:
                rest = self._rest
                if rest:
                    flags = LAST if len(rest) <= PART_BYTES else 0
                    self._socket.send(HEAD.pack(PART, flags, 0, 0, 0, 0, 0) + rest[:PART_BYTES])
                    self._rest = rest[PART_BYTES:]
                    continue
                if not self._waiting:
                    self._pump.detach_writing(self._fileno)
                    return
                entry = self._waiting[0]
                data = entry if isinstance(entry, bytes) else self._held[entry][0]
                if len(data) > DATAGRAM_BYTES:
                    self._rest = memoryview(data)
                else:
                    self._socket.send(data)
                self._waiting.popleft()
                if not isinstance(entry, bytes):
                    self._held[entry].popleft()
                    if not self._held[entry]:
                        del self._held[entry]
        except BlockingIOError:
            self._pump.attach_writing(self._fileno, self._write)
        except OSError:
            self._broken = True
            self._waiting.clear()
            self._held.clear()
            self._rest = memoryview(b"")
            self._pump.detach_writing(self._fileno)

    def _write(self) -> None:
        with self._lock:
            if self._fileno >= 0:
                self._flush()

    def _read(self) -> None:
        """Takes what has arrived: one datagram, and more where they come densely."""
        dense = time.monotonic_ns() - self._last_ns < _DENSE_NS
        receive, on_frame = self._socket.recv, self._on_frame
        for _ in range(_BURST if dense else 1):
            try:
                data = receive(DATAGRAM_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                if self._fileno >= 0:
                    self._on_end(self)
                return
            if data[0] == PART:
                whole = self._joined(data)
                if whole is None:
                    continue
                data = whole
            on_frame(data)
            if self._fileno < 0:
                return
        self._last_ns = time.monotonic_ns()

    def _joined(self, part: bytes) -> bytes | None:
        """The whole frame after its last part."""
        parts = self._parts
        parts += memoryview(part)[HEAD.size :]
        if len(parts) > FRAME_LIMIT_BYTES:
            self._on_end(self)
            return None
        if not part[1] & LAST:
            return None
        self._parts = bytearray()
        return bytes(parts)
