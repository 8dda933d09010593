"""To another version and back: what a person does, and what is left when it is killed or the disk is full."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from upgrading import bundle_of, first_version, ledger_with, opened, place_of, quick_installs

from cell.install import backup, upgrade
from cell.install.package import read_package
from cell.install.prefix import Place, Prefix
from cell.install.upgrade import Change
from cell.ledger_schema import SCHEMA_VERSION
from perception.errors import InputError

NEXT = "9.0.0"
PARTS = 4


def quiet(_: str) -> None:
    pass


def call(words: list[str], environment: dict[str, str], status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def template(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with one version, a ledger with parts and a config; copied for every test."""
    folder = tmp_path_factory.mktemp("template")
    first_version(folder / "prefix", wheel_file)
    ledger_with(folder / "state" / "ledger.sqlite", PARTS)
    (folder / "config").mkdir()
    (folder / "config" / "note.txt").write_text("mine")
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "place", symlinks=True)
    return tmp_path / "place"


def versions(place: Path) -> tuple[Prefix, str]:
    prefix = Prefix(place / "prefix")
    (old,) = prefix.installed()
    return prefix, old


def test_bundle_upgrades_and_rolls_back_when_no_index_can_be_reached(
    installed: Path, next_wheel_file: Path, wheels: ModuleType, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """As a person does it, with pip and all; the packages that ours needs are lent by the tests' environment."""
    new_bundle = bundle_of(wheels, next_wheel_file, tmp_path)
    prefix, state, config, before = installed, tmp_path / "state", tmp_path / "config", PARTS
    old = str(Prefix(prefix).running())
    cell = str(prefix / "current" / "bin" / "cell")
    ledger_with(state / "ledger.sqlite", before)
    config.mkdir()
    (config / "cell.params.yaml").write_text("status:\n  ros__parameters:\n    port: 0\n")
    places = ["--state", str(state), "--config", str(config)]
    call([cell, "upgrade", str(new_bundle), *places], clean_environment)
    assert call([cell, "--version"], clean_environment).stdout == f"cellwright {NEXT}\n"
    assert opened(Prefix(prefix), state / "ledger.sqlite", clean_environment) == (NEXT, SCHEMA_VERSION + 1, before)

    refused = call([cell, "rollback", *places], clean_environment, status=2)
    assert refused.stderr.count("\n") == 1 and "--restore-state" in refused.stderr
    (config / "cell.params.yaml").write_text("status:\n  ros__parameters:\n    port: 8081\n")
    call([cell, "rollback", "--restore-state", "--restore-config", *places], clean_environment)
    assert call([cell, "--version"], clean_environment).stdout == f"cellwright {old}\n"
    assert "port: 0" in (config / "cell.params.yaml").read_text()
    assert opened(Prefix(prefix), state / "ledger.sqlite", clean_environment)[1:] == (SCHEMA_VERSION, before)
    listed = call([cell, "rollback", "--list"], clean_environment).stdout
    assert f"upgrade {old} -> {NEXT}" in listed and f"rollback {NEXT} -> {old}" in listed


KILLS = ["install", "mark", "back_up", "try", "switch", "migrate", "record"]
POINTS = [(where, late) for where in KILLS for late in (False, True)]
# On either side of the switch always; of the others a few, all of them with make test-install.
EDGES = [("switch", False), ("switch", True), ("migrate", False)]
SAMPLE = [*EDGES, random.Random(61).choice([point for point in POINTS if point not in EDGES])]
SWEEP = [pytest.param(*point, marks=[] if point in SAMPLE else pytest.mark.install) for point in POINTS]


@pytest.mark.parametrize(("where", "late"), SWEEP)
def test_one_whole_version_runs_with_every_part_when_the_upgrade_is_killed(
    where: str, late: bool, place: Path, next_wheel_file: Path, clean_environment: dict[str, str]
) -> None:
    prefix, old = versions(place)
    ledger = place / "state" / "ledger.sqlite"
    pid = os.fork()
    if pid == 0:
        # A child that ends like one that is killed: no finally, no flush.
        patch = pytest.MonkeyPatch()
        quick_installs(patch)
        owner: Any = {"install": upgrade, "back_up": backup, "try": Change, "migrate": Change}.get(where, Prefix)
        name = {"try": "_try_migration", "migrate": "_migrate"}.get(where, where)
        patch.setattr(owner, name, dying(getattr(owner, name), late, where == "migrate", ledger))
        try:
            Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    after = KILLS.index(where) * 2 + late >= KILLS.index("switch") * 2 + 1
    wanted = (NEXT, SCHEMA_VERSION + 1, PARTS) if after else (old, SCHEMA_VERSION, PARTS)
    assert opened(prefix, ledger, clean_environment) == wanted
    if not after:
        with pytest.MonkeyPatch.context() as patch:
            quick_installs(patch)
            Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
        assert opened(prefix, ledger, clean_environment) == (NEXT, SCHEMA_VERSION + 1, PARTS)
    assert not list((place / "prefix").glob("backups/*.part"))


def dying(real: Callable[..., Any], late: bool, only_real_ledger: bool, ledger: Path) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if only_real_ledger:
            # The trial on a copy comes first, and lives.
            args = (*args[:-1], list(args[-1]))
            if ledger not in args[-1]:
                return real(*args, **kwargs)
        if late:
            real(*args, **kwargs)
        os._exit(9)

    return call


@pytest.mark.parametrize("where", ["install", "back_up", "copy_database"])
def test_old_version_runs_on_its_own_state_when_the_disk_is_full(
    where: str, place: Path, next_wheel_file: Path, clean_environment: dict[str, str]
) -> None:
    """No file may grow beyond 16 kB: whatever writes meets the same errors as on a full disk."""
    prefix, old = versions(place)
    ledger = place / "state" / "ledger.sqlite"
    before = ledger.read_bytes()
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[4])\n"
        "import pytest, upgrading\nfrom cell.install import backup, package, upgrade\n"
        "from cell.install.package import read_package\nfrom cell.install.prefix import Prefix\n"
        "from cell.install.upgrade import Change\nfrom perception.errors import InputError\n"
        "upgrading.quick_installs(pytest.MonkeyPatch())\nplace = Path(sys.argv[1])\n"
        "owner = upgrade if sys.argv[3] == 'install' else backup\nreal = getattr(owner, sys.argv[3])\n"
        "def limited(*args, **kwargs):\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))\n    return real(*args, **kwargs)\n"
        "setattr(owner, sys.argv[3], limited)\n"
        "try:\n"
        "    Change(Prefix(place / 'prefix'), [upgrading.place_of(place)], print).upgrade("
        "read_package(Path(sys.argv[2])))\n"
        "except (InputError, OSError) as error:\n    print(error, file=sys.stderr)\n    sys.exit(2)\n"
    )
    words = [sys.executable, "-c", script, str(place), str(next_wheel_file), where, str(Path(__file__).parent)]
    environment = {**clean_environment, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = call(words, environment, status=2)
    assert re.search(r"too large|disk I/O error|full", done.stderr), done.stderr
    assert ledger.read_bytes() == before
    assert opened(prefix, ledger, clean_environment) == (old, SCHEMA_VERSION, PARTS)
    assert list(prefix.installed()) == ([old] if where == "install" else [old, NEXT])


def test_upgrade_is_refused_before_anything_is_written_when_there_is_too_little_room(
    place: Path, next_wheel_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, old = versions(place)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10_000))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"needs \d+ MB, 0 MB are free"):
        Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
    assert [path.name for path in prefix.versions.iterdir()] == [old]
    assert not list(prefix.backups.iterdir())


def test_all_goes_back_when_the_migration_fails_after_the_switch(
    place: Path, next_wheel_file: Path, clean_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, old = versions(place)
    quick_installs(monkeypatch)
    ledger = place / "state" / "ledger.sqlite"
    real = Change._migrate

    def migrate_then_fail(self: Change, version: str, ledgers: Any) -> None:
        listed = list(ledgers)
        real(self, version, listed)
        if ledger in listed:
            raise InputError("the second ledger cannot be migrated")

    monkeypatch.setattr(Change, "_migrate", migrate_then_fail)
    with pytest.raises(InputError, match="second ledger"):
        Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
    assert opened(prefix, ledger, clean_environment) == (old, SCHEMA_VERSION, PARTS)


def test_newer_lines_are_kept_aside_when_the_roll_back_restores_the_state(
    place: Path, next_wheel_file: Path, clean_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, old = versions(place)
    quick_installs(monkeypatch)
    ledger = place / "state" / "ledger.sqlite"
    change = Change(prefix, [place_of(place)], quiet)
    change.upgrade(read_package(next_wheel_file))
    connection = sqlite3.connect(ledger)
    with connection:
        connection.execute("INSERT INTO run (started_s, versions, closed_s, how) VALUES (7, '{}', 8, 'clean')")
        count = connection.execute("SELECT count(*) FROM run").fetchone()[0]
    connection.close()
    with pytest.raises(InputError, match="--restore-state"):
        change.rollback(None, keep=True, config=False)
    step = change.rollback(None, keep=False, config=False)
    assert opened(prefix, ledger, clean_environment) == (old, SCHEMA_VERSION, PARTS)
    kept = sqlite3.connect(prefix.backups / str(step.backup) / "cell" / "state" / "ledger.sqlite")
    assert kept.execute("SELECT count(*) FROM run").fetchone()[0] == count
    kept.close()


def test_state_is_kept_by_default_when_the_older_version_can_read_it(
    place: Path, wheel_file: Path, clean_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, old = versions(place)
    quick_installs(monkeypatch)
    change = Change(prefix, [place_of(place)], quiet)
    same = repacked(wheel_file, place / f"cellwright-{NEXT}-py3-none-any.whl", old)
    change.upgrade(read_package(same))
    ledger_with(place / "state" / "ledger.sqlite", 2)
    step = change.rollback(None, keep=None, config=False)
    assert (step.source, step.target) == (NEXT, old)
    assert opened(prefix, place / "state" / "ledger.sqlite", clean_environment) == (old, SCHEMA_VERSION, PARTS + 2)


def repacked(wheel: Path, path: Path, old: str) -> Path:
    """The same wheel under another version: nothing of the state changes with it."""
    import zipfile

    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith(".dist-info/METADATA"):
                content = content.replace(f"\nVersion: {old}\n".encode(), f"\nVersion: {NEXT}\n".encode())
            target.writestr(info.filename.replace(f"cellwright-{old}.", f"cellwright-{NEXT}."), content)
    return path


def test_upgrade_is_refused_when_the_cell_runs(place: Path, next_wheel_file: Path) -> None:
    from cell.cli.state import StateFolder

    prefix, old = versions(place)
    running = StateFolder(place / "state")
    try:
        with pytest.raises(InputError, match="systemctl stop line-4"):
            Change(prefix, [Place("line-4", str(place / "state"))], quiet).upgrade(read_package(next_wheel_file))
    finally:
        running.close()
    assert prefix.running() == old and list(prefix.installed()) == [old]


def test_upgrade_is_refused_when_the_ledger_is_newer_than_the_package(
    place: Path, next_wheel_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, old = versions(place)
    quick_installs(monkeypatch)
    connection = sqlite3.connect(place / "state" / "ledger.sqlite")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 5}")
    connection.close()
    with pytest.raises(InputError, match=rf"has schema {SCHEMA_VERSION + 5}, and {NEXT} knows {SCHEMA_VERSION + 1}"):
        Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
    assert prefix.running() == old


def test_upgrade_is_refused_when_the_new_version_refuses_the_config(
    place: Path, next_wheel_file: Path, monkeypatch: pytest.MonkeyPatch, dependencies: Path
) -> None:
    prefix, old = versions(place)
    quick_installs(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(dependencies))
    (place / "config" / "cell.params.yaml").write_text("status:\n  ros__parameters:\n    prot: 0\n")
    with pytest.raises(InputError, match=r"refuses the config: .*cell\.params\.yaml:3.*prot"):
        Change(prefix, [place_of(place)], quiet).upgrade(read_package(next_wheel_file))
    assert prefix.running() == old


@pytest.mark.parametrize("damage", ["missing", "changed", "other python"])
def test_bundle_is_refused_in_one_line_when_it_is_not_what_was_written(
    damage: str, wheel_file: Path, wheels: ModuleType, tmp_path: Path
) -> None:
    folder = bundle_of(wheels, wheel_file, tmp_path)
    (wheel,) = (folder / "wheels").iterdir()
    if damage == "missing":
        wheel.unlink()
    elif damage == "changed":
        wheel.write_bytes(wheel.read_bytes() + b"\0")
    else:
        text = (folder / "bundle.json").read_text()
        (folder / "bundle.json").write_text(text.replace('"python": "3.', '"python": "2.'))
    with pytest.raises(InputError, match=r"not whole|damaged|is for Python 2"):
        read_package(folder)
    words = ["sh", str(folder / "install.sh"), "--prefix", str(tmp_path / "opt"), "--python", sys.executable]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and "the bundle is damaged" in done.stderr
    assert not (tmp_path / "opt").exists()
