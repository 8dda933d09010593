"""OnRobot's RG2 and RG6 as their Compute Box shows them over Modbus TCP, in front of two fingers of the world.

Registers: OnRobot "Connectivity guide", RG2/RG6. The device ignores commands while it is busy, except a stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sim.emulators.slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException
from sim.plant import Plant

# Target force, target width, control.
WRITABLE = range(3)
MOVE, HALT, MOVE_WITH_TIPS = 1, 8, 16
SHOWN = {258: "offset", 267: "width", 268: "state", 275: "width_with_tips"}
FIRST_SHOWN, LAST_SHOWN = 257, 280
STEP_S = 0.01
SPEED_MPS = 0.1


class OnRobotRg2Device:
    """A ``RegisterDevice``; put it behind ``TcpSlave(65, ...)``.

    Args:
        plant: the world, for its fingers.
        tips_m: how much narrower each finger tip makes the opening.
    """

    functions = frozenset((3, 6, 16))
    MOST_FORCE: ClassVar[int] = 400
    MOST_WIDTH: ClassVar[int] = 1100

    def __init__(self, plant: Plant, *, tips_m: float = 0.0) -> None:
        self.switches = 0
        """Safety bits of the status, b2..b6: pressed 1, triggered 1, pressed 2, triggered 2, circuit."""
        self.ignored = 0
        """Commands that came while it was busy."""
        self._plant = plant
        self._tips_m = tips_m
        self._targets = [0, 0, 0]

    def power_off(self, now: float) -> None:
        """The motor stops; the gears hold."""
        self._plant.advance(now)
        self._plant.gripper.halt()

    def power_on(self, now: float) -> None:
        """Triggered switches are released by this alone."""
        self.switches = 0
        self._targets = [0, 0, 0]

    def trigger_safety(self, now: float) -> None:
        """Somebody hits the switch at finger 1: it stops, and stays so until its power was off."""
        self.switches |= 0x0C
        self._plant.advance(now)
        self._plant.gripper.halt()

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """What was written, and what is shown."""
        self._plant.advance(now)
        if address + count <= len(WRITABLE):
            return self._targets[address : address + count]
        if address < FIRST_SHOWN or address + count > LAST_SHOWN:
            raise ModbusException(ILLEGAL_ADDRESS)
        shown = self._shown()
        return [shown.get(SHOWN.get(place, ""), 0) & 0xFFFF for place in range(address, address + count)]

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Targets and command; a target beyond the device is refused."""
        if address + len(values) > len(WRITABLE):
            raise ModbusException(ILLEGAL_ADDRESS)
        targets = list(self._targets)
        targets[address : address + len(values)] = values
        if targets[0] > self.MOST_FORCE or targets[1] > self.MOST_WIDTH:
            raise ModbusException(ILLEGAL_VALUE)
        self._targets = targets
        self._plant.advance(now)
        if address + len(values) == len(WRITABLE):
            self._obey(targets[2])

    def tick(self, now: float) -> float | None:
        """The fingers go on by themselves; nothing else happens."""
        return None

    def _obey(self, command: int) -> None:
        fingers = self._plant.gripper
        if command == HALT:
            fingers.halt()
            return
        if command not in (MOVE, MOVE_WITH_TIPS) or self.switches:
            return
        if fingers.moving:
            self.ignored += 1
            return
        width_m = self._targets[1] / 10_000 + (2 * self._tips_m if command == MOVE_WITH_TIPS else 0.0)
        fingers.command(width_m, SPEED_MPS, self._targets[0] / 10)

    def _shown(self) -> dict[str, int]:
        fingers = self._plant.gripper
        gripped = not fingers.moving and fingers.contact != "none"
        width = round(fingers.width_m * 10_000)
        return {
            "offset": round(self._tips_m * 10_000),
            "width": width,
            "state": int(fingers.moving) | int(gripped) << 1 | self.switches,
            "width_with_tips": width - round(2 * self._tips_m * 10_000),
        }


class OnRobotRg6Device(OnRobotRg2Device):
    """The big one."""

    MOST_FORCE = 1200
    MOST_WIDTH = 1600
