"""Markdown as far as these tests need it: headings with their anchors, links, fenced blocks, tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(\s*)(`{3,})(.*)$")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_CODE = re.compile(r"(`+)(.+?)\1")


@dataclass(frozen=True)
class Block:
    """A fenced block: the words behind its fence, its text, the line of its first line."""

    info: str
    text: str
    line: int

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]*)"', self.info)
        return found.group(1) if found else None


class Page:
    """One Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prose: list[tuple[int, str]] = []
        self.blocks: list[Block] = []
        self._read(path.read_text(encoding="utf-8").splitlines())

    def _read(self, lines: list[str]) -> None:
        fence, info, inside, first = "", "", [], 0
        for number, line in enumerate(lines, 1):
            found = _FENCE.match(line)
            if fence:
                if found and found.group(2).startswith(fence) and not found.group(3).strip():
                    self.blocks.append(Block(info, "".join(f"{text}\n" for text in inside), first))
                    fence = ""
                else:
                    inside.append(line)
            elif found:
                fence, info, inside, first = found.group(2), found.group(3).strip(), [], number + 1
            else:
                self.prose.append((number, line))
        assert not fence, f"{self.path}: a fence that is never closed"

    @property
    def headings(self) -> list[str]:
        return [found.group(1) for _, line in self.prose if (found := _HEADING.match(line))]

    def links(self) -> Iterator[tuple[int, str]]:
        """Line and target of every link and picture, those in code left out."""
        for number, line in self.prose:
            for found in _LINK.finditer(_CODE.sub("", line)):
                yield number, found.group(1)

    def code(self) -> Iterator[tuple[int, str]]:
        """Line and text of every piece of code within prose."""
        for number, line in self.prose:
            for found in _CODE.finditer(line):
                yield number, found.group(2)

    def table(self, *header: str) -> list[list[str]]:
        """The rows of the first table whose heading begins with these words."""
        rows = [_cells(line) for _, line in self.prose if line.startswith("|")]
        start = next(index for index, row in enumerate(rows) if row[: len(header)] == list(header))
        width = len(rows[start])
        found = []
        lines = [line for _, line in self.prose]
        at = next(i for i, line in enumerate(lines) if line.startswith("|") and _cells(line) == rows[start])
        for line in lines[at + 2 :]:
            if not line.startswith("|"):
                break
            found.append(_cells(line))
            assert len(found[-1]) == width, f"{self.path}: {line}"
        return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def site_anchor(heading: str) -> str:
    """The anchor that MkDocs gives a heading (Python-Markdown's `toc`)."""
    plain = unicodedata.normalize("NFKD", _plain(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def forge_anchor(heading: str) -> str:
    """The anchor that GitHub and its like give it."""
    return re.sub(r"[^\w\- ]", "", _plain(heading).strip().lower()).replace(" ", "-")


def _plain(heading: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[`*]", "", text)


def pages() -> list[Page]:
    """README and everything in `docs`."""
    return [Page(path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))]
