"""When parts arrive and where they lie across the belt, seeded.

A part arrives when it passes the camera (``Belt.seen_m``). The three kinds have the same mean rate and differ in how
bunched they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception.errors import InputError

Array = npt.NDArray[np.float64]

KINDS = ("poisson", "bursty", "batch")
#: Bursty: the rate is this many times the mean while a burst lasts, and low enough between bursts to keep the mean.
BURST_FACTOR = 2.0
BURST_MEAN_S = 5.0
BURST_SHARE = 0.3
#: Batch: so many parts at a time, at times as of Poisson, each within so many seconds of the batch.
BATCH_MEAN = 4.0
BATCH_SPREAD_S = 0.5


def arrivals(
    kind: str, rate_per_s: float, duration_s: float, width_m: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """(times in s, ascending from 0; y in m, uniform over the belt's width) of all parts within the duration.

    Raises:
        InputError: no such kind, or a rate or duration that is not above 0.
    """
    if kind not in KINDS:
        raise InputError(f"must be one of {', '.join(KINDS)}, not {kind!r}", key="arrivals")
    for name, value in (("rate", rate_per_s), ("duration", duration_s), ("width", width_m)):
        if not (np.isfinite(value) and value > 0.0):
            raise InputError(f"must be a finite number above 0, not {value}", key=name)
    if kind == "poisson":
        times_s = _poisson(rate_per_s, duration_s, rng)
    elif kind == "bursty":
        times_s = _bursty(rate_per_s, duration_s, rng)
    else:
        starts_s = _poisson(rate_per_s / BATCH_MEAN, duration_s + BATCH_SPREAD_S, rng) - BATCH_SPREAD_S
        sizes = rng.geometric(1.0 / BATCH_MEAN, size=len(starts_s))
        times_s = np.repeat(starts_s, sizes) + rng.uniform(0.0, BATCH_SPREAD_S, size=int(sizes.sum()))
        times_s = np.sort(times_s[(times_s >= 0.0) & (times_s < duration_s)])
    return times_s, rng.uniform(-0.5 * width_m, 0.5 * width_m, size=len(times_s))


def _poisson(rate_per_s: float, duration_s: float, rng: np.random.Generator) -> Array:
    count = rng.poisson(rate_per_s * duration_s)
    return np.sort(rng.uniform(0.0, duration_s, size=count))


def _bursty(rate_per_s: float, duration_s: float, rng: np.random.Generator) -> Array:
    """A Poisson process whose rate switches between two values, each kept for an exponential time."""
    calm_mean_s = BURST_MEAN_S * (1.0 - BURST_SHARE) / BURST_SHARE
    calm_factor = (1.0 - BURST_SHARE * BURST_FACTOR) / (1.0 - BURST_SHARE)
    pieces: list[Array] = []
    at_s = 0.0
    burst = bool(rng.random() < BURST_SHARE)
    while at_s < duration_s:
        length_s = rng.exponential(BURST_MEAN_S if burst else calm_mean_s)
        factor = BURST_FACTOR if burst else calm_factor
        piece = at_s + _poisson(rate_per_s * factor, length_s, rng)
        pieces.append(piece[piece < duration_s])
        at_s += length_s
        burst = not burst
    return np.concatenate(pieces)
