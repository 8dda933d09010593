"""From what nodes and devices say of themselves to the conditions of ``cell.causes``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cell.causes import CONDITIONS, Reaction, alarm_name, condition_of
from cell.liveness import Silent

CAUSE: Final = "cause"
"""Key of a health line's values that names the condition it reports."""

HOLD, HOLD_CAUSE, SUSPEND = "hold", "hold_cause", "suspend"
LOST: Final = "lost"

DEFINITE: Final = frozenset({"node_silent", "foreign_motion"})
"""What does not come back by itself in a moment."""

FIRST: Final = ("emergency_stop", "light_curtain", "safety_inputs")
"""What is said before everything else."""


@dataclass(frozen=True, slots=True)
class Report:
    """The newest line of somebody on his own health. ``failed_s``: since when without a pause it says ``failed``."""

    name: str
    failed: bool
    words: str
    values: Mapping[str, str]
    failed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """The safety inputs; contacts are None before the first reading."""

    estop_ok: bool | None
    curtain_ok: bool | None
    fresh: bool


def of_circuit(circuit: Circuit) -> dict[str, str]:
    """What the safety inputs say. Inputs that have never been read are no alarm, but the cell does not start."""
    found: dict[str, str] = {}
    if circuit.estop_ok is None:
        return found
    for key, wrong in zip(FIRST, (not circuit.estop_ok, not circuit.curtain_ok, not circuit.fresh), strict=True):
        if wrong:
            found[key] = CONDITIONS[key].english
    return found


def of_reports(
    reports: Iterable[Report], spectators: frozenset[str], now_s: float, loss_s: float = 0.0
) -> dict[str, str]:
    """What the health lines say, by the names of alarms, each in words.

    Args:
        reports: the newest line of each.
        spectators: whose trouble is only told.
        now_s: on the clock of ``failed_s``.
        loss_s: how long a device may be away.
    """
    found: dict[str, str] = {}
    for report in reports:
        values, words = report.values, f"{report.name}: {report.words}"
        cause = values.get(CAUSE, "")
        condition = CONDITIONS.get(cause)
        if report.name in spectators:
            if report.failed:
                found[alarm_name("not_well", report.name)] = words
        elif condition is not None and condition.reaction is not Reaction.ABORT:
            found[_named(cause, report.name)] = report.words
        elif cause in DEFINITE or ((report.failed or condition is not None) and _away_s(report, now_s) >= loss_s):
            found[_named(cause if condition is not None else "device_fault", report.name)] = words
        if HOLD in values:
            held = values[HOLD]
            key = values.get(HOLD_CAUSE, "part_dropped" if LOST in held else "pick_failed")
            found[_named(key if key in CONDITIONS else "pick_failed", report.name)] = held
        if SUSPEND in values:
            found["ledger_room"] = values[SUSPEND]
    return found


def of_silence(silent: Iterable[Silent], spectators: frozenset[str]) -> dict[str, str]:
    """Who gives no sign of life."""
    found = {}
    for one in silent:
        key = "spectator_silent" if one.name in spectators else "node_silent"
        found[alarm_name(key, one.name)] = f"{one.name}: silent for {one.silent_s:.2f} s"
    return found


def by_reaction(present: Mapping[str, str], reaction: Reaction) -> tuple[str, ...]:
    """The words of those that ask for a reaction, but for the safety inputs, which have rules of their own."""
    words = []
    for name, said in present.items():
        condition, _ = condition_of(name)
        if condition is not None and condition.reaction is reaction and name not in FIRST:
            words.append(said)
    return tuple(words)


def _away_s(report: Report, now_s: float) -> float:
    return 0.0 if report.failed_s is None else now_s - report.failed_s


def _named(key: str, subject: str) -> str:
    return alarm_name(key, subject if "{subject}" in CONDITIONS[key].english else "")
