"""A disk that fills up: the cell suspends before a line is lost, and goes on when there is room."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lives import Lives
from truth import ACCOUNTS, NEAR_M, findings

from cell.cli.ending import Ending
from cell.packml import State
from cell.sequence import PickSequence

PARTS = 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120m", "none", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip() or 'no permission'}")
    yield folder
    assert ctypes.CDLL(None).umount2(str(folder).encode(), 2) == 0


def fill(folder: Path, left_bytes: int) -> None:
    """Have somebody else take all but so much of the disk."""
    with (folder / "somebody-elses").open("ab") as file:
        while (free := os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - left_bytes) > 0:
            try:
                file.write(bytes(min(free, 1 << 20)))
                file.flush()
            except OSError:
                return


def empty(folder: Path) -> None:
    """He clears it away."""
    (folder / "somebody-elses").unlink()


class Script:
    """Called at every step of the run with its nodes; what it does hangs on what it sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any, Any], None]) -> None:
        self.reasons: list[str] = []
        genuine = Ending.__call__

        def look(ending: Ending) -> bool:
            act(ending._supervisor, ending._picker)
            reason = ending._supervisor.machine.reason
            if ending.state in (State.SUSPENDING, State.SUSPENDED) and reason and reason not in self.reasons:
                self.reasons.append(reason)
            return genuine(ending)

        monkeypatch.setattr(Ending, "__call__", look)


class FullDisk:
    """A ledger's connection whose commits fail as on a full disk."""

    def __init__(self, genuine: sqlite3.Connection) -> None:
        self._genuine = genuine
        self.full = True

    def execute(self, sql: str, *words: Any) -> Any:
        if self.full and sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._genuine.execute(sql, *words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._genuine, name)


def lived_well(lives: Lives) -> None:
    """All parts are through, each with its fate, and what the ledger says is where they lie."""
    assert lives.aborted == []
    assert lives.bench.empty
    accounts = lives.rows(ACCOUNTS)
    assert len(accounts) == len(lives.truth()) == PARTS
    assert findings(accounts, lives.truth(), NEAR_M) == []
    assert not any(account[4] == "unknown" for account in accounts)
    assert lives.rows("SELECT count(*) FROM run WHERE how = 'clean'") == [(1,)]


def test_cell_suspends_ahead_and_goes_on_when_there_is_room_again(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = Lives(small_disk, parts=PARTS, seed=3)
    seen: dict[str, float] = {}

    def act(supervisor: Any, picker: Any) -> None:
        now_s, state = supervisor.now_s, supervisor.machine.state
        if "filled" not in seen and picker.books.accounts.tally().entered >= 2:
            fill(small_disk, 30_000_000)
            seen["filled"] = now_s
        elif state is State.SUSPENDED and "suspended" not in seen:
            seen["suspended"] = now_s
            assert "nearly full" in supervisor.alarms.get("ledger_room").words
        elif "suspended" in seen and "full" not in seen and now_s - seen["suspended"] > 2.0:
            fill(small_disk, 0)
            seen["full"] = now_s
        elif "full" in seen and "emptied" not in seen and now_s - seen["full"] > 3.0:
            assert state is State.SUSPENDED
            empty(small_disk)
            seen["emptied"] = now_s
        elif "emptied" in seen and "again" not in seen and state is State.EXECUTE:
            seen["again"] = now_s

    script = Script(monkeypatch, act)
    try:
        lives.live()
    finally:
        lives.close()
    lived_well(lives)
    assert script.reasons == ["the ledger's disk is nearly full"]
    assert seen["again"] - seen["emptied"] < 5.0


def test_part_in_the_hand_is_still_placed_when_the_last_byte_is_taken_meanwhile(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives = Lives(small_disk, parts=PARTS, seed=3)
    seen: dict[str, float] = {}
    step = PickSequence.step

    def stepped(sequence: PickSequence, *words: Any) -> Any:
        outputs = step(sequence, *words)
        if outputs.mark_picked is not None and not seen:
            # Before the mark is written: not a byte is left for it but what the ledger has kept back.
            fill(small_disk, 0)
            seen["filled"] = 1.0
        return outputs

    monkeypatch.setattr(PickSequence, "step", stepped)

    def act(supervisor: Any, picker: Any) -> None:
        if "filled" in seen and supervisor.machine.state is State.SUSPENDED:
            seen.setdefault("suspended", supervisor.now_s)
            if supervisor.now_s - seen["suspended"] > 3.0 and "emptied" not in seen:
                assert picker.books.ledger.backlog == 0
                empty(small_disk)
                seen["emptied"] = supervisor.now_s

    Script(monkeypatch, act)
    try:
        lives.live()
    finally:
        lives.close()
    assert "emptied" in seen
    lived_well(lives)
    assert lives.rows("SELECT count(*) FROM fate WHERE fate = 'sorted'")[0][0] >= 1


def test_lines_wait_and_nothing_is_placed_when_no_line_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same without a file system of its own: no transaction can be committed.
    lives = Lives(tmp_path, parts=PARTS, seed=3)
    seen: dict[str, float] = {}

    def act(supervisor: Any, picker: Any) -> None:
        now_s, connection = supervisor.now_s, picker.books.ledger._writer._connection
        if "full" not in seen and picker.books.accounts.tally().entered >= 2:
            picker.books.ledger._writer._connection = FullDisk(connection)
            seen["full"] = now_s
        if "full" in seen and supervisor.machine.state is State.SUSPENDED and "lifted" not in seen:
            seen.setdefault("suspended", now_s)
            if now_s - seen["suspended"] > 2.0:
                assert picker.books.ledger.backlog > 0
                connection.full = False
                seen["lifted"] = now_s

    script = Script(monkeypatch, act)
    try:
        lives.live()
    finally:
        lives.close()
    assert any("takes no lines" in reason and "full" in reason for reason in script.reasons), script.reasons
    assert "lifted" in seen
    lived_well(lives)
