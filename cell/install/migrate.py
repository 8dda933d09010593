"""``python -m cell.install.migrate LEDGER...``: brings ledgers to the schema of this version.

An upgrade runs it with the interpreter of the new version, which alone knows the way. ``--schema`` prints what this
version knows; nothing is changed then.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from cell.ledger_migrations import migrate
from cell.ledger_schema import BUSY_S, SCHEMA_VERSION
from perception.errors import InputError


def main(words: Sequence[str]) -> int:
    """Exit status 2 and one line for what cannot be migrated; it is then as it was."""
    if list(words) == ["--schema"]:
        sys.stdout.write(f"{SCHEMA_VERSION}\n")
        return 0
    try:
        for name in words:
            bring_up_to_date(Path(name))
    except InputError as error:
        sys.stderr.write(f"cell: {error}\n")
        return 2
    return 0


def bring_up_to_date(path: Path) -> tuple[int, ...]:
    """Migrate one file; returns the schemas it passed. A missing file, and one without tables, is left alone.

    Raises:
        InputError: it is newer, damaged or cannot be written; it is then as it was.
    """
    if not path.exists():
        return ()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                return ()
            connection.execute("PRAGMA synchronous = FULL")
            passed = migrate(connection, str(path), SCHEMA_VERSION)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return passed
    except sqlite3.Error as error:
        raise InputError(f"cannot be migrated: {error}", file=path) from error


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
