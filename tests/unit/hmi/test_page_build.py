"""The committed build: it is that of the sources, both languages are complete, and the font has every letter."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from cell.hmi.files import CONTENT_TYPES, STATIC, read_page
from cell.hmi.view import COMMANDS as PAGE_COMMANDS
from cell.packml import COMMANDS, Machine, Refusal, State
from cell.supervision import Observations, Supervision
from perception.errors import InputError

WEB = STATIC.with_name("web")
APART = {"node_modules", "public", ".gitignore"}


def sums(folder: Path, apart: set[str]) -> dict[str, str]:
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in apart
    )
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def words(language: str) -> dict[str, str]:
    return json.loads((WEB / "src" / "words" / f"{language}.json").read_text("utf-8"))


def test_build_is_that_of_the_sources_when_committed():
    record = json.loads((STATIC / "build.json").read_text("utf-8"))
    text = "".join(f"{value}  {name}\n" for name, value in sums(WEB, APART).items())
    assert hashlib.sha256(text.encode()).hexdigest() == record["sources"], (
        "run `npm ci && npm run build` in cell/hmi/web"
    )
    assert sums(STATIC, {"build.json"}) == record["files"], "static/ was changed by hand"


def test_build_is_small_when_compressed():
    sizes = {
        path.name: len(gzip.compress(path.read_bytes(), 9))
        for path in STATIC.rglob("*")
        if path.suffix in {".html", ".js", ".css", ".svg"}
    }
    assert sum(sizes.values()) < 80_000, sizes
    assert sum(path.stat().st_size for path in STATIC.rglob("*.woff2")) < 100_000


def test_every_built_file_is_served_when_read():
    assert set(read_page()) == set(sums(STATIC, set()))
    assert {Path(name).suffix for name in read_page()} <= set(CONTENT_TYPES)


def test_read_page_says_how_to_build_when_nothing_is_there(tmp_path):
    with pytest.raises(InputError, match="npm run build"):
        read_page(tmp_path)


def test_both_languages_have_the_same_keys_and_values_to_fill_in():
    ko, en = words("ko"), words("en")
    assert list(ko) == list(en)
    for key, text in en.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", ko[key])), key
        assert text.strip() and ko[key].strip(), key


def test_korean_is_korean_when_shown():
    alike = {key for key, text in words("ko").items() if not re.search(r"[가-힣]", text)}
    assert alike == {"setup.latency.value", "phrase.device"}


def phrase_patterns() -> list[re.Pattern[str]]:
    """As ``words.ts`` makes them from the English dictionary."""
    return [
        re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(text)), re.IGNORECASE)
        for key, text in words("en").items()
        if key.startswith("phrase.") and key != "phrase.device"
    ]


def test_every_refusal_has_korean_words_when_the_machine_refuses():
    patterns = phrase_patterns()
    refusals = {
        refused.reason
        for state in State
        for event in COMMANDS
        if isinstance(refused := Machine(state).handle(event), Refusal)
    }
    assert len(refusals) > 50
    assert {text for text in refusals if not any(pattern.fullmatch(text) for pattern in patterns)} == set()


def test_every_abort_has_korean_words_when_the_supervision_aborts():
    patterns = phrase_patterns()
    well = Observations(True, True, True, (), (), 0.2, 0.2, True)
    causes = []
    for seen in (
        dataclasses.replace(well, estop_ok=False),
        dataclasses.replace(well, curtain_ok=False),
        dataclasses.replace(well, safety_fresh=False),
    ):
        machine = Machine(State.EXECUTE)
        Supervision(machine).step(seen, 10.0)
        assert machine.state is State.ABORTING
        causes.append(machine.reason)
    machine = Machine(State.HOLDING)
    supervision = Supervision(machine)
    supervision.step(well, 10.0)
    supervision.step(well, 100.0)
    causes.append(machine.reason)
    assert len(set(causes)) == 4
    assert [text for text in causes if not any(pattern.fullmatch(text) for pattern in patterns)] == []


def test_every_state_and_command_has_words_when_shown():
    known = set(words("ko"))
    assert {f"state.{state.title}" for state in State} <= known
    assert {f"command.{event.title}" for event in COMMANDS} <= known
    assert {event.title.lower(): int(event) for event in COMMANDS} == PAGE_COMMANDS


def test_font_has_every_letter_of_the_words():
    css = (STATIC / "fonts" / "fonts.css").read_text("utf-8")
    covered: set[int] = set()
    for ranges in re.findall(r"unicode-range:([^}]+)}", css):
        for item in ranges.split(","):
            first, _, last = item.removeprefix("U+").partition("-")
            covered |= set(range(int(first, 16), int(last or first, 16) + 1))
    letters = {ord(letter) for text in (*words("ko").values(), *words("en").values()) for letter in text}
    assert not {chr(code) for code in letters - covered}


def test_nothing_is_loaded_from_elsewhere_when_the_page_opens():
    for path in STATIC.rglob("*"):
        if path.suffix in {".html", ".css", ".js"}:
            text = path.read_text("utf-8")
            text = re.sub(r"http://www\.w3\.org/\S*?(?=[\"'`])", "", text)  # XML namespaces are names, not addresses
            assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", text), path.name


def test_lock_file_names_no_host():
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert all("resolved" not in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
