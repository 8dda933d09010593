"""Eastron's energy meters: what to wire, to set and to ask. Registers: ``cell.drivers.eastron_sdm``. Terminals [R]."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType

from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier
from cell.drivers.spec import DeviceSpec

FREQUENCY = 0x0046
MAINS_HZ = (45.0, 66.0)
LEAST_V, MOST_V = 85.0, 520.0


def _float(values: Sequence[int]) -> float:
    value: float = struct.unpack(">f", struct.pack(">HH", *values[:2]))[0]
    return value


def _judge_voltage(values: Sequence[int]) -> Judgement:
    voltage_v = _float(values)
    if not 0.0 <= voltage_v <= MOST_V or 0.0 < voltage_v < 1.0:
        return Judgement(
            Grade.FAULT,
            f"answers, but not as an energy meter does (a voltage of {voltage_v:g} V)",
            "is another device on this unit?",
        )
    if voltage_v < LEAST_V:
        return Judgement(
            Grade.WARNING,
            f"answers as an energy meter does, with {voltage_v:.1f} V",
            "is its voltage terminal wired, and the mains on?",
        )
    return Judgement(Grade.OK, f"answers as an energy meter does, {voltage_v:.1f} V")


def _judge_frequency(values: Sequence[int]) -> Judgement:
    hz = _float(values)
    if MAINS_HZ[0] <= hz <= MAINS_HZ[1]:
        return Judgement(Grade.OK, f"mains of {hz:.1f} Hz")
    return Judgement(Grade.WARNING, f"shows a mains of {hz:g} Hz", "is it wired to the mains?")


def _checks(voltage: int, spec: DeviceSpec) -> tuple[Check, ...]:
    return (
        Check(
            "identity",
            Request(spec.unit, READ_INPUT, voltage, 2),
            _judge_voltage,
            Judgement(Grade.FAULT, "answers, but has no such registers", "is another device on this unit?"),
        ),
        Check(
            "mains",
            Request(spec.unit, READ_INPUT, FREQUENCY, 2),
            _judge_frequency,
            Judgement(Grade.WARNING, "does not show the mains' frequency", "is it another make of meter?"),
        ),
    )


def _guide(name: str, baudrate: int, wiring: str, checks: Callable[[DeviceSpec], tuple[Check, ...]]) -> Guide:
    return Guide(
        title=f"Eastron {name} energy meter",
        unit=1,
        baudrate=baudrate,
        wiring=(
            wiring,
            "RS-485: A and B to the adapter's D+ and D-, ground to ground, 120 ohm at the far end",
        ),
        settings=(f"address 1, {baudrate} baud, 8N1 are the maker's; others by the button, or its menu",),
        options=MappingProxyType(
            {
                "period_s": "between two requests, s; the meter renews its values about once a second",
                "register_energy": "of the energy: 342 both ways, 72 drawn alone",
            }
        ),
        checks=checks,
        tiers=(Tier.MANUAL, Tier.CLIENT),
    )


ONE_PHASE = "live in and out on L, neutral on N, by an electrician: the meter stands in the cell's supply"
THREE_PHASES = "L1, L2, L3 through the meter and N to it, by an electrician: the meter stands in the cell's supply"
GUIDE_SDM120 = _guide("SDM120", 2400, ONE_PHASE, partial(_checks, 0x0000))
GUIDE_SDM230 = _guide("SDM230", 9600, ONE_PHASE, partial(_checks, 0x0000))
GUIDE_SDM630 = _guide("SDM630", 9600, THREE_PHASES, partial(_checks, 0x002A))
