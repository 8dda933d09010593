"""To another version and back, so that at every instant one whole version is there with a state that it can read.

Everything that can fail comes first and touches nothing that runs: the new environment beside the old one, the backup,
the migration tried on a copy. Then the link is switched, in one step, and the new version migrates the state in one
transaction. Killed before the switch, the old version runs on its own state; killed after it, the new version does by
itself what is left when it opens the ledger.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Final

from cell.cli.state import LEDGER, StateFolder
from cell.install import backup
from cell.install.package import Package, install
from cell.install.prefix import Place, Prefix, Step
from cell.ledger_migrations import schema_of
from perception.errors import InputError

CALL_S: Final = 120.0
SPARE_BYTES: Final = 50_000_000
"""Left free beside what is needed: the rest of the machine wants to live too."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Change:
    """One upgrade or roll-back of a prefix.

    Attributes:
        prefix: of the versions.
        places: the cells that run on it; none of them may run now.
        say: told each step before it begins.
        stamp: of the backup and of the record, seconds since the epoch.
    """

    prefix: Prefix
    places: Sequence[Place]
    say: Say
    stamp: float = field(default_factory=time.time)

    def upgrade(self, package: Package) -> str:
        """Install a package and switch to it; returns the name of the backup, empty where there was no state.

        Raises:
            InputError: anything wrong; the version that ran is still the current one, its state as it was.
        """
        prefix, version = self.prefix, package.version
        with prefix.taken(), self._stopped():
            old = prefix.running()
            for name in prefix.clear():
                self.say(f"clearing away {name}, left by an interruption")
            if version == old:
                raise InputError(f"{version} is the version that runs", file=package.path)
            self._room_for(package)
            self._environment(package)
            self._look_at(version)
            name = self._back_up(f"{old or 'nothing'}-to-{version}", old)
            self._try_migration(version)
            self.say(f"switching to {version}")
            prefix.switch(version)
            try:
                self._migrate(version, (Path(place.state) / LEDGER for place in self.places))
            except BaseException:
                self._undo(old, name)
                raise
            prefix.record(Step(self._at(), "upgrade" if old else "install", old, version, name or None))
            return name

    def rollback(self, target: str | None, *, keep: bool | None, config: bool) -> Step:
        """Go back to a version that is installed.

        Args:
            target: the version; None: the one before the last upgrade.
            keep: the state stays as it is now; False: the backup of the upgrade is put back; None: it stays where the
                target can read it.
            config: the backup of the config is put back too.

        Raises:
            InputError: anything wrong, or a state that the target cannot read and ``keep`` does not give up.
        """
        prefix = self.prefix
        with prefix.taken(), self._stopped():
            current = prefix.running()
            step = next(
                (
                    step
                    for step in reversed(prefix.history())
                    if step.kind == "upgrade" and step.target == current and target in (None, step.source)
                ),
                None,
            )
            target = target or (step.source if step else None)
            if target is None:
                raise InputError(f"there is no version before {current}; cell rollback --list shows what is installed")
            if target == current:
                raise InputError(f"{target} is the version that runs")
            if target not in prefix.installed():
                raise InputError(f"{target} is not installed; here are {', '.join(prefix.installed())}")
            known, newer = self._known(target), self._newest()
            if keep and newer > known:
                raise InputError(f"{target} reads ledgers up to schema {known}, this one has {newer}: --restore-state")
            if keep is None and newer > known:
                raise InputError(
                    f"{target} cannot read this ledger (schema {newer}, it knows {known}); --restore-state puts back"
                    " what the upgrade has backed up, and keeps a copy of what is there now"
                )
            restores = keep is False
            if (restores or config) and (step is None or step.backup is None):
                raise InputError(f"there is no backup of an upgrade from {target} to {current}")
            source = prefix.backups / str(step.backup) if step is not None else prefix.backups
            if restores or config:
                self._fits(source, target, known, restores)
            name = self._back_up(f"{current}-to-{target}", current)
            # The state first: the newer version can read the older state, not the other way round.
            for place in self.places:
                if restores:
                    self.say(f"putting back the state of {place.service} in {place.state}")
                    backup.restore(source, place.service, "state", Path(place.state))
                if config and place.config is not None:
                    self.say(f"putting back the config of {place.service} in {place.config}")
                    backup.restore(source, place.service, "config", Path(place.config))
            self.say(f"switching to {target}")
            prefix.switch(target)
            done = Step(self._at(), "rollback", current, target, name or None)
            prefix.record(done)
            return done

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        """No cell runs on any of the state folders, and none starts."""
        with contextlib.ExitStack() as held:
            for place in self.places:
                folder = Path(place.state)
                if not folder.is_dir():
                    continue
                lock = folder / "lock"
                ours = not lock.exists()
                try:
                    taken = StateFolder(folder)
                except InputError as error:
                    raise InputError(f"{error.message}: systemctl stop {place.service}", file=folder) from None
                held.callback(taken.close)
                if ours and os.geteuid() == 0:
                    owner = folder.stat()
                    os.chown(lock, owner.st_uid, owner.st_gid)
            yield

    def _room_for(self, package: Package) -> None:
        states = sum(_size(Path(place.state)) for place in self.places)
        needs = package.unpacked_bytes + 2 * states + SPARE_BYTES
        if package.version in self.prefix.installed():
            needs = 2 * states + SPARE_BYTES
        free = shutil.disk_usage(self.prefix.root).free
        if free < needs:
            raise InputError(f"needs {needs / 1e6:.0f} MB, {free / 1e6:.0f} MB are free", file=self.prefix.root)

    def _environment(self, package: Package) -> None:
        prefix, version = self.prefix, package.version
        mark = prefix.installed().get(version)
        if mark is not None and mark.get("sha256") == package.sha256:
            self.say(f"{version} is installed already")
            return
        prefix.remove(version)
        self.say(f"installing {version} beside the version that runs")
        folder = prefix.folder(version)
        try:
            install(package, folder)
            prefix.mark(version, {"version": version, "sha256": package.sha256, "installed": self._at()})
        except BaseException:
            prefix.remove(version)
            raise

    def _look_at(self, version: str) -> None:
        """The new version runs, and its check accepts the config."""
        said = self._call([str(self.prefix.cell(version)), "--version"], "does not run")
        if said.split()[-1:] != [version]:
            raise InputError(f"says that it is {said.strip()!r}", file=self.prefix.folder(version))
        for place in self.places:
            if place.config is not None and Path(place.config).is_dir():
                files = sorted(str(path) for path in Path(place.config).glob("*.yaml"))
                if files:
                    self.say(f"checking {place.config} with {version}")
                    self._call([str(self.prefix.cell(version)), "config", "check", *files], "refuses the config")
        missing = self._lost(version)
        if missing:
            self.say(f"NOT in {version}: {', '.join(missing)}; install them with {self.prefix.python(version)} -m pip")

    def _lost(self, version: str) -> list[str]:
        """Packages of others in the version that runs, such as drivers, which the new one does not have."""
        old = self.prefix.running()
        if old is None:
            return []

        def names(of: str) -> dict[str, str]:
            folders = [str(path) for path in self.prefix.folder(of).glob("lib/python*/site-packages")]
            return {str(d.metadata["Name"]).lower(): d.version for d in metadata.distributions(path=folders)}

        there, known = names(version), names(old)
        plugins = {
            name
            for folder in self.prefix.folder(old).glob("lib/python*/site-packages/*.dist-info")
            for name in [folder.name.split("-")[0].lower().replace("_", "-")]
            if "cellwright." in _text(folder / "entry_points.txt")
        }
        return [f"{name} {known[name]}" for name in sorted(plugins) if name in known and name not in there]

    def _back_up(self, name: str, version: str | None) -> str:
        cells = {
            place.service: (Path(place.state), Path(place.config) if place.config else None)
            for place in self.places
            if Path(place.state).is_dir() or (place.config and Path(place.config).is_dir())
        }
        if not cells:
            return ""
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(self.stamp))}-{name}"
        folder, number = self.prefix.backups / name, 2
        while folder.exists():
            folder, number = self.prefix.backups / f"{name}.{number}", number + 1
        self.say(f"backing up state and config in {folder}")
        backup.back_up(folder, cells, {"at": self._at(), "version": version})
        return folder.name

    def _try_migration(self, version: str) -> None:
        """On copies: a step that fails is found while nothing has changed."""
        known = self._known(version)
        for place in self.places:
            ledger = Path(place.state) / LEDGER
            schema = schema_of(ledger)
            if schema > known:
                raise InputError(f"has schema {schema}, and {version} knows {known}: cell rollback", file=ledger)
            if 0 < schema < known:
                self.say(f"trying the migration of {ledger} from schema {schema} to {known} on a copy")
                with tempfile.TemporaryDirectory(prefix=".migration-", dir=self.prefix.root) as scratch:
                    copy = Path(scratch) / LEDGER
                    backup.copy_database(ledger, copy)
                    self._migrate(version, [copy])

    def _undo(self, old: str | None, name: str) -> None:
        """The migration of one ledger failed: all go back, first the states, which the new version can read too."""
        if old is None:
            return
        self.say(f"that failed; going back to {old}")
        for place in self.places if name else ():
            backup.restore(self.prefix.backups / name, place.service, "state", Path(place.state))
        self.prefix.switch(old)

    def _migrate(self, version: str, ledgers: Iterable[Path]) -> None:
        for ledger in ledgers:
            if ledger.exists():
                words = [str(self.prefix.python(version)), "-m", "cell.install.migrate", str(ledger)]
                self._call(words, "cannot migrate the ledger")

    def _known(self, version: str) -> int:
        """The schema that a version writes."""
        words = [str(self.prefix.python(version)), "-m", "cell.install.migrate", "--schema"]
        return int(self._call(words, "does not say which ledgers it reads"))

    def _newest(self) -> int:
        return max((schema_of(Path(place.state) / LEDGER) for place in self.places), default=0)

    def _fits(self, source: Path, target: str, known: int, restores: bool) -> None:
        manifest = backup.read_manifest(source)
        for place in self.places:
            if place.service not in manifest["cells"]:
                raise InputError(f"holds nothing of {place.service}", file=source)
            if restores and manifest["schemas"].get(place.service, 0) > known:
                raise InputError(f"{target} cannot read it either: it knows schema {known}", file=source)

    def _call(self, words: list[str], what: str) -> str:
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "VIRTUAL_ENV")}
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=CALL_S, env=environment, cwd="/"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{words[0]} {what}: {error}") from error
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise InputError(f"{words[0]} {what}: {lines[-1].removeprefix('cell: ') if lines else done.returncode}")
        return done.stdout

    def _at(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.stamp))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
