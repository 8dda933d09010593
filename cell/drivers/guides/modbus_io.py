"""The cell's Modbus I/O block: what to wire, to set and to ask. Its map is ours (``docs/drivers.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from cell.drivers.frames import READ_INPUT, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier, number
from cell.drivers.spec import DeviceSpec

IDENTITY_AT = 6
IDENTITY = 0xCE11
MAP_VERSION = 2


def _judge_identity(values: Sequence[int]) -> Judgement:
    identity, version = values[0], values[1]
    if identity != IDENTITY:
        return Judgement(
            Grade.FAULT,
            f"answers, but is no I/O block of this cell (identity {identity:#06x} instead of {IDENTITY:#06x})",
            "is another device on this unit?",
        )
    if version != MAP_VERSION:
        return Judgement(
            Grade.FAULT,
            f"has version {version} of its register map, this driver knows {MAP_VERSION}",
            "update its firmware or this software",
        )
    return Judgement(Grade.OK, f"the cell's I/O block, version {version} of its map")


def _checks(spec: DeviceSpec) -> tuple[Check, ...]:
    estop, curtain = (1 << int(number(spec, key, bit)) for key, bit in (("bit_estop", 0), ("bit_curtain", 1)))
    inputs = int(number(spec, "register_inputs", 0))

    def judge_inputs(values: Sequence[int]) -> Judgement:
        open_ = [name for name, bit in (("emergency stop", estop), ("light curtain", curtain)) if not values[0] & bit]
        if open_:
            return Judgement(
                Grade.WARNING,
                f"{' and '.join(open_)} not in order",
                "release it, or check its wire: an open contact reads so",
            )
        return Judgement(Grade.OK, "emergency stop and light curtain in order")

    nothing = Judgement(Grade.FAULT, "answers, but has no such registers", "is another device on this unit?")
    unidentified = Judgement(
        Grade.WARNING,
        "answers, and has no identity register",
        "a block of another make? Then compare its registers with the options in docs/drivers.md",
    )
    return (
        Check("identity", Request(spec.unit, READ_INPUT, IDENTITY_AT, 2), _judge_identity, unidentified),
        Check("inputs", Request(spec.unit, READ_INPUT, inputs, 1), judge_inputs, nothing),
    )


GUIDE = Guide(
    title="the cell's Modbus I/O block (safety inputs to look at, encoder, strobe, part sensor, stack light)",
    unit=1,
    baudrate=115200,
    wiring=(
        "a second, potential-free contact of the emergency stop on input 0, closed when in order",
        "a second, potential-free contact of the light curtain on input 1, closed when clear",
        "the belt encoder's A and B on the counter inputs, 24 V push-pull, shielded",
        "the part sensor at the belt's end on input 2, and the lamps of the stack light on outputs 0 to 4",
        "the camera's strobe output on the latch input: it keeps the counter's value of each picture",
        "RS-485: D+ and D- to the adapter, 120 ohm at the end",
    ),
    settings=(
        "unit and baud rate at its switches, as in the config",
        "these contacts are looked at and never relied on: the safety PLC stops motion",
    ),
    options=MappingProxyType(
        {
            "period_s": "between two requests, s",
            "counts_per_m": "of the encoder on a metre of belt",
            "invert_encoder": "it counts down while the belt travels on",
            "register_inputs": "of the safety contacts",
            "bit_estop": "of the emergency stop",
            "bit_curtain": "of the light curtain",
            "bit_part": "of the part sensor",
            "invert_part": "the part sensor's contact is open while a part is there",
            "register_counter": "of the encoder's counter, high word first",
            "register_latch": "of the counter at the last strobe, high word first",
            "register_strobes": "of the number of strobes",
            "register_identity": "that says which device this is; -1: it has none",
            "identity": "what that register reads",
            "register_outputs": "of the stack light's lamps, written and read back; -1: it has none",
            "bit_red": "of the red lamp; -1: there is none",
            "bit_amber": "of the amber lamp; -1: there is none",
            "bit_green": "of the green lamp; -1: there is none",
            "bit_blue": "of the blue lamp; -1: there is none",
            "bit_buzzer": "of the buzzer; -1: there is none",
            "spare_registers": "that may be read behind the last used one, to tell late replies apart",
        }
    ),
    checks=_checks,
    tiers=(Tier.CLIENT,),
)
