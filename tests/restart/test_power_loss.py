"""A loss of power at any write of the ledger: every acknowledged line stays, and every part has one fate."""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apsw", reason="apsw comes with the extra 'dev'")

from journal import Disk, Journal, RecordingDisk, RecordingSqlite, lay_out
from lives import Lives
from losses import power_losses

import cell.ledger
from cell.accounts import Fate
from cell.cli.state import LEDGER
from cell.ledger import Ledger
from cell.nodes.picker import PickerNode

NUMBERS = itertools.count(1)


@contextlib.contextmanager
def recording(notes: bool = False) -> Iterator[Journal]:
    """Every ledger that is opened meanwhile is recorded; with ``notes`` the commands to the fingers as well."""
    journal, name = Journal(), f"recording-{next(NUMBERS)}"
    disk = RecordingDisk(name, journal)
    patches = pytest.MonkeyPatch()
    patches.setattr(cell.ledger, "sqlite3", RecordingSqlite(name, journal))
    if notes:
        genuine = PickerNode._command

        def command(node: PickerNode, request: Any) -> None:
            journal.note((node._sequence.phase.value, node._sequence.part_id))
            genuine(node, request)

        patches.setattr(PickerNode, "_command", command)
    try:
        yield journal
    finally:
        patches.undo()
        disk.unregister()


def record_run(home: Path, parts: int, seed: int) -> Journal:
    """A whole cell in lockstep."""
    home.mkdir()
    lives = Lives(home, parts=parts, seed=seed)
    try:
        with recording(notes=True) as journal:
            lives.live()
    finally:
        lives.close()
    assert len(lives.truth()) == parts
    assert not lives.aborted
    return journal


def record_lines(path: Path, parts: int, *, small_log: bool = False, synchronous: str = "FULL") -> Journal:
    """The lines of many parts, without a cell."""
    with recording() as journal:
        ledger, _ = Ledger.open(path, started_s=0.0, seed=1)
        ledger._connection.execute(f"PRAGMA synchronous = {synchronous}")
        if small_log:
            ledger._connection.execute("PRAGMA wal_autocheckpoint = 20")
        rng = random.Random(parts)
        for part_id in range(1, parts + 1):
            place = (-float(part_id), rng.uniform(-0.1, 0.1), 0.06, 0.04)
            ledger.enter(part_id, part_id, verdict="pending", score=0.0, place=place)
            ledger.judge(part_id, verdict="defective", score=rng.random(), defects=("scratch",), place=place)
            ledger.decide(part_id, part_id, action="divert", bin_name="defect", policy="spt")
            fate = rng.choice((Fate.SORTED, Fate.MISSED))
            if fate is Fate.SORTED:
                ledger.mark_picked(part_id, part_id, grip_width_m=0.04)
            ledger.close_part(part_id, part_id, fate, bin_name="defect" if fate is Fate.SORTED else "")
        ledger.close(parts + 1.0)
    return journal


@pytest.fixture(scope="module")
def journal(quick_disk: Path) -> Journal:
    return record_run(quick_disk / "run", 6, 3)


def test_nothing_is_lost_when_the_power_goes_at_a_sample_of_writes(journal: Journal, quick_disk: Path) -> None:
    assert len(journal.writes) > 60
    losses, wrong = power_losses(journal, quick_disk / "look", seed=1, every=7)
    assert losses >= 5 * (len(journal.writes) // 7)
    assert wrong == []


def test_nothing_is_lost_when_the_power_goes_while_the_log_is_moved_into_the_file(quick_disk: Path) -> None:
    journal = record_lines(quick_disk / LEDGER, 12, small_log=True)
    in_file = [k for k in journal.writes if journal.operations[k].file == LEDGER]
    assert len(in_file) > 20
    losses, wrong = power_losses(journal, quick_disk / "look", seed=2, every=5)
    assert losses > 50
    assert wrong == []


def test_lines_are_missed_when_the_ledger_does_not_sync(quick_disk: Path) -> None:
    # Without this the tests above could pass on a disk that loses nothing.
    journal = record_lines(quick_disk / "unsynced.sqlite", 4, synchronous="OFF")
    assert not any(operation.what == "sync" for operation in journal.operations[-60:-8])
    for index, operation in enumerate(journal.operations):
        journal.operations[index] = _renamed(operation)
    _, wrong = power_losses(journal, quick_disk / "look", seed=3, every=3, ways=("none",))
    assert any("acknowledged lines are gone" in line for line in wrong)


def test_part_is_marked_picked_on_the_disk_before_the_fingers_open_over_the_bin(
    journal: Journal, quick_disk: Path
) -> None:
    disk, placed = Disk(), 0
    for operation in journal.operations:
        disk.advance(operation)
        if operation.what != "note" or operation.note[0] != "place":
            continue
        placed += 1
        folder = quick_disk / f"place{placed}"
        folder.mkdir()
        # Nothing that was not synced, and the command is not even on the wire.
        lay_out(disk.after_power_loss("none", random.Random(0)), folder)
        with contextlib.closing(sqlite3.connect(folder / LEDGER)) as connection:
            rows = connection.execute("SELECT part_id FROM picked").fetchall()
        assert (operation.note[1],) in rows
    assert placed >= 2


@pytest.mark.sweep
def test_nothing_is_lost_when_the_power_goes_at_every_write_of_200_parts(quick_disk: Path) -> None:
    journal = record_run(quick_disk / "long", 200, 5)
    losses, wrong = power_losses(journal, quick_disk / "look", seed=4)
    print(f"\n{losses} losses of power at {len(journal.writes)} writes, {len(wrong)} findings")
    assert wrong == []


def _renamed(operation: Any) -> Any:
    import dataclasses

    return dataclasses.replace(operation, file=operation.file.replace("unsynced.sqlite", LEDGER))
