"""OnRobot's RG2 and RG6: what to wire, to set and to ask. Registers: ``cell.drivers.onrobot_rg``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from cell.drivers.frames import READ_HOLDING, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier, number
from cell.drivers.spec import DeviceSpec

WIDTH = 267
RESERVED = 0xFF80
PRESSED, TRIGGERED, CIRCUIT = 0x14, 0x28, 0x40


@dataclass(frozen=True, slots=True)
class _Size:
    name: str
    stroke_m: float
    force_n: tuple[float, float]


def _judge(size: _Size, values: Sequence[int]) -> Judgement:
    width = values[0] - 0x10000 if values[0] & 0x8000 else values[0]
    width_m, status = width / 10_000, values[1]
    if status & RESERVED or not -0.01 <= width_m <= size.stroke_m + 0.01:
        return Judgement(
            Grade.FAULT,
            f"answers, but not as an {size.name} does (width {width_m:.4f} m, status {status:#06x})",
            "another device, or the other size of gripper?",
        )
    words = f"answers as an {size.name} does, {width_m * 1000:.1f} mm open"
    if status & (TRIGGERED | CIRCUIT):
        return Judgement(Grade.FAULT, f"{words}; its safety switch was triggered", "take its power off and on")
    if status & PRESSED:
        return Judgement(Grade.WARNING, f"{words}; a safety switch is pressed", "free it")
    return Judgement(Grade.OK, words)


def _checks(size: _Size, spec: DeviceSpec) -> tuple[Check, ...]:
    nothing = Judgement(Grade.FAULT, "answers, but has no registers at 267", "is this the address of the gripper?")
    return (Check("identity", Request(spec.unit, READ_HOLDING, WIDTH, 2), partial(_judge, size), nothing),)


def _ranges(size: _Size, spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    low_n, high_n = size.force_n
    return {
        "force_n": (number(spec, "min_force_n", low_n), number(spec, "max_force_n", high_n)),
        "width_m": (0.0, number(spec, "stroke_m", size.stroke_m)),
    }


def _guide(size: _Size) -> Guide:
    return Guide(
        title=f"OnRobot {size.name} gripper (Modbus TCP)",
        unit=65,
        wiring=(
            "the gripper on its Quick Changer, this to the Compute Box; the Compute Box's Ethernet to the cell PC",
            "24 V DC to the Compute Box, from a supply that the emergency stop does not cut, as far as the safety check"
            " of the cell allows it: a gripper without power holds by its gears, but cannot say so",
        ),
        settings=(
            "the Compute Box's address by its DIP switches or its web page; the port in the config is"
            " tcp://ADDRESS:502, the unit 65",
            "nothing to set for a lost connection: the gripper ends its last move and keeps it",
        ),
        options=MappingProxyType(
            {
                "period_s": "between two status requests, s",
                "stroke_m": "between the open fingers, m",
                "min_force_n": "least force that is asked for, N",
                "max_force_n": "most force that is asked for, N",
                "speed_mps": "that its fingers have, m/s; it cannot be told one",
                "settle_s": "after which a move that made it busy at no time counts as done, s",
                "tip_offset": "widths are between the finger tips that the device knows of",
            }
        ),
        ranges=partial(_ranges, size),
        checks=partial(_checks, size),
        tiers=(Tier.CLIENT,),
    )


GUIDE_RG2 = _guide(_Size("RG2", 0.110, (3.0, 40.0)))
GUIDE_RG6 = _guide(_Size("RG6", 0.160, (25.0, 120.0)))
