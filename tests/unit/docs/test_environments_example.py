"""The example of `docs/environments.md` runs as it stands there."""

from __future__ import annotations

from typing import Any

from markdown_pages import Page

from sim.registration import ENVIRONMENTS


def test_example_picks_parts_when_it_is_run(page: dict[str, Page]) -> None:
    (block,) = [block for block in page["environments.md"].blocks if block.language == "python"]
    assert len([line for line in block.text.splitlines() if line and not line.startswith("import")]) <= 5
    names: dict[str, Any] = {}
    exec(block.text, names)
    assert names["observations"].shape == (64, 17, 4)
    assert (names["envs"].belts.counters()["picked"] > 50).all()


def test_environments_are_those_registered_when_described(page: dict[str, Page]) -> None:
    said = [row[0].strip('`"') for row in page["environments.md"].table("name", "what is decided")]
    assert said == list(ENVIRONMENTS)
