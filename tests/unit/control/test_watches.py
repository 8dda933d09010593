"""Jam, slip, noisy and slow lines, a clock that was set: found where they are, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cell.belt_watch import HARD_S, SLIP_WINDOW_S, STANDS_S, JamWatch, SlipWatch
from cell.clock_watch import SHOWN_S, ClockWatch
from cell.line_watch import CLEAN_S, LATE_S, LineWatch
from perception.types import PartView

DRIVE_MPS, USUAL_A = 0.2, 0.8


def _produce(watch: JamWatch, for_s: float = 2.0, start_s: float = 0.0) -> float:
    """A belt that runs; the end."""
    now_s = start_s
    while now_s < start_s + for_s:
        now_s += 0.02
        assert not watch.step(DRIVE_MPS, USUAL_A, DRIVE_MPS, now_s)
    return now_s


def _until_jam(watch: JamWatch, now_s: float, current_a: float, belt_mps: float = 0.0) -> float | None:
    for step in range(1, 200):
        if watch.step(DRIVE_MPS, current_a, belt_mps, now_s + 0.02 * step):
            return 0.02 * step
    return None


def test_jam_is_found_soon_when_the_current_is_up_and_the_belt_stands() -> None:
    watch = JamWatch()
    found_s = _until_jam(watch, _produce(watch), 2.0 * USUAL_A)
    assert found_s is not None
    assert HARD_S <= found_s <= HARD_S + 0.05
    assert watch.words is not None
    watch.reset()
    assert watch.words is None


@pytest.mark.parametrize("current_a", [0.0, USUAL_A])
def test_belt_that_stands_is_found_when_the_drive_tells_nothing_of_it(current_a: float) -> None:
    watch = JamWatch()
    found_s = _until_jam(watch, _produce(watch), current_a)
    assert found_s is not None
    assert STANDS_S <= found_s <= STANDS_S + 0.05


def test_no_jam_is_found_when_a_heavy_load_still_moves_or_the_drive_ramps_up() -> None:
    watch = JamWatch()
    assert _until_jam(watch, _produce(watch), 2.0 * USUAL_A, belt_mps=0.5 * DRIVE_MPS) is None
    # A start: the encoder's mean lags a ramp of half a second.
    starting = JamWatch()
    for step in range(100):
        at_s = 0.02 * step
        drive_mps = min(DRIVE_MPS, DRIVE_MPS * at_s / 0.5)
        assert not starting.step(drive_mps, 1.6, max(0.0, drive_mps - 0.03), at_s)


def _views(travel_m: float, rng: np.random.Generator, gap_m: float = 0.4) -> list[PartView]:
    """What a picture of 0.24 m shows of parts in a row: the place of each is uncertain by half a millimetre."""
    views = []
    for index in range(40):
        x_m = travel_m - index * gap_m
        if 0.03 < x_m < 0.21:
            y_px = 2000.0 * (x_m + rng.normal(0.0, 0.0005))
            sides = (100.0 + 10.0 * (index % 3), 60.0)
            views.append(PartView(320.0 + 20.0 * (index % 5), y_px, *sides, 0.3, True, 0.1, ()))
    return views


@pytest.mark.parametrize("gap_m", [0.4, 0.09])
def test_no_slip_is_found_when_pictures_and_encoder_agree(gap_m: float) -> None:
    rng, watch = np.random.default_rng(1), SlipWatch(2000.0)
    for frame in range(700):
        travel_m = 0.02 * frame
        assert not watch.step(_views(travel_m, rng, gap_m), travel_m, 0.1 * frame), watch.words


@pytest.mark.parametrize(("share", "limit_s"), [(0.3, 0.5), (0.1, SLIP_WINDOW_S), (-0.3, 0.5)])
def test_slip_is_found_when_the_encoder_counts_another_way(share: float, limit_s: float) -> None:
    rng, watch, frames = np.random.default_rng(2), SlipWatch(2000.0), 0
    while not watch.step(_views(0.05 + 0.02 * frames, rng, 0.15), (1.0 - share) * 0.02 * frames, 0.1 * frames):
        frames += 1
        assert 0.1 * frames <= limit_s
    assert watch.words is not None
    watch.reset()
    assert watch.words is None


def test_standing_belt_has_not_slipped() -> None:
    rng, watch = np.random.default_rng(3), SlipWatch(2000.0)
    for frame in range(100):
        assert not watch.step(_views(0.15, rng), 0.15, 0.1 * frame)


class _Lines:
    """A line with counts that a test sets."""

    def __init__(self) -> None:
        self.counts = SimpleNamespace(requests=0, corrupt=0, stale=0, noise_bytes=0)
        self.buses = {"/dev/serial/by-id/usb-drive": SimpleNamespace(statistics=self.counts)}
        self.watch = LineWatch(self)
        self.now_s = 0.0

    def go(self, for_s: float, *, rate: float = 50.0, corrupt: float = 0.0, stale: float = 0.0) -> dict[str, str]:
        """For so long at these rates a second; what was said at the end."""
        found: dict[str, str] = {}
        start = (self.counts.requests, self.counts.corrupt, self.counts.stale)
        for step in range(1, round(for_s / 0.05) + 1):
            self.now_s += 0.05
            self.counts.requests = start[0] + int(rate * 0.05 * step)
            self.counts.corrupt = start[1] + int(corrupt * 0.05 * step)
            self.counts.stale = start[2] + int(stale * 0.05 * step)
            found = self.watch.look(self.now_s)
        return found


def test_noisy_line_is_told_with_its_name_and_clears_by_itself() -> None:
    lines = _Lines()
    assert lines.go(5.0) == {}
    assert set(lines.go(1.5, corrupt=10.0)) == {"line_noise:usb-drive"}
    assert set(lines.go(CLEAN_S - 0.5)) == {"line_noise:usb-drive"}
    assert lines.go(1.5) == {}


def test_single_disturbances_are_no_noise() -> None:
    lines = _Lines()
    assert lines.go(20.0, corrupt=1.0) == {}
    # Many in number and few in share.
    assert lines.go(20.0, rate=500.0, corrupt=10.0) == {}


def test_line_is_slow_when_late_replies_come_again_and_again() -> None:
    lines = _Lines()
    assert lines.go(10.0, stale=0.5) == {}
    assert set(lines.go(2.0, stale=4.0)) == {"line_slow:usb-drive"}
    assert lines.go(LATE_S + 2.5) == {}


def test_clock_that_is_set_is_told_for_a_while() -> None:
    now = {"wall": 1e9, "steady": 100.0}
    watch = ClockWatch(lambda: now["wall"], lambda: now["steady"])

    def pass_time(for_s: float, jump_s: float = 0.0) -> str | None:
        now["wall"] += for_s + jump_s
        now["steady"] += for_s
        return watch.look(now["steady"])

    assert pass_time(1.0) is None
    assert pass_time(3600.0, 0.001) is None
    assert "s forward" in (pass_time(1.0, 3600.0) or "")
    assert pass_time(SHOWN_S - 1.0) is not None
    assert pass_time(2.0) is None
    assert "s back" in (pass_time(1.0, -60.0) or "")
    assert watch.jumps == 2
