"""Where versions lie side by side: ``PREFIX/versions/VERSION``, each an environment of its own, and ``PREFIX/current``,
the link to the one that runs.

The link is replaced in one step, so that there is always a whole version behind it. An environment counts as a version
when its mark has been written, the last thing of its installation.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cell.report import write_json
from perception.errors import InputError

MARK: Final = "cellwright.json"
"""In a version's folder: what was installed there."""

DEFAULT: Final = Path("/opt/cellwright")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.!+]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A cell that runs on an installation: its service, its state folder and its config folder, if it has one."""

    service: str
    state: str
    config: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the version.

    Attributes:
        at: ISO 8601, UTC.
        kind: ``install``, ``upgrade`` or ``rollback``.
        source, target: versions; the first installation has no source.
        backup: name of the folder below ``backups``, if there was something to back up.
    """

    at: str
    kind: str
    source: str | None
    target: str
    backup: str | None = None


class Prefix:
    """One installation."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.versions = root / "versions"
        self.backups = root / "backups"
        self.current = root / "current"
        self._history = root / "history.json"
        self._places = root / "cells.json"

    @classmethod
    def of_this_process(cls) -> Prefix | None:
        """The one that this very interpreter belongs to; None for a source tree, a plain environment."""
        home = Path(sys.prefix)
        if home.parent.name == "versions" and (home / MARK).is_file():
            return cls(home.parent.parent)
        return None

    def folder(self, version: str) -> Path:
        """Of a version, which need not be there.

        Raises:
            InputError: it is no version.
        """
        if not _VERSION.fullmatch(version):
            raise InputError(f"{version!r} is no version")
        return self.versions / version

    def cell(self, version: str) -> Path:
        """The command ``cell`` of a version."""
        return self.folder(version) / "bin" / "cell"

    def python(self, version: str) -> Path:
        """The interpreter of a version."""
        return self.folder(version) / "bin" / "python"

    def installed(self) -> dict[str, dict[str, Any]]:
        """What the mark of each whole version says, by version."""
        found: dict[str, dict[str, Any]] = {}
        for mark in sorted(self.versions.glob(f"*/{MARK}")):
            found[mark.parent.name] = _read(mark)
        return found

    def running(self) -> str | None:
        """The version behind the link."""
        try:
            return self.current.readlink().name
        except OSError:
            return None

    def switch(self, version: str) -> None:
        """Put the link on a version, in one step that is on the disk when this returns."""
        link = self.root / f".current.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("versions") / version)
        link.replace(self.current)
        sync(self.root)

    def mark(self, version: str, content: dict[str, Any]) -> None:
        """A version is whole."""
        write_json(self.folder(version) / MARK, content)

    def remove(self, version: str) -> None:
        """A version, or what an interrupted installation has left of one: first of all it stops counting as whole."""
        folder = self.folder(version)
        (folder / MARK).unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)

    def clear(self) -> list[str]:
        """Remove what interrupted installations and backups have left; returns the names."""
        left = []
        for folder in sorted(self.versions.iterdir()) if self.versions.is_dir() else []:
            if not (folder / MARK).is_file() and folder.name != self.running():
                left.append(folder.name)
                shutil.rmtree(folder)
        for folder in sorted([*self.backups.glob("*.part"), *self.root.glob(".migration-*")]):
            left.append(folder.name)
            shutil.rmtree(folder)
        for link in self.root.glob(".current.*"):
            link.unlink(missing_ok=True)
        return left

    def history(self) -> list[Step]:
        """Every change of the version, the oldest first."""
        return [Step(**entry) for entry in _read(self._history).get("steps", [])] if self._history.exists() else []

    def record(self, step: Step) -> None:
        """One more change."""
        write_json(self._history, {"steps": [asdict(entry) for entry in (*self.history(), step)]})

    def places(self) -> list[Place]:
        """The cells that run on this installation."""
        return [Place(**entry) for entry in _read(self._places).get("cells", [])] if self._places.exists() else []

    def record_places(self, places: list[Place]) -> None:
        """The cells that run on this installation, all of them."""
        write_json(self._places, {"cells": [asdict(place) for place in places]})

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """One change at a time.

        Raises:
            InputError: another one goes on, or the folder cannot be made or written.
        """
        try:
            self.versions.mkdir(parents=True, exist_ok=True)
            self.backups.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=self.root, key="--prefix") from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError("another upgrade or roll-back goes on here", file=self.root) from None
            yield
        finally:
            os.close(handle)


def sync(folder: Path) -> None:
    """What was renamed in a folder is on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", file=path) from None
    if not isinstance(content, dict):
        raise InputError("is not what this program writes", file=path)
    return content
