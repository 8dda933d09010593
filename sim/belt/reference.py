"""The belt in plain NumPy: what ``kernel`` has to do, to the last bit. It needs no compiler.

Every function takes the indices ``w`` of the belts that it concerns; every operation is the kernel's, in its order.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sim.belt import layout as at
from sim.belt.layout import (
    ACROSS,
    ACROSS_CELLS,
    ALONG_CELLS,
    BIN,
    BORN,
    CAPACITY,
    COUNT,
    CYCLE_SCALE,
    DONE,
    DRAWS,
    FEED_S,
    HEAD,
    KEY,
    NEXT_M,
    PHASE,
    PHASE_S,
    SCORE,
    SPAN,
    SPEED,
    TAG,
    TIME_S,
    TRAVEL_M,
    Flags,
    Floats,
    Out,
    Rows,
    Wholes,
    Words,
    World,
)

Which = Any
"""Indices of belts."""

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
MIX_2: Final = np.uint64(0x94D049BB133111EB)
UNIT: Final = 2.0**-53
LN2: Final = 0.6931471805599453
_BLOCKS: Final = ((BORN, "real"), (ACROSS, "real"), (SCORE, "real"), (TAG, "whole"))


def mix(word: Words) -> Words:
    """Splitmix64's finaliser."""
    word = (word ^ (word >> np.uint64(30))) * MIX_1
    word = (word ^ (word >> np.uint64(27))) * MIX_2
    return word ^ (word >> np.uint64(31))


def draw(rows: Rows, w: Which) -> Words:
    """64 random bits for each: a function of seed, episode and how many were drawn before."""
    rows.keys[w, DRAWS] += np.uint64(1)
    return mix(rows.keys[w, KEY] + rows.keys[w, DRAWS] * GOLDEN)


def unit(word: Words) -> Floats:
    """From 0 to below 1."""
    share: Floats = (word >> np.uint64(11)).astype(np.float64) * UNIT
    return share


def exponential(word: Words) -> Floats:
    """With mean 1: minus the logarithm by mantissa and exponent, to 1e-6."""
    mantissa, exponent = np.frexp(((word >> np.uint64(11)) | np.uint64(1)).astype(np.float64))
    z = (1.0 - mantissa) / (1.0 + mantissa)
    q = z * z
    series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))))
    gap: Floats = 2.0 * (z * series) + (53 - exponent).astype(np.float64) * LN2
    return gap


def feed(world: World, rows: Rows, w: Which) -> None:
    """Draw when the next part comes."""
    c = world.constants
    kind = world.sizes[at.ARRIVALS]
    if kind == at.POISSON:
        rows.real[w, FEED_S] = rows.real[w, FEED_S] + exponential(draw(rows, w)) * c[at.MEAN_GAP_S]
    elif kind == at.BURSTY:
        _feed_bursty(c, rows, w)
    else:
        _feed_batch(c, rows, w)
    rows.real[w, NEXT_M] = rows.real[w, FEED_S] * c[at.NOMINAL_MPS]


def _feed_bursty(c: Floats, rows: Rows, w: Which) -> None:
    need = exponential(draw(rows, w))
    now = rows.real[w, FEED_S]
    while len(w):
        pace = c[at.RATE] * np.where(rows.whole[w, PHASE] == 1, c[at.BURST_FACTOR], c[at.CALM_FACTOR])
        room = (rows.real[w, PHASE_S] - now) * pace
        done = need <= room
        rows.real[w[done], FEED_S] = now[done] + need[done] / pace[done]
        w, need, room = w[~done], need[~done], room[~done]
        need = need - room
        now = rows.real[w, PHASE_S]
        rows.whole[w, PHASE] = 1 - rows.whole[w, PHASE]
        mean = np.where(rows.whole[w, PHASE] == 1, c[at.BURST_MEAN_S], c[at.CALM_MEAN_S])
        rows.real[w, PHASE_S] = now + exponential(draw(rows, w)) * mean


def _feed_batch(c: Floats, rows: Rows, w: Which) -> None:
    new = w[rows.whole[w, PHASE] == 0]
    rows.real[new, PHASE_S] += exponential(draw(rows, new)) * (c[at.BATCH_MEAN] / c[at.RATE])
    rows.whole[new, PHASE] = 1
    rows.real[new, FEED_S] = np.maximum(rows.real[new, FEED_S], rows.real[new, PHASE_S])
    growing = new
    for _ in range(at.LONGEST_BATCH - 1):
        growing = growing[unit(draw(rows, growing)) * c[at.BATCH_MEAN] >= 1.0]
        rows.whole[growing, PHASE] += 1
    share = np.ones(len(w))
    left = rows.whole[w, PHASE].copy()
    while (left > 0).any():
        drawing = left > 0
        share[drawing] = np.minimum(share[drawing], unit(draw(rows, w[drawing])))
        left -= drawing
    now, end = rows.real[w, FEED_S], rows.real[w, PHASE_S] + c[at.BATCH_SPREAD_S]
    rows.real[w, FEED_S] = np.where(end > now, now + (end - now) * share, now)
    rows.whole[w, PHASE] -= 1


def admit(world: World, rows: Rows, w: Which) -> Floats:
    """Put the parts on the belt that have come; pays for those that find no place."""
    paid = np.zeros(len(w))
    while True:
        coming = rows.real[w, NEXT_M] <= rows.real[w, TRAVEL_M]
        if not coming.any():
            return paid
        v = w[coming]
        across = unit(draw(rows, v)) * np.float64(ACROSS_CELLS - 1)
        defective = np.zeros(len(v), dtype=np.int64)
        score = np.zeros(len(v))
        if world.sizes[at.JUDGED] == 1:
            defective[unit(draw(rows, v)) < world.constants[at.DEFECTIVE_SHARE]] = 1
            score = world.scores[defective, (unit(draw(rows, v)) * np.float64(world.scores.shape[1])).astype(np.int64)]
        number = rows.whole[v, at.NEXT_NUMBER]
        rows.whole[v, at.NEXT_NUMBER] = number + 1
        tag = 2 * number + defective
        fits = rows.whole[v, COUNT] < CAPACITY
        u = v[fits]
        to_front(rows, u[rows.whole[u, HEAD] + rows.whole[u, COUNT] == SPAN])
        k = rows.whole[u, HEAD] + rows.whole[u, COUNT]
        rows.real[u, BORN + k] = rows.real[u, NEXT_M]
        rows.real[u, ACROSS + k] = across[fits]
        rows.real[u, SCORE + k] = score[fits]
        rows.whole[u, TAG + k] = tag[fits]
        rows.whole[u, COUNT] += 1
        over = np.flatnonzero(coming)[~fits]
        paid[over] = paid[over] + left(world, rows, v[~fits], tag[~fits])
        feed(world, rows, v)


def left(world: World, rows: Rows, w: Which, tag: Wholes) -> Floats:
    """Note that a part stayed on each of these belts; what it pays."""
    defective = tag & 1
    rows.whole[w, at.LEFT] += 1
    rows.whole[w, at.LEFT_DEFECTIVE] += defective
    _note(rows, w, tag >> 1, np.full(len(w), at.FATE_LEFT))
    paid: Floats = world.pay[defective, 0]
    return paid


def _note(rows: Rows, w: Which, number: Wholes, fate: Wholes) -> None:
    kept = number < rows.fates.shape[1]
    rows.fates[w[kept], number[kept]] = fate[kept]


def to_front(rows: Rows, w: Which) -> None:
    """Move the parts to the beginning of their blocks."""
    source = np.minimum(rows.whole[w, HEAD, None] + np.arange(SPAN), SPAN - 1)
    for block, name in _BLOCKS:
        table = getattr(rows, name)
        table[w, block : block + SPAN] = np.take_along_axis(table[w, block : block + SPAN], source, axis=1)
    rows.whole[w, HEAD] = 0


def remove(rows: Rows, w: Which, part: Wholes) -> None:
    """Take a part out of each row: those before it move up."""
    column = np.arange(SPAN)
    head = rows.whole[w, HEAD, None]
    source = column - ((column > head) & (column <= head + part[:, None]))
    for block, name in _BLOCKS:
        table = getattr(rows, name)
        table[w, block : block + SPAN] = np.take_along_axis(table[w, block : block + SPAN], source, axis=1)
    rows.whole[w, HEAD] += 1
    rows.whole[w, COUNT] -= 1


def line(table: Floats, speed: Wholes, place: Wholes, across: Floats) -> Floats:
    """A table over the belt's width."""
    cell = np.minimum(across.astype(np.int64), ACROSS_CELLS - 2)
    share = across - cell.astype(np.float64)
    near = table[speed, place, cell]
    value: Floats = near + (table[speed, place, cell + 1] - near) * share
    return value


def plane(table: Floats, where: tuple[Wholes, ...], along: Floats, across: Floats) -> Floats:
    """A table over the window (0 to 1 along it) and the belt's width; ``where`` are its leading indices."""
    along = along * np.float64(ALONG_CELLS - 1)
    row = np.minimum(along.astype(np.int64), ALONG_CELLS - 2)
    up = along - row.astype(np.float64)
    cell = np.minimum(across.astype(np.int64), ACROSS_CELLS - 2)
    share = across - cell.astype(np.float64)
    near = table[(*where, row, cell)]
    near = near + (table[(*where, row, cell + 1)] - near) * share
    far = table[(*where, row + 1, cell)]
    far = far + (table[(*where, row + 1, cell + 1)] - far) * share
    value: Floats = near + (far - near) * up
    return value


def pick_times(
    world: World, speed: Wholes, place: Wholes, to: Wholes, x: Floats, across: Floats
) -> tuple[Floats, Floats]:
    """(seconds to the meeting, seconds until the part is in the bin) for arms that leave ``place`` now; or (-1, -1)."""
    c = world.constants
    last, first = line(world.last, speed, place, across), line(world.first, speed, place, across)
    velocity = world.speeds[speed]
    early = x <= first
    share = np.where(early, 0.0, np.minimum((x - first) / (last - first), 1.0))
    share = np.maximum(share, 0.0)
    travel = plane(world.meet, (speed, place), share, across)
    met = np.where(early, (c[at.FIRST_M] - x) / velocity, travel)
    along = (x + velocity * met - c[at.FIRST_M]) / (c[at.LAST_M] - c[at.FIRST_M])
    elsewhere = plane(world.back, (to,), np.minimum(np.maximum(along, 0.0), 1.0), across)
    travel = np.where(to != place, elsewhere, travel)
    busy = met + c[at.DWELL_S] + travel
    late = x > last
    return np.where(late, -1.0, met), np.where(late, -1.0, busy)


def begin(world: World, rows: Rows, w: Which) -> None:
    """The next episode: an empty belt, and the first part just in sight."""
    rows.whole[w, at.EPISODE] += 1
    episode = rows.whole[w, at.EPISODE].astype(np.uint64)
    rows.keys[w, KEY] = mix(mix(rows.keys[w, at.SEED] + GOLDEN) + episode * MIX_1)
    rows.keys[w, DRAWS] = 0
    rows.whole[w, 1:TAG] = 0
    rows.real[w, :BORN] = 0.0
    rows.fates[w] = 0
    rows.whole[w, SPEED] = world.sizes[at.FIRST_SPEED]
    if world.sizes[at.ARRIVALS] == at.BURSTY:
        c = world.constants
        rows.whole[w, PHASE] = unit(draw(rows, w)) < c[at.BURST_SHARE]
        mean = np.where(rows.whole[w, PHASE] == 1, c[at.BURST_MEAN_S], c[at.CALM_MEAN_S])
        rows.real[w, PHASE_S] = exponential(draw(rows, w)) * mean
    feed(world, rows, w)
    rows.real[w, TRAVEL_M] = rows.real[w, NEXT_M]
    admit(world, rows, w)


def advance(
    world: World, rows: Rows, w: Which, part: Wholes, to: Wholes, speed: Wholes
) -> tuple[Floats, Floats, Flags]:
    """One decision on each: (reward, dt, illegal)."""
    c = world.constants
    slots = world.sizes[at.SLOTS]
    known = np.minimum(rows.whole[w, COUNT], slots)
    illegal = (part != slots) & ~((part >= 0) & (part < known))
    unknown = (to < 0) | (to >= world.sizes[at.BINS]) | (speed < 0) | (speed >= world.sizes[at.SPEEDS])
    illegal = illegal | unknown
    old = rows.whole[w, SPEED]
    speed = np.where(unknown, old, speed)
    change = np.abs(world.speeds[speed] - world.speeds[old])
    dt = np.where(speed != old, change / c[at.ACCEL_MPS2], 0.0)
    ramp = 0.5 * (world.speeds[speed] + world.speeds[old]) * dt
    rows.real[w, TRAVEL_M] = np.where(speed != old, rows.real[w, TRAVEL_M] + ramp, rows.real[w, TRAVEL_M])
    rows.whole[w, SPEED] = speed
    velocity = world.speeds[speed]
    busy = np.full(len(w), -1.0)
    trying = (part != slots) & ~illegal
    v = w[trying]
    k = rows.whole[v, HEAD] + part[trying]
    x = (c[at.SEEN_M] + rows.real[v, TRAVEL_M]) - rows.real[v, BORN + k]
    across = rows.real[v, ACROSS + k]
    busy[trying] = pick_times(world, speed[trying], rows.whole[v, BIN], to[trying], x, across)[1]
    illegal = illegal | (trying & (busy < 0.0))
    picking = busy >= 0.0
    reward = np.zeros(len(w))
    v = w[picking]
    reward[picking] = _pick(world, rows, v, part[picking], to[picking])
    rows.real[v, TRAVEL_M] += velocity[picking] * busy[picking]
    v, pace = w[~picking], velocity[~picking]
    rows.whole[w, at.ILLEGAL] += illegal
    sight = rows.real[v, NEXT_M] - rows.real[v, TRAVEL_M]
    soon = sight < pace * c[at.WAIT_S]
    busy[~picking] = np.where(soon, np.maximum(sight, 0.0) / pace, c[at.WAIT_S])
    travel = rows.real[v, TRAVEL_M]
    rows.real[v, TRAVEL_M] = np.where(soon, np.maximum(rows.real[v, NEXT_M], travel), travel + pace * c[at.WAIT_S])
    dt = dt + busy
    rows.real[w, TIME_S] += dt
    rows.whole[w, at.STEPS] += 1
    reward = reward + admit(world, rows, w)
    edge = c[at.SEEN_M] + rows.real[w, TRAVEL_M]
    while True:
        going = (rows.whole[w, COUNT] > 0) & (edge - rows.real[w, BORN + rows.whole[w, HEAD] % SPAN] > c[at.LAST_M])
        if not going.any():
            return reward, dt, illegal
        v = w[going]
        reward[going] = reward[going] + left(world, rows, v, rows.whole[v, TAG + rows.whole[v, HEAD]])
        rows.whole[v, HEAD] += 1
        rows.whole[v, COUNT] -= 1


def _pick(world: World, rows: Rows, w: Which, part: Wholes, to: Wholes) -> Floats:
    """Take the parts off their belts; what that pays."""
    slip = world.constants[at.SLIP]
    tag = rows.whole[w, TAG + rows.whole[w, HEAD] + part]
    defective = tag & 1
    lost = unit(draw(rows, w)) < slip if slip > 0.0 else np.zeros(len(w), dtype=np.bool_)
    fate = np.where(lost, at.FATE_DROPPED, at.FATE_BIN + to)
    rows.whole[w, at.DROPPED] += lost
    rows.whole[w, at.PICKED] += ~lost
    rows.whole[w, at.FALSE_REJECTS] += np.where(lost | (to != 0), 0, 1 - defective)
    rows.whole[w, at.RECHECKED] += ~lost & (to != 0)
    _note(rows, w, tag >> 1, fate)
    rows.whole[w, BIN] = to
    remove(rows, w, part)
    paid: Floats = 0.0 + world.pay[defective, fate - 1]
    return paid


def observe(world: World, rows: Rows, w: Which, observation: Any, mask: Any) -> None:
    """Write what is seen of each belt, and what can be done."""
    c = world.constants
    slots, judged = world.sizes[at.SLOTS], world.sizes[at.JUDGED]
    count = rows.whole[w, COUNT]
    seen = np.zeros((len(w), slots + 1, world.sizes[at.COLUMNS]), dtype=np.float32)
    seen[:, 0, 0] = count.astype(np.float64) * (1.0 / CAPACITY)
    seen[:, 0, 1] = world.speeds[rows.whole[w, SPEED]]
    seen[:, 0, 2] = rows.whole[w, BIN].astype(np.float64) * 0.25
    seen[:, 0, 3] = np.minimum(rows.real[w, TIME_S] / c[at.DURATION_S], 1.0)
    inside = np.arange(slots) < np.minimum(count, slots)[:, None]
    belt, k = np.nonzero(inside)
    row = w[belt]
    column = rows.whole[row, HEAD] + k
    speed, place = rows.whole[row, SPEED], rows.whole[row, BIN]
    scale = 1.0 / c[at.RUN_M]
    x = (c[at.SEEN_M] + rows.real[row, TRAVEL_M]) - rows.real[row, BORN + column]
    across = rows.real[row, ACROSS + column]
    slack = line(world.last, speed, place, across) - x
    seen[belt, k + 1, 0] = 1.0
    seen[belt, k + 1, 1] = np.minimum(np.maximum((x - c[at.SEEN_M]) * scale, 0.0), 1.0)
    seen[belt, k + 1, 2] = across * (2.0 / (ACROSS_CELLS - 1)) - 1.0
    seen[belt, k + 1, 3] = np.maximum(slack * scale, -1.0)
    if judged == 1:
        seen[belt, k + 1, 4] = rows.real[row, SCORE + column]
    if world.sizes[at.CYCLES] == 1:
        cycle = pick_times(world, speed, place, np.zeros_like(place), x, across)[1]
        seen[belt, k + 1, 4 + judged] = np.minimum(np.maximum(cycle * CYCLE_SCALE, 0.0), 1.0)
    allowed = np.zeros((len(w), slots + 1), dtype=np.bool_)
    allowed[belt, k] = slack >= 0.0
    allowed[:, slots] = True
    observation[w] = seen
    mask[w, : slots + 1] = allowed
    mask[w, slots + 1 :] = world.mask[slots + 1 :]


def reset_range(world: World, rows: Rows, out: Out, chosen: Flags, low: int, high: int) -> None:
    """Begin an episode on the chosen belts; look at all."""
    every = np.arange(low, high)
    new = every[chosen[low:high]]
    begin(world, rows, new)
    out.dt[new] = 0.0
    observe(world, rows, every, out.observation, out.mask)


def step_range(world: World, rows: Rows, out: Out, actions: Wholes, mode: int, low: int, high: int) -> None:
    """One decision on belts ``low`` to ``high``; ``actions`` is (n, 3): part, bin, speed."""
    every = np.arange(low, high)
    over = rows.whole[every, DONE] == 1
    begin(world, rows, every[over])
    w = every[~over]
    part, to, speed = (actions[w, column] for column in range(3))
    for field in (out.reward, out.dt, out.truncated, out.illegal):
        field[every] = 0
    out.reward[w], out.dt[w], out.illegal[w] = advance(world, rows, w, part, to, speed)
    ended = rows.real[w, TIME_S] >= world.constants[at.DURATION_S]
    rows.whole[w, DONE] = ended
    out.truncated[w] = ended
    if mode == at.SAME_STEP:
        new = w[ended]
        observe(world, rows, new, out.final_observation, out.final_mask)
        out.final_dt[new], out.final_illegal[new] = out.dt[new], out.illegal[new]
        begin(world, rows, new)
        out.dt[new], out.illegal[new] = 0.0, False
    observe(world, rows, every, out.observation, out.mask)
