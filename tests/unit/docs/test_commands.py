"""Commands and files that the pages show are there, with the flags that they are shown with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from markdown_pages import ROOT, Page

from cell.cli.main import Parser, find_commands, load

SHELLS = ("sh", "console", "bash", "shell", "")
PREFIX = re.compile(r"^(?:\$ |# )?(?:sudo )?(?:[A-Z_]+=\S+ )*(?:\S*/)?cell (?=\S)")


def shown(page: Page) -> list[tuple[int, str]]:
    """Every call of `cell` on a page, in shell blocks and in prose, with its line."""
    found = []
    for block in page.blocks:
        if block.language not in SHELLS:
            continue
        joined = block.text.replace("\\\n", " " * 2)
        found += [(block.line + index, line) for index, line in enumerate(joined.splitlines()) if PREFIX.match(line)]
    found += [(number, code) for number, code in page.code() if PREFIX.match(code)]
    return found


def faults(page: Page, known: dict[str, list[str]]) -> list[str]:
    found = []
    for number, line in shown(page):
        text = PREFIX.sub("", line).split("  #")[0]
        where = f"{page.path.name}:{number}: {line}"
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
        families = {command.split(" ")[0] for command in known}
        if name is None:
            alone = len(words) == 1 or not re.fullmatch(r"[a-z-]+", words[1])
            placeholder = words[0].startswith("-") or words[0].isupper()
            if not placeholder and not (words[0].split("/")[0] in families and alone):
                found.append(f"{where}: no such command")
            continue
        ours = words[: words.index("--ros-args")] if "--ros-args" in words else words
        for word in ours:
            if re.fullmatch(r"--[a-z-]+(=.*)?", word) and word.split("=")[0] not in known[name]:
                found.append(f"{where}: no flag {word}")
    return found


@pytest.fixture(scope="module")
def known() -> dict[str, list[str]]:
    """Every command with its flags."""
    flags = {}
    for name, point in find_commands().items():
        command = load(point)
        parser = Parser(f"cell {name}", command)
        command.configure(parser)
        flags[name] = parser.flags()
    return flags


def test_every_command_is_known_when_a_page_shows_it(all_pages: list[Page], known: dict[str, list[str]]) -> None:
    assert sum(len(shown(page)) for page in all_pages) > 60
    assert [fault for page in all_pages for fault in faults(page, known)] == []


@pytest.mark.parametrize(
    "line",
    [
        "cell topik list",
        "cell topic lst /a",
        "cell run --sped 0",
        "$ cell nodes --speed 0",
        "CELL=7 cell runn",
    ],
)
def test_command_is_a_fault_when_it_is_not_there(tmp_path: Path, known: dict[str, list[str]], line: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"# Page\n\n`cell run --speed 0`\n\n```sh\ncell run --speed 0 a:=b\n{line}\n```\n")
    assert [fault.split(": ")[0] for fault in faults(Page(path), known)] == ["page.md:7"]


def test_every_file_of_ours_is_there_when_a_page_names_it(all_pages: list[Page]) -> None:
    heads = "cell|perception|policies|sim|launch|tests|docs|benchmarks"
    pattern = re.compile(rf"(?:{heads})/[\w./-]*\w(?:/|\.\w+)?")
    missing = []
    named = 0
    for page in all_pages:
        for number, code in page.code():
            if pattern.fullmatch(code) and not re.search("[A-Z]{4}", code):
                named += 1
                if not (ROOT / code).exists():
                    missing.append(f"{page.path.relative_to(ROOT)}:{number}: {code}")
    assert named > 40
    assert missing == []


def test_targets_of_make_are_there_when_a_page_shows_them(all_pages: list[Page]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in all_pages:
        lines = [text for _, text in page.code()]
        lines += [line for block in page.blocks if block.language in SHELLS for line in block.text.splitlines()]
        for line in lines:
            for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", line):
                assert target in targets, f"{page.path.name}: make {target}"
