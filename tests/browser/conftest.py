"""Fixtures: Debian's Chromium, driven over the fake cell of the page's unit tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cell.hmi.server import PageServer

PATIENCE_MS = 60_000
"""For what takes a fraction of a second: a busy machine may starve the browser, and that is not the page's fault."""

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_chromium() -> str | None:
    """The browser to drive: CHROMIUM names another one than the system's."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def _load_fake() -> ModuleType:
    name = "page_fake_cell"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "unit" / "hmi" / "fake_cell.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """One browser for all tests; they open contexts of their own in it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    playwright.expect.set_options(timeout=PATIENCE_MS)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS), timeout=2 * PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def fake() -> ModuleType:
    return _load_fake()


@pytest.fixture
def cell(fake):
    return fake.FakeCell("Stopped")


@pytest.fixture
def server(cell) -> Iterator[PageServer]:
    server = PageServer(cell, port=0)
    server.start()
    yield server
    cell.gate.set()
    server.stop()


@pytest.fixture
def open_page(chromium, server):
    """Open the page as a browser in ``locale``; what goes wrong in it fails the test."""
    contexts = []
    faults: list[str] = []

    def open_one(url: str | None = None, *, locale: str = "en-US", size: tuple[int, int] = (1280, 800)):
        context = chromium.new_context(locale=locale, viewport={"width": size[0], "height": size[1]})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.goto(url or server.base_url)
        page.locator('[data-testid="state"]:not([data-state=""])').wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []
