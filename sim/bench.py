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
from typing import TYPE_CHECKING, Any

from perception.errors import InputError
from sim import links
from sim.camera import SimCamera
from sim.conductor import Conductor, LockstepExecutor, LockstepStalled, Polled, SimTime
from sim.emulators.ls_g100 import LsG100Device
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.robotiq_epick import RobotiqEPickDevice
from sim.emulators.slave import RtuSlave
from sim.faces.photographs import PhotoFaces
from sim.faces.procedural import ProceduralFaces
from sim.faces.types import FaceSource, Pixels
from sim.scenario import Scenario, load_scenario
from sim.watchdog import Watchdog
from sim.world.arm import TrajectoryRefused
from sim.world.world import Shot, World

if TYPE_CHECKING:
    from sim.faults.injector import Injector, Watching

DRIVE_BAUD = 9600
EPICK = "robotiq_epick"


class SimBench:
    """One simulated cell in this process (entry point ``sim`` of ``cellwright.simulators``).

    Args:
        parameters: of the node ``sim_camera``: ``scenario``, a file, or nothing for the cell of acceptance.
        seed: of arrivals, places, looks and noise.
        parts: how many parts to feed; None: for ever, or as many as ``source`` has.
        source: a folder of photographs or a video whose pictures ride as parts.
        lockstep: simulated time; otherwise the monotonic clock.
        faces: the parts' looks, in place of rendered ones.
        scenario: in place of the one that ``parameters`` name.

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
        faces: FaceSource | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        file = str(parameters.get("scenario", ""))
        if scenario is None:
            scenario = load_scenario(Path(file)) if file else Scenario()
        scenario = scenario.with_parts(parts) if parts is not None else scenario
        self._photographs: PhotoFaces | None = None
        if source is not None:
            scenario = scenario.with_photographs()
            setup = scenario.photographs
            self._photographs = PhotoFaces(
                source, px_per_m=setup.px_per_m, max_px=(setup.max_width_px, setup.max_height_px)
            )
            faces = self._photographs
        elif faces is None:
            faces = ProceduralFaces(defective_share=scenario.feed.defective_share, mix=scenario.feed.mix)
        self.scenario: Scenario = scenario
        self.clock: Callable[[], float] = SimTime() if lockstep else time.monotonic
        cup = parameters.get("gripper") == EPICK
        self.world = World(scenario, seed, faces, start_s=self.clock(), cup=cup)
        self._seed = seed
        self._camera: SimCamera | None = None
        self._hall = links.LinkHall(self.clock, threaded=not lockstep)
        self.cabinet = ModbusIoDevice(self.world)
        self.slaves = {
            "gripper": RtuSlave(9, RobotiqEPickDevice(self.world) if cup else Robotiq2F85Device(self.world)),
            "drive": RtuSlave(1, LsG100Device(self.world), baudrate=DRIVE_BAUD),
            "cabinet": RtuSlave(1, self.cabinet),
        }
        for name, slave in self.slaves.items():
            self._hall.attach(name, slave, baudrate=DRIVE_BAUD if name == "drive" else 115200)
        self._frames_ns = array("q")
        self.leak: Callable[[float], None] | None = self._leak if cup else None
        """Sets how much of its vacuum the cup loses (0..1); None where the gripper has fingers."""
        self._beside: dict[str, Polled] = {}
        self._injector: Injector | None = None
        self._watching: Watching | None = None
        self._newest: tuple[Shot, int] | None = None
        self._stale = False
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
        self.stop_injecting()
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
        polled = {"the controller's buses": devices, "the simulated lines": self._hall, **self._beside}
        conductor = Conductor(executor, polled, tell_time, clock, pace=pace)
        with Watchdog(clock) as watchdog:
            try:
                conductor.run(finished)
            except KeyboardInterrupt:
                if watchdog.stalled is None:
                    raise
                raise LockstepStalled(f"at {clock():.6f} s not idle: {watchdog.stalled}") from None

    def poll_beside(self, name: str, polled: Polled | None) -> None:
        """Simulated time: poll this too, from the next lockstep on; None: no longer."""
        if polled is None:
            self._beside.pop(name, None)
        else:
            self._beside[name] = polled

    def unplug(self, line: str) -> None:
        """Pull the plug of a line."""
        self._hall.unplug(line)

    def plug(self, line: str) -> None:
        """Put it back."""
        self._hall.plug(line)

    @staticmethod
    def check_faults(file: Path) -> None:
        """Read a file of faults. Raises: InputError: it cannot be used, with file, line and key."""
        from sim.faults.file import read_faults  # noqa: PLC0415 (only where faults are asked for)

        read_faults(file)

    def inject(self, file: Path, controller: Any) -> None:
        """Let the faults of a file happen from now on.

        Args:
            file: as docs/faults.md describes it.
            controller: its ``begin`` and ``end`` do to the controller what a fault of the controller asks for.

        Raises:
            InputError: the file cannot be used, or this hardware cannot have such a fault.
        """
        from sim.faults.file import read_faults  # noqa: PLC0415 (only where faults are asked for)
        from sim.faults.injector import Injector, Watching  # noqa: PLC0415

        self.stop_injecting()
        with self._hall.lock:
            self._injector = Injector(self, read_faults(file), seed=self._seed, controller=controller, file=file)
        if isinstance(self.clock, SimTime):
            self.poll_beside("faults", self._injector)
        else:
            self._watching = Watching(self._injector, self.clock, self._hall.lock)

    def stop_injecting(self) -> None:
        """End what is under way, and inject nothing more. Callable twice."""
        self.poll_beside("faults", None)
        if self._watching is not None:
            self._watching.close()
            self._watching = None
        if self._injector is not None:
            self._injector.close()

    def injected(self) -> list[dict[str, Any]]:
        """What was injected when, for the report."""
        return [] if self._injector is None else self._injector.report()

    def pass_time(self, seconds: float) -> None:
        """Simulated time without a controller: the devices live on alone."""
        if not isinstance(self.clock, SimTime):
            raise ValueError("this simulator runs in real time")
        clock, end_s = self.clock, self.clock() + seconds
        while True:
            wanted = [polled.poll(clock.seconds) for polled in (self._hall, *self._beside.values())]
            due_s = min((one for one in wanted if one is not None), default=end_s)
            if due_s >= end_s:
                break
            clock.seconds = max(due_s, clock.seconds + 1e-6)
        clock.seconds = end_s

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

    def strobe(self, stamp_ns: int = 0) -> tuple[Shot, int] | None:
        """What the camera delivers now and the stamp that belongs to it; None: nothing.

        A camera that hangs delivers its newest picture again, with the stamp that it had.
        """
        with self._hall.lock:
            if not self._stale:
                self._newest = self.world.strobe(self.clock()), stamp_ns
            if self._newest is not None:
                self._frames_ns.append(self._newest[1])
            return self._newest

    def _leak(self, share: float) -> None:
        with self._hall.lock:
            self.world.advance(self.clock())
            self.world.cup.leak(share)

    def freeze_camera(self, on: bool) -> None:
        """Let the camera hang: no strobe, the same picture again and again."""
        with self._hall.lock:
            self._stale = on

    def shoot(self, stamp_ns: int = 0) -> tuple[Pixels, int] | None:
        """As ``strobe``, rendered: (height, width, 3) uint8 BGR."""
        caught = self.strobe(stamp_ns)
        if caught is None:
            return None
        shot, stamp_ns = caught
        if self._camera is None:
            # Made when the first picture is wanted: a run without pictures needs none.
            self._camera = SimCamera(self.scenario.camera, self._seed)
        return self._camera.render(shot.parts, shot.travel_m, shot.count, speed_mps=shot.speed_mps), stamp_ns

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
