"""A small world for the emulators, a clock that is told, and a lockstep loop over everything that is polled."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from cell.drivers.ls_g100 import LsG100
from cell.drivers.modbus_io import ModbusIo
from cell.drivers.registry import Devices
from cell.drivers.robotiq_2f85 import Robotiq2F85
from sim import links
from sim.emulators.ls_g100 import LsG100Device
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RtuSlave


@dataclass
class Fingers:
    """Two fingers that move at the commanded speed and stop on a part ``part_m`` wide (None: nothing between them)."""

    width_m: float = 0.085
    part_m: float | None = None
    target_m: float = 0.085
    speed_mps: float = 0.0
    contact: str = "none"
    force_n: float = 0.0
    commands: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def moving(self) -> bool:
        return self.speed_mps > 0.0

    @property
    def current_a(self) -> float:
        return 0.3 if self.moving else 0.0

    def command(self, width_m: float, speed_mps: float, force_n: float) -> None:
        self.commands.append((width_m, speed_mps, force_n))
        self.target_m, self.force_n, self.contact = width_m, force_n, "none"
        self.speed_mps = speed_mps if width_m != self.width_m else 0.0

    def halt(self) -> None:
        self.speed_mps = 0.0

    def advance(self, passed_s: float) -> None:
        if not self.moving:
            return
        step_m = self.speed_mps * passed_s
        closing = self.target_m < self.width_m
        stop_m = self.target_m
        if closing and self.part_m is not None and self.part_m > self.target_m and self.width_m >= self.part_m:
            stop_m = self.part_m
        if abs(stop_m - self.width_m) <= step_m:
            self.width_m, self.speed_mps = stop_m, 0.0
            self.contact = "closing" if stop_m != self.target_m else "none"
        else:
            self.width_m += -step_m if closing else step_m

    def lose_part(self) -> None:
        self.part_m, self.contact = None, "none"
        self.speed_mps = 0.1


@dataclass
class Belt:
    speed_mps: float = 0.0
    jammed: bool = False

    def drive(self, speed_mps: float) -> None:
        self.speed_mps = 0.0 if self.jammed else speed_mps


@dataclass
class Cabinet:
    estop_ok: bool = True
    curtain_ok: bool = True
    encoder_m: float = 0.0
    strobe_m: float = 0.0
    strobe_count: int = 0
    part_present: bool = False
    lamps: int = 0

    def light(self, lamps: int) -> None:
        self.lamps = lamps

    def strobe(self) -> None:
        self.strobe_m, self.strobe_count = self.encoder_m, self.strobe_count + 1


class World:
    """A ``sim.plant.Plant``."""

    def __init__(self) -> None:
        self.gripper = Fingers()
        self.belt = Belt()
        self.cabinet = Cabinet()
        self.now_s: float | None = None

    def advance(self, now_s: float) -> None:
        passed_s = max(now_s - self.now_s, 0.0) if self.now_s is not None else 0.0
        self.now_s = now_s
        self.gripper.advance(passed_s)
        self.cabinet.encoder_m += self.belt.speed_mps * passed_s


def cell_plugins(group: str) -> Mapping[str, Callable[[], object]]:
    """The entry points of pyproject.toml, without an installed package."""
    return {
        "cellwright.drivers": {
            "robotiq_2f85": lambda: Robotiq2F85,
            "ls_g100": lambda: LsG100,
            "modbus_io": lambda: ModbusIo,
        },
        "cellwright.links": {"sim": lambda: links.open_link},
    }[group]


class Bench:
    """World, emulators, hall and devices; in simulated time (``threaded`` False) or over ptys in real time."""

    def __init__(self, threaded: bool) -> None:
        self.now_s = 1.0
        self.threaded = threaded
        clock = time.monotonic if threaded else (lambda: self.now_s)
        self.clock: Callable[[], float] = clock
        self.lock = threading.RLock()
        self.world = World()
        self.hall = links.LinkHall(clock, threaded, lock=self.lock)
        self.gripper = Robotiq2F85Device(self.world)
        # In real time a busy machine may well keep the controller off the line for a second.
        self.drive = LsG100Device(self.world, lost_command_s=10.0 if threaded else 1.0)
        self.block = ModbusIoDevice(self.world)
        self.slaves = {
            "gripper": RtuSlave(9, self.gripper),
            "drive": RtuSlave(1, self.drive),
            "io": RtuSlave(2, self.block),
        }
        for name, slave in self.slaves.items():
            self.hall.attach(name, slave)
        links.use(self.hall)
        self.devices = Devices(clock, threaded, plugins=cell_plugins)

    def run(self, seconds: float) -> None:
        """Let simulated time go on, as the conductor does."""
        end_s = self.now_s + seconds
        while True:
            for _ in range(100):
                wanted = [self.devices.poll(self.now_s), self.hall.poll(self.now_s)]
                next_s = min((value for value in wanted if value is not None), default=math.inf)
                if next_s > self.now_s:
                    break
            else:
                raise AssertionError(f"never idle at {self.now_s}")
            if next_s > end_s:
                self.now_s = end_s
                return
            self.now_s = next_s

    def wait(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Until the condition holds: simulated time goes on in small steps, real time by itself."""
        end_s = self.clock() + within_s
        while not condition():
            assert self.clock() < end_s, f"not within {within_s} s"
            if self.threaded:
                threading.Event().wait(0.002)
            else:
                self.run(0.005)

    def close(self) -> None:
        self.devices.close()
        self.hall.close()
        links.use(None)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench(threaded=False)
    yield bench
    bench.close()


@pytest.fixture
def live_bench() -> Iterator[Bench]:
    bench = Bench(threaded=True)
    bench.hall.start()
    bench.devices.start()
    yield bench
    bench.close()
