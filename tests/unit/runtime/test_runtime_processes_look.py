"""When the pump looks for the next message before it sleeps (ADR 0010)."""

from __future__ import annotations

import os

import pytest

from cell.runtime.pump import Pump


class _Watched(Pump):
    """Counts its looks."""

    def __init__(self) -> None:
        self.looks = 0
        super().__init__()

    def _look(self, watched, began_ns, timeout_s):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super()._look(watched, began_ns, timeout_s)


@pytest.fixture
def pump_and_end():
    pump = _Watched()
    read_fd, write_fd = os.pipe()
    seen: list[bytes] = []
    pump.attach(read_fd, lambda: seen.append(os.read(read_fd, 1)))
    yield pump, write_fd, seen
    pump.detach(read_fd)
    os.close(read_fd)
    os.close(write_fd)


def test_it_looks_when_many_answers_in_a_row_came_at_once(pump_and_end):
    pump, write_fd, seen = pump_and_end
    for _ in range(60):
        os.write(write_fd, b"x")
        while not pump.wait(-1, 0.5):
            pass
    while len(seen) < 60:
        pump.wait(-1, 0.5)
    assert len(seen) == 60
    assert pump.looks > 0


def test_it_sleeps_at_once_when_waits_are_long(pump_and_end):
    pump, _, seen = pump_and_end
    for _ in range(40):
        pump.wait(-1, 0.0006)
    assert pump.looks == 0
    assert not seen


def test_a_look_in_vain_ends_with_the_time_that_is_left(pump_and_end):
    pump, write_fd, seen = pump_and_end
    pump._patience = 0
    pump.wait(-1, 0.0)
    pump.wait(-1, 0.00001)
    assert not seen
    os.write(write_fd, b"x")
    while not seen:
        pump.wait(-1, 0.5)
    assert seen == [b"x"]
