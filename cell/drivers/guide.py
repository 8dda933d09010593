"""What a person has to know of a device before its first pick, beside what its driver does: a guide per model.

A driver carries its guide in the attribute ``GUIDE``. ``cell init`` writes it into the folder of a new cell, ``cell
config check`` holds settings against it, ``cell doctor`` makes its checks. A driver without one works all the same.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from cell.drivers.frames import READ_HOLDING, READ_INPUT, Request
from cell.drivers.spec import DeviceSpec


class Grade(str, enum.Enum):
    """How serious a finding is. A note is what is not there and need not be."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


class Tier(str, enum.Enum):
    """How far a driver is verified; what stands behind each is in ``docs/drivers.md``."""

    MANUAL = "frames of its manual"
    CLIENT = "another's client on its emulator"
    HARDWARE = "tried on hardware"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found, and what to do about it."""

    grade: Grade
    words: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a device that changes nothing at it.

    Attributes:
        name: what is asked, for example ``identity``.
        request: reads registers.
        judge: takes the registers that came back.
        refused: what it means when the device answers with an exception: registers that it does not have.

    Raises:
        ValueError: the request would write.
    """

    name: str
    request: Request
    judge: Callable[[Sequence[int]], Judgement]
    refused: Judgement

    def __post_init__(self) -> None:
        if self.request.function not in (READ_HOLDING, READ_INPUT):
            raise ValueError(f"the check {self.name!r} would write (function {self.request.function})")


def _nothing_beyond(spec: DeviceSpec) -> tuple[tuple[str, str], ...]:
    return ()


def _no_ranges(spec: DeviceSpec) -> Mapping[str, tuple[float, float]]:
    return {}


def _no_checks(spec: DeviceSpec) -> tuple[Check, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Guide:
    """What to wire, to set and to ask.

    Attributes:
        title: the device, by its maker's name.
        unit, baudrate: as it comes from its maker.
        wiring: what to connect, a line each.
        settings: what to set at the device itself, a line each.
        options: by option of the driver: its meaning and its unit.
        beyond: options of a spec that are outside what the device can do, each with a sentence.
        ranges: by quantity that other nodes ask of it (``force_n``, ``speed_mps``): least and most, SI units.
        checks: what to ask the device; nothing that writes.
        tiers: how far the driver is verified; empty where nobody says.
    """

    title: str
    unit: int = 1
    baudrate: int = 115200
    wiring: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    beyond: Callable[[DeviceSpec], tuple[tuple[str, str], ...]] = _nothing_beyond
    ranges: Callable[[DeviceSpec], Mapping[str, tuple[float, float]]] = _no_ranges
    checks: Callable[[DeviceSpec], tuple[Check, ...]] = _no_checks
    tiers: tuple[Tier, ...] = ()


def number(spec: DeviceSpec, option: str, default: float) -> float:
    """An option as a number; one that is none counts as the default, the driver complains about it."""
    value = spec.options.get(option, default)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
