"""`docs/architecture.md` names the topics, fates, groups and contracts that there are."""

from __future__ import annotations

import re
import sys

from markdown_pages import ROOT, Page

from cell.accounts import Fate
from cell.packml import Event, State
from cell.topics import ACTIONS, SERVICES, TOPICS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_topics_are_those_of_the_table_when_described(page: dict[str, Page]) -> None:
    said = {row[0].strip("`"): row for row in page["architecture.md"].table("topic", "type")}
    assert set(said) == set(TOPICS)
    for name, topic in TOPICS.items():
        assert said[name][1] == topic.type, name
        if topic.rate_hz is not None:
            assert said[name][2] == f"{topic.rate_hz:g}", name
        else:
            assert not said[name][2][0].isdigit(), name
    text = (ROOT / "docs" / "architecture.md").read_text()
    for endpoint in (*SERVICES, *ACTIONS):
        assert f"`{endpoint.name}`" in text
        assert endpoint.type in text


def test_fates_are_those_of_the_ledger_when_described(page: dict[str, Page]) -> None:
    said = [row[0].strip("*") for row in page["architecture.md"].table("fate", "means")]
    assert sorted(said) == sorted(fate.value for fate in Fate)


def test_groups_are_those_of_the_project_when_described(page: dict[str, Page]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    said = [row[0].strip("`") for row in page["architecture.md"].table("group", "adds")]
    assert sorted(said) == sorted(project["project"]["entry-points"])
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert sorted(row[0].strip("`") for row in page["architecture.md"].table("package", "holds")) == sorted(layers)


def test_state_machine_has_so_many_states_and_commands_when_described() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    found = re.search(r"(\d+) states, (\d+) commands", text)
    assert found is not None
    assert [int(count) for count in found.groups()] == [len(State), len(Event) - 1]
