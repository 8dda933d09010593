"""The pages of the documentation, read once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from markdown_pages import DOCS, Page, pages


@pytest.fixture(scope="session")
def all_pages() -> list[Page]:
    return pages()


@pytest.fixture(scope="session")
def page() -> dict[str, Page]:
    """The pages of `docs` by their path in it."""
    return {str(path.relative_to(DOCS)): Page(path) for path in sorted(DOCS.rglob("*.md"))}
