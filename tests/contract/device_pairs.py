"""Every driver with its emulator, in front of a small world, on a line in memory: what the conformance suite runs on.

A new driver joins by a ``Pair`` in ``PAIRS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cell.drivers.registry import Devices, DeviceSpec
from sim import links
from sim.emulators.delta_ms300 import DeltaMs300Device
from sim.emulators.device_faults import Stranger
from sim.emulators.eastron_sdm import EastronSdm120Device, EastronSdm630Device
from sim.emulators.grbl import GrblController
from sim.emulators.ls_g100 import LsG100Device, LsIg5aDevice, LsS100Device
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.onrobot_rg import OnRobotRg2Device, OnRobotRg6Device
from sim.emulators.robotiq_2f85 import Robotiq2F85Device, Robotiq2F140Device, RobotiqHandEDevice
from sim.emulators.slave import RtuSlave, TcpSlave

LINE = "line"


@dataclass
class Fingers:
    """Two fingers; ``part_m``: what stands between them."""

    width_m: float = 0.04
    part_m: float | None = None
    target_m: float = 0.04
    speed_mps: float = 0.0
    contact: str = "none"
    commands: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def moving(self) -> bool:
        return self.speed_mps > 0.0

    @property
    def current_a(self) -> float:
        return 0.3 if self.moving else 0.0

    def command(self, width_m: float, speed_mps: float, force_n: float) -> None:
        self.commands.append((width_m, speed_mps, force_n))
        self.target_m, self.contact = width_m, "none"
        self.speed_mps = speed_mps if width_m != self.width_m else 0.0

    def halt(self) -> None:
        self.speed_mps = 0.0

    def advance(self, passed_s: float) -> None:
        if not self.moving:
            return
        step_m, closing = self.speed_mps * passed_s, self.target_m < self.width_m
        stop_m = self.target_m
        if closing and self.part_m is not None and self.target_m < self.part_m <= self.width_m:
            stop_m = self.part_m
        if abs(stop_m - self.width_m) <= step_m:
            self.width_m, self.speed_mps = stop_m, 0.0
            self.contact = "closing" if stop_m != self.target_m else "none"
        else:
            self.width_m += -step_m if closing else step_m


@dataclass
class Belt:
    speed_mps: float = 0.0

    def drive(self, speed_mps: float) -> None:
        self.speed_mps = speed_mps


@dataclass
class Cabinet:
    estop_ok: bool = True
    curtain_ok: bool = True
    encoder_m: float = 3.0
    strobe_m: float = 2.0
    strobe_count: int = 7
    part_present: bool = True
    lamps: int = 0

    def light(self, lamps: int) -> None:
        self.lamps = lamps


class World:
    """A ``sim.plant.Plant``, and what an energy meter stands before."""

    def __init__(self) -> None:
        self.gripper = Fingers()
        self.belt = Belt()
        self.cabinet = Cabinet()
        self.power_w = 460.0
        self._now_s: float | None = None

    def advance(self, now_s: float) -> None:
        passed_s = 0.0 if self._now_s is None else max(now_s - self._now_s, 0.0)
        self._now_s = now_s
        self.gripper.advance(passed_s)
        self.cabinet.encoder_m += self.belt.speed_mps * passed_s


@dataclass(frozen=True)
class Pair:
    """A driver and its emulator.

    Attributes:
        model: of the driver.
        emulator: makes the device.
        unit, baudrate: of the line; ``tcp``: it speaks Modbus TCP, ``serial``: no Modbus at all.
        kind: gripper, drive, block or meter.
        break_down: gives the device a fault of its own; None: it has none to show.
        most: the most that it does: (width m, force N) of a gripper, speed of a drive.
    """

    model: str
    emulator: Callable[[World], Any]
    kind: str
    unit: int = 1
    baudrate: int = 115200
    tcp: bool = False
    serial: bool = False
    break_down: Callable[[Any, float], None] | None = None
    most: tuple[float, ...] = ()


PAIRS = (
    Pair(
        "robotiq_2f85",
        Robotiq2F85Device,
        "gripper",
        9,
        break_down=lambda d, now: d.break_down(8, now),
        most=(0.085, 235.0),
    ),
    Pair(
        "robotiq_2f140",
        Robotiq2F140Device,
        "gripper",
        9,
        break_down=lambda d, now: d.break_down(12, now),
        most=(0.14, 125.0),
    ),
    Pair(
        "robotiq_hand_e",
        RobotiqHandEDevice,
        "gripper",
        9,
        break_down=lambda d, now: d.break_down(14, now),
        most=(0.05, 185.0),
    ),
    Pair(
        "onrobot_rg2",
        OnRobotRg2Device,
        "gripper",
        65,
        tcp=True,
        break_down=lambda d, now: d.trigger_safety(now),
        most=(0.11, 40.0),
    ),
    Pair(
        "onrobot_rg6",
        OnRobotRg6Device,
        "gripper",
        65,
        tcp=True,
        break_down=lambda d, now: d.trigger_safety(now),
        most=(0.16, 120.0),
    ),
    Pair("ls_g100", LsG100Device, "drive", 1, 9600, break_down=lambda d, now: d.trip(1, now), most=(0.6,)),
    Pair("ls_s100", LsS100Device, "drive", 1, 9600, break_down=lambda d, now: d.trip(1, now), most=(0.6,)),
    Pair("ls_ig5a", LsIg5aDevice, "drive", 1, 9600, break_down=lambda d, now: d.trip(0x100, now), most=(0.6,)),
    Pair(
        "delta_ms300",
        lambda world: DeltaMs300Device(world, ramp_s=1.0, time_out_s=1.0, treatment=1),
        "drive",
        1,
        9600,
        break_down=lambda d, now: d.trip(49, now),
        most=(0.6,),
    ),
    Pair(
        "grbl_conveyor", GrblController, "drive", serial=True, break_down=lambda d, now: d.hit_limit(now), most=(0.3,)
    ),
    Pair("modbus_io", ModbusIoDevice, "block", 2),
    Pair("eastron_sdm120", lambda world: EastronSdm120Device(world, world.advance), "meter", 1, 9600),
    Pair("eastron_sdm230", lambda world: EastronSdm120Device(world, world.advance), "meter", 1, 9600),
    Pair("eastron_sdm630", lambda world: EastronSdm630Device(world, world.advance), "meter", 1, 9600),
)


class PairBench:
    """One pair in simulated time."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.now_s = 1.0
        self.world = World()
        self.device = pair.emulator(self.world)
        self.hall = links.LinkHall(lambda: self.now_s, threaded=False)
        self.slave: Any = self.device
        if pair.tcp:
            self.slave = TcpSlave(pair.unit, self.device)
            self.hall.attach_tcp(LINE, self.slave)
        elif pair.serial:
            self.hall.attach(LINE, self.device)
        else:
            # The line in memory carries 10 bits a character, whatever the driver makes of its own.
            self.slave = RtuSlave(pair.unit, self.device, baudrate=pair.baudrate)
            self.hall.attach(LINE, self.slave, baudrate=pair.baudrate)
        links.use(self.hall)
        self.devices = Devices(lambda: self.now_s, threaded=False)
        scheme = "sim+tcp" if pair.tcp else "sim"
        self.driver: Any = self.devices.open(
            DeviceSpec(pair.kind, pair.model, f"{scheme}:{LINE}", pair.unit, pair.baudrate)
        )

    @property
    def reading(self) -> Any:
        """The newest status of whatever kind."""
        name = {"gripper": "status", "drive": "status", "block": "safety", "meter": "measured"}[self.pair.kind]
        return getattr(self.driver, name)

    def ready(self) -> None:
        """The device is there, and takes commands."""
        self.wait(lambda: self.driver.connected and self.reading is not None)
        if self.pair.kind == "gripper":
            self.driver.activate()
            self.wait(lambda: self.reading.value.activated)

    def command(self, *, less: bool = False) -> Any:
        """Something that moves; ``less``: something else that does."""
        if self.pair.kind == "gripper":
            return self.driver.move(0.02 if less else 0.03, speed_mps=0.1, force_n=30.0)
        return self.driver.run(0.05 if less else 0.1)

    @property
    def moves(self) -> bool:
        """Fingers or belt."""
        return self.world.gripper.moving or self.world.belt.speed_mps != 0.0

    def mute(self, mute: bool = True) -> None:
        """The device's answers are lost from now on."""
        self.slave.fault = (lambda reply, now: ()) if mute else None

    def exchange(self) -> Any:
        """Another device is on the line; returns where its commands are."""
        if self.pair.serial:
            self.device.version = "0.9j"
            self.device.lines.clear()
            return self.device.lines
        stranger = Stranger(5)
        self.slave.stranger = stranger
        return stranger.commands

    def run(self, seconds: float) -> None:
        """Let simulated time go on."""
        end_s = self.now_s + seconds
        while True:
            for _ in range(200):
                wanted = [self.devices.poll(self.now_s), self.hall.poll(self.now_s)]
                next_s = min((value for value in wanted if value is not None), default=math.inf)
                if next_s > self.now_s:
                    break
            else:
                raise AssertionError(f"never idle at {self.now_s}")
            if next_s > end_s:
                self.now_s = end_s
                self.world.advance(end_s)
                return
            self.now_s = next_s

    def wait(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        end_s = self.now_s + within_s
        while not condition():
            assert self.now_s < end_s, f"not within {within_s} s ({self.driver.error})"
            self.run(0.005)

    def close(self) -> None:
        self.devices.close()
        self.hall.close()
        links.use(None)
