"""The processes that a cell starts beside itself: heard, started again within a limit, ended in order.

``poll`` belongs to the main thread: a child that ends with its parent gets its signal when the *thread* ends that
started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cell.announcing import DESCRIPTOR_VARIABLE, PARENT_VARIABLE
from cell.launching import Respawn
from cell.urgency import BACKGROUND, give_way
from perception.errors import InputError

STOP_S: Final = 5.0
"""How long processes may take to end after SIGTERM, before SIGKILL."""

BAD_INPUT: Final = 2
TAIL_S: Final = 0.1
BLOCK: Final = 65536


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run.

    Attributes:
        name: of the process, before each of its lines.
        nodes: names of the nodes in it, which are not well while it is away.
        words: the command line.
        environment: what it has beyond this process's own.
        pass_fds: descriptors that it inherits.
        respawn: how it comes back; None: not at all.
        log: a file for its output, which it goes on to write when this process is gone; None: a pipe.
        outlives: it stays when this process is gone.
        gives_way: nothing moves by it: it runs when nobody else wants to.
    """

    name: str
    nodes: tuple[str, ...]
    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    respawn: Respawn | None = None
    log: Path | None = None
    outlives: bool = False
    gives_way: bool = False


def cell_words(*words: str) -> tuple[str, ...]:
    """The command line of a ``cell`` command in this very installation."""
    return (sys.executable, "-m", "cell.cli.main", *words)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A process that is not there: ``words`` say why, ``over`` that it will not be again."""

    name: str
    nodes: tuple[str, ...]
    words: str
    over: bool


class Child:
    """One program with its process: alive, ready, away until its next start, or away for good."""

    def __init__(self, program: Program, relay: Relay, clock: Callable[[], float]) -> None:
        self.program = program
        self.ready = False
        self.starts = 0
        self.told: deque[dict[str, Any]] = deque()
        self._relay = relay
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._again_s: float | None = None
        self._trouble: str | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def trouble(self) -> Trouble | None:
        """Why it is not there, or None where all is well."""
        if self._trouble is None or (self.ready and self._process is not None):
            return None
        over = self._process is None and self._again_s is None
        return Trouble(self.program.name, self.program.nodes, self._trouble, over)

    def start(self) -> None:
        """Start the process; returns at once."""
        program = self.program
        reads, writes = os.pipe()
        environment = {**os.environ, **program.environment, DESCRIPTOR_VARIABLE: str(writes), "PYTHONUNBUFFERED": "1"}
        if not program.outlives:
            environment[PARENT_VARIABLE] = str(os.getpid())
        output: int | IO[bytes] = subprocess.PIPE if program.log is None else program.log.open("wb", buffering=0)
        try:
            self._process = subprocess.Popen(
                program.words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if program.log is not None else subprocess.PIPE,
                env=environment,
                pass_fds=(*program.pass_fds, writes),
                # A session of its own: Ctrl-C is this process's affair, which then ends them in order.
                start_new_session=True,
            )
        finally:
            os.close(writes)
            if not isinstance(output, int):
                output.close()
        give_way(self._process.pid, BACKGROUND if program.gives_way else 0)
        self.ready, self._again_s = False, None
        self.starts += 1
        self._relay.hear(reads, self._hear)
        if program.log is not None:
            self._relay.tail(program.log, program.name, sys.stderr)
            return
        for stream, to in ((self._process.stdout, sys.stdout), (self._process.stderr, sys.stderr)):
            if stream is not None:
                # The relay closes what it reads from; the object must not do so as well.
                self._relay.pass_on(os.dup(stream.fileno()), program.name, to)
                stream.close()

    def _hear(self, line: bytes) -> None:
        try:
            content = json.loads(line)
        except ValueError:
            return
        self.told.append(content)
        if content.get("ready"):
            self.ready = True

    def poll(self) -> bool:
        """See whether it lives, and start it again when it is time; True where something changed.

        Raises:
            InputError: it ended before it was ready, because of bad input.
        """
        now_s = self._clock()
        if self._process is None:
            if self._again_s is None or now_s < self._again_s:
                return False
            self.start()
            return True
        status = self._process.poll()
        if status is None:
            return False
        self._process = None
        self._relay.drain()
        if status == BAD_INPUT and self.starts == 1 and not self.ready:
            error = next((told["error"] for told in self.told if "error" in told), None)
            raise InputError(f"the process {self.program.name} cannot start" if error is None else str(error))
        self.ready = False
        respawn = self.program.respawn
        ended = f"its process ended by {_signal_name(-status)}" if status < 0 else f"its process ended ({status})"
        if respawn is None:
            self._trouble = ended
        elif 0 <= respawn.max_retries < self.starts:
            self._trouble = f"{ended}, given up after {self.starts} starts"
        else:
            self._again_s = now_s + respawn.delay_s
            self._trouble = f"{ended}, start {self.starts + 1} follows"
        print(f"cell: {self.program.name}: {self._trouble}", file=sys.stderr, flush=True)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is somebody to hear it."""
        self._again_s = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, until_s: float) -> bool:
        """Until it has ended; False where it has not by then."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, until_s - self._clock()))
        except subprocess.TimeoutExpired:
            return False
        self._process = None
        return True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Processes:
    """All programs of a cell beside itself. A context manager: at its end they have ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._relay = Relay()
        self.children: dict[str, Child] = {}

    def start(self, program: Program) -> Child:
        """Start a program; returns at once."""
        child = Child(program, self._relay, self._clock)
        child.start()
        self.children[program.name] = child
        return child

    def poll(self) -> bool:
        """Look after every process; True where something changed.

        Raises:
            InputError: one ended before it was ready, because of bad input.
        """
        changed = [child.poll() for child in self.children.values()]
        return any(changed)

    def troubles(self) -> tuple[Trouble, ...]:
        """What is not there."""
        found = (child.trouble for child in self.children.values())
        return tuple(trouble for trouble in found if trouble is not None)

    def stop(self, children: Iterable[Child] | None = None) -> None:
        """End them, all that do not outlive this process by default: SIGTERM, and SIGKILL for who does not listen."""
        if children is None:
            children = [child for child in self.children.values() if not child.program.outlives]
        ending = list(children)
        for child in ending:
            child.signal(signal.SIGTERM)
        until_s = self._clock() + STOP_S
        slow = [child for child in ending if not child.wait(until_s)]
        for child in slow:
            child.signal(signal.SIGKILL)
        for child in slow:
            child.wait(self._clock() + STOP_S)
        self.children = {name: child for name, child in self.children.items() if child not in ending}

    def close(self) -> None:
        """Stop what does not outlive this process, and its ear. Callable twice."""
        self.stop()
        self._relay.close()


class _Lines:
    """Cuts bytes into lines."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line)

    def end(self) -> None:
        if self._rest:
            self._on_line(self._rest)
        self._rest = b""


class Relay:
    """One thread that hears all children: announcements, and output that it passes on with a name before each line."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._tails: list[tuple[IO[bytes], _Lines]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def hear(self, descriptor: int, on_line: Callable[[bytes], None]) -> None:
        """Call ``on_line`` with every line, on the relay's thread, until the end; the descriptor is then closed."""
        os.set_blocking(descriptor, False)
        with self._lock:
            self._selector.register(descriptor, selectors.EVENT_READ, _Lines(on_line))

    def pass_on(self, descriptor: int, name: str, to: IO[str]) -> None:
        """Print every line with a name before it."""
        self.hear(descriptor, lambda line: _print(name, line, to))

    def tail(self, path: Path, name: str, to: IO[str], *, from_end: bool = False) -> None:
        """Print every line that comes into a file."""
        stream = path.open("rb", buffering=0)
        if from_end:
            stream.seek(0, os.SEEK_END)
        with self._lock:
            self._tails.append((stream, _Lines(lambda line: _print(name, line, to))))

    def drain(self) -> None:
        """Hear what is there at once, for example of a child that has just ended."""
        self._turn(0.0)

    def close(self) -> None:
        """End the thread, after what is still to be heard. Callable twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._turn(0.0)
        for key in list(self._selector.get_map().values()):
            self._forget(key)
        for stream, lines in self._tails:
            lines.end()
            stream.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._turn(TAIL_S)

    def _turn(self, timeout_s: float) -> None:
        ready = self._selector.select(timeout_s)
        with self._lock:
            for key, _ in ready:
                # Somebody who drained may have closed it, and its number may stand for another one already.
                present = self._selector.get_map().get(key.fd)
                if present is not None and present.data is key.data:
                    self._read(key)
            for stream, lines in self._tails:
                data = stream.read(BLOCK)
                if data:
                    lines.feed(data)

    def _read(self, key: selectors.SelectorKey) -> None:
        try:
            while data := os.read(key.fd, BLOCK):
                key.data.feed(data)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._forget(key)

    def _forget(self, key: selectors.SelectorKey) -> None:
        if key.fd in self._selector.get_map():
            self._selector.unregister(key.fd)
            key.data.end()
            os.close(key.fd)


def _print(name: str, line: bytes, to: IO[str]) -> None:
    # Whoever read our output may have gone; the cell goes on.
    with contextlib.suppress(OSError, ValueError):
        print(f"[{name}] {line.decode(errors='replace')}", file=to, flush=True)
