"""Every fuzz target with a few inputs (``make fuzz`` gives each a million)."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.fuzz.run import changed  # noqa: E402
from tests.fuzz.targets import TARGETS  # noqa: E402

CHANGED = 150


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_raised_when_inputs_are_changed_at_random(name: str) -> None:
    target, draw = TARGETS[name], random.Random(name)
    for seed in target.seeds:
        target.run(seed)
    for _ in range(CHANGED):
        target.run(changed(draw, target.seeds, text=target.text))


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.text])
def test_nothing_is_raised_when_bytes_are_anything(name: str) -> None:
    run = TARGETS[name].run

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.binary(max_size=200))
    @example(b"")
    def anything(data: bytes) -> None:
        run(data)

    anything()


def test_seeds_reach_a_reply_when_they_are_played() -> None:
    # Otherwise the targets could hold because nothing gets past the first check.
    from cell.drivers.frames import exchange, find_reply
    from tests.fuzz.targets import REQUESTS, WIRE_SEEDS

    assert any(find_reply(seed, exchange(REQUESTS[0])) for seed in WIRE_SEEDS)
