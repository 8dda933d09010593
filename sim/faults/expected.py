"""What the fault matrix asks of a cell, as the referee holds it. Nothing here comes from the controller.

Words of a reaction: the PackML state that the cell goes to, and what becomes of the part that the arm was busy with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sim.faults.kinds import KINDS, Phase

ABORT, HOLD, SUSPEND, NONE, STARTS_ABORTED = "Abort", "Hold", "Suspend", "none", "starts Aborted"

IDLE, APPROACH, GRIP, CARRY, PLACE = Phase
BEFORE, UP_TO_GRIP, WITH_PART = (IDLE, APPROACH), (IDLE, APPROACH, GRIP), (CARRY, PLACE)

OPEN = None
"""No fate yet: the part is in flight."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is right for one fault in one phase.

    Attributes:
        packml: the state that the cell goes to, ``none`` where it goes on.
        fates: which the part under the arm may have before an operator has acted; None: none yet.
        words: what the table says.
        alarms: keys of which one is to be announced; empty: nothing has to be.
        within_s: after so long no motion is commanded any more that the reaction forbids.
        stands_s: ... and belt and arm stand.
        fault_s: how long the fault lasts in the evaluation; None: it has no end, or one of its own.
        operator_s: from the fault until the operator acts.
    """

    packml: str
    fates: frozenset[str | None]
    words: str
    alarms: frozenset[str]
    within_s: float
    stands_s: float
    fault_s: float | None
    operator_s: float


def expected(fault: str, phase: Phase) -> Expectation:
    """By the matrix. Raises: KeyError: no such fault."""
    return _TABLE[fault, phase]


def _row(
    fault: str,
    packml: dict[Phase, str],
    fates: dict[Phase, frozenset[str | None]],
    words: dict[Phase, str],
    *,
    alarms: tuple[str, ...] = (),
    quiet: tuple[Phase, ...] = (),
    within_s: float = 0.3,
    stands_s: float = 1.2,
    fault_s: float | None = None,
    operator_s: float = 1.4,
) -> dict[tuple[str, Phase], Expectation]:
    return {
        (fault, phase): Expectation(
            packml[phase],
            fates[phase],
            words[phase],
            frozenset() if phase in quiet else frozenset(alarms),
            within_s,
            stands_s,
            fault_s,
            operator_s,
        )
        for phase in Phase
    }


def _all(value: str) -> dict[Phase, str]:
    return dict.fromkeys(Phase, value)


def _fates(*words: str | None) -> frozenset[str | None]:
    return frozenset(words)


_GOES_ON = dict.fromkeys(Phase, _fates(OPEN, "sorted"))
#: Stopped at once: on the belt it stays open; where the fingers were on it nobody can say; placed is placed.
_STOPPED = {
    IDLE: _fates(OPEN),
    APPROACH: _fates(OPEN),
    GRIP: _fates(OPEN, "unknown"),
    CARRY: _fates("unknown"),
    PLACE: _fates("unknown", "sorted"),
}
#: A controlled end: what is in the hand reaches its place; what was not gripped stays, or the belt brings it away.
_ENDED = {
    IDLE: _fates(OPEN),
    APPROACH: _fates(OPEN, "sorted"),
    GRIP: _fates(OPEN, "sorted", "missed"),
    CARRY: _fates("sorted", OPEN),
    PLACE: _fates("sorted", OPEN),
}
_STOPPED_WORDS = {
    IDLE: ABORT,
    APPROACH: ABORT,
    GRIP: f"{ABORT}; part unknown",
    CARRY: f"{ABORT}; part unknown",
    PLACE: f"{ABORT}; part unknown",
}

_TABLE: Final[dict[tuple[str, Phase], Expectation]] = {
    # The other devices stop within 250 ms; the belt, unplugged itself, by the drive's own time-out of a second.
    **_row(
        "serial_unplug", _all(ABORT), _STOPPED, _STOPPED_WORDS,
        alarms=("device_lost", "safety_inputs"), within_s=0.25, stands_s=1.5, fault_s=0.9, operator_s=1.6,
    ),
    **_row(
        "crc_noise", _all(HOLD), _ENDED, _all(HOLD),
        alarms=("line_noise",), within_s=1.8, stands_s=2.3, fault_s=1.8, operator_s=2.3,
    ),
    # Fingers that are heard of late may miss their part; what they hold they keep.
    **_row(
        "slow_reply", _all(NONE),
        {**_GOES_ON, **dict.fromkeys(UP_TO_GRIP, _fates(OPEN, "sorted", "missed"))},
        _all(NONE),
        alarms=("line_slow",), fault_s=2.2,
    ),
    **_row(
        "stale_image", _all(NONE),
        {
            IDLE: _fates(OPEN, "missed"),
            APPROACH: _fates(OPEN, "missed"),
            **dict.fromkeys((GRIP, CARRY, PLACE), _fates(OPEN, "sorted")),
        },
        {**_all(NONE), IDLE: "no pick; part missed", APPROACH: "no pick; part missed"},
        alarms=("image_stale",), within_s=0.7, fault_s=6.0, operator_s=6.0,
    ),
    **_row(
        "part_dropped", {**_all(NONE), CARRY: HOLD, PLACE: HOLD},
        {**_GOES_ON, CARRY: _fates("dropped"), PLACE: _fates("dropped")},
        {**_all(NONE), CARRY: f"{HOLD}; part dropped", PLACE: f"{HOLD}; part dropped"},
        alarms=("part_dropped",), quiet=(IDLE, APPROACH, GRIP), within_s=0.4, stands_s=1.2, operator_s=1.5,
    ),
    **_row(
        "jam", _all(HOLD), _ENDED, _all(HOLD),
        alarms=("jam",), within_s=1.2, stands_s=1.6, fault_s=1.6, operator_s=2.0,
    ),
    **_row(
        "double_pick", _all(NONE),
        {**dict.fromkeys(UP_TO_GRIP, _fates("rejected")), **dict.fromkeys(WITH_PART, _fates(OPEN, "sorted"))},
        {**dict.fromkeys(UP_TO_GRIP, "both rejected"), **dict.fromkeys(WITH_PART, NONE)},
        alarms=("double_pick",), quiet=WITH_PART,
    ),
    **_row(
        "belt_slip", _all(HOLD), {**_ENDED, IDLE: _fates(OPEN, "missed"), APPROACH: _fates(OPEN, "missed", "sorted")},
        _all(HOLD),
        alarms=("belt_slip",), within_s=1.5, stands_s=2.3, fault_s=1.8, operator_s=2.4,
    ),
    **_row("encoder_rollover", _all(NONE), _GOES_ON, _all(NONE)),
    **_row(
        "vacuum_leak", {**_all(HOLD), IDLE: NONE},
        {
            **dict.fromkeys((IDLE, APPROACH), _fates(OPEN, "sorted", "missed")),
            GRIP: _fates(OPEN, "sorted", "missed", "dropped"),
            **dict.fromkeys(WITH_PART, _fates("sorted", "dropped")),
        },
        {**_all("placed slowly, or Hold"), IDLE: NONE},
        alarms=("vacuum_leak", "part_dropped"), quiet=(IDLE, APPROACH), within_s=1.0, stands_s=2.0, fault_s=1.5,
        operator_s=2.2,
    ),
    **_row(
        "emergency_stop", _all(ABORT), _STOPPED, _STOPPED_WORDS,
        alarms=("emergency_stop",), within_s=0.1, stands_s=0.4, fault_s=0.6, operator_s=1.1,
    ),
    **_row(
        "node_crash", _all(ABORT), _STOPPED, _STOPPED_WORDS,
        alarms=("node_silent",), within_s=0.35, stands_s=1.2, operator_s=1.3,
    ),
    **_row(
        "disk_full", _all(SUSPEND), _ENDED, _all(SUSPEND),
        alarms=("ledger_room",), within_s=0.5, stands_s=1.4, fault_s=1.2, operator_s=1.2,
    ),
    **_row("clock_jump", _all(NONE), _GOES_ON, _all(NONE), alarms=("clock_jump",)),
    # Whoever comes after the loss begins with the parts that it finds open.
    **_row(
        "power_loss", _all(STARTS_ABORTED),
        {**_STOPPED, CARRY: _fates("unknown", OPEN), PLACE: _fates("unknown", "sorted", OPEN)},
        {
            **dict.fromkeys(BEFORE, STARTS_ABORTED),
            **dict.fromkeys((GRIP, CARRY, PLACE), f"{STARTS_ABORTED}; part unknown"),
        },
        alarms=("unclean_end",), within_s=0.9, stands_s=1.5, operator_s=0.9,
    ),
}  # fmt: skip

assert {fault for fault, _ in _TABLE} == set(KINDS)
