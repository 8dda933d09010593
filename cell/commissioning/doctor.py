"""The doctor: every check by its name, in the order in which a person would look."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cell.commissioning import devices, freshness, machine, software
from cell.commissioning.findings import Check, Finding, Grade, Patient
from cell.launching import configure, default_launch, load_launch
from cell.plugins import nearest
from perception.errors import InputError

LOG = logging.getLogger(__name__)

CHECKS: Final[MappingProxyType[str, Check]] = MappingProxyType(
    {
        "python": software.python,
        "versions": software.versions,
        "ros": software.ros,
        "glibc": software.glibc,
        "memory": machine.memory,
        "clock": machine.clock,
        "disk": machine.disk,
        "ledger": machine.ledger,
        "page": software.page,
        "models": software.models,
        "licences": software.licences,
        "config": software.config,
        "calibration": software.calibration,
        "serial": machine.serial,
        "devices": devices.devices,
        "freshness": freshness.freshness,
    }
)


def patient_of(launch_file: Path | None, words: dict[str, str], state: Path) -> Patient:
    """The cell that is to be looked at; a launch file that is wrong is a finding and no end."""
    try:
        file = launch_file or default_launch()
    except InputError as error:
        return Patient(Path("cell.launch.yaml"), state, trouble=error)
    patient = Patient(file, state)
    try:
        patient.launch = load_launch(file, words)
        patient.configs = configure(patient.launch)
    except InputError as error:
        patient.trouble = error
    return patient


def examine(patient: Patient, only: Sequence[str] = ()) -> Iterator[Finding]:
    """Make the checks, or those of these names; gives each line as it is found.

    Raises:
        InputError: no check of that name.
    """
    for name in only:
        if name not in CHECKS:
            raise InputError(f"no such check{nearest(name, CHECKS)}; there are: {', '.join(CHECKS)}", key="--only")
    for name, check in CHECKS.items():
        if only and name not in only:
            continue
        for finding in _checked(name, check, patient):
            patient.found.append(finding)
            yield finding


def _checked(name: str, check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        for subject, judgement in check(patient):
            yield Finding(name, subject, judgement.grade, judgement.words, judgement.advice)
    except Exception as error:
        # One check that fails must not take the others' lines with it: they are what somebody is asked for.
        LOG.debug("the check %s failed", name, exc_info=True)
        words = f"the check itself failed: {type(error).__name__}: {error}"
        yield Finding(name, name, Grade.FAULT, words, "please report this line")
