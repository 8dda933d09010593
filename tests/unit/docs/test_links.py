"""Every link of README and `docs` leads somewhere: file, anchor, entry of the site. Nothing is fetched."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from markdown_pages import DOCS, ROOT, Page, forge_anchor, site_anchor

EXTERNAL = ("http", "https", "mailto")


def faults(page: Page, root: Path, docs: Path) -> list[str]:
    """What is wrong with the links of a page, a line each. A page of the site may link to nothing but the site."""
    found = []
    for number, target in page.links():
        parts = urlsplit(target)
        where = f"{page.path.relative_to(root)}:{number}: {target}"
        if parts.scheme in EXTERNAL:
            if parts.scheme.startswith("http") and not re.fullmatch(r"[\w.-]+\.[a-z]{2,}(:\d+)?", parts.netloc):
                found.append(f"{where}: no address")
            continue
        if parts.scheme or target.startswith("/"):
            found.append(f"{where}: neither relative nor of the web")
            continue
        aim = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
        if not aim.is_file():
            found.append(f"{where}: no such file")
        elif page.path.is_relative_to(docs) and not aim.is_relative_to(docs):
            found.append(f"{where}: outside the site")
        elif parts.fragment:
            if aim.suffix != ".md":
                found.append(f"{where}: no anchors in {aim.name}")
                continue
            headings = Page(aim).headings
            for kind, anchor in (("the site", site_anchor), ("GitHub", forge_anchor)):
                if parts.fragment not in [anchor(heading) for heading in headings]:
                    found.append(f"{where}: no such heading on {kind}")
    return found


def test_every_link_leads_somewhere_when_followed(all_pages: list[Page]) -> None:
    assert len(all_pages) > 10
    assert sum(1 for page in all_pages for _ in page.links()) > 30
    assert [fault for page in all_pages for fault in faults(page, ROOT, DOCS)] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[a](other.md)", "no such file"),
        ("![a](img/a.svg)", "no such file"),
        ("[a](page.md#nothing)", "no such heading"),
        ("[a](#nothing)", "no such heading"),
        ("[a](../README.md)", "outside the site"),
        ("[a](/docs/page.md)", "neither relative"),
        ("[a](https://nowhere)", "no address"),
    ],
)
def test_link_is_a_fault_when_it_leads_nowhere(tmp_path: Path, line: str, fault: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "README.md").write_text("# Read me\n")
    (docs / "page.md").write_text(f"# Page\n\n## A heading\n\n[good](page.md#a-heading) [good](#page)\n\n{line}\n")
    found = faults(Page(docs / "page.md"), tmp_path, docs)
    assert found
    assert all(fault in entry and ":7:" in entry for entry in found)


def test_link_is_none_when_it_stands_in_code(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Page\n\n`[a](b.md)`\n\n```\n[a](c.md)\n```\n\n[a](d.md)\n")
    assert [target for _, target in Page(path).links()] == ["d.md"]


def test_anchors_are_those_of_site_and_forge_when_headings_are_hard() -> None:
    assert site_anchor("`cell topic`: a -- b") == "cell-topic-a-b"
    assert forge_anchor("`cell topic`: a -- b") == "cell-topic-a----b"
    assert site_anchor("The *I/O* block") == forge_anchor("The *I/O* block") == "the-io-block"


def test_site_lists_every_page_once_when_built() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())

    def listed(entries: list[object]) -> list[str]:
        found: list[str] = []
        for entry in entries:
            for value in entry.values() if isinstance(entry, dict) else [entry]:
                found += listed(value) if isinstance(value, list) else [str(value)]
        return found

    nav = listed(settings["nav"])
    assert sorted(nav) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
    for name in (*settings["extra_css"], *settings["extra"]["polyfills"]):
        assert (DOCS / name).is_file(), name


def test_pictures_need_no_network_when_shown() -> None:
    pictures = sorted((DOCS / "img").glob("*.svg"))
    assert pictures
    for path in pictures:
        text = path.read_text(encoding="utf-8")
        assert "<title>" in text, path
        assert not re.search(r"(href|src|url)\s*[=(]\s*[\"']?(https?:)?//", text), path


def test_reader_finds_every_page_for_integrators_when_reading_from_the_top(all_pages: list[Page]) -> None:
    readme = all_pages[0]
    linked = {target for _, target in readme.links()}
    wanted = ("install", "commission", "safety", "drivers", "architecture", "looking-in", "processes", "ros2")
    assert {f"docs/{name}.md" for name in wanted} <= linked
