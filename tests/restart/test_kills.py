"""A controller that is killed at any moment while its belt lives on: the ledger against the referee."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from belt import Belt, Ended, Kill, sweep
from lives import KINDS, Death, Lives
from truth import ACCOUNTS, NEAR_M, findings

DOMAIN = 63
# The 3 s are of a machine that does nothing else; here a dozen others may share two cores.
ABORTED_S = 3.0
LOADED_S = 30.0


def die(lives: Lives, deaths: list[Death]) -> None:
    """One death after the other while there are parts, then a life that sees the belt empty."""
    for death in deaths:
        lives.live(death)
        if lives.bench.empty:
            break
    while not lives.bench.empty or lives.rows("SELECT 1 FROM run WHERE closed_s IS NULL"):
        lives.live()


def agreed(lives: Lives, parts: int) -> None:
    """Nothing is lost, nothing counted twice, nothing said that is not so."""
    assert len(lives.truth()) == parts
    assert findings(lives.rows(ACCOUNTS), lives.truth(), NEAR_M) == []
    assert lives.rows("SELECT count(*) FROM run WHERE closed_s IS NULL") == [(0,)]


def test_part_in_the_hand_is_unknown_and_others_go_on_when_the_controller_dies(tmp_path: Path) -> None:
    lives = Lives(tmp_path, parts=4, seed=3)
    try:
        die(lives, [Death("carry", 1, 1.5)])
        assert len(lives.died) == 1
        agreed(lives, 4)
        held = lives.rows("SELECT run_id, part_id, result, by_run_id FROM reconciliation WHERE place = 'hand'")
        picked = lives.rows("SELECT run_id, part_id FROM picked WHERE run_id = 1")
        # The phase has begun with the mark; its line may or may not have been written at that instant.
        assert [row[:2] for row in held] == picked[-len(held) :]
        unknown = lives.rows("SELECT run_id, part_id FROM fate WHERE fate = 'unknown'")
        reconciled = lives.rows("SELECT run_id, part_id FROM reconciliation WHERE result = 'unknown'")
        assert sorted(unknown) == sorted(reconciled)
    finally:
        lives.close()


def test_part_is_found_again_and_sorted_when_the_belt_has_hardly_moved(tmp_path: Path) -> None:
    lives = Lives(tmp_path, parts=3, seed=3)
    try:
        die(lives, [Death("after line", 1, 0.2)])
        found = lives.rows("SELECT run_id, part_id, by_run_id, seen_as FROM reconciliation WHERE result = 'found'")
        assert len(found) == 1 and found[0][:3] == (1, 1, 2)
        ((fate,),) = lives.rows("SELECT fate FROM fate WHERE run_id = 1 AND part_id = 1")
        assert fate in ("sorted", "passed", "rejected")
        # Its number of the second run has no line of its own.
        assert lives.rows(f"SELECT 1 FROM part WHERE run_id = 2 AND part_id = {found[0][3]}") == []
        agreed(lives, 3)
    finally:
        lives.close()


@pytest.mark.parametrize("seed", [1])
def test_ledger_and_referee_agree_when_the_controller_dies_at_a_few_instants(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    lives = Lives(tmp_path, parts=6, seed=seed + 1, defective=0.8)
    try:
        die(lives, [Death(kind, 1, rng.choice((0.3, 1.2, 4.0))) for kind in ("place", "before line", "after fingers")])
        assert len(lives.died) == 3
        agreed(lives, 6)
    finally:
        lives.close()


@pytest.fixture
def belt(tmp_path: Path) -> Iterator[Belt]:
    belt = Belt(tmp_path, parts=8, seed=3, domain=DOMAIN)
    yield belt
    belt.close()


def test_ledger_and_referee_agree_when_the_process_is_killed_three_times(belt: Belt) -> None:
    # By the clock, because a busy machine may not get to pick; the phases have their own test in simulated time.
    found = sweep(belt, [Kill("approach", 1, 0.3), Kill(after_s=8.0), Kill(after_s=7.0)])
    assert found == []
    assert sum(life.status == -9 for life in belt.lives) >= 2
    after = [life for before, life in zip(belt.lives, belt.lives[1:], strict=False) if before.status == -9]
    _stood_in_aborted(after, LOADED_S)
    assert len(belt.truth()) == 8


def _stood_in_aborted(lives: list[Ended], within_s: float) -> list[float]:
    """Every life after a death began in Aborted, and said what it had found."""
    # One that was killed again before it stood anywhere says nothing.
    stood = [life for life in lives if any("first state:" in line for line in life.lines)]
    times = [life.aborted_after_s for life in stood if life.aborted_after_s is not None]
    assert times and len(times) == len(stood)
    assert max(times) < within_s
    for life in stood:
        assert sum("reconciled: " in line and "stands in Aborted" in line for line in life.lines) == 1
    return times


@pytest.mark.sweep
def test_ledger_and_referee_agree_when_the_controller_dies_at_every_kind_of_instant_over_200_parts(
    tmp_path: Path,
) -> None:
    rng = random.Random(200)
    lives = Lives(tmp_path, parts=200, seed=200, defective=0.6)
    try:
        die(lives, [Death.draw(rng) for _ in range(400)])
        kinds = Counter(words.split(",")[0].rstrip(" 0123456789") for words in lives.died)
        fates = dict(lives.rows("SELECT fate, count(*) FROM fate GROUP BY fate"))
        print(f"\n{len(lives.died)} deaths: {dict(kinds)}; fates: {fates}; aborted: {lives.aborted}")
        agreed(lives, 200)
        assert len(lives.died) > 30
        # A pick is given up too seldom to count on it.
        assert set(KINDS) - {"retreat"} <= set(kinds)
    finally:
        lives.close()


@pytest.mark.sweep
def test_ledger_and_referee_agree_when_the_process_is_killed_again_and_again(tmp_path: Path) -> None:
    rng = random.Random(40)
    belt = Belt(tmp_path, parts=60, seed=40, domain=DOMAIN)
    try:
        found = sweep(belt, [Kill.draw(rng) for _ in range(40)])
        killed = [life for life in belt.lives if life.status == -9]
        after = [life for before, life in zip(belt.lives, belt.lives[1:], strict=False) if before.status == -9]
        times = _stood_in_aborted(after, LOADED_S)
        print(
            f"\n{len(killed)} kills over {len(belt.truth())} parts; Aborted after {statistics.median(times):.2f} s, "
            f"at most {max(times):.2f} s, {sum(time <= ABORTED_S for time in times)} of {len(times)} within "
            f"{ABORTED_S:.0f} s; {len(found)} findings"
        )
        assert found == []
        assert len(killed) >= 10
    finally:
        belt.close()
