"""One case of the fault matrix, tried in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.faults.evaluation import Entry, attempt
from sim.faults.kinds import Phase
from sim.faults.trial import Case

Try = Callable[[str, str, int], Entry]


@pytest.fixture(scope="session")
def model(spots_model: Path) -> Path:
    """A tiny detector, for whole cells."""
    return spots_model


@pytest.fixture
def entry(tmp_path: Path) -> Try:
    """The table's entry of one fault in one phase with one seed."""

    def run(fault: str, phase: str, seed: int) -> Entry:
        case = Case(fault, Phase(phase), seed)
        return Entry(fault, case.phase, [attempt(case)])

    return run
