"""The report of a run (``cell run --report``): its shape, which other people's scripts rely on, and a writer that
leaves either the whole file or none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from perception.errors import InputError


class PartsReport(TypedDict):
    """Parts by fate. ``entered`` is the sum of all others; each part has one fate.

    sorted: the arm placed it in the decided bin. passed: it was decided to stay on the belt and did. missed: a pick was
    decided and not made. dropped: lost from the gripper. rejected: diverted without a judgement (double pick, unsure).
    unknown: nobody can say (crash, emergency stop). in_flight: its fate is open.
    """

    entered: int
    sorted: int
    passed: int
    missed: int
    dropped: int
    rejected: int
    unknown: int
    in_flight: int


class QualityReport(TypedDict):
    """Parts by the truth of the world's referee. escaped: truly defective and ended in the good stream for whatever
    reason. false_rejects: truly good and ended in a reject or unsure bin."""

    defective_in: int
    escaped: int
    good_in: int
    false_rejects: int


class RatesReport(TypedDict):
    """Over the whole run, by the cell's clock."""

    picks_per_min: float
    parts_per_min: float


class Quantiles(TypedDict):
    """Milliseconds."""

    p50: float
    p99: float


class FramesReport(TypedDict):
    """Pictures that the camera took, and those that the detector answered."""

    captured: int
    judged: int


class PackmlReport(TypedDict):
    """The state at the end, and every state that was entered, in order."""

    state: str
    history: list[dict[str, Any]]


class SourceReport(TypedDict):
    """Real images that rode as parts, and those that could not be read."""

    images: int
    skipped: int


class _EveryReport(TypedDict):
    parts: PartsReport
    quality: QualityReport | None
    rates: RatesReport
    latency_ms: dict[str, Quantiles]
    frames: FramesReport
    faults: list[dict[str, Any]]
    packml: PackmlReport
    versions: dict[str, str]
    seed: int | None
    wall_s: float
    sim_s: float
    realtime_factor: float
    source: SourceReport


class RunReport(_EveryReport, total=False):
    """The whole report.

    ``quality`` is None on hardware, where nobody knows the truth. ``latency_ms`` has ``frame_to_decision`` at least.
    ``reconciled`` is there where parts of earlier runs were open, which count in ``parts`` only if found again:
    kept (fates of a run that crashed), in_hand, unknown (in_hand included), found_again, looked_for.
    ``wall_s`` and ``realtime_factor`` are the only figures that may differ between two runs of one seed in lockstep.
    """

    reconciled: dict[str, int]


WALL_CLOCK_KEYS = ("wall_s", "realtime_factor")
"""What two runs of one seed may differ in."""


def check_writable(path: str | Path, key: str | None = None) -> None:
    """See that ``write_json`` can write ``path``; asked before the work, so that no result is lost after it.

    Raises:
        InputError: the folder is missing or is a file, ``path`` is a folder, or there is no permission.
    """
    target = Path(path)
    folder = target.parent
    if not str(path) or "\0" in str(path):
        raise InputError(f"needs the name of a file to write, not {str(path)!r}", key=key)
    try:
        if target.is_dir():
            raise InputError("is a folder, not a file to write", file=target, key=key)
        if not folder.exists():
            raise InputError(f"the folder {folder} does not exist", file=target, key=key)
        if not folder.is_dir():
            raise InputError(f"{folder} is a file, not a folder", file=target, key=key)
        # A probe and not a question of permission bits: those say nothing of read-only or full file systems.
        handle, probe = tempfile.mkstemp(prefix=".cell-", dir=folder)
        os.close(handle)
        Path(probe).unlink()
        if target.exists() and not os.access(target, os.W_OK):
            raise InputError("is write-protected", file=target, key=key)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be written: {_reason(error)}", file=target, key=key) from error


def write_json(path: str | Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Write ``content`` as JSON so that a reader sees the old file or the whole new one, never a part.

    The temporary file lies in the same folder, is brought to the disk, then renamed, and the folder after it.

    Raises:
        InputError: the file cannot be written; nothing is left behind.
        ValueError: ``content`` holds NaN or an infinity, which JSON does not know.
    """
    target = Path(path)
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:64]}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot be written: {_reason(error)}", file=target) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files for their owner alone; a report is to be read like any file that the user makes.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"cannot be written: {_reason(error)}", file=target) from error
        raise
    _sync_folder(target.parent)


def write_report(path: str | Path, report: RunReport) -> None:
    """Write the report of a run; see ``write_json``."""
    write_json(path, report)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
