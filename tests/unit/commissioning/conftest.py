"""A cell on a machine of the test's own: emulators behind ptys, a state folder, a ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.emulators.ls_g100 import LsG100Device
from sim.emulators.modbus_io import ModbusIoDevice
from sim.emulators.robotiq_2f85 import Robotiq2F85Device
from sim.emulators.slave import RtuSlave
from sim.faces.procedural import ProceduralFaces
from sim.links import LinkHall
from sim.scenario import Scenario
from sim.world.world import World


class Lines:
    """Emulated devices behind ptys with names that stay, as a cabinet has them."""

    def __init__(self, folder: Path, *, lost_command_s: float | None) -> None:
        scenario = Scenario()
        self.world = World(
            scenario,
            1,
            ProceduralFaces(defective_share=scenario.feed.defective_share, mix=scenario.feed.mix),
            start_s=time.monotonic(),
        )
        self.drive = LsG100Device(self.world, lost_command_s=lost_command_s)
        self.hall = LinkHall(time.monotonic, threaded=True)
        self.hall.attach("gripper", RtuSlave(9, Robotiq2F85Device(self.world)))
        self.hall.attach("drive", RtuSlave(1, self.drive, baudrate=9600), baudrate=9600)
        self.hall.attach("cabinet", RtuSlave(1, ModbusIoDevice(self.world)))
        self.hall.start(folder)


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    ports = tmp_path / "ports"
    ports.mkdir()
    found = Lines(ports, lost_command_s=1.0)
    yield found
    found.hall.close()


@pytest.fixture
def unguarded(tmp_path: Path) -> Iterator[Lines]:
    """The same with a drive whose lost-command time-out is off."""
    ports = tmp_path / "ports"
    ports.mkdir()
    found = Lines(ports, lost_command_s=None)
    yield found
    found.hall.close()
