"""The clairvoyant upper bound on picks: no policy, whatever it knows, can make more in the same trace.

Time-indexed relaxation: x[j, k] = 1 when part j is started in grid cell k; starts and ends are floored to the grid,
which only helps since ``f_j`` is monotone while the belt is slower than the arm. "Each part at most once" is dualised;
what is left is a longest path over the grid, and every multiplier gives a valid bound. Multipliers by a subgradient
method; Held and Karp 1971, Math. Programming 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from perception.errors import InputError
from policies.arms import Arm, Belt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

GRID_S = 0.01
ITERATIONS = 600
_CHUNK = 200_000
"""Pairs of part and cell whose meeting is solved at a time."""
# Of the subgradient method; found on traces at loads 0.6 to 2.0: within 0.1 % of the LP of 60 s after 600 steps.
_FIRST_MULTIPLIER = 0.8
_TARGET = 0.97
_MOMENTUM = 0.9
_FIRST_BOLDNESS = 4.0
_CAUTION = 0.92
_PATIENCE = 5


@dataclass(frozen=True, slots=True)
class PickGrid:
    """All picks that can be made, by the cell in which they start.

    Attributes:
        offsets: picks ``offsets[k]`` to ``offsets[k + 1]`` start in cell k; length cells + 1.
        part, end: of each pick its part's index and the cell in which it ends.
        parts, cells: how many there are of each.
    """

    offsets: Indices
    part: Indices
    end: Indices
    parts: int
    cells: int


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound on the picks, and the multipliers that prove it."""

    picks: float
    multipliers: Array
    iterations: int


def pick_grid(
    arm: Arm, belt: Belt, seen_s: Array, y_m: Array, *, from_s: float, to_s: float, grid_s: float = GRID_S
) -> PickGrid:
    """Every pick that starts at ``from_s`` or later and ends by ``to_s``.

    Args:
        seen_s, y_m: when each part passes the camera, and where across the belt.

    Raises:
        InputError: the arm is slower than the belt somewhere, or the times are out of order.
    """
    arm.check_belt(belt)
    if not (from_s < to_s and grid_s > 0.0):
        raise InputError(f"needs from < to and a grid above 0, not {from_s}, {to_s}, {grid_s}", key="bound")
    cells = math.floor((to_s - from_s) / grid_s)
    enter_s = seen_s + belt.lead_s - from_s
    leave_s = enter_s + belt.window_s
    wait_s = arm.travel_s(np.full(len(y_m), belt.first_m), y_m)
    first = np.maximum(np.floor((enter_s - wait_s) / grid_s), 0).astype(np.int64)
    last = np.minimum(np.ceil(leave_s / grid_s), cells).astype(np.int64)
    lengths = np.maximum(last - first, 0)
    part = np.repeat(np.arange(len(y_m)), lengths)
    start = np.arange(len(part)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[part]
    done_s = np.empty(len(part))
    for low in range(0, len(part), _CHUNK):
        span = slice(low, low + _CHUNK)
        x_m = belt.first_m + belt.speed_mps * (start[span] * grid_s - enter_s[part[span]])
        done_s[span] = start[span] * grid_s + arm.meetings(belt, x_m, y_m[part[span]])[1]
    # A hair early, so that rounding cannot make a pick end later than it does.
    with np.errstate(invalid="ignore"):
        in_time = done_s <= to_s - from_s
    part, start = part[in_time], start[in_time]
    end = np.maximum(np.floor((done_s[in_time] - 1e-9) / grid_s).astype(np.int64), start + 1)
    order = np.argsort(start, kind="stable")
    offsets = np.searchsorted(start[order], np.arange(cells + 1)).astype(np.int64)
    return PickGrid(offsets, part[order], end[order], len(y_m), cells)


def lagrangian_bound(grid: PickGrid, *, iterations: int = ITERATIONS) -> Bound:
    """The least bound that so many subgradient steps find (Polyak's step, towards ``_TARGET`` of the best so far)."""
    longest = _longest()
    multipliers = np.full(grid.parts, _FIRST_MULTIPLIER)
    best, best_multipliers = math.inf, multipliers
    direction = np.zeros(grid.parts)
    counts = np.zeros(grid.parts, dtype=np.int64)
    boldness, since = _FIRST_BOLDNESS, 0
    for _ in range(iterations):
        path = longest(grid.offsets, grid.part, grid.end, 1.0 - multipliers, counts)
        value = path + float(multipliers.sum())
        if value < best - 1e-3:
            best, best_multipliers, since = value, multipliers, 0
        else:
            since += 1
            if since > _PATIENCE:
                boldness, since = _CAUTION * boldness, 0
        slope = counts - 1.0
        slope[((multipliers <= 0.0) & (slope < 0.0)) | ((multipliers >= 1.0) & (slope > 0.0))] = 0.0
        direction = _MOMENTUM * direction + (1.0 - _MOMENTUM) * slope
        size = boldness * (value - _TARGET * best) / max(float(slope @ slope), 1.0)
        multipliers = np.clip(multipliers + size * direction, 0.0, 1.0)
    return Bound(best, best_multipliers, iterations)


Longest = Callable[[Indices, Indices, Indices, Array, Indices], float]


@cache
def _longest() -> Longest:
    """The longest path, compiled where numba (the extra ``sim``) is installed."""
    try:
        import numba  # noqa: PLC0415
    except ImportError:
        return longest_in_blocks
    compiled: Longest = numba.njit(cache=True)(longest_in_loops)
    return compiled


def longest_in_loops(offsets: Indices, part: Indices, end: Indices, gain: Array, counts: Indices) -> float:
    """The longest path over the grid; ``counts`` gets how often each part is on it."""
    cells = len(offsets) - 1
    value = np.zeros(cells + 1)
    chosen = np.full(cells, -1, dtype=np.int64)
    for cell in range(cells - 1, -1, -1):
        best = value[cell + 1]
        for pick in range(offsets[cell], offsets[cell + 1]):
            worth = gain[part[pick]] + value[end[pick]]
            if worth > best:
                best = worth
                chosen[cell] = pick
        value[cell] = best
    counts[:] = 0
    cell = 0
    while cell < cells:
        pick = chosen[cell]
        if pick < 0:
            cell += 1
        else:
            counts[part[pick]] += 1
            cell = end[pick]
    return float(value[0])


def longest_in_blocks(offsets: Indices, part: Indices, end: Indices, gain: Array, counts: Indices) -> float:
    """The same in NumPy: no pick ends in the block of cells in which it starts, so a block is one step."""
    cells = len(offsets) - 1
    value = np.zeros(cells + 1)
    start = np.repeat(np.arange(cells), np.diff(offsets))
    block = int((end - start).min()) if len(part) else cells
    gains = gain[part]
    peaks = np.full(cells, -np.inf)
    for high in range(cells, 0, -block):
        low = max(high - block, 0)
        picks = slice(offsets[low], offsets[high])
        worth = gains[picks] + value[end[picks]]
        filled = np.flatnonzero(offsets[low + 1 : high + 1] > offsets[low:high])
        if len(filled):
            peaks[low + filled] = np.maximum.reduceat(worth, offsets[low + filled] - offsets[low])
        value[low:high] = np.maximum.accumulate(np.append(value[high], peaks[low:high][::-1]))[:0:-1]
    counts[:] = 0
    improving = np.flatnonzero(value[:-1] > value[1:])
    cell = 0
    while (at := int(np.searchsorted(improving, cell))) < len(improving):
        cell = int(improving[at])
        picks = slice(offsets[cell], offsets[cell + 1])
        pick = int(offsets[cell]) + int(np.argmax(gains[picks] + value[end[picks]]))
        counts[part[pick]] += 1
        cell = int(end[pick])
    return float(value[0])
