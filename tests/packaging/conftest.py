"""One built wheel for all tests of packaging, other versions of it, and the packages that it needs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cell.ledger_schema import SCHEMA_VERSION

sys.path.insert(0, str(Path(__file__).parent))
from upgrading import bundle_of

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("cell", "perception", "policies", "sim", "launch")
NEXT = "9.0.0"
OURS = re.compile(r"_*(editable|cellwright)|pip\b|pip-|.*\.pth$")


def build(tree: Path, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=300)
    (path,) = into.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def next_wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this tree that is a version and a schema of the ledger further."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix != ".whl":
            shutil.copy(path, tree)
    edit(tree / "pyproject.toml", r'^version = ".*"$', f'version = "{NEXT}"')
    schema = SCHEMA_VERSION
    edit(tree / "cell/ledger_schema.py", r"^SCHEMA_VERSION = \d+$", f"SCHEMA_VERSION = {schema + 1}")
    step = f"{{**MIGRATIONS, {schema}: \"ALTER TABLE run ADD COLUMN shift TEXT NOT NULL DEFAULT 'night';\"}}"
    edit(tree / "cell/ledger_migrations.py", r"^def schema_of", f"MIGRATIONS = {step}\n\n\ndef schema_of")
    path = build(tree, tmp_path_factory.mktemp("changed"))
    shutil.rmtree(tree)
    return path


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, lambda _: replacement, path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{path}: {pattern}"
    path.write_text(text)


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every package of this environment but our own and pip, to be found through PYTHONPATH: an environment with our
    wheel alone then runs, without 200 MB being installed again for every test."""
    folder = tmp_path_factory.mktemp("dependencies")
    for base in site.getsitepackages():
        for path in Path(base).iterdir():
            if not OURS.match(path.name) and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def clean_environment(dependencies: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a machine with an empty home and the dependencies; no index can be reached."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTEST_", "CELL_"))}
    dead = "http://127.0.0.1:9/simple"
    return {
        **environment,
        "HOME": str(tmp_path_factory.mktemp("home")),
        "XDG_STATE_HOME": "",
        "PYTHONPATH": str(dependencies),
        "PIP_INDEX_URL": dead,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.fixture(scope="session")
def installed(
    wheel_file: Path, wheels: ModuleType, clean_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A prefix into which a bundle was installed as a person does it, with pip and all."""
    folder = tmp_path_factory.mktemp("installed")
    bundle = bundle_of(wheels, wheel_file, folder)
    words = ["sh", str(bundle / "install.sh"), "--prefix", str(folder / "opt"), "--python", sys.executable]
    done = subprocess.run(
        [*words, "--link", str(folder / "bin")],
        env=clean_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{folder}/opt/current is " in done.stdout
    assert (folder / "bin" / "cell").resolve() == (folder / "opt/current/bin/cell").resolve()
    return folder / "opt"


@pytest.fixture(scope="session")
def wheels() -> ModuleType:
    """``.ci/wheels.py``, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("ci_wheels", ROOT / ".ci" / "wheels.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ci_wheels"] = module
    spec.loader.exec_module(module)
    return module
