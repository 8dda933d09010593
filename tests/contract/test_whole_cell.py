"""The whole cell as a person starts it: one process, its exit status, its report, its page."""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cell.report import WALL_CLOCK_KEYS, RunReport

Run = Callable[..., "tuple[int, dict[str, Any], str, str]"]
Start = Callable[..., "subprocess.Popen[str]"]
FATES = ("sorted", "passed", "missed", "dropped", "rejected", "unknown")


def _balanced(report: dict[str, Any]) -> bool:
    parts = report["parts"]
    return bool(parts["entered"] == sum(parts[fate] for fate in FATES) + parts["in_flight"])


def _same(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key not in WALL_CLOCK_KEYS}


def _ledger(state: Path) -> dict[str, int]:
    """Parts of the newest run by fate, from the file itself."""
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        (run_id,) = connection.execute("SELECT max(run_id) FROM run").fetchone()
        rows = connection.execute(
            "SELECT coalesce(fate.fate, 'in_flight'), count(*) FROM part LEFT JOIN fate USING (run_id, part_id) "
            "WHERE part.run_id = ? GROUP BY 1",
            (run_id,),
        ).fetchall()
    return dict(rows)


def test_every_part_has_one_fate_when_the_run_is_done(run: Run, tmp_path: Path) -> None:
    status, report, out, err = run("--parts", "4", "--seed", "1")
    assert status == 0, err
    assert set(report) == RunReport.__required_keys__
    assert report["parts"]["entered"] == 4
    assert report["parts"]["in_flight"] == 0
    assert _balanced(report)
    assert report["frames"]["captured"] == report["frames"]["judged"] > 0
    assert report["packml"]["state"] == "Complete"
    assert [change["to"] for change in report["packml"]["history"]] == [
        "Resetting", "Idle", "Starting", "Execute", "Completing", "Complete",
    ]  # fmt: skip
    assert report["quality"]["defective_in"] + report["quality"]["good_in"] == 4
    assert report["faults"] == []
    assert report["seed"] == 1
    assert report["sim_s"] > 5.0
    assert report["source"] == {"images": 0, "skipped": 0}
    assert "4 parts" in out
    # What the ledger keeps is what the report says.
    assert _ledger(tmp_path / "state") == {fate: n for fate in FATES if (n := report["parts"][fate])}


def test_reports_are_the_same_when_the_seed_is_the_same_and_differ_when_it_is_not(run: Run, tmp_path: Path) -> None:
    reports = [run("--parts", "2", "--seed", seed, state=tmp_path / name)[1] for seed, name in (("5", "a"), ("5", "b"))]
    assert _same(reports[0]) == _same(reports[1])
    _, other, _, _ = run("--parts", "2", "--seed", "6", state=tmp_path / "c")
    assert {**_same(other), "seed": 5} != _same(reports[0])


def test_run_ends_in_complete_when_its_time_is_up(run: Run) -> None:
    status, report, _, err = run("--duration", "4", "--seed", "2")
    assert status == 0, err
    assert report["packml"]["state"] == "Complete"
    assert 4.0 <= report["sim_s"] < 8.0
    assert _balanced(report)
    assert report["frames"]["captured"] == report["frames"]["judged"]


def _photographs(folder: Path, *, labels: bool) -> Path:
    """Three grey pictures, one of them with a dark spot, and one that is cut off in the middle of the file."""
    images = folder / "images" / "val"
    images.mkdir(parents=True)
    rng = np.random.default_rng(3)
    for name, spot in (("a", False), ("b", True), ("c", False)):
        picture = np.clip(rng.normal(150, 4, (120, 200, 3)), 0, 255).astype(np.uint8)
        if spot:
            picture[20:100, 60:140] = 5
        assert cv2.imwrite(str(images / f"{name}.png"), picture)
    whole = (images / "a.png").read_bytes()
    (images / "d.png").write_bytes(whole[: len(whole) // 2])
    if labels:
        home = folder / "labels" / "val"
        home.mkdir(parents=True)
        for name in "acd":
            (home / f"{name}.txt").write_text("")
        (home / "b.txt").write_text("0 0.5 0.5 0.4 0.667\n")
    return images


def test_quality_is_counted_when_labels_lie_beside_the_photographs(run: Run, tmp_path: Path) -> None:
    status, report, _, err = run("--source", _photographs(tmp_path / "set", labels=True))
    assert status == 0, err
    assert report["source"] == {"images": 3, "skipped": 1}
    assert "d.png" in err
    assert report["parts"]["entered"] == 3
    assert report["parts"]["in_flight"] == 0
    quality = report["quality"]
    assert (quality["defective_in"], quality["good_in"]) == (1, 2)
    # The dark spot is what the tiny model sees: the part that has it leaves the belt, and no other.
    assert (quality["escaped"], quality["false_rejects"]) == (0, 0)
    assert report["parts"]["sorted"] == 1


def test_quality_is_null_when_nobody_knows_the_truth(run: Run, tmp_path: Path) -> None:
    status, report, _, err = run("--source", _photographs(tmp_path / "set", labels=False), "--parts", "2")
    assert status == 0, err
    assert report["quality"] is None
    assert report["source"]["images"] == report["parts"]["entered"] == 2


def test_second_cell_is_refused_when_the_state_folder_is_in_use(start: Start, tmp_path: Path) -> None:
    first = start("--speed", "1", "--headless")
    _wait_for((tmp_path / "state" / "ledger.sqlite").exists, first)
    second = start("--speed", "0", "--headless", "--parts", "1")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert err.count("\n") == 1
    assert str(tmp_path / "state") in err
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode in (0, 3)


def _wait_for(truth: Callable[[], bool], process: subprocess.Popen[str], limit_s: float = 60.0) -> None:
    """Until it is so, while the process lives."""
    until_s = time.monotonic() + limit_s
    while not truth():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until_s, "it took too long"
        time.sleep(0.05)


def _entered(state: Path) -> int:
    try:
        with sqlite3.connect(f"file:{state / 'ledger.sqlite'}?mode=ro", uri=True, timeout=5.0) as connection:
            return int(connection.execute("SELECT count(*) FROM part").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_cell_stands_aborted_until_it_is_cleared_when_the_run_before_was_killed(
    start: Start, run: Run, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    killed = start("--speed", "0", "--headless", "--parts", "1000", "--report", tmp_path / "killed.json")
    _wait_for(lambda: _entered(state) >= 2, killed)
    killed.kill()
    killed.communicate(timeout=30)
    assert not (tmp_path / "killed.json").exists()

    status, report, _, err = run("--parts", "1")
    assert status == 3
    assert report == {}
    assert "Aborted" in err
    assert "--clear" in err

    status, report, _, err = run("--parts", "1", "--clear")
    assert status == 0, err
    # The one that is fed now; what the killed run left open is accounted for here, too, and nobody can say its fate.
    assert report["parts"]["entered"] == 1 + report["parts"]["unknown"]
    assert _balanced(report)
    assert report["packml"]["history"][0]["from"] == "Aborted"
    assert report["packml"]["state"] == "Complete"
    with sqlite3.connect(state / "ledger.sqlite") as connection:
        query = "SELECT count(*) FROM part LEFT JOIN fate USING (run_id, part_id) WHERE fate.fate IS NULL"
        assert connection.execute(query).fetchone() == (0,)
    # Cleared once is cleared.
    assert run("--parts", "1")[0] == 0


def test_accounts_are_the_same_in_real_time_over_ptys(run: Run) -> None:
    status, report, _, err = run("--parts", "2", "--seed", "1", speed="1")
    assert _balanced(report)
    if status == 3 and re.search(
        "not read|silent|within|does not answer", report["packml"]["history"][-1]["reason"] + err
    ):
        # A cell that gets no processor for half a second aborts, as it should; here it shares one with other tests.
        status, report, _, err = run("--parts", "2", "--seed", "1", "--clear", speed="1")
    assert status == 0, err
    assert report["parts"]["entered"] == 2
    assert report["parts"]["in_flight"] == 0
    assert _balanced(report)
    assert report["frames"]["captured"] == report["frames"]["judged"]
    assert report["packml"]["state"] == "Complete"


class Page:
    """The page of a running cell, as a browser with cookies asks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        found = [re.search(r"http://[^\s]+", line) for line in lines]
        assert all(found), (lines, process.poll())
        self.base, self.link = (match.group() for match in found if match is not None)
        self.base = self.base.rstrip("/")
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def log_in(self) -> None:
        with self._opener.open(self.link, timeout=10) as answer:
            assert answer.status == 200

    def state(self) -> dict[str, Any]:
        with self._opener.open(f"{self.base}/api/v1/state", timeout=10) as answer:
            whole = json.load(answer)
        return dict(whole.get("data", whole))

    def command(self, name: str) -> int:
        body = json.dumps({"command": name}).encode()
        request = urllib.request.Request(
            f"{self.base}/api/v1/command", body, {"Content-Type": "application/json", "Origin": self.base}
        )
        try:
            with self._opener.open(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def live(start: Start) -> Iterator[tuple[Page, subprocess.Popen[str]]]:
    process = start("--speed", "1", "--port", "0")
    yield Page(process), process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)


def test_page_stops_and_starts_the_belt_when_somebody_is_logged_in(live: tuple[Page, subprocess.Popen[str]]) -> None:
    page, process = live

    def stands_in(name: str) -> Callable[[], bool]:
        return lambda: bool(page.state()["state"]["name"] == name)

    _wait_for(stands_in("Execute"), process)
    assert page.state()["simulated"] is True
    assert page.command("stop") in (401, 403)
    page.log_in()
    assert page.state()["state"]["name"] == "Execute"
    assert page.command("stop") == 200
    _wait_for(stands_in("Stopped"), process)
    _wait_for(lambda: page.state()["belt"]["speed_mps"] == pytest.approx(0.0, abs=0.005), process)
    assert page.command("start") == 409
    assert page.command("reset") == 200
    _wait_for(stands_in("Idle"), process)
    assert page.command("start") == 200
    _wait_for(stands_in("Execute"), process)
    _wait_for(lambda: page.state()["belt"]["speed_mps"] > 0.15, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_link_is_spent_when_it_was_used_once(live: tuple[Page, subprocess.Popen[str]]) -> None:
    page, _ = live
    page.log_in()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        page.log_in()
