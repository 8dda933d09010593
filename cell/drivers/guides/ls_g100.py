"""LS Electric inverters (iG5A, S100, G100): what to wire, to set and to ask.

Registers of the common area: ``cell.drivers.ls_g100``. Parameters of the protection group have the documented address
0x1B00 plus their code [R]: Pr.12 what the drive does when its command is lost (0 nothing), Pr.13 after which time, in
0.1 s. The iG5A has I62 (0 goes on, 1 free run, 2 decelerate to a stop) and I63 (0.1 s) instead, documented address
0xA43E [R]. Terminals and keypad codes [R].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from cell.drivers.frames import READ_HOLDING, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier, number
from cell.drivers.spec import DeviceSpec

STATUS = 0x000E
LOST_COMMAND_MODE = 0x1B0C
"""Pr.12; Pr.13 lies behind it."""

IG5A_LOST_COMMAND = 0xA43E
"""I62; I63 lies behind it."""


@dataclass(frozen=True, slots=True)
class _LostCommand:
    """The parameters of one model: their names at the keypad, what the mode's values mean, those that stop the belt."""

    register: int
    mode: str
    time: str
    modes: Mapping[int, str]
    stops: tuple[int, ...]

    @property
    def keypad(self) -> str:
        return f"set {self.mode} to 2 (decelerate) and {self.time} to 1.0 s at the keypad"


NEWER = _LostCommand(
    LOST_COMMAND_MODE,
    "Pr.12",
    "Pr.13",
    {1: "free run", 2: "decelerate", 3: "hold the input", 4: "hold the output", 5: "go to the preset speed"},
    (1, 2),
)
IG5A = _LostCommand(IG5A_LOST_COMMAND, "I62", "I63", {1: "free run", 2: "decelerate"}, (1, 2))

TIME_STEP_S = 0.1
LONG_S = 3.0
"""A belt of 0.2 m/s travels more than half a metre unattended in a longer time."""

DIRECTIONS = 0x07
MOST_HZ = 400.0


def _ranges(spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    top_mps = number(spec, "max_hz", 60.0) * number(spec, "mps_per_hz", 0.01)
    return {"speed_mps": (-top_mps if spec.options.get("allow_reverse") is True else 0.0, top_mps)}


def _beyond(spec: DeviceSpec) -> tuple[tuple[str, str], ...]:
    hz = number(spec, "max_hz", 60.0)
    return (("max_hz", f"{hz:g} Hz is beyond the drive's {MOST_HZ:g} Hz"),) if hz > MOST_HZ else ()


def _judge_status(values: Sequence[int]) -> Judgement:
    status, trip = values[0], values[1]
    directions = bin(status & DIRECTIONS).count("1")
    if directions != 1:
        return Judgement(
            Grade.FAULT,
            f"answers, but its status {status:#06x} says neither stopped nor forward nor reverse",
            "is another device on this unit? else see register_status and address_offset in docs/drivers.md",
        )
    motion = "stopped" if status & 1 else "running"
    if status & 0x08:
        return Judgement(
            Grade.WARNING,
            f"answers as an LS inverter does, tripped (code {trip:#06x})",
            "remove the cause; the cell's Reset clears the trip",
        )
    return Judgement(Grade.OK, f"answers as an LS inverter does, {motion} (its model cannot be read here)")


def _judge_time_out(lost: _LostCommand, values: Sequence[int]) -> Judgement:
    mode, time_s, name, keypad = values[0], values[1] * TIME_STEP_S, lost.mode, lost.keypad
    if mode == 0:
        return Judgement(
            Grade.FAULT,
            f"its lost-command time-out is off ({name} = 0): the belt runs on when the controller or its cable is gone",
            keypad,
        )
    if mode not in lost.modes:
        return Judgement(
            Grade.WARNING, f"{name} reads {mode}, which is no mode of it", f"look at {name} at the keypad; {keypad}"
        )
    words = f"when the controller is gone: {lost.modes[mode]} after {time_s:.1f} s"
    if mode not in lost.stops:
        return Judgement(Grade.FAULT, f"{words}: the belt goes on moving", keypad)
    if not 0.0 < time_s <= LONG_S:
        return Judgement(Grade.WARNING, f"{words}, which is long", keypad)
    return Judgement(Grade.OK, words)


def _checks(parameters: _LostCommand, spec: DeviceSpec) -> tuple[Check, ...]:
    offset = int(number(spec, "address_offset", -1))
    status = int(number(spec, "register_status", STATUS)) + offset
    lost = int(number(spec, "register_lost_command", parameters.register)) + offset
    return (
        Check(
            "identity",
            Request(spec.unit, READ_HOLDING, status, 2),
            _judge_status,
            Judgement(Grade.FAULT, "answers, but has no common area", "is another device on this unit?"),
        ),
        Check(
            "time-out",
            Request(spec.unit, READ_HOLDING, lost, 2),
            partial(_judge_time_out, parameters),
            Judgement(
                Grade.WARNING,
                f"its lost-command time-out cannot be read (register {lost - offset:#06x})",
                f"look at {parameters.mode} at the keypad: it must not be 0; {parameters.keypad}",
            ),
        ),
    )


GUIDE = Guide(
    title="LS Electric G100 inverter (the belt's drive)",
    unit=1,
    baudrate=9600,
    wiring=(
        "mains on R, S, T (or R, T), the motor on U, V, W, both by an electrician; the motor's cable is shielded and"
        " does not run beside the RS-485 pair",
        "RS-485: S+ and S- to the adapter's D+ and D-, SG to its ground; the drive's termination switch on at the end",
        "the safety PLC stops the drive by its safe-torque-off or its contactor; this software never does",
    ),
    settings=(
        "command source (Cmd Source) 3: Int 485; frequency source (Freq Ref Src) 6: Int 485",
        "CM.1 station 1, CM.2 protocol 0: ModBus RTU, CM.3 9600 baud, CM.4 D8/PN/S1",
        "Pr.12 lost command 2: decelerate, Pr.13 after 1.0 s: what stops the belt when the controller is gone",
        "maximum frequency and ramps as in the options max_hz, accel_s and decel_s",
    ),
    options=MappingProxyType(
        {
            "mps_per_hz": "belt speed for one hertz, m/s: gear and roller",
            "max_hz": "highest output frequency, Hz",
            "accel_s": "from standstill to the drive's maximum frequency, s",
            "decel_s": "from the drive's maximum frequency to standstill, s",
            "allow_reverse": "the belt may run backwards",
            "period_s": "between two status requests, s",
            "spare_registers": "that may be read behind the status, to tell late replies apart",
            "address_offset": "of the wire's address to the documented one",
            "bit_trip_reset": "of the command register",
            "register_accel": "documented address",
            "register_decel": "documented address",
            "register_status": "documented address",
            "register_trip": "documented address",
            "register_lost_command": "documented address of Pr.12 (iG5A: I62); the time lies behind it",
        }
    ),
    beyond=_beyond,
    ranges=_ranges,
    checks=partial(_checks, NEWER),
    tiers=(Tier.CLIENT,),
)
GUIDE_S100 = replace(GUIDE, title="LS Electric S100 inverter (the belt's drive)")
GUIDE_IG5A = replace(
    GUIDE,
    title="LS Electric iG5A inverter (the belt's drive)",
    settings=(
        "drive mode drv 3: RS-485; frequency mode Frq 7: RS-485",
        "I59 protocol 0: Modbus RTU, I60 station 1, I61 3: 9600 baud; the line has two stop bits",
        "I62 lost command 2: decelerate, I63 after 1.0 s: what stops the belt when the controller is gone",
        "maximum frequency and ramps as in the options max_hz, accel_s and decel_s",
    ),
    checks=partial(_checks, IG5A),
    tiers=(Tier.CLIENT,),
)
