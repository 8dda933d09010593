"""Fixtures: a page server on a free port over a fake cell, and clients that look like browsers and like strangers."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from cell.hmi.access import OneTimeToken, Role
from cell.hmi.server import PageServer


def _load_fake() -> ModuleType:
    name = "page_fake_cell"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("fake_cell.py"))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s: float | None = None

    def __call__(self) -> float:
        import time

        return time.monotonic() if self.now_s is None else self.now_s


@pytest.fixture
def fake() -> ModuleType:
    return _load_fake()


@pytest.fixture
def cell(fake):
    return fake.FakeCell()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(cell, clock) -> Iterator[Callable[..., PageServer]]:
    """Start page servers that are stopped at the end."""
    servers: list[PageServer] = []

    def start(role: Role = Role.ENGINEER, **options) -> PageServer:
        server = PageServer(options.pop("cell", cell), port=0, token=OneTimeToken(role), clock=clock, **options)
        server.start()
        servers.append(server)
        return server

    yield start
    cell.gate.set()
    for server in servers:
        server.stop()


@pytest.fixture
def server(serve) -> PageServer:
    return serve()


@pytest.fixture
def client(server) -> Iterator[httpx.Client]:
    """Somebody who is not logged in."""
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        yield client


@pytest.fixture
def engineer(server) -> Iterator[httpx.Client]:
    """Somebody who used the one-time link."""
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        assert client.get(server.login_url).status_code == 303
        yield client
