"""Robotiq's EPick: what to wire, to set and to ask. Registers: ``cell.drivers.robotiq_epick``. Ranges and cable [R]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement
from cell.drivers.spec import DeviceSpec

STATUS = 0x07D0
STATES = {0: "not activated", 3: "activated"}
FAULT_FROM = 10
SILENCE = 9
OF_THE_GRIP = (3, 6)
PRESSURE_PA = (1_000.0, 99_000.0)
"""What its registers can say; how deep the pump comes (about 20 kPa) depends on the cups."""


def _ranges(spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    return {"hold_pressure_pa": PRESSURE_PA, "stop_pressure_pa": (0.0, PRESSURE_PA[1])}


def _judge(values: Sequence[int]) -> Judgement:
    status, fault = values[0] >> 8, values[1] >> 8 & 0x0F
    state = status >> 4 & 3
    # b2 of the status and the upper six bits of its second byte are reserved and read 0.
    if state not in STATES or status & 0x04 or values[0] & 0xFC:
        return Judgement(
            Grade.FAULT,
            f"answers, but not as an EPick does (status {values[0]:#06x})",
            "another device has this unit, or the unit or the port is another one's",
        )
    words = f"answers as an EPick does, {STATES[state]}, at {values[2] >> 8} kPa (it has no serial to read)"
    if fault >= FAULT_FROM:
        return Judgement(Grade.FAULT, f"{words}; fault {fault}", "see docs/drivers.md; Reset activates it again")
    if fault and fault != SILENCE and fault not in OF_THE_GRIP:
        return Judgement(Grade.WARNING, f"{words}; fault {fault}", "goes away with the activation")
    return Judgement(Grade.OK, words)


def _checks(spec: DeviceSpec) -> tuple[Check, ...]:
    refused = Judgement(Grade.FAULT, "answers, but has no registers at 0x07D0", "is another device on this unit?")
    return (Check("identity", Request(spec.unit, READ_INPUT, STATUS, 3), _judge, refused),)


GUIDE = Guide(
    title="Robotiq EPick",
    unit=9,
    baudrate=115200,
    wiring=(
        "24 V DC, at least 1 A, on red (+) and black (0 V), from a supply that the emergency stop does not cut, as far"
        " as the safety check of the cell allows it: without power the pump stands, and a part comes off in time",
        "RS-485: white is D+ (A), green is D- (B), the bare wire is its ground; to a USB adapter or a serial port",
        "a cup that is smaller than the smallest part; a filter where there is dust",
    ),
    settings=(
        "unit 9 and 115200 baud, 8N1, are the maker's; another unit is set with Robotiq's own program",
        "nothing to set for a lost connection: it goes on holding and flags a silent master after 1 s",
    ),
    options=MappingProxyType(
        {
            "period_s": "between two status requests, s; the device flags a master that is silent for 1 s",
            "timeout_step_s": "of the grip's time-out register, s",
            "blow": "release by pressure instead of an open valve: sooner, but light parts fly",
            "spare_registers": "that may be read behind the status, to tell late replies apart",
        }
    ),
    ranges=_ranges,
    checks=_checks,
)
