"""``cell doctor --bundle``: whole, bounded, and without what was planted in every kind of file."""

from __future__ import annotations

import base64
import gzip
import json
import random
import shutil
import sqlite3
import string
import zipfile
from pathlib import Path

import pytest

from cell.cli.main import main
from cell.commissioning import bundle, material
from cell.launching import share_folder
from cell.ledger import Ledger

LAUNCH = share_folder() / "launch"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with a cell in it, and nothing of this machine's."""
    home = tmp_path / "home" / "mina"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "mina")
    monkeypatch.setenv("LOGNAME", "mina")
    for name in ("ROS_LOG_DIR", "ROS_HOME", "CELL_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    cell = home / "my-cell"
    cell.mkdir()
    for name in ("cell.launch.yaml", "cell.params.yaml"):
        shutil.copy(LAUNCH / name, cell / name)
    (home / "state").mkdir()
    return home


def make(home: Path, *words: str) -> dict[str, str]:
    """Write a bundle and read it."""
    out = home / "out.zip"
    state = str(home / "state")
    launch = str(home / "my-cell" / "cell.launch.yaml")
    status = main(["doctor", launch, "--state", state, "--only", "python", "--bundle", str(out), *words])
    assert status in (0, 1)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_bundle_holds_what_others_need(home: Path) -> None:
    (home / "state" / "cell.log").write_text("started\n")
    found = make(home)
    for name in (
        "MANIFEST.json",
        "doctor.txt",
        "doctor.json",
        "versions.json",
        "config/cell.launch.yaml",
        "config/cell.params.yaml",
        "config/resolved.yaml",
        "environment.txt",
        "state/cell.log",
        "machine/meminfo.txt",
    ):
        assert name in found, name
    manifest = json.loads(found["MANIFEST.json"])
    assert {entry["name"] for entry in manifest["files"]} == set(found) - {"MANIFEST.json"}
    assert any(entry["source"] == "live" for entry in manifest["left_out"])
    assert "numpy" in manifest["versions"]
    assert "mina" not in json.dumps(found)


def planted(seed: int) -> str:
    """A password as people and programs make them."""
    rng = random.Random(seed)
    return "".join(rng.choice(string.ascii_letters + string.digits + "!%_-") for _ in range(14)) + "7q"


def test_planted_secrets_are_in_no_file_when_they_were_in_every_kind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {name: planted(seed) for seed, name in enumerate(
        ("yaml", "json", "log", "environment", "hidden", "ledger", "packed", "database", "url", "launch", "file")
    )}  # fmt: skip
    state, cell = home / "state", home / "my-cell"
    params = cell / "cell.params.yaml"
    params.write_text(params.read_text() + f"\n# password: {words['yaml']}\n")
    launch = cell / "cell.launch.yaml"
    launch.write_text(launch.read_text() + f"\n# api_key = '{words['launch']}'\n")
    (state / "report.json").write_text(json.dumps({"mqtt": {"token": words["json"]}, "n": 1}))
    half = len(words["log"]) // 2
    (state / "cell.log").write_text(
        f"[INFO] secret={words['log']}\n"
        f"[INFO] again {words['log'][:half]}\n  {words['log'][half:]}\n"
        f"[INFO] {base64.b64encode(('op:' + words['yaml']).encode()).decode()} {words['json'].encode().hex()}\n"
        f"[INFO] ftp://bob:{words['url']}@host/ and plainly {words['ledger']} {words['environment']}\n"
        f"[INFO] {words['hidden']}\n"
        f"Log in as engineer, once: http://127.0.0.1:1/login?token=HuBbHc3_1p2SLEx72hmKMAjOhJ0jx_rKp81FbsHmm4w\n"
    )
    (state / "old.log.gz").write_bytes(gzip.compress(f"psk: {words['packed']}\n".encode()))
    monkeypatch.setenv("CELL_TOKEN", words["environment"])
    monkeypatch.setenv("PLANT_PASSWORD", words["hidden"])
    (state / f"token={words['file']}.log").write_text("nothing\n")
    connection = sqlite3.connect(state / "history.sqlite")
    connection.execute("CREATE TABLE event (t REAL, text TEXT)")
    connection.execute("INSERT INTO event VALUES (1.0, ?)", (f"passwd: {words['database']}",))
    connection.commit()
    connection.close()
    ledger = sqlite3.connect(state / "ledger.sqlite")
    ledger.executescript(
        "CREATE TABLE run (run_id INTEGER, started_s REAL, seed INTEGER, versions TEXT, closed_s REAL);"
        "CREATE TABLE part (run_id INTEGER, part_id INTEGER, verdict TEXT);"
        "CREATE TABLE picked (run_id INTEGER, part_id INTEGER, at_s REAL, grip_width_m REAL);"
        "CREATE TABLE fate (run_id INTEGER, part_id INTEGER, at_s REAL, fate TEXT, bin TEXT, reason TEXT);"
        "CREATE TABLE decision (decision_id INTEGER, part_id INTEGER);"
        "INSERT INTO part VALUES (1, 1, 'good');"
    )
    ledger.execute("INSERT INTO fate VALUES (1, 1, 2.0, 'passed', '', ?)", (f"password={words['ledger']}",))
    ledger.commit()
    ledger.close()
    found = make(home)
    for name in ("ledger/parts.jsonl", "state/history.sqlite/event.jsonl", "state/cell.log", "state/old.log"):
        assert name in found, sorted(found)
    everything = "\n".join([*found, *found.values()])
    for kind, word in words.items():
        for form in (word, word.encode().hex(), base64.b64encode(word.encode()).decode()[:-4], word[::-1]):
            assert form not in everything, kind
        assert word[len(word) // 2 :] not in everything, kind
    assert "HuBbHc3" not in everything
    assert found["state/report.json"].count("REDACTED") == 1
    assert json.loads(found["MANIFEST.json"])["redactions"] >= len(words)


def test_links_and_devices_are_not_followed(home: Path) -> None:
    outside = home / "outside.log"
    outside.write_text("private matters\n")
    (home / "state" / "link.log").symlink_to(outside)
    (home / "state" / "more").symlink_to(home)
    (home / "state" / "picture.png").write_bytes(b"\x89PNG\0\0")
    (home / "state" / "strange.log").write_bytes(b"\0\1\2" * 100)
    found = make(home)
    assert "private matters" not in "".join(found.values())
    assert not any("picture" in name or "link" in name or "strange" in name for name in found)
    left = {Path(entry["source"]).name: entry["why"] for entry in json.loads(found["MANIFEST.json"])["left_out"]}
    assert left["picture.png"] == left["strange.log"] == "no text"


def test_size_is_bounded_when_logs_are_huge(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "TAIL_BYTES", 4096)
    monkeypatch.setattr(bundle, "TOTAL_BYTES", 40_000)
    for number in range(20):
        (home / "state" / f"{number:02}.log").write_text("".join(f"line {line} of it\n" for line in range(2000)))
    (home / "state" / "bomb.log.gz").write_bytes(gzip.compress(b"x" * 70 + b"\n" * 5_000_000))
    found = make(home)
    assert sum(len(text) for name, text in found.items() if name != "MANIFEST.json") <= 40_000
    manifest = json.loads(found["MANIFEST.json"])
    assert any("full" in entry["why"] for entry in manifest["left_out"])
    first = found["state/00.log"]
    assert first.startswith("line ")
    assert first.endswith("line 1999 of it\n")
    entry = next(entry for entry in manifest["files"] if entry["name"] == "state/00.log")
    assert entry["left_out_at_the_beginning"] > 20_000


def test_nothing_is_left_when_it_cannot_be_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["doctor", "--only", "python", "--state", str(home / "state"), "--bundle"]
    assert main([*words, str(home / "no" / "out.zip")]) == 2
    out = home / "out.zip"
    out.write_text("the one before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle.os, "fsync", full)
    assert main([*words, str(out)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert out.read_text() == "the one before"
    assert not [path for path in home.iterdir() if path.suffix == ".part"]


def test_bundle_is_only_its_owners(home: Path) -> None:
    make(home)
    assert (home / "out.zip").stat().st_mode & 0o077 == 0


def test_piece_is_withheld_when_a_secret_cannot_be_taken_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "state" / "cell.log").write_text("password: abcDEF12345\n")
    monkeypatch.setattr(bundle.Redactor, "clean", lambda self, text: text)
    found = make(home)
    assert "state/cell.log" not in found
    left = json.loads(found["MANIFEST.json"])["left_out"]
    assert any("withheld" in entry["why"] for entry in left)


def test_newest_parts_go_when_the_ledger_is_long(home: Path) -> None:
    path = home / "state" / "ledger.sqlite"
    ledger, _ = Ledger.open(path, started_s=1.0)
    del ledger
    connection = sqlite3.connect(path)
    rows = [(1, part, 1.0 * part, "good", 0.1, "[]", 3, "a" * 64) for part in range(1, 31)]
    connection.executemany("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    found = make(home, "--parts", "7")
    parts = [json.loads(line) for line in found["ledger/parts.jsonl"].splitlines()]
    assert [part["part_id"] for part in parts] == [30, 29, 28, 27, 26, 25, 24]
    assert parts[0]["model_hash"] == "a" * 64
