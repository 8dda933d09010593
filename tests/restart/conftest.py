"""Journals of lockstep runs; long sweeps only where they are asked for (``make sweep``)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "sweep" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("sweep"):
            item.add_marker(pytest.mark.skip(reason="takes many minutes: make sweep"))


@pytest.fixture(scope="session")
def quick_disk() -> Iterator[Path]:
    """A folder in memory where there is one: syncs cost nothing there, and what they order is recorded anyway."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="cell-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)
