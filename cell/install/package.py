"""What is to be installed: a wheel of ours, or a bundle (a folder with every wheel, made by ``make bundle``)."""

from __future__ import annotations

import email
import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from perception.errors import InputError

NAME: Final = "cellwright"
BUNDLE: Final = "bundle.json"
REQUIREMENTS: Final = "requirements.txt"
WHEELS: Final = "wheels"
VENV_BYTES: Final = 40_000_000
"""An empty environment with its pip."""
PIP_S: Final = 1800.0
"""Longest time that pip may take, with slow downloads."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that has been checked.

    Attributes:
        path: the wheel, or the bundle's folder.
        version: of cellwright in it.
        wheels: all the files that are to be installed, as far as they are known before.
        sha256: of our wheel.
        bundled: everything is in the folder; no index is asked.
        extras: of cellwright.
    """

    path: Path
    version: str
    wheels: tuple[Path, ...]
    sha256: str
    bundled: bool
    extras: tuple[str, ...] = ()

    @property
    def unpacked_bytes(self) -> int:
        """What an environment with it takes, at least."""
        return VENV_BYTES + sum(info.file_size for path in self.wheels for info in zipfile.ZipFile(path).infolist())

    def pip_words(self) -> list[str]:
        """What ``pip install`` is told."""
        if self.bundled:
            words = ["--isolated", "install", "--no-index", "--no-deps", "--require-hashes"]
            return [*words, "--find-links", str(self.path / WHEELS), "-r", str(self.path / REQUIREMENTS)]
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return ["install", f"{NAME}{extras} @ {self.path.resolve().as_uri()}"]


def read_package(path: Path, extras: Sequence[str] = ()) -> Package:
    """Look at a wheel or a bundle.

    Raises:
        InputError: it is neither, is not ours, is damaged, or is for another Python or machine.
    """
    if path.is_dir():
        if extras:
            raise InputError("a bundle has its extras in it; make bundle EXTRAS=...", key="--extra")
        return _bundle(path)
    if path.suffix != ".whl" or not zipfile.is_zipfile(path):
        raise InputError("neither a wheel nor the folder of a bundle", file=path)
    return Package(path, _version(path), (path,), sha256(path), False, tuple(extras))


def _version(wheel: Path) -> str:
    """Of our wheel, as its metadata say."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise InputError(f"the wheel is damaged: {broken}", file=wheel)
            (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
            metadata = email.message_from_bytes(archive.read(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"not a wheel that can be read: {error}", file=wheel) from None
    if metadata["Name"] != NAME:
        raise InputError(f"a wheel of {metadata['Name']}, not of {NAME}", file=wheel)
    return str(metadata["Version"])


def _bundle(folder: Path) -> Package:
    try:
        content: dict[str, Any] = json.loads((folder / BUNDLE).read_text(encoding="utf-8"))
        listed = {str(entry["file"]): str(entry["sha256"]) for entry in content["wheels"]}
        version, python, machine = str(content["version"]), str(content["python"]), str(content["machine"])
    except FileNotFoundError:
        raise InputError(f"a folder without {BUNDLE} is no bundle", file=folder) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot be read: {error}", file=folder / BUNDLE) from None
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if (python, machine) != (here, platform.machine()):
        raise InputError(f"is for Python {python} on {machine}; this is {here} on {platform.machine()}", file=folder)
    wheels = []
    for name, digest in listed.items():
        path = folder / WHEELS / name
        if "/" in name or not path.is_file():
            raise InputError("the bundle is not whole: this wheel is missing", file=path)
        if sha256(path) != digest:
            raise InputError("the bundle is damaged: a wheel is not what was written", file=path)
        wheels.append(path)
    own = [path for path in wheels if path.name.startswith(f"{NAME}-")]
    if len(own) != 1 or not (folder / REQUIREMENTS).is_file():
        raise InputError("the bundle is not whole", file=folder)
    if _version(own[0]) != version:
        raise InputError(f"says {version} and holds {_version(own[0])}", file=folder / BUNDLE)
    return Package(folder, version, tuple(wheels), listed[own[0].name], True)


def install(package: Package, folder: Path) -> None:
    """Make an environment with this process's Python and install into it; then pip looks whether all fits together.

    Raises:
        InputError: something failed, with the last line that pip had to say.
    """
    base = str(getattr(sys, "_base_executable", sys.executable))
    python = str(folder / "bin" / "python")
    lacks = "Python's venv module is missing (apt install python3-venv)"
    _call([base, "-c", "import ensurepip, venv"], lacks, Path(base))
    _call([base, "-m", "venv", str(folder)], "the environment cannot be made", folder)
    _call([python, "-m", "pip", *package.pip_words()], "pip could not install it", package.path)
    _call([python, "-m", "pip", "check"], "the installed packages do not fit together", package.path)


def _call(words: list[str], what: str, where: Path) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PIP_S, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{what}: {error}", file=where) from error
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise InputError(f"{what}: {errors[-1].strip() if errors else f'exit {done.returncode}'}", file=where)


def sha256(path: Path) -> str:
    """Of a file, in hex.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    return digest.hexdigest()
