"""How a controller and simulated hardware in another process talk beside the hardware itself: what a run is to be fed,
and what the referee saw. Lines of JSON over a Unix socket in the simulator's folder.

One controller at a time joins. It is told the figures ten times a second, may ask for them with the pictures of a span
of time, and may end the simulator. Nothing that the controller believes goes the other way.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from cell.simfolder import SimFolder, SimInfo
from perception.errors import InputError

FIGURES_PERIOD_S: Final = 0.1
ANSWER_S: Final = 10.0
"""A loaded machine may keep the simulator from answering for a while; then it counts as gone."""


class Fed(Protocol):
    """What the channel needs of a simulator."""

    @property
    def empty(self) -> bool: ...

    @property
    def entered(self) -> int: ...

    def begin_run(self, parts: int | None) -> None: ...

    def quality(self) -> dict[str, int] | None: ...

    def fates(self) -> list[dict[str, Any]]: ...

    def source(self) -> dict[str, int]: ...

    def captured(self, first_ns: int, last_ns: int) -> int: ...

    def inject(self, file: Path, controller: Any) -> None: ...

    def stop_injecting(self) -> None: ...

    def injected(self) -> list[dict[str, Any]]: ...


class _Peer:
    """One connection, line by line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._rest = b""
        self._saying = threading.Lock()

    def say(self, content: dict[str, Any]) -> None:
        """Raises: OSError: nobody is there, or does not read."""
        with self._saying:
            self.connection.sendall(json.dumps(content).encode() + b"\n")

    def hear(self) -> list[dict[str, Any]] | None:
        """What has come; None when the other end has gone."""
        try:
            data = self.connection.recv(65536)
        except (BlockingIOError, TimeoutError):
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line]

    def close(self) -> None:
        self.connection.close()


class SimServer:
    """The simulator's end.

    Args:
        folder: taken by this process.
        fed: the simulated hardware.
        on_join: called with the controller's ROS domain when one comes; may raise to refuse it.
        on_leave: called when it has gone.
    """

    def __init__(
        self, folder: SimFolder, fed: Fed, on_join: Callable[[int], None], on_leave: Callable[[], None]
    ) -> None:
        self._fed = fed
        self._on_join = on_join
        self._on_leave = on_leave
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        handle, name = folder.socket_name()
        try:
            self._listening.bind(name)
        finally:
            os.close(handle)
        self._listening.listen(4)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._controller: _Peer | None = None
        self._told_s = 0.0
        self.left_s = time.monotonic()
        self.stopped = False

    @property
    def attended(self) -> bool:
        """A controller is there."""
        return self._controller is not None

    def step(self, timeout_s: float) -> None:
        """Wait for something to do, at most so long, and do it."""
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                connection, _ = self._listening.accept()
                connection.settimeout(ANSWER_S)
                peer = _Peer(connection)
                self._selector.register(connection, selectors.EVENT_READ, peer)
            else:
                self._serve(key.data)
        controller = self._controller
        if controller is not None and time.monotonic() - self._told_s >= FIGURES_PERIOD_S:
            self._told_s = time.monotonic()
            self._say(controller, {"figures": self._figures()})

    def close(self) -> None:
        """Hang up."""
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._drop(key.data)
        self._selector.close()
        self._listening.close()

    def _serve(self, peer: _Peer) -> None:
        try:
            requests = peer.hear()
        except ValueError:
            requests = None
        if requests is None:
            self._drop(peer)
            return
        for request in requests:
            if "join" in request:
                self._join(peer, request["join"])
            elif "look" in request:
                self._say(peer, {"figures": self._figures(), "answer": True})
            elif "fates" in request:
                self._say(peer, {"fates": self._fed.fates()})
            elif "stop" in request:
                self.stopped = self._controller in (None, peer)
            elif peer is not self._controller:
                self._say(peer, {"refused": "join first"})
            elif "faults" in request:
                self._inject(peer, Path(request["faults"]))
            elif "frames" in request:
                first_ns, last_ns = request["frames"]
                captured = self._fed.captured(int(first_ns), int(last_ns))
                self._say(peer, {"figures": {**self._figures(), "captured": captured}, "answer": True})

    def _join(self, peer: _Peer, wanted: dict[str, Any]) -> None:
        if self._controller is not None:
            self._say(peer, {"refused": "another controller uses this simulated hardware"})
            return
        try:
            self._on_join(int(wanted["domain"]))
        except InputError as error:
            self._say(peer, {"refused": str(error)})
            return
        self._fed.begin_run(wanted.get("parts"))
        self._controller = peer
        self._say(peer, {"joined": True, "figures": self._figures()})

    def _inject(self, peer: _Peer, file: Path) -> None:
        try:
            self._fed.inject(file, _ToldFaults(peer))
        except InputError as error:
            self._say(peer, {"refused": str(error)})
            return
        self._say(peer, {"answer": True})

    def _figures(self) -> dict[str, Any]:
        fed = self._fed
        return {
            "empty": fed.empty,
            "entered": fed.entered,
            "quality": fed.quality(),
            "source": fed.source(),
            "injected": fed.injected(),
        }

    def _say(self, peer: _Peer, content: dict[str, Any]) -> None:
        try:
            peer.say(content)
        except OSError:
            self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(peer.connection)
        peer.close()
        if peer is self._controller:
            self._controller = None
            self._fed.stop_injecting()
            self.left_s = time.monotonic()
            self._on_leave()


class _ToldFaults:
    """Faults of the controller, told to it as they come; on the thread of whoever injects."""

    def __init__(self, peer: _Peer) -> None:
        self._peer = peer

    def begin(self, fault: dict[str, Any]) -> None:
        self._tell({"fault": fault, "begins": True})

    def end(self, fault: dict[str, Any]) -> None:
        self._tell({"fault": fault, "begins": False})

    def _tell(self, content: dict[str, Any]) -> None:
        # A controller that has gone is missed by who hears it.
        with contextlib.suppress(OSError):
            self._peer.say(content)


class RunningSim:
    """The controller's end: simulated hardware in another process, as a run sees it.

    Args:
        folder: of a simulator that runs.
        info: what it said of itself.

    Raises:
        InputError: it does not answer.
    """

    def __init__(self, folder: SimFolder, info: SimInfo) -> None:
        self.info = info
        self._joined = False
        self._figures: dict[str, Any] = {"empty": False, "entered": 0, "quality": None, "source": None}
        self._answered = False
        self._controller: Any = None
        self.gone = False
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        handle, name = folder.socket_name()
        try:
            connection.connect(name)
        except OSError as error:
            connection.close()
            raise InputError(f"the cell sim does not answer: {error.strerror}", file=folder.path) from None
        finally:
            os.close(handle)
        self._folder = folder
        self._peer = _Peer(connection)

    @staticmethod
    def clock() -> float:
        """The hardware's clock: that of this machine."""
        return time.monotonic()

    def join(self, domain: int, parts: int | None) -> None:
        """Take the hardware over.

        Raises:
            InputError: somebody else has it, or it does not answer.
        """
        self._say({"join": {"domain": domain, "parts": parts}})
        if not self._await(lambda: self._joined):
            raise InputError("the cell sim does not answer", file=self._folder.path)

    def overrides(self) -> dict[str, dict[str, Any]]:
        """What the controller has to be told of this hardware, by node."""
        return self.info.overrides

    @property
    def empty(self) -> bool:
        """Everything was fed and nothing is left on the belt or in the hand."""
        self._look(0.0)
        return bool(self._figures["empty"])

    @property
    def finished(self) -> bool:
        """As ``empty``, asked for at once; also before joining."""
        self._answered = False
        self._say({"look": True})
        self._await(lambda: self._answered)
        return bool(self._figures["empty"])

    def captured(self, first_ns: int, last_ns: int) -> int:
        """How many pictures were taken from one stamp of the camera to another; brings all figures up to date."""
        self._answered = False
        self._say({"frames": [first_ns, last_ns]})
        self._await(lambda: self._answered)
        return int(self._figures.get("captured", 0))

    def quality(self) -> dict[str, int] | None:
        """By the referee, over the parts of this run."""
        quality = self._figures["quality"]
        return None if quality is None else dict(quality)

    def source(self) -> dict[str, int]:
        """Photographs that rode and files that were skipped."""
        return dict(self._figures["source"] or {"images": 0, "skipped": 0})

    def inject(self, file: Path, controller: Any) -> None:
        """Let the faults of a file happen; ``controller`` does those of the controller, as long as ``hear`` is called.

        Raises:
            InputError: the file cannot be used, or the simulator does not answer.
        """
        self._controller = controller
        self._answered = False
        self._say({"faults": str(file.resolve())})
        if not self._await(lambda: self._answered):
            raise InputError("the cell sim does not answer", file=self._folder.path)

    def injected(self) -> list[dict[str, Any]]:
        """What was injected when."""
        return list(self._figures.get("injected", []))

    def hear(self) -> None:
        """Take in what has come, at once."""
        self._look(0.0)

    def stop(self) -> None:
        """End the simulator; returns when it has ended, or does not listen."""
        self._say({"stop": True})
        until_s = time.monotonic() + ANSWER_S
        while self._folder.alive and time.monotonic() < until_s:
            time.sleep(0.01)

    def close(self) -> None:
        """Leave. The simulator goes on. Callable twice."""
        self._peer.close()
        self.gone = True

    def _say(self, content: dict[str, Any]) -> None:
        try:
            self._peer.say(content)
        except OSError:
            self.gone = True

    def _await(self, truth: Callable[[], bool]) -> bool:
        until_s = time.monotonic() + ANSWER_S
        while not truth():
            left_s = until_s - time.monotonic()
            if left_s <= 0.0 or self.gone:
                return False
            self._look(left_s)
        return True

    def _look(self, timeout_s: float) -> None:
        """Take in what has come."""
        if self.gone:
            return
        self._peer.connection.settimeout(timeout_s)
        contents = self._peer.hear()
        self._peer.connection.settimeout(ANSWER_S)
        if contents is None:
            self.gone = True
            return
        for content in contents:
            if "refused" in content:
                raise InputError(str(content["refused"]), file=self._folder.path)
            if "fault" in content and self._controller is not None:
                (self._controller.begin if content["begins"] else self._controller.end)(content["fault"])
            self._figures = {**self._figures, **content.get("figures", {})}
            self._answered = self._answered or "answer" in content
            self._joined = self._joined or "joined" in content
