"""Robotiq's adaptive grippers: what to wire, to set and to ask.

Registers: ``cell.drivers.robotiq_2f85``. Ranges of the family after the data sheets [R]: 2F-85 85 mm, 20..150 mm/s,
20..235 N; 2F-140 140 mm, 30..250 mm/s, 10..125 N; Hand-E 50 mm, 20..150 mm/s, 20..185 N. Colours of the cable [R].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier, number
from cell.drivers.spec import DeviceSpec

STATUS = 0x07D0
STATES = {0: "reset", 1: "activating", 3: "activated"}
FAULT_FROM = 10
SILENCE = 9


@dataclass(frozen=True, slots=True)
class _Variant:
    model: str
    name: str
    stroke_m: float
    speed_mps: tuple[float, float]
    force_n: tuple[float, float]


VARIANTS = (
    _Variant("robotiq_hand_e", "Hand-E", 0.050, (0.020, 0.150), (20.0, 185.0)),
    _Variant("robotiq_2f85", "2F-85", 0.085, (0.020, 0.150), (20.0, 235.0)),
    _Variant("robotiq_2f140", "2F-140", 0.140, (0.030, 0.250), (10.0, 125.0)),
)
SLACK = 1.03
"""Finger tips add a little to a stroke."""


def _beyond(own: _Variant, spec: DeviceSpec) -> tuple[tuple[str, str], ...]:
    stroke_m = number(spec, "stroke_m", own.stroke_m)
    variant = own
    if own.model == "robotiq_2f85":
        # Configs from before the others had models of their own set a 2F-85's options to theirs.
        variant = next((one for one in VARIANTS if stroke_m <= one.stroke_m * SLACK), VARIANTS[-1])
    if stroke_m > variant.stroke_m * SLACK:
        return (("stroke_m", f"{stroke_m:g} m is wider than a {variant.name} opens ({variant.stroke_m:g} m)"),)
    found = []
    force_n, speed_mps = (
        number(spec, "max_force_n", own.force_n[1]),
        number(spec, "max_speed_mps", own.speed_mps[1]),
    )
    if force_n > variant.force_n[1]:
        found.append(
            (
                "max_force_n",
                f"{force_n:g} N is beyond a {variant.name}'s {variant.force_n[1]:g} N",
            )
        )
    if speed_mps > variant.speed_mps[1]:
        found.append(("max_speed_mps", f"{speed_mps:g} m/s is beyond a {variant.name}'s {variant.speed_mps[1]:g} m/s"))
    for quantity, default in (("force_n", own.force_n), ("speed_mps", own.speed_mps)):
        low, high = number(spec, f"min_{quantity}", default[0]), number(spec, f"max_{quantity}", default[1])
        if low >= high:
            found.append((f"min_{quantity}", f"{low:g} must be below max_{quantity}, {high:g}"))
    return tuple(found)


def _ranges(own: _Variant, spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    low_n, high_n = own.force_n
    return {
        "force_n": (number(spec, "min_force_n", low_n), number(spec, "max_force_n", high_n)),
        "width_m": (0.0, number(spec, "stroke_m", own.stroke_m)),
    }


def _judge(values: Sequence[int]) -> Judgement:
    status, fault = values[0] >> 8, values[1] >> 8 & 0x0F
    state = status >> 4 & 3
    # b1 and b2 of the status are reserved and read 0; the low byte of the first register too.
    if state not in STATES or status & 0x06 or values[0] & 0xFF:
        return Judgement(
            Grade.FAULT,
            f"answers, but not as a Robotiq gripper does (status {values[0]:#06x})",
            "another device has this unit, or the unit or the port is another one's",
        )
    words = f"answers as a Robotiq gripper does, {STATES[state]}, at {values[2] >> 8} of 255 (it has no serial to read)"
    if fault >= FAULT_FROM:
        return Judgement(Grade.FAULT, f"{words}; fault {fault}", "see docs/drivers.md; Reset activates it again")
    if fault and fault != SILENCE:
        return Judgement(Grade.WARNING, f"{words}; fault {fault}", "goes away with the activation")
    return Judgement(Grade.OK, words)


def _checks(spec: DeviceSpec) -> tuple[Check, ...]:
    refused = Judgement(Grade.FAULT, "answers, but has no registers at 0x07D0", "is another device on this unit?")
    return (Check("identity", Request(spec.unit, READ_INPUT, STATUS, 3), _judge, refused),)


def _guide(own: _Variant) -> Guide:
    return Guide(
        title=f"Robotiq {own.name}",
        unit=9,
        baudrate=115200,
        wiring=(
            "24 V DC, at least 1 A, on red (+) and black (0 V), from a supply that the emergency stop does not cut, as"
            " far as the safety check of the cell allows it: without power it has to be activated again",
            "RS-485: white is D+ (A), green is D- (B), the bare wire is its ground; to a USB adapter or a serial port",
            "120 ohm between D+ and D- at the far end of a cable that is longer than a few metres",
        ),
        settings=(
            "unit 9 and 115200 baud, 8N1, are the maker's; another unit is set with Robotiq's own program",
            "nothing to set for a lost connection: the gripper keeps its last command and flags a silent master after"
            " 1 s",
        ),
        options=MappingProxyType(
            {
                "period_s": "between two status requests, s; the device flags a master that is silent for 1 s",
                "stroke_m": "between the open fingers, m",
                "min_speed_mps": "of a finger at speed byte 0, m/s",
                "max_speed_mps": "of a finger at speed byte 255, m/s",
                "min_force_n": "at force byte 0, N",
                "max_force_n": "at force byte 255, N",
                "spare_registers": "that may be read behind the status, to tell late replies apart",
            }
        ),
        beyond=partial(_beyond, own),
        ranges=partial(_ranges, own),
        checks=_checks,
        tiers=(Tier.MANUAL, Tier.CLIENT),
    )


GUIDE_HAND_E, GUIDE, GUIDE_2F140 = (_guide(variant) for variant in VARIANTS)
