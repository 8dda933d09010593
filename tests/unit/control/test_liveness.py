"""Silence is judged by time in which the judge himself was running."""

from __future__ import annotations

import pytest

from cell.liveness import BEAT_S, LOOK_S, MOVER_LIMIT_S, Liveness

STEP_S = 0.01


def _run(alive: Liveness, start_s: float, for_s: float, beating: tuple[str, ...] = ()) -> tuple[float, list[str]]:
    """Look every 10 ms while these beat; the end, and who was silent at any time."""
    now_s, beat_s, found = start_s, start_s, []
    while now_s < start_s + for_s - 1e-9:
        now_s += STEP_S
        if now_s - beat_s >= BEAT_S:
            beat_s = now_s
            for name in beating:
                alive.heard(name, now_s)
        found += [silent.name for silent in alive.look(now_s)]
    return now_s, found


def test_node_that_hangs_is_noticed_within_a_tenth_of_a_second() -> None:
    alive = Liveness({"picker": MOVER_LIMIT_S, "gripper": MOVER_LIMIT_S})
    now_s, found = _run(alive, 0.0, 2.0, ("picker", "gripper"))
    assert found == []
    hung_s = now_s
    while not (silent := alive.look(now_s)):
        now_s += STEP_S
        alive.heard("gripper", now_s)
        assert now_s - hung_s < 1.0
    assert [one.name for one in silent] == ["picker"]
    assert now_s - hung_s <= 0.1 + STEP_S / 2


def test_nobody_is_blamed_when_the_whole_machine_stood_still() -> None:
    alive = Liveness({"picker": MOVER_LIMIT_S})
    now_s, _ = _run(alive, 0.0, 1.0, ("picker",))
    # Ten seconds in which nobody looked; the first look comes before the first sign of life.
    now_s += 10.0
    assert alive.look(now_s) == ()
    assert alive.own_silence_s == pytest.approx(10.0)
    _, found = _run(alive, now_s, 1.0, ("picker",))
    assert found == []


def test_silence_goes_on_counting_when_looks_are_rare() -> None:
    alive = Liveness({"picker": MOVER_LIMIT_S})
    alive.heard("picker", 0.0)
    looks = 0
    while not alive.look(0.2 * looks):
        looks += 1
        assert looks < 100
    assert looks == int(MOVER_LIMIT_S / LOOK_S) + 1


def test_whoever_was_never_heard_or_has_gone_in_order_is_not_silent() -> None:
    alive = Liveness({"picker": MOVER_LIMIT_S})
    assert _run(alive, 0.0, 1.0)[1] == []
    alive.heard("picker", 1.0)
    alive.forget("picker")
    assert _run(alive, 1.0, 1.0)[1] == []


def test_clock_that_goes_back_makes_nobody_silent() -> None:
    alive = Liveness({"picker": MOVER_LIMIT_S})
    alive.look(100.0)
    alive.heard("picker", 100.0)
    assert alive.look(40.0) == ()
