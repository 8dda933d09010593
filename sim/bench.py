"""The simulated hardware of one cell, put together: world, camera, and an emulator on every line.

Real time: each line is a pty with a thread, the world runs on the monotonic clock. Lockstep: lines are in memory and
the conductor moves simulated time. The controller cannot tell, and nothing here knows the controller.
"""

from __future__ import annotations

import dataclasses
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from perception.errors import InputError
from sim import links
from sim.camera import SimCamera
from sim.conductor import Conductor, LockstepExecutor, LockstepStalled, Polled, SimTime
from sim.emulators.ls_g100 import LsG100Device
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RtuSlave
from sim.faces.photographs import PhotoFaces
from sim.faces.procedural import ProceduralFaces
from sim.faces.types import FaceSource, Pixels
from sim.scenario import Scenario, load_scenario
from sim.watchdog import Watchdog
from sim.world.arm import TrajectoryRefused
from sim.world.world import World

DRIVE_BAUD = 9600


class SimBench:
    """One simulated cell in this process (entry point ``sim`` of ``cellwright.simulators``).

    Args:
        parameters: of the node ``sim_camera``: ``scenario``, a file, or nothing for the cell of acceptance.
        seed: of arrivals, places, looks and noise.
        parts: how many parts to feed; None: for ever, or as many as ``source`` has.
        source: a folder of photographs or a video whose pictures ride as parts.
        lockstep: simulated time; otherwise the monotonic clock.

    Raises:
        InputError: a scenario or a source that cannot be used.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        *,
        seed: int,
        parts: int | None,
        source: Path | None,
        lockstep: bool,
    ) -> None:
        file = str(parameters.get("scenario", ""))
        scenario = load_scenario(Path(file)) if file else Scenario()
        scenario = scenario.with_parts(parts) if parts is not None else scenario
        self._photographs: PhotoFaces | None = None
        faces: FaceSource
        if source is not None:
            scenario = scenario.with_photographs()
            setup = scenario.photographs
            self._photographs = PhotoFaces(
                source, px_per_m=setup.px_per_m, max_px=(setup.max_width_px, setup.max_height_px)
            )
            faces = self._photographs
        else:
            faces = ProceduralFaces(defective_share=scenario.feed.defective_share, mix=scenario.feed.mix)
        self.scenario: Scenario = scenario
        self.clock: Callable[[], float] = SimTime() if lockstep else time.monotonic
        self.world = World(scenario, seed, faces, start_s=self.clock())
        self._camera = SimCamera(scenario.camera, seed)
        self._hall = links.LinkHall(self.clock, threaded=not lockstep)
        self._hall.attach("gripper", RtuSlave(9, Robotiq2F85Device(self.world)))
        self._hall.attach("drive", RtuSlave(1, LsG100Device(self.world), baudrate=DRIVE_BAUD), baudrate=DRIVE_BAUD)
        self._hall.attach("cabinet", RtuSlave(1, ModbusIoDevice(self.world)))
        self._frames_ns = array("q")
        self._settled: frozenset[int] = frozenset()

    def overrides(self) -> dict[str, dict[str, Any]]:
        """What the controller has to be told of this hardware, by node: the camera's scale, and the belt's speed."""
        camera = self.scenario.camera
        shared: dict[str, Any] = {
            "px_per_m": camera.px_per_m,
            "width_px": camera.width_px,
            "height_px": camera.height_px,
        }
        if self._photographs is not None:
            shared["speed_mps"] = self.scenario.photographs.belt_speed_mps
        return {"/**": shared}

    @property
    def lines(self) -> dict[str, int]:
        """Every line and its baud rate."""
        return self._hall.baudrates

    def start(self, ports: Path | None = None) -> None:
        """Put the hardware on its lines; sim nodes and ``sim:`` ports of this process lead here from now on.

        Args:
            ports: real time: an existing folder in which each line's port is to have a name that stays.
        """
        _Current.bench = self
        links.use(self._hall)
        self._hall.start(ports)

    def close(self) -> None:
        """Take it off again. Callable twice."""
        self._hall.close()
        if _Current.bench is self:
            _Current.bench = None
            links.use(None)

    def run_lockstep(
        self,
        executor: LockstepExecutor,
        devices: Polled,
        tell_time: Callable[[int], None],
        finished: Callable[[], bool],
        pace: Callable[[float], None] | None = None,
    ) -> None:
        """Run the node graph in simulated time until ``finished()``.

        Raises:
            LockstepStalled: simulated time cannot go on.
        """
        if not isinstance(self.clock, SimTime):
            raise ValueError("this simulator runs in real time")
        clock = self.clock
        polled = {"the controller's buses": devices, "the simulated lines": self._hall}
        conductor = Conductor(executor, polled, tell_time, clock, pace=pace)
        with Watchdog(clock) as watchdog:
            try:
                conductor.run(finished)
            except KeyboardInterrupt:
                if watchdog.stalled is None:
                    raise
                raise LockstepStalled(f"at {clock():.6f} s not idle: {watchdog.stalled}") from None

    @property
    def empty(self) -> bool:
        """Everything was fed and nothing is left on the belt or in the hand."""
        with self._hall.lock:
            self.world.advance(self.clock())
            return self.world.empty

    @property
    def entered(self) -> int:
        """How many parts have come onto the belt."""
        return self.world.entered

    def begin_run(self, parts: int | None) -> None:
        """A controller takes over: what has left the cell before is none of its doing.

        Args:
            parts: how many more to feed at most; None: all that were to be fed anyhow.
        """
        with self._hall.lock:
            self.world.advance(self.clock())
            self._settled = self.world.referee.settled()
            self.world.feed(None if parts is None else self.world.entered + parts)

    def quality(self) -> dict[str, int] | None:
        """By the referee, over all parts of this run so far; None where nobody knows the truth."""
        with self._hall.lock:
            self.world.advance(self.clock())
            return self.world.referee.quality(self._settled)

    def fates(self) -> list[dict[str, Any]]:
        """By the referee, what became of every part that ever entered."""
        with self._hall.lock:
            self.world.advance(self.clock())
            return [dataclasses.asdict(fate) for fate in self.world.referee.fates()]

    def source(self) -> dict[str, int]:
        """Photographs that rode and files that were skipped."""
        if self._photographs is None:
            return {"images": 0, "skipped": 0}
        return {"images": self._photographs.images, "skipped": self._photographs.skipped}

    def captured(self, first_ns: int, last_ns: int) -> int:
        """How many pictures were taken between two times of the camera's stamps, both included."""
        with self._hall.lock:
            return bisect_right(self._frames_ns, last_ns) - bisect_left(self._frames_ns, first_ns)

    def shoot(self, stamp_ns: int = 0) -> Pixels:
        """Strobe and render: (height, width, 3) uint8 BGR. ``stamp_ns``: what the picture's header will say."""
        with self._hall.lock:
            shot = self.world.strobe(self.clock())
            self._frames_ns.append(stamp_ns)
        return self._camera.render(shot.parts, shot.travel_m, shot.count, speed_mps=shot.speed_mps)

    def follow(
        self,
        times_s: Sequence[float],
        positions: Sequence[Sequence[float]],
        velocities: Sequence[Sequence[float]],
        ahead_s: float,
    ) -> tuple[int, str] | None:
        """Give the arm a trajectory that begins ``ahead_s`` from now; returns error code and words if it is refused."""
        with self._hall.lock:
            now_s = self.clock()
            self.world.advance(now_s)
            try:
                self.world.arm.execute(times_s, positions, velocities, now_s + ahead_s)
            except TrajectoryRefused as refusal:
                return refusal.code, f"{refusal.name}: {refusal}"
        return None

    def halt_arm(self) -> None:
        """Brake the arm as hard as it may."""
        with self._hall.lock:
            self.world.advance(self.clock())
            self.world.arm.cancel()

    @property
    def arm_halted(self) -> bool:
        """The last trajectory was stopped before its end."""
        with self._hall.lock:
            return self.world.arm.halted

    def arm_state(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Joint positions (rad) and velocities (rad/s) now."""
        with self._hall.lock:
            now_s = self.clock()
            self.world.advance(now_s)
            return self.world.arm.state(now_s)

    def now_s(self) -> float:
        """The hardware's clock."""
        return self.clock()


class _Current:
    """The bench that simulated nodes of this process stand on."""

    bench: SimBench | None = None


def current_bench() -> SimBench:
    """The simulated hardware of this process.

    Raises:
        InputError: none was started here.
    """
    if _Current.bench is None:
        raise InputError("a simulated node needs the simulator in its process: start it with `cell run`")
    return _Current.bench
