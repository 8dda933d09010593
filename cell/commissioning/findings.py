"""What a doctor's check finds, and what it has to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from cell.commissioning.settings import DeviceConfig, devices_of
from cell.config import NodeConfig
from cell.drivers.guide import Grade, Judgement
from cell.launching import LaunchDescription
from perception.errors import InputError

__all__ = ["Check", "Finding", "Grade", "Patient", "fault", "note", "ok", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        check: the check's name, as ``--only`` takes it.
        subject: what it is about.
        grade: only a fault changes the exit status.
        words: what was found.
        advice: what to do; empty where nothing is to be done.
    """

    check: str
    subject: str
    grade: Grade
    words: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return {
            "check": self.check,
            "subject": self.subject,
            "grade": self.grade.value,
            "words": self.words,
            "advice": self.advice,
        }


def ok(words: str) -> Judgement:
    """All is well."""
    return Judgement(Grade.OK, words)


def note(words: str, advice: str = "") -> Judgement:
    """It is not there, and need not be."""
    return Judgement(Grade.NOTE, words, advice)


def warning(words: str, advice: str = "") -> Judgement:
    """The cell runs, but somebody should look."""
    return Judgement(Grade.WARNING, words, advice)


def fault(words: str, advice: str = "") -> Judgement:
    """The cell does not run, or not as it should."""
    return Judgement(Grade.FAULT, words, advice)


@dataclass
class Patient:
    """A cell on this machine: its launch file and its state folder, and what runs on it.

    Attributes:
        launch_file: as named, or that of the simulated cell.
        state: the state folder; it need not exist.
        launch, configs: what the file holds; empty where it cannot be read, ``trouble`` then says why.
    """

    launch_file: Path
    state: Path
    launch: LaunchDescription | None = None
    configs: tuple[NodeConfig, ...] = ()
    trouble: InputError | None = None
    found: list[Finding] = field(default_factory=list)

    @cached_property
    def devices(self) -> list[DeviceConfig]:
        """The devices of the config."""
        return devices_of(self.configs)

    @cached_property
    def occupant(self) -> Any:
        """The cell that runs on the state folder (``cell.commissioning.occupancy.Occupant``), or None."""
        from cell.commissioning.occupancy import occupant_of  # noqa: PLC0415 (reads /proc)

        return occupant_of(self.state)

    def value(self, node: str, key: str) -> Any:
        """A parameter of a node; None where there is none."""
        config = next((config for config in self.configs if config.name == node), None)
        return None if config is None else getattr(config.parameters, key, None)


Check: TypeAlias = Callable[[Patient], Iterator[tuple[str, Judgement]]]
"""Gives subjects with what was found; looks only, and changes nothing."""


def worst(findings: Sequence[Finding]) -> Grade:
    """The most serious grade."""
    order = list(Grade)
    return max((finding.grade for finding in findings), key=order.index, default=Grade.OK)
