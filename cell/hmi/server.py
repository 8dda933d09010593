"""The page's server: a thread of its own with its own event loop, the only asyncio in the process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import uvicorn

from cell.hmi.access import SESSION_LIFETIME_S, OneTimeToken, Sessions
from cell.hmi.app import Desk, make_app
from cell.hmi.feed import PictureFeed, SnapshotFeed
from cell.hmi.files import read_page
from cell.hmi.guard import HostRule
from cell.hmi.listening import listen
from cell.hmi.view import CellView

START_TIMEOUT_S: Final = 10.0
"""Starting takes about 50 ms; a loaded cell PC gets a large margin."""

STOP_TIMEOUT_S: Final = 5.0


class _Server(uvicorn.Server):
    """Uvicorn that tells when it is listening."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._listening.set()


class PageServer:
    """Serves the operator page of one cell.

    Args:
        cell: what is shown and commanded.
        host: the address to listen on. Beyond loopback, reading is open to the network; the one-time link is not.
        port: 0 takes any free one.
        token: the one-time link's secret; None makes one for an engineer.
        listening: a socket that listens already, in place of ``host`` and ``port``.
        extra_hosts: names by which browsers may reach the server, besides loopback's and literal addresses.
        clock: monotonic seconds.
        session_lifetime_s: after which somebody who logged in is a viewer again.
    """

    def __init__(
        self,
        cell: CellView,
        host: str = "127.0.0.1",
        port: int = 8080,
        token: OneTimeToken | None = None,
        *,
        listening: socket.socket | None = None,
        extra_hosts: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        session_lifetime_s: float = SESSION_LIFETIME_S,
    ) -> None:
        self._cell = cell
        self._host = host
        self._port = port
        self._listening = listening
        self._extra_hosts = extra_hosts
        self._clock = clock
        self._tokens = [token or OneTimeToken()]
        self._sessions = Sessions(clock, session_lifetime_s)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._controls: ThreadPoolExecutor | None = None

    @property
    def port(self) -> int:
        """The port that is served; the real one after ``start`` when 0 was asked for."""
        return self._port

    @property
    def base_url(self) -> str:
        """Where the page is, as a browser on this machine reaches it."""
        host = "127.0.0.1" if self._host in {"0.0.0.0", "::", ""} else self._host
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def login_url(self) -> str | None:
        """The one-time link, or None once it is spent."""
        secret = self._tokens[-1].secret
        host = "[::1]" if self._host == "::1" else "127.0.0.1"
        return f"http://{host}:{self._port}/login?token={secret}" if secret else None

    def renew_login(self) -> str:
        """Make a new one-time link; an older one that was not used no longer counts."""
        token = OneTimeToken(self._tokens[-1].role)
        self._tokens[:] = [token]
        return f"{self.base_url}/login?token={token.secret}"

    def start(self) -> str:
        """Listen and serve; returns the base URL when requests are answered.

        Raises:
            InputError: the port is in use or cannot be served, or the built page is missing.
            RuntimeError: started twice, or the server did not come up.
        """
        if self._thread is not None:
            raise RuntimeError("the page server is already running")
        files = read_page()
        bound = self._listening or listen(self._host, self._port)
        self._port = int(bound.getsockname()[1])
        self._readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="page-read")
        self._controls = ThreadPoolExecutor(max_workers=2, thread_name_prefix="page-command")
        desk = Desk(
            cell=self._cell,
            snapshots=SnapshotFeed(self._cell, self._readers, self._clock),
            pictures=PictureFeed(self._cell, self._readers, self._clock),
            sessions=self._sessions,
            tokens=self._tokens,
            # Browsers send a host's cookies to all its ports: the name keeps two cells on one machine apart.
            cookie_name=f"cell_session_{self._port}",
            controls=self._controls,
        )
        config = uvicorn.Config(
            make_app(desk, files, HostRule(self._host, self._extra_hosts)),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            ws_max_size=1024,
            ws_per_message_deflate=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=2,
            limit_concurrency=256,
        )
        listening = threading.Event()
        server = _Server(config, listening)
        thread = threading.Thread(target=server.run, args=([bound],), name="page", daemon=True)
        self._server, self._thread = server, thread
        thread.start()
        if not listening.wait(START_TIMEOUT_S):
            self.stop()
            raise RuntimeError(f"the page server did not start within {START_TIMEOUT_S:.0f} s")
        return self.base_url

    def stop(self) -> None:
        """Close all connections and end the thread. Does nothing when the server does not run."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(STOP_TIMEOUT_S)
        for workers in (self._readers, self._controls):
            if workers is not None:
                workers.shutdown(wait=False, cancel_futures=True)
        self._server = self._thread = self._readers = self._controls = None
