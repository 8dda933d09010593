"""Delta MS300: what to wire, to set and to ask.

Parameters are read at 0xGGNN, group and number [V: user manual, appendix A]. Pr.09-02, what the drive does when it has
heard nothing for Pr.09-03: 0 warn and go on, 1 warn and ramp to a stop, 2 warn and coast, 3 no warning and go on [R];
Pr.09-03 counts in 0.1 s and is 0, off, as the drive comes. Pr.00-00 names its size [R]. Terminals [R].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cell.drivers.frames import READ_HOLDING, Request
from cell.drivers.guide import Check, Grade, Guide, Judgement, Tier, number
from cell.drivers.spec import DeviceSpec

STATUS = 0x2100
SIZE = 0x0000
LOST_COMMAND = 0x0902
RESERVED = 0xE0E0
TIME_STEP_S = 0.1
LONG_S = 3.0
MODES = {0: "warn and go on", 1: "ramp to a stop", 2: "coast to a stop", 3: "go on without a word"}
STOPS = (1, 2)
KEYPAD = "set Pr.09-02 to 1 (ramp to a stop) and Pr.09-03 to 1.0 s at the keypad"


def _ranges(spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    top_mps = number(spec, "max_hz", 60.0) * number(spec, "mps_per_hz", 0.01)
    return {"speed_mps": (-top_mps if spec.options.get("allow_reverse") is True else 0.0, top_mps)}


def _judge_status(values: Sequence[int]) -> Judgement:
    faults, state = values[0], values[1]
    if state & RESERVED:
        return Judgement(
            Grade.FAULT,
            f"answers, but not as an MS300 does (status {state:#06x})",
            "is another device on this unit?",
        )
    motion = "running" if state & 3 else "stopped"
    if faults & 0xFF:
        return Judgement(
            Grade.WARNING,
            f"answers as an MS300 does, tripped (code {faults & 0xFF})",
            "remove the cause; the cell's Reset clears the trip",
        )
    if state & 0x0500 != 0x0500:
        return Judgement(
            Grade.WARNING,
            f"answers as an MS300 does, {motion}, but takes its frequency or its command from elsewhere",
            "set Pr.00-20 to 1 (frequency from RS-485) and Pr.00-21 to 2 (command from RS-485)",
        )
    return Judgement(Grade.OK, f"answers as an MS300 does, {motion}")


def _judge_time_out(values: Sequence[int]) -> Judgement:
    mode, time_s = values[0], values[1] * TIME_STEP_S
    if time_s == 0.0:
        return Judgement(
            Grade.FAULT,
            "its time-out is off (Pr.09-03 = 0, as it comes): the belt runs on when controller or cable are gone",
            KEYPAD,
        )
    if mode not in MODES:
        return Judgement(
            Grade.WARNING,
            f"Pr.09-02 reads {mode}, which is no mode of it",
            f"look at Pr.09-02 at the keypad; {KEYPAD}",
        )
    words = f"when the controller is gone: {MODES[mode]} after {time_s:.1f} s"
    if mode not in STOPS:
        return Judgement(Grade.FAULT, f"{words}: the belt goes on moving", KEYPAD)
    if time_s > LONG_S:
        return Judgement(Grade.WARNING, f"{words}, which is long", KEYPAD)
    return Judgement(Grade.OK, words)


def _judge_size(values: Sequence[int]) -> Judgement:
    return Judgement(Grade.OK, f"its size code (Pr.00-00) is {values[0]}")


def _checks(spec: DeviceSpec) -> tuple[Check, ...]:
    lost = int(number(spec, "register_lost_command", LOST_COMMAND))
    return (
        Check(
            "identity",
            Request(spec.unit, READ_HOLDING, STATUS, 2),
            _judge_status,
            Judgement(Grade.FAULT, "answers, but has no registers at 0x2100", "is another device on this unit?"),
        ),
        Check(
            "time-out",
            Request(spec.unit, READ_HOLDING, lost, 2),
            _judge_time_out,
            Judgement(
                Grade.WARNING,
                f"its time-out cannot be read (register {lost:#06x})",
                f"look at Pr.09-03 at the keypad: it must not be 0; {KEYPAD}",
            ),
        ),
        Check(
            "size",
            Request(spec.unit, READ_HOLDING, SIZE, 1),
            _judge_size,
            Judgement(Grade.NOTE, "does not say its size (Pr.00-00)"),
        ),
    )


GUIDE = Guide(
    title="Delta MS300 inverter (the belt's drive)",
    unit=1,
    baudrate=9600,
    wiring=(
        "mains on R/L1, S/L2 (T/L3), the motor on U, V, W, both by an electrician; the motor's cable is shielded and"
        " does not run beside the RS-485 pair",
        "RS-485 on the RJ45 socket: pin 5 SG+ to the adapter's D+, pin 4 SG- to its D-, pin 3 to its ground",
        "the safety PLC stops the drive by its safe-torque-off (S1, S2) or its contactor; this software never does",
    ),
    settings=(
        "Pr.00-20 frequency source 1: RS-485; Pr.00-21 command source 2: RS-485",
        "Pr.09-00 station 1, Pr.09-01 9.6 kbit/s, Pr.09-04 12: 8N1, RTU (it comes with 7N2, ASCII)",
        "Pr.09-03 time-out 1.0 s and Pr.09-02 to 1: ramp to a stop. As it comes the time-out is off, and the belt runs"
        " on when the controller is gone",
        "Pr.01-12 and Pr.01-13 ramps, Pr.01-00 maximum frequency as in the option max_hz",
    ),
    options=MappingProxyType(
        {
            "mps_per_hz": "belt speed for one hertz, m/s: gear and roller",
            "max_hz": "highest output frequency, Hz",
            "allow_reverse": "the belt may run backwards",
            "period_s": "between two status requests, s",
            "spare_registers": "that may be read behind the status, to tell late replies apart",
            "command_forward": "value of 0x2000 that runs forward",
            "command_reverse": "value of 0x2000 that runs backwards",
            "register_lost_command": "address of Pr.09-02; Pr.09-03 lies behind it",
        }
    ),
    ranges=_ranges,
    checks=_checks,
    tiers=(Tier.MANUAL, Tier.CLIENT),
)
