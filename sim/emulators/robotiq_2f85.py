"""Robotiq's two-finger grippers as their Modbus port shows them, in front of two fingers of the world.

Registers and codes: Robotiq 2F-85/2F-140 and Hand-E instruction manuals, section "Control" (register map, activation,
faults, automatic release). Strokes, speeds and forces: their data sheets, as recalled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sim.emulators.slave import ILLEGAL_ADDRESS, ModbusException
from sim.plant import GripperPlant, Plant

COMMAND = 0x03E8
STATUS = 0x07D0
ACT, GTO, RELEASE, RELEASE_OPENS = 0x01, 0x08, 0x10, 0x20
RESET, ACTIVATING, READY = 0, 1, 3
OK, DELAYED, NOT_ACTIVATED, NO_COMMUNICATION, RELEASING, RELEASED = 0, 5, 7, 9, 11, 15
MAJOR = 10
MOVING, CONTACT_OPENING, CONTACT_CLOSING, AT_REQUEST = 0, 1, 2, 3

# The device flags a master that has said nothing for this long.
SILENCE_S = 1.0
# How often the activation looks whether the fingers have arrived, and how long it takes at least (close, then open).
ACTIVATION_STEP_S = 0.02
ACTIVATION_S = 1.0


class Robotiq2F85Device:
    """A ``RegisterDevice``; put it behind ``RtuSlave(9, ...)``.

    The part in the fingers is not let go when the master falls silent: the last command stays in force.
    """

    functions = frozenset((3, 4, 6, 16, 23))
    STROKE_M: ClassVar[float] = 0.085
    SPEED_MPS: ClassVar[tuple[float, float]] = (0.020, 0.150)
    FORCE_N: ClassVar[tuple[float, float]] = (20.0, 235.0)

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self.power_on(0.0)

    def power_off(self, now: float) -> None:
        """The motor has no current any more: the fingers stand; what they hold, their gears keep."""
        self._plant.advance(now)
        self._plant.gripper.halt()

    def power_on(self, now: float) -> None:
        """The supply was gone: it knows nothing of before and has to be activated; the fingers stay where they are."""
        self._registers = [0, 0, 0]
        self._state = RESET
        self._fault = OK
        self._heard_s: float | None = None
        self._since_s = 0.0
        self._opening = False

    def break_down(self, code: int, now: float) -> None:
        """A fault of its own; from 10 on it stands still until it is activated anew."""
        self._fault = code
        if code >= MAJOR:
            self._plant.advance(now)
            self._plant.gripper.halt()

    @property
    def state(self) -> int:
        """gSTA: 0 reset, 1 activating, 3 ready."""
        return self._state

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """Status registers; the command registers can be read back."""
        self._hear(now)
        if address >= STATUS and address + count <= STATUS + 3:
            self._plant.advance(now)
            return self._status()[address - STATUS :][:count]
        if address >= COMMAND and address + count <= COMMAND + 3:
            return self._registers[address - COMMAND :][:count]
        raise ModbusException(ILLEGAL_ADDRESS)

    def write(self, function: int, address: int, values: Sequence[int], now: float) -> None:
        """Command registers; what they say is done at once."""
        if address < COMMAND or address + len(values) > COMMAND + 3:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._hear(now)
        self._plant.advance(now)
        self._registers[address - COMMAND : address - COMMAND + len(values)] = values
        self._obey(now)

    def tick(self, now: float) -> float | None:
        """Go on with the activation (close, open, ready) or with an automatic release."""
        if self._fault == RELEASING:
            self._plant.advance(now)
            if self._plant.gripper.moving:
                return now + ACTIVATION_STEP_S
            self._fault = RELEASED
        if self._state != ACTIVATING:
            return None
        self._plant.advance(now)
        fingers = self._plant.gripper
        if not fingers.moving:
            if not self._opening:
                self._opening = True
                fingers.command(self.STROKE_M, self.SPEED_MPS[1], self.FORCE_N[0])
            elif now - self._since_s >= ACTIVATION_S:
                self._state = READY
                if self._fault == DELAYED:
                    self._fault = OK
                if self._action & GTO:
                    self._go(fingers)
                return None
        return now + ACTIVATION_STEP_S

    @property
    def _action(self) -> int:
        return self._registers[0] >> 8

    def _hear(self, now: float) -> None:
        if self._heard_s is not None and now - self._heard_s > SILENCE_S and self._fault == OK:
            self._fault = NO_COMMUNICATION
        self._heard_s = now

    def _obey(self, now: float) -> None:
        fingers = self._plant.gripper
        if not self._action & ACT:
            self._state = RESET
            self._fault = NOT_ACTIVATED if self._action & GTO else OK
            fingers.halt()
            return
        if self._fault >= MAJOR and self._state != RESET:
            # Only an edge of rACT leaves a major fault.
            return
        if self._action & RELEASE:
            self._fault = RELEASING
            target_m = self.STROKE_M if self._action & RELEASE_OPENS else 0.0
            fingers.command(target_m, self.SPEED_MPS[0], self.FORCE_N[0])
            return
        if self._state == RESET:
            self._state, self._since_s, self._opening = ACTIVATING, now, False
            self._fault = OK
            fingers.command(0.0, self.SPEED_MPS[1], self.FORCE_N[0])
        if self._state == ACTIVATING:
            self._fault = DELAYED if self._action & GTO else OK
            return
        self._fault = OK
        if self._action & GTO:
            self._go(fingers)
        else:
            fingers.halt()

    def _go(self, fingers: GripperPlant) -> None:
        position = self._registers[1] & 0xFF
        speed, force = self._registers[2] >> 8, self._registers[2] & 0xFF
        fingers.command(
            self.STROKE_M * (255 - position) / 255,
            self.SPEED_MPS[0] + (self.SPEED_MPS[1] - self.SPEED_MPS[0]) * speed / 255,
            self.FORCE_N[0] + (self.FORCE_N[1] - self.FORCE_N[0]) * force / 255,
        )

    def _status(self) -> list[int]:
        fingers = self._plant.gripper
        if fingers.moving:
            found = MOVING
        else:
            found = {"closing": CONTACT_CLOSING, "opening": CONTACT_OPENING}.get(fingers.contact, AT_REQUEST)
        flags = self._action & (ACT | GTO) | self._state << 4 | found << 6
        position = min(max(round(255 * (1 - fingers.width_m / self.STROKE_M)), 0), 255)
        current = min(max(round(fingers.current_a / 0.01), 0), 255)
        return [flags << 8, self._fault << 8 | self._registers[1] & 0xFF, position << 8 | current]


class Robotiq2F140Device(Robotiq2F85Device):
    """The wide one."""

    STROKE_M = 0.140
    SPEED_MPS = (0.030, 0.250)
    FORCE_N = (10.0, 125.0)


class RobotiqHandEDevice(Robotiq2F85Device):
    """The small one."""

    STROKE_M = 0.050
    SPEED_MPS = (0.020, 0.150)
    FORCE_N = (20.0, 185.0)
