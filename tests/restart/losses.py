"""What of a recorded ledger must still be there after a loss of power, and what of it is."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from journal import Disk, Files, Journal, lay_out

from cell.cli.state import LEDGER
from cell.ledger import Ledger

WAYS = ("none", "all", "some", "torn", "junk")
TABLES = ("run", "part", "sighting", "decision", "picked", "fate", "reconciliation")

Rows = dict[str, set[tuple[Any, ...]]]


class Model:
    """Tables of their own, in memory, to which statements are applied in their order."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        from cell.ledger_schema import SCHEMA

        self._connection.executescript(SCHEMA)

    def apply(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        for sql, values in statements:
            self._connection.execute(sql, values)

    def rows(self) -> Rows:
        return all_rows(self._connection)


def all_rows(connection: sqlite3.Connection) -> Rows:
    return {table: set(connection.execute(f"SELECT * FROM {table}")) for table in TABLES}


def look(files: Files, folder: Path, before: Rows, after: Rows) -> list[str]:
    """Opens the files as the next controller does; what is wrong with them.

    Args:
        files: as the disk shows them after the loss.
        folder: to work in; cleared.
        before: what was acknowledged.
        after: that, and the transaction that was under way.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    lay_out(files, folder)
    path = folder / LEDGER
    wrong = []
    there: Rows | None = None
    if path.exists():
        # A copy, so that the ledger itself is the first to open what the loss has left.
        copy = folder / "copy"
        copy.mkdir()
        lay_out(files, copy)
        with contextlib.closing(sqlite3.connect(copy / LEDGER)) as connection:
            if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'fate'").fetchone()[0]:
                there = all_rows(connection)
    if there is None and any(before.values()):
        return ["acknowledged lines are gone, and the tables with them"]
    if there is not None and there not in (before, after):
        for table in TABLES:
            gone = before[table] - there[table] - (before[table] - after[table])
            if gone:
                wrong.append(f"{table}: {len(gone)} acknowledged lines are gone, such as {min(gone, key=str)}")
        if not wrong:
            wrong.append("a transaction is there by half")
    ledger, found = Ledger.open(path, started_s=1e6)
    for one in found.awaited if found is not None else ():
        ledger.give_up(one.key, 1e6, "on the belt when its run ended")
    if not ledger.counts().balanced:
        wrong.append("the counts do not balance")
    ledger.close(2e6)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            wrong.append(f"damaged: {verdict}")
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            wrong.append("a line belongs to nothing")
        query = "SELECT count(*) FROM part LEFT JOIN fate USING (run_id, part_id) WHERE fate.fate IS NULL"
        without = connection.execute(query).fetchone()[0]
        if without:
            wrong.append(f"{without} parts have no fate")
        twice = "SELECT count(*) FROM (SELECT 1 FROM fate GROUP BY run_id, part_id HAVING count(*) > 1)"
        if connection.execute(twice).fetchone()[0]:
            wrong.append("a part has two fates")
        fates = set(connection.execute("SELECT * FROM fate"))
        kept = there["fate"] if there is not None else set()
        if kept - fates:
            wrong.append("the reconciliation changed a fate")
        if any(row[3] != "unknown" for row in fates - kept):
            wrong.append("the reconciliation made up a fate")
    return wrong


def power_losses(
    journal: Journal, folder: Path, *, seed: int, every: int = 1, ways: tuple[str, ...] = WAYS
) -> tuple[int, list[str]]:
    """Loses the power at every how many-th write; returns how often, and what was wrong."""
    chosen = set(journal.writes[seed % every :: every])
    disk, known, model = Disk(), 0, Model()
    before = model.rows()
    ahead = Model()
    if journal.acknowledged:
        ahead.apply(journal.acknowledged[0][1])
    after = ahead.rows()
    losses, wrong = 0, []
    for k, operation in enumerate(journal.operations):
        while known < len(journal.acknowledged) and journal.acknowledged[known][0] <= k:
            before = after
            known += 1
            if known < len(journal.acknowledged):
                ahead.apply(journal.acknowledged[known][1])
                after = ahead.rows()
        disk.advance(operation)
        if k not in chosen:
            continue
        for way in ways:
            losses += 1
            rng = random.Random(f"{seed} {k} {way}")
            found = look(disk.after_power_loss(way, rng), folder, before, after)
            wrong += [f"at operation {k} ({operation.what} {operation.file}), {way}: {line}" for line in found]
    return losses, wrong
