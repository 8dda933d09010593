"""A copy of a cell's state and config, made before its software changes, and how it is put back.

Databases are copied by SQLite's own online backup, so that a copy is whole even where somebody reads or writes.
A backup counts when its manifest is there; it is written under another name and renamed when all of it is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cell.install.prefix import sync
from cell.ledger_migrations import schema_of
from cell.report import write_json
from perception.errors import InputError

MANIFEST: Final = "backup.json"
LEDGER: Final = "ledger.sqlite"
DATABASES: Final = frozenset({".sqlite", ".db"})
NOT_STATE: Final = frozenset({"lock", "run", "sim"})
"""What a run makes anew: its lock, its processes' parameters, the simulated hardware."""
_PART: Final = ".restoring"


def back_up(folder: Path, cells: dict[str, tuple[Path, Path | None]], about: dict[str, Any]) -> int:
    """Copy the state and the config of each cell; returns the bytes written.

    Args:
        folder: to be made; does not exist.
        cells: state folder and config folder by the cell's name; a missing state folder is an empty state.
        about: what the manifest says beside it.

    Raises:
        InputError: something cannot be read or written; nothing is left behind but ``folder`` + ``.part``.
    """
    part = folder.with_name(f"{folder.name}.part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True, mode=0o700)
    files: dict[str, dict[str, Any]] = {}
    schemas: dict[str, int] = {}
    for name, (state, config) in cells.items():
        schemas[name] = schema_of(state / LEDGER)
        for kind, source in (("state", state), ("config", config)):
            for path in _files(source, kind == "state") if source is not None else ():
                assert source is not None
                key = f"{name}/{kind}/{path.relative_to(source)}"
                files[key] = _copy(path, part / key)
    manifest = {
        **about,
        "cells": {name: {"state": str(s), "config": str(c) if c else None} for name, (s, c) in cells.items()},
        "schemas": schemas,
        "files": files,
    }
    write_json(part / MANIFEST, manifest)
    part.rename(folder)
    sync(folder.parent)
    return sum(int(entry["bytes"]) for entry in files.values())


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a backup holds, after every file of it has been compared with its hash.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for key, entry in manifest["files"].items():
            if _sha256(folder / key) != entry["sha256"]:
                raise InputError("the backup is damaged: a file is not what was written", file=folder / key)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"no backup that can be read: {error}", file=folder) from None
    return manifest


def restore(folder: Path, cell: str, kind: str, to: Path) -> int:
    """Put the ``state`` or the ``config`` of one cell back; returns the number of files.

    Each file is replaced in one step; files that are not in the backup stay. Callable again after an interruption.
    Nobody uses ``to`` meanwhile.

    Raises:
        InputError: the disk refuses.
    """
    manifest = read_manifest(folder)
    head = f"{cell}/{kind}/"
    names = [key for key in manifest["files"] if key.startswith(head)]
    try:
        to.mkdir(parents=True, exist_ok=True)
        owner = to.stat()
        for key in names:
            target = to / key.removeprefix(head)
            target.parent.mkdir(parents=True, exist_ok=True)
            place = target.stat() if target.exists() else owner
            part = target.with_name(target.name + _PART)
            shutil.copyfile(folder / key, part)
            _settle(part, manifest["files"][key]["mode"], place)
            if target.suffix in DATABASES:
                _let_go(target)
            part.replace(target)
            sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"cannot be restored: {error}", file=to) from error
    return len(names)


def _let_go(path: Path) -> None:
    """Empty the write-ahead log: left beside a restored file it would be played into that."""
    if path.exists():
        connection = sqlite3.connect(path, timeout=2.0)
        # A damaged file is to be replaced like any other.
        with contextlib.closing(connection), contextlib.suppress(sqlite3.DatabaseError):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def _settle(path: Path, mode: int, owner: os.stat_result) -> None:
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _files(folder: Path, is_state: bool) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        first = path.relative_to(folder).parts[0]
        if is_state and (first in NOT_STATE or path.name.endswith(("-wal", "-shm", "-journal", ".part", _PART))):
            continue
        if path.is_file():
            yield path


def _copy(source: Path, target: Path) -> dict[str, Any]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in DATABASES:
            copy_database(source, target)
        else:
            shutil.copyfile(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())
        return {
            "sha256": _sha256(target),
            "bytes": target.stat().st_size,
            "mode": source.stat().st_mode & 0o777,
        }
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"cannot be backed up: {error}", file=source) from error


def copy_database(source: Path, target: Path) -> None:
    """By SQLite's online backup: whole, whoever reads or writes meanwhile.

    Raises:
        InputError: the original is damaged.
        sqlite3.Error, OSError: it cannot be read, or the copy not written.
    """
    original = sqlite3.connect(source, timeout=2.0)
    try:
        copy = sqlite3.connect(target)
        try:
            original.backup(copy)
            # The copy is one file, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            verdict = str(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            copy.close()
    finally:
        original.close()
    if verdict != "ok":
        raise InputError(f"damaged, and is not backed up: {verdict}", file=source)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
