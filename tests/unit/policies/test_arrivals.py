"""Arrivals: seeded, of the same mean rate, differently bunched."""

from __future__ import annotations

import numpy as np
import pytest

from perception.errors import InputError
from policies.arrivals import KINDS, arrivals


@pytest.mark.parametrize("kind", KINDS)
def test_rate_is_kept_when_averaged_over_many_seeds(kind: str) -> None:
    counts = [len(arrivals(kind, 2.0, 300.0, 0.5, np.random.default_rng(seed))[0]) for seed in range(60)]
    # The standard error of 60 x 300 s of the most bunched kind is 1.0 %.
    assert np.mean(counts) / 600.0 == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_parts_in_order_and_on_the_belt(kind: str) -> None:
    one, two = (arrivals(kind, 2.0, 100.0, 0.5, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])
    assert (np.diff(one[0]) >= 0.0).all()
    assert one[0][0] >= 0.0 and one[0][-1] < 100.0
    assert np.abs(one[1]).max() <= 0.25


def test_bunched_kinds_vary_more_than_poisson() -> None:
    spread = {}
    for kind in KINDS:
        times_s = np.concatenate(
            [arrivals(kind, 2.0, 600.0, 0.5, np.random.default_rng(seed))[0] + 600.0 * seed for seed in range(10)]
        )
        counts = np.bincount((times_s / 2.0).astype(int), minlength=3000)
        spread[kind] = counts.var() / counts.mean()
    assert spread["poisson"] == pytest.approx(1.0, abs=0.15)
    assert spread["bursty"] > 1.3
    assert spread["batch"] > 2.0


@pytest.mark.parametrize(("kind", "rate"), [("steady", 1.0), ("poisson", -1.0), ("poisson", float("nan"))])
def test_impossible_arrivals_are_refused(kind: str, rate: float) -> None:
    with pytest.raises(InputError):
        arrivals(kind, rate, 10.0, 0.5, np.random.default_rng(0))
