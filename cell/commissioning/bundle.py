"""The diagnostic bundle: a zip file with what others need to help, and without what is none of their business.

Everything is read first and its secrets are learnt, then each piece is cleaned of all of them; a piece in which one
still stands is withheld. The file is there whole or not at all, and never larger than ``TOTAL_BYTES`` unpacked.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cell.commissioning.findings import Patient
from cell.commissioning.material import Left, Piece, pieces
from cell.commissioning.redaction import NAME, REDACTED, Redactor
from cell.versions import versions
from perception.errors import InputError

TOTAL_BYTES: Final = 20 << 20
MANIFEST: Final = "MANIFEST.json"
_SECRET_NAME: Final = re.compile(rf"(?:^|.*[_.-])?{NAME}$", re.IGNORECASE)

POLICY: Final = (
    f"Passwords, tokens, keys, credentials in URLs, one-time links and long random words are replaced by {REDACTED}, "
    "wherever they stand, also encoded or split; login names, home folders and e-mail addresses too. Kept: hashes "
    "of models, serial numbers of devices, names and addresses of machines. No picture, model or recording is included."
)


def write_bundle(path: Path, patient: Patient, *, parts: int, listen_s: float) -> str:
    """Write it; returns one line about it.

    Raises:
        InputError: it cannot be written; nothing is left behind.
    """
    items = list(pieces(patient, parts=parts, listen_s=listen_s))
    material = [item for item in items if isinstance(item, Piece)]
    left = [item for item in items if isinstance(item, Left)]
    redactor = Redactor(people(patient.state))
    learn(redactor, material, os.environ)
    files, entries = cleaned(redactor, material, left)
    manifest = {
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "policy": POLICY,
        "redactions": redactor.count,
        "files": entries,
        "left_out": [{"source": redactor.clean(item.source), "why": redactor.clean(item.why)} for item in left],
    }
    files = {MANIFEST: json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", **files}
    _write(path, files)
    size = path.stat().st_size
    words = f"{len(files)} files, {size / 1e6:.2f} MB, {redactor.count} secrets taken out"
    return f"{path}: {words}; look at it before you send it"


def people(state: Path) -> list[str]:
    """Login names that may stand in paths and logs."""
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")}
    for folder in (Path.home(), state.absolute()):
        if folder.parts[:2] == ("/", "home") and len(folder.parts) > 2:
            names.add(folder.parts[2])
    with contextlib.suppress(KeyError, OSError):
        names.add(getpass.getuser())
    return sorted(names - {""})


def learn(redactor: Redactor, material: Sequence[Piece], environment: Mapping[str, str]) -> None:
    """Every secret of every piece, and those of the environment, whose values do not even go."""
    for name, value in environment.items():
        if _SECRET_NAME.fullmatch(name) and name not in ("PWD", "OLDPWD"):
            redactor.learn_value(value)
        redactor.learn(f"{name}={value}")
    for piece in material:
        redactor.learn(piece.text)
        redactor.learn(piece.name)


def cleaned(
    redactor: Redactor, material: Sequence[Piece], left: list[Left]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The texts by their names, and an entry for each in the manifest; what does not fit goes to ``left``."""
    files: dict[str, str] = {}
    entries: list[dict[str, Any]] = []
    room = TOTAL_BYTES
    for piece in material:
        before = redactor.count
        text = redactor.clean(piece.text)
        name = _distinct(_tame(redactor.clean(piece.name)), files)
        if redactor.leaks(text):
            left.append(Left(piece.source, "withheld: a secret could not be taken out of it"))
            continue
        size = len(text.encode("utf-8", "replace"))
        if size > room:
            left.append(Left(piece.source, f"the bundle is full ({TOTAL_BYTES >> 20} MB)"))
            continue
        room -= size
        files[name] = text
        entry: dict[str, Any] = {"name": name, "source": redactor.clean(piece.source), "bytes": size}
        if piece.cut:
            entry["left_out_at_the_beginning"] = piece.cut
        if redactor.count > before:
            entry["redactions"] = redactor.count - before
        entries.append(entry)
    return files, entries


def _tame(name: str) -> str:
    """A path that stays in its folder wherever it is unpacked."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(re.sub(r"[^A-Za-z0-9._+@=-]", "_", part) for part in parts) or "unnamed"


def _distinct(name: str, files: Mapping[str, str]) -> str:
    stem, dot, ending = name.rpartition(".")
    number = 1
    while name in files:
        number += 1
        name = f"{stem}-{number}.{ending}" if dot else f"{ending}-{number}"
    return name


def _write(path: Path, files: Mapping[str, str]) -> None:
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:64]}.", suffix=".part", dir=path.absolute().parent)
        with os.fdopen(handle, "wb") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, text in files.items():
                    archive.writestr(name, text.encode("utf-8", "replace"))
            stream.flush()
            os.fsync(stream.fileno())
        # Only its owner reads it: he decides who else does.
        os.replace(temporary, path)  # noqa: PTH105 (a string from mkstemp)
        temporary = None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", file=path, key="--bundle") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
