"""Reports: a reader sees the old file or the whole new one, and a wrong place is found before the work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cell.report import RunReport, check_writable, write_json, write_report
from perception.errors import InputError

REPORT: RunReport = {
    "parts": {
        "entered": 2, "sorted": 1, "passed": 1, "missed": 0, "dropped": 0, "rejected": 0, "unknown": 0, "in_flight": 0,
    },
    "quality": {"defective_in": 1, "escaped": 0, "good_in": 1, "false_rejects": 0},
    "rates": {"picks_per_min": 10.0, "parts_per_min": 30.0},
    "latency_ms": {"frame_to_decision": {"p50": 40.0, "p99": 60.0}},
    "frames": {"captured": 20, "judged": 20},
    "faults": [],
    "packml": {"state": "Complete", "history": []},
    "versions": {"cellwright": "0.1.0"},
    "seed": 1,
    "wall_s": 1.0,
    "sim_s": 4.0,
    "realtime_factor": 4.0,
    "source": {"images": 0, "skipped": 0},
}  # fmt: skip


def test_report_is_json_with_every_key_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(path, REPORT)
    assert json.loads(path.read_text()) == REPORT
    assert set(REPORT) == RunReport.__required_keys__
    assert [item.name for item in tmp_path.iterdir()] == ["r.json"]


def test_old_report_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    write_json(path, {"run": 1})

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"r\.json: cannot be written: No space left"):
        write_json(path, {"run": 2})
    assert json.loads(path.read_text()) == {"run": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("content", [{"a": float("nan")}, {"a": float("inf")}, {"a": object()}])
def test_nothing_is_written_when_the_content_is_no_json(content: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "r.json", content)
    assert list(tmp_path.iterdir()) == []


def test_new_file_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    seen: list[bool] = []
    genuine = os.fsync

    def noting(handle: int) -> None:
        seen.append(path.exists())
        genuine(handle)

    monkeypatch.setattr(os, "fsync", noting)
    write_json(path, [1])
    # First the file's content, while nothing bears the name, then the folder with the name in it.
    assert seen == [False, True]


def test_report_can_be_read_by_others_as_far_as_the_mask_allows(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "r.json", [])
    finally:
        os.umask(before)
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("no/such/r.json", "does not exist"),
        ("file/r.json", "is a file, not a folder"),
        ("folder", "is a folder"),
        ("", "not ''"),
        ("x" * 300, "cannot be written"),
        ("a\0b", "needs the name"),
    ],
)
def test_wrong_place_is_found_before_the_work(
    name: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as caught:
        check_writable(name, key="--report")
    assert caught.value.key == "--report"
    assert part in caught.value.message
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "folder"]


def test_missing_folder_is_one_line_when_it_is_found_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r\.json: cannot be written: No such file"):
        write_json(tmp_path / "gone" / "r.json", {})


def test_existing_report_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
