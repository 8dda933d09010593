"""The ledger's records as a table for others: one line a part, as CSV or Parquet. The file that is read stays as it is.

Times are seconds of the cell's clock, in real time the epoch's; lengths in m, energy in J, pressure in Pa (absolute).
"""

from __future__ import annotations

import csv
import importlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cell.ledger_schema import SCHEMA_VERSION
from perception.errors import InputError

COLUMNS: Final[dict[str, str]] = {
    "run_id": "int64",
    "part_id": "int64",
    "entered_s": "float64",
    "picture_stamp_s": "float64",
    "picture": "string",
    "model_hash": "string",
    "verdict": "string",
    "score": "float64",
    "defects": "string",
    "views": "int64",
    "decision": "string",
    "policy": "string",
    "decision_reason": "string",
    "picked_s": "float64",
    "grip_width_m": "float64",
    "grip_current_a": "float64",
    "grip_pressure_pa": "float64",
    "grip_tries": "int64",
    "fate": "string",
    "fate_s": "float64",
    "bin": "string",
    "reason": "string",
    "energy_j": "float64",
    "acknowledged": "string",
    "reconciled": "string",
}
"""The columns of the view ``record`` and their types."""

_GROUP = 20_000
"""Rows of a Parquet row group, and between two words of progress."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parts. ``since_s`` and ``until_s``: entered from then on, and before then."""

    run_id: int | None = None
    since_s: float | None = None
    until_s: float | None = None

    def where(self) -> tuple[str, list[float]]:
        """The condition and its values."""
        parts = [
            (text, value)
            for text, value in (
                ("run_id = ?", self.run_id),
                ("entered_s >= ?", self.since_s),
                ("entered_s < ?", self.until_s),
            )
            if value is not None
        ]
        return " AND ".join(text for text, _ in parts) or "1", [value for _, value in parts]


def read_only(path: Path) -> sqlite3.Connection:
    """The file opened so that it cannot be changed; a cell may go on writing it.

    Raises:
        InputError: it is missing, no ledger, or of another version.
    """
    if not path.is_file():
        raise InputError("there is no ledger", file=path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise InputError(f"not usable as a ledger: {error}", file=path) from None
    if version != SCHEMA_VERSION:
        connection.close()
        words = "a cell that opens it brings it up" if version < SCHEMA_VERSION else "a newer cellwright wrote it"
        raise InputError(f"has schema {version}, this version reads {SCHEMA_VERSION}; {words}", file=path)
    return connection


def export(ledger: Path, into: Path, selection: Selection, progress: Callable[[int, int], None] | None = None) -> int:
    """Writes the chosen records; gives how many. The suffix of ``into`` says how: ``.csv`` or ``.parquet``.

    ``progress`` is called with the number of rows written and of all.

    Raises:
        InputError: the ledger or the file cannot be used, or Parquet's library (the extra ``parquet``) is missing;
            nothing is left half-written.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    write = writers.get(into.suffix)
    if write is None:
        raise InputError("is neither .csv nor .parquet", file=into)
    if not into.parent.is_dir():
        raise InputError("the folder does not exist", file=into.parent)
    connection = read_only(ledger)
    try:
        # One transaction: what a cell writes meanwhile is not in it.
        connection.execute("BEGIN")
        condition, values = selection.where()
        total = int(connection.execute(f"SELECT count(*) FROM part WHERE {condition}", values).fetchone()[0])
        query = f"SELECT {', '.join(COLUMNS)} FROM record WHERE {condition} ORDER BY run_id, part_id"
        rows = _told(connection.execute(query, values), total, progress)
        handle, name = tempfile.mkstemp(prefix=f".{into.name}.", dir=into.parent)
        os.close(handle)
        part = Path(name)
        try:
            count = write(part, rows)
            part.chmod(0o644)
            part.replace(into)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except sqlite3.Error as error:
        raise InputError(f"cannot be read: {error}", file=ledger) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=into) from None
    finally:
        connection.close()
    return count


def _told(
    cursor: sqlite3.Cursor, total: int, progress: Callable[[int, int], None] | None
) -> Iterator[list[tuple[Any, ...]]]:
    done = 0
    while rows := cursor.fetchmany(_GROUP):
        yield rows
        done += len(rows)
        if progress is not None:
            progress(done, total)


def _write_csv(path: Path, groups: Iterator[list[tuple[Any, ...]]]) -> int:
    """UTF-8 after RFC 4180, a header first; what is not known is empty."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for rows in groups:
            writer.writerows(rows)
            count += len(rows)
    return count


def _write_parquet(path: Path, groups: Iterator[list[tuple[Any, ...]]]) -> int:
    try:
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise InputError("Parquet needs the extra: pip install 'cellwright[parquet]'") from None
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()])
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in groups:
            values = zip(*rows, strict=True)
            columns = [arrow.array(value, type=field.type) for value, field in zip(values, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
            count += len(rows)
    return count
