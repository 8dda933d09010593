"""Robotiq's EPick as its Modbus port shows it, in front of a suction cup of the world.

Registers and codes: the EPick's instruction manual, section "Control", as PickNikRobotics/ros2_epick_gripper uses them
(table of addresses, action, status and fault bits). Times, and what automatic mode asks for, are recalled.
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.emulators.slave import ILLEGAL_ADDRESS, ModbusException
from sim.plant import SuctionPlant

COMMAND = 0x03E8
STATUS = 0x07D0
ACT, MODE, ADVANCED, GTO, RELEASE = 0x01, 0x06, 0x02, 0x08, 0x10
RESET, READY = 0, 3
STANDBY, GRIPS, VENTS, BLOWS = 0, 1, 2, 3
OK, POROUS, DELAYED, TIMED_OUT, NOT_ACTIVATED, NO_COMMUNICATION, RELEASING, RELEASED = 0, 3, 5, 6, 7, 9, 11, 15
MAJOR = 10
UNKNOWN, AT_MINIMUM, AT_MAXIMUM, NO_OBJECT = 0, 1, 2, 3

KILOPASCAL = 1000.0
#: On the device's scale the open air has this pressure.
OPEN_AIR = 100
#: Maximum and minimum vacuum, absolute, kPa, and time-out, 0.1 s, of automatic mode.
AUTOMATIC = (40, 20, 60)
TIMEOUT_STEP_S = 0.1
SILENCE_S = 1.0
ACTIVATION_S = 0.4
#: How often it looks at its pressure sensor, s.
REGULATION_S = 0.005
#: A part that was held is lost when the pressure has come back to this, Pa.
LOST_PA = 93_000.0
#: How long an automatic release blows, s.
RELEASE_S = 1.0
_ROUNDING_PA = 1.0


class RobotiqEPickDevice:
    """A ``RegisterDevice``; put it behind ``RtuSlave(9, ...)``.

    What it holds is not let go when the master falls silent: the last command stays in force.
    """

    functions = frozenset((3, 4, 6, 16, 23))

    def __init__(self, plant: SuctionPlant) -> None:
        self._plant = plant
        self.power_cycle(0.0)

    def power_cycle(self, now: float) -> None:
        """The supply was gone: it knows nothing of before, the pump stands and the valve is closed."""
        self._plant.advance(now)
        self._registers = [0, 0, 0]
        self._fault = OK
        self._heard_s: float | None = None
        self._ready_s: float | None = None
        # Of a grip: pressures and time-out; whether the pump rests, it is deep enough, and it ever was.
        self._stop_pa, self._hold_pa, self._timeout_s = 0.0, 0.0, 0.0
        self._resting, self._deep, self._had = False, False, False
        self._idle()

    def break_down(self, code: int, now: float) -> None:
        """A fault of its own; from 10 on it stands still, valve closed, until it is activated anew."""
        self._fault = code
        if code >= MAJOR:
            self._plant.advance(now)
            self._idle()

    @property
    def state(self) -> int:
        """gSTA: 0 not activated, 3 operational."""
        return READY if self._ready_s is not None and self._ready_s < 0.0 else RESET

    def read(self, function: int, address: int, count: int, now: float) -> Sequence[int]:
        """Status registers, six of them; the command registers can be read back."""
        self._hear(now)
        if address >= STATUS and address + count <= STATUS + 6:
            self._plant.advance(now)
            self._regulate(now)
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
        before = list(self._registers)
        self._registers[address - COMMAND : address - COMMAND + len(values)] = values
        self._obey(now, changed=before != self._registers)

    def tick(self, now: float) -> float | None:
        """Go on with the activation, with what the pressure asks for, or with a release."""
        if self._ready_s is not None and self._ready_s >= 0.0:
            if now < self._ready_s:
                return self._ready_s
            self._ready_s = -1.0
            if self._fault == DELAYED:
                self._fault = OK
            if self._action & GTO:
                self._plant.advance(now)
                self._begin(now)
        if self._actuator == STANDBY:
            return None
        self._plant.advance(now)
        self._regulate(now)
        if self._actuator == GRIPS:
            return now + REGULATION_S
        return None if self._actuator == STANDBY else self._until_s

    @property
    def _action(self) -> int:
        return self._registers[0] >> 8

    def _hear(self, now: float) -> None:
        if self._heard_s is not None and now - self._heard_s > SILENCE_S and self._fault in (OK, POROUS, TIMED_OUT):
            self._fault = NO_COMMUNICATION
        self._heard_s = now

    def _obey(self, now: float, *, changed: bool) -> None:
        if not self._action & ACT:
            self._fault = NOT_ACTIVATED if self._action & GTO else OK
            self._ready_s = None
            self._idle()
            return
        if self._fault >= MAJOR and self._ready_s is not None:
            # Only an edge of rACT leaves a major fault.
            return
        if self._ready_s is None:
            self._ready_s, self._fault = now + ACTIVATION_S, OK
        if self.state != READY:
            self._fault = DELAYED if self._action & GTO else OK
            return
        if self._action & RELEASE:
            self._fault = RELEASING
            self._open(BLOWS, now + RELEASE_S)
            return
        if self._fault == NO_COMMUNICATION:
            self._fault = OK
        if not self._action & GTO:
            self._idle()
        elif changed or self._actuator == STANDBY:
            # The same words again while it does what they say change nothing.
            self._begin(now)

    def _begin(self, now: float) -> None:
        """Follow the pressures that are asked for."""
        request, timeout, minimum = self._registers[1] & 0xFF, self._registers[2] >> 8, self._registers[2] & 0xFF
        automatic = self._action & MODE == 0
        if automatic and request < OPEN_AIR:
            request, timeout, minimum = AUTOMATIC
        self._fault = OK
        self._found = UNKNOWN
        if request >= OPEN_AIR:
            self._open(VENTS if request == OPEN_AIR else BLOWS, now + timeout * TIMEOUT_STEP_S)
            return
        self._stop_pa, self._hold_pa = request * KILOPASCAL, minimum * KILOPASCAL
        self._timeout_s, self._until_s = timeout * TIMEOUT_STEP_S, now + timeout * TIMEOUT_STEP_S
        self._actuator, self._resting, self._deep, self._had = GRIPS, False, False, False
        self._plant.cup.valve("closed")
        self._plant.cup.pump(True)

    def _open(self, how: int, until_s: float) -> None:
        self._found = UNKNOWN
        self._actuator, self._until_s = how, until_s
        self._plant.cup.pump(False)
        self._plant.cup.valve("vents" if how == VENTS else "blows")

    def _idle(self) -> None:
        """Pump off, valve closed: a tight cup keeps what it holds for a while."""
        self._actuator, self._found, self._until_s = STANDBY, UNKNOWN, 0.0
        self._plant.cup.pump(False)
        self._plant.cup.valve("closed")

    def _regulate(self, now: float) -> None:
        """One look at the sensor."""
        cup = self._plant.cup
        if self._actuator in (VENTS, BLOWS) and now >= self._until_s:
            if self._fault == RELEASING:
                self._fault = RELEASED
            self._actuator = STANDBY
            cup.valve("closed")
        if self._actuator != GRIPS:
            return
        pressure_pa = cup.pressure_pa
        if pressure_pa <= self._stop_pa + _ROUNDING_PA:
            self._found, self._deep, self._resting = AT_MAXIMUM, True, True
            cup.pump(False)
        elif pressure_pa > self._hold_pa + _ROUNDING_PA:
            self._too_shallow(pressure_pa, now)
        elif not self._resting:
            self._found = AT_MINIMUM
            if not self._deep:
                self._deep, self._until_s = True, now + self._timeout_s
            elif now >= self._until_s and self._fault == OK:
                self._fault = POROUS

    def _too_shallow(self, pressure_pa: float, now: float) -> None:
        if self._deep:
            # It was deep enough: from now on the time-out runs again.
            self._deep, self._had, self._resting, self._found = False, True, False, UNKNOWN
            self._until_s = now + self._timeout_s
            self._plant.cup.pump(True)
        if self._had and pressure_pa >= LOST_PA:
            self._found = NO_OBJECT
        if now >= self._until_s:
            self._found, self._fault, self._actuator = NO_OBJECT, TIMED_OUT, STANDBY
            self._plant.cup.pump(False)

    def _status(self) -> list[int]:
        flags = self._action & (ACT | MODE | GTO) | self.state << 4 | self._found << 6
        kilopascal = min(max(round(self._plant.cup.pressure_pa / KILOPASCAL), 0), 255)
        return [flags << 8 | self._actuator, self._fault << 8 | self._registers[1] & 0xFF, kilopascal << 8, 0, 0, 0]
