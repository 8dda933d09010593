"""Bundles of our wheel alone, prefixes with quickly installed versions, and ledgers with a few parts."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from cell.accounts import Fate
from cell.install import upgrade
from cell.install.package import Package, read_package
from cell.install.prefix import Place, Prefix, Step
from cell.ledger import Ledger


def bundle_of(wheels: ModuleType, wheel: Path, into: Path) -> Path:
    """A bundle as ``make bundle`` makes it, of a wheel without what it depends on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "resolve", lambda *_: wheels.Resolution((), (), ()))
        folder: Path = wheels.make_bundle(wheels.chosen([])[0], [], wheel, into)
    return folder


def unpack(package: Package, folder: Path) -> None:
    """What pip does with our wheel, without pip: an environment in a second."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    (wheel,) = [path for path in package.wheels if path.name.startswith("cellwright-")]
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if not info.filename.startswith("perception/models/"):
                archive.extract(info, site)
    script = folder / "bin" / "cell"
    script.write_text(
        f"#!{folder}/bin/python\nimport sys\nfrom cell.cli.main import main\nsys.exit(main())\n", encoding="utf-8"
    )
    script.chmod(0o755)


def first_version(root: Path, wheel: Path) -> Prefix:
    """A prefix with one version that runs."""
    prefix = Prefix(root)
    package = read_package(wheel)
    with prefix.taken():
        unpack(package, prefix.folder(package.version))
        prefix.mark(package.version, {"version": package.version, "sha256": package.sha256, "installed": "long ago"})
        prefix.switch(package.version)
        prefix.record(Step("long ago", "install", None, package.version))
    return prefix


def ledger_with(path: Path, parts: int) -> None:
    """A run that ended cleanly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ledger, _ = Ledger.open(path, started_s=1.0)
    for part in range(1, parts + 1):
        ledger.enter(part, 1.0, verdict="good", score=0.1, defects=(), views=1, model_hash="m")
        ledger.decide(part, 1.1, action="pass", policy="fifo", reason="good")
        ledger.close_part(part, 1.2, Fate.PASSED, reason="at the end")
    ledger.close(2.0)


def place_of(folder: Path) -> Place:
    return Place("cell", str(folder / "state"), str(folder / "config"))


def opened(prefix: Prefix, ledger: Path, environment: dict[str, str]) -> tuple[str, int, int]:
    """The version that runs, the schema of the ledger after it has opened it, and its parts."""
    script = (
        "import sqlite3, sys\nfrom importlib.metadata import version\nfrom cell.ledger import Ledger\n"
        "l, _ = Ledger.open(sys.argv[1], started_s=5.0)\nl.close(6.0)\nc = sqlite3.connect(sys.argv[1])\n"
        "print(version('cellwright'), c.execute('PRAGMA user_version').fetchone()[0],"
        " c.execute('SELECT count(*) FROM fate').fetchone()[0])"
    )
    words = [str(prefix.current / "bin" / "python"), "-c", script, str(ledger)]
    done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    version, schema, parts = done.stdout.split()
    return version, int(schema), int(parts)


def quick_installs(patch: pytest.MonkeyPatch) -> None:
    """Upgrades unpack wheels instead of asking pip."""
    patch.setattr(upgrade, "install", unpack)
