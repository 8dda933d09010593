"""``cell bench runtime``: the node runtime beside other ways to pass messages and to call timers."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from cell.cli.bench.crossing import Crossing, cross
from cell.cli.bench.figures import Figure, Sample, figure, line, write
from cell.cli.bench.wire import wire_figures
from cell.cli.command import output_file, positive_int
from perception.errors import InputError

OURS: Final = "cellwright"
CROSSING_PEERS: Final = ("pyzmq", "zenoh", "cyclonedds", "dora-rs", "multiprocessing")
N_SMALL: Final = 2_000
N_IMAGES: Final = 200
LIMIT_S: Final = 60.0
NAMES: Final = (
    "inproc_latency",
    "inproc_rate",
    "xproc_rtt_64",
    "xproc_image_latency",
    "xproc_image_fps",
    "wire_image_fps",
    "executor_cpu",
    "timer_lateness",
    "timer_rate_simclock",
    "import_time",
)


class RuntimeCommand:
    """The runtime's figures."""

    help = "measure the node runtime beside its peers"
    example = "cell bench runtime --json runtime.json\ncell bench runtime --only xproc_rtt_64 --rounds 5"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", type=output_file, metavar="OUT.json", help="write the figures")
        parser.add_argument("--only", metavar="NAME[,NAME...]", help=f"some of {', '.join(NAMES)}")
        parser.add_argument(
            "--rounds", type=positive_int, default=3, metavar="N", help="of each measurement (default 3)"
        )

    def run(self, args: argparse.Namespace) -> int:
        wanted = args.only.split(",") if args.only else list(NAMES)
        for name in wanted:
            if name not in NAMES:
                raise InputError(f"no such figure; there is {', '.join(NAMES)}", key="--only")
        figures = Bench(args.rounds).run(wanted)
        for entry in figures:
            print(line(entry))
        if args.json is not None:
            write(args.json, figures)
        return 0 if figures else 1


class Bench:
    """Rounds of each measurement, ours and the peers' by turns, so that all meet the same noise."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds

    def run(self, wanted: list[str]) -> list[Figure]:
        groups: list[tuple[set[str], Callable[[], list[Figure]]]] = [
            ({"inproc_latency", "inproc_rate"}, self._inproc),
            ({"xproc_rtt_64", "xproc_image_latency", "xproc_image_fps"}, self._crossing),
            ({"wire_image_fps"}, lambda: wire_figures(self._rounds, _tell)),
            ({"executor_cpu"}, self._executor_cpu),
            ({"timer_lateness"}, self._timer_lateness),
            ({"timer_rate_simclock"}, self._timer_rate),
            ({"import_time"}, self._import_time),
        ]
        figures: list[Figure] = []
        for names, measure in groups:
            if names & set(wanted):
                figures += [entry for entry in measure() if entry.name in wanted]
        return figures

    def _inproc(self) -> list[Figure]:
        found = self._inside({OURS: "inproc_cellwright", "pyzmq": "inproc_pyzmq", "cyclonedds": "inproc_cyclonedds"})
        figures = []
        for name, unit, column, more in (("inproc_latency", "us", 0, False), ("inproc_rate", "msg/s", 1, True)):
            samples = {peer: Sample(tuple(row[column] for row in rows), self._rounds) for peer, rows in found.items()}
            figures += _beside(name, unit, samples, more_is_better=more)
        return figures

    def _crossing(self) -> list[Figure]:
        rounds: dict[str, list[Crossing]] = {}
        out: set[str] = set()
        for number in range(self._rounds):
            for name in (OURS, *CROSSING_PEERS):
                if name in out:
                    continue
                _tell(f"between processes: {name}, round {number + 1} of {self._rounds}")
                try:
                    rounds.setdefault(name, []).append(cross(name, n_small=N_SMALL, n_images=N_IMAGES))
                except (ImportError, OSError, RuntimeError) as error:
                    out.add(name)
                    rounds.pop(name, None)
                    _leave_out(name, error)
        columns: tuple[tuple[str, str, Callable[[Crossing], float], bool, int], ...] = (
            ("xproc_rtt_64", "us", lambda entry: entry.rtt_us[0], False, N_SMALL),
            ("xproc_image_latency", "ms", lambda entry: entry.image_ms[0], False, N_IMAGES),
            ("xproc_image_fps", "fps", lambda entry: entry.fps, True, N_IMAGES),
        )
        figures = []
        for name, unit, column, more, n in columns:
            samples = {
                peer: Sample(tuple(column(entry) for entry in entries), n * len(entries))
                for peer, entries in rounds.items()
            }
            figures += _beside(name, unit, samples, more_is_better=more)
        return figures

    def _executor_cpu(self) -> list[Figure]:
        found = self._inside(
            {
                OURS: "executor_cpu_cellwright",
                "asyncio": "executor_cpu_asyncio",
                "a heap and sleep": "executor_cpu_heap",
            }
        )
        samples = {peer: Sample(tuple(row[0] for row in rows), len(rows)) for peer, rows in found.items()}
        return _beside("executor_cpu", "of a core", samples, more_is_better=False)

    def _timer_lateness(self) -> list[Figure]:
        found = self._inside(
            {
                OURS: "timer_lateness_cellwright",
                "asyncio": "timer_lateness_asyncio",
                "time.sleep": "timer_lateness_sleep",
            }
        )
        samples = {peer: Sample(tuple(row[0] for row in rows), 3000 * len(rows)) for peer, rows in found.items()}
        return _beside("timer_lateness", "us", samples, more_is_better=False)

    def _timer_rate(self) -> list[Figure]:
        found = self._inside({OURS: "timer_rate_simclock_cellwright"})
        samples = {peer: Sample(tuple(row[0] for row in rows), len(rows)) for peer, rows in found.items()}
        samples["nominal"] = Sample((10.0,), 1)
        return _beside("timer_rate_simclock", "Hz", samples, more_is_better=True)

    def _import_time(self) -> list[Figure]:
        modules = {OURS: "rclpy", "pyzmq": "zmq", "zenoh": "zenoh", "cyclonedds": "cyclonedds.domain"}
        rows: dict[str, list[float]] = {}
        for number in range(max(self._rounds * 3, 5)):
            for peer, module in modules.items():
                if number == 0:
                    _tell(f"import_time: {peer}")
                try:
                    rows.setdefault(peer, []).append(_child("import_time", module)[0])
                except RuntimeError as error:
                    if number == 0:
                        _leave_out(peer, error)
        samples = {peer: Sample(tuple(values[1:]), len(values) - 1) for peer, values in rows.items() if len(values) > 1}
        return _beside("import_time", "ms", samples, more_is_better=False)

    def _inside(self, measurements: dict[str, str]) -> dict[str, list[list[float]]]:
        rows: dict[str, list[list[float]]] = {}
        out: set[str] = set()
        for number in range(self._rounds):
            for peer, name in measurements.items():
                if peer in out:
                    continue
                _tell(f"{name}, round {number + 1} of {self._rounds}")
                try:
                    rows.setdefault(peer, []).append(_child(name))
                except RuntimeError as error:
                    out.add(peer)
                    rows.pop(peer, None)
                    _leave_out(peer, error)
        return rows


def _beside(name: str, unit: str, samples: dict[str, Sample], *, more_is_better: bool) -> list[Figure]:
    ours = samples.get(OURS)
    if ours is None:
        return []
    return [
        figure(name, unit, (OURS, ours), (peer, sample), more_is_better=more_is_better)
        for peer, sample in samples.items()
        if peer != OURS
    ]


def _child(*words: str) -> list[float]:
    command = [sys.executable, "-m", "cell.cli.bench.inside", *words]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took more than {LIMIT_S:g} s") from None
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return [float(word) for word in done.stdout.split()]


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _leave_out(name: str, error: Exception) -> None:
    print(f"{name} is left out: {error} (the peers come with the extra bench)", file=sys.stderr, flush=True)
