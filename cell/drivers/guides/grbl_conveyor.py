"""A belt on a Grbl controller: what to wire and to set. Settings of Grbl v1.1: its "Configuration" page [V]."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cell.drivers.guide import Guide, Tier, number
from cell.drivers.spec import DeviceSpec


def _ranges(spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    top_mps = number(spec, "max_speed_mps", 0.3)
    return {"speed_mps": (-top_mps if spec.options.get("allow_reverse") is True else 0.0, top_mps)}


def _beyond(spec: DeviceSpec) -> tuple[tuple[str, str], ...]:
    piece_s, ahead_s = number(spec, "piece_s", 0.1), number(spec, "ahead_s", 0.4)
    if ahead_s < 2.0 * piece_s:
        return (
            ("ahead_s", f"{ahead_s:g} s is less than two pieces of {piece_s:g} s: the belt would stop between them"),
        )
    return ()


GUIDE = Guide(
    title="belt on a Grbl 1.1 motion controller (serial, no Modbus)",
    baudrate=115200,
    wiring=(
        "the belt's stepper driver on the X axis: step, direction, enable",
        "the controller's USB socket to the cell PC, with a shielded cable that does not run beside the motor's",
        "the safety PLC takes the stepper driver's supply; this software never does",
    ),
    settings=(
        "$100 steps for 1 mm of belt (or set mm_per_m), $110 highest speed in mm/min, $120 acceleration in mm/s2",
        "$20=0 and $21=0: a belt has no limits; $1=255 if the motor is to hold at standstill",
        "nothing to set for a lost connection: what was sent runs out within ahead_s, and the belt stops",
    ),
    options=MappingProxyType(
        {
            "period_s": "between two status reports, s",
            "max_speed_mps": "highest speed of the belt, m/s; no more than $110 allows",
            "allow_reverse": "the belt may run backwards",
            "invert": "the axis counts down while the belt travels on",
            "mm_per_m": "millimetres of the axis for a metre of belt",
            "piece_s": "of travel in one jog, s",
            "ahead_s": "of travel that is sent ahead, s: so long the belt goes on when the controller is gone",
            "any_version": "take firmware that speaks as Grbl 1.1 does and says another version",
        }
    ),
    beyond=_beyond,
    ranges=_ranges,
    tiers=(Tier.MANUAL, Tier.CLIENT),
)
