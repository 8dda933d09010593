"""The belt as scalar loops that numba compiles; ``reference`` does the same in NumPy, to the last bit.

Only additions, products, quotients and comparisons: those round alike everywhere, a library's logarithm does not.
Compiled code is kept beside the source, or in numba's own cache folder where the source cannot be written to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic

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
    Out,
    Rows,
    Wholes,
    World,
)

F = TypeVar("F", bound=Callable[..., Any])

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
ONE = np.uint64(1)
S11, S27, S30, S31, S52 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(52)
FRACTION, HALF = np.uint64(0x000FFFFFFFFFFFFF), np.uint64(0x3FE0000000000000)
UNIT = 2.0**-53
LN2 = 0.6931471805599453

ARRAYS = 25
SHAPES = 25
"""Where in a bound context the shapes begin, four words for each array."""

FIFO, LIFO, SPT = 0, 1, 2
RULES = {"fifo": FIFO, "lifo": LIFO, "spt": SPT}


def compiled(function: F) -> F:
    """The function as machine code; its loops run beside other threads.

    ``_nrt=False``: nothing is allocated, so nothing has to be counted; counting took two thirds of the time.
    """
    return _compiled(function, _nrt=False)


def binding(function: F) -> F:
    """The same for what makes arrays of addresses: those are counted."""
    return _compiled(function)


def inlined(function: F) -> F:
    """A part of compiled functions: handing over a world takes a hundred words on the stack."""
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: F, **options: bool) -> F:
    options |= {"nogil": True}
    try:
        result: F = numba.njit(cache=True, error_model="numpy", **options)(function)
    except RuntimeError:  # no folder to keep the code in
        result = numba.njit(error_model="numpy", **options)(function)
    return result


@inlined
def mix(word: Any) -> Any:
    """Splitmix64's finaliser."""
    word = (word ^ (word >> S30)) * MIX_1
    word = (word ^ (word >> S27)) * MIX_2
    return word ^ (word >> S31)


@inlined
def draw(rows: Rows, i: int) -> Any:
    """64 random bits: a function of seed, episode and how many were drawn before."""
    rows.keys[i, DRAWS] += ONE
    return mix(rows.keys[i, KEY] + rows.keys[i, DRAWS] * GOLDEN)


@inlined
def unit(word: Any) -> float:
    """From 0 to below 1."""
    return np.float64(word >> S11) * UNIT


@intrinsic  # type: ignore[untyped-decorator]
def _bits(typing: Any, value: Any) -> Any:
    """A float's 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.uint64))

    return types.uint64(types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _float(typing: Any, word: Any) -> Any:
    """The float of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.uint64), generate


@inlined
def exponential(word: Any) -> float:
    """With mean 1: minus the logarithm by mantissa and exponent, to 1e-6."""
    bits = _bits(np.float64((word >> S11) | ONE))
    mantissa = _float((bits & FRACTION) | HALF)
    z = (1.0 - mantissa) / (1.0 + mantissa)
    q = z * z
    series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0))))
    return float(2.0 * (z * series) + np.float64(np.int64(1075) - np.int64(bits >> S52)) * LN2)


@inlined
def feed(world: World, rows: Rows, i: int) -> None:
    """Draw when the next part comes."""
    c = world.constants
    now = rows.real[i, FEED_S]
    kind = world.sizes[at.ARRIVALS]
    if kind == at.POISSON:
        now = now + exponential(draw(rows, i)) * c[at.MEAN_GAP_S]
    elif kind == at.BURSTY:
        need = exponential(draw(rows, i))
        while True:
            pace = c[at.RATE] * (c[at.BURST_FACTOR] if rows.whole[i, PHASE] == 1 else c[at.CALM_FACTOR])
            room = (rows.real[i, PHASE_S] - now) * pace
            if need <= room:
                now = now + need / pace
                break
            need = need - room
            now = rows.real[i, PHASE_S]
            rows.whole[i, PHASE] = 1 - rows.whole[i, PHASE]
            mean = c[at.BURST_MEAN_S] if rows.whole[i, PHASE] == 1 else c[at.CALM_MEAN_S]
            rows.real[i, PHASE_S] = now + exponential(draw(rows, i)) * mean
    else:
        if rows.whole[i, PHASE] == 0:
            rows.real[i, PHASE_S] += exponential(draw(rows, i)) * (c[at.BATCH_MEAN] / c[at.RATE])
            size = 1
            while size < at.LONGEST_BATCH and unit(draw(rows, i)) * c[at.BATCH_MEAN] >= 1.0:
                size += 1
            rows.whole[i, PHASE] = size
            now = max(now, rows.real[i, PHASE_S])
        share = 1.0
        for _ in range(rows.whole[i, PHASE]):
            share = min(share, unit(draw(rows, i)))
        end = rows.real[i, PHASE_S] + c[at.BATCH_SPREAD_S]
        if end > now:
            now = now + (end - now) * share
        rows.whole[i, PHASE] -= 1
    rows.real[i, FEED_S] = now
    rows.real[i, NEXT_M] = now * c[at.NOMINAL_MPS]


@inlined
def admit(world: World, rows: Rows, i: int) -> float:
    """Put the parts on the belt that have come; pays for those that find no place."""
    c = world.constants
    travel = rows.real[i, TRAVEL_M]
    coming = rows.real[i, NEXT_M]
    if coming > travel:
        return 0.0
    paid = 0.0
    # What changes with every part stays in registers; only what ``feed`` needs goes through memory.
    simple = world.sizes[at.ARRIVALS] == at.POISSON
    judged = world.sizes[at.JUDGED] == 1
    key, draws = rows.keys[i, KEY], rows.keys[i, DRAWS]
    number, count, head = rows.whole[i, at.NEXT_NUMBER], rows.whole[i, COUNT], rows.whole[i, HEAD]
    now = rows.real[i, FEED_S]
    while coming <= travel:
        draws += ONE
        across = unit(mix(key + draws * GOLDEN)) * np.float64(ACROSS_CELLS - 1)
        defective = 0
        score = 0.0
        if judged:
            draws += ONE
            if unit(mix(key + draws * GOLDEN)) < c[at.DEFECTIVE_SHARE]:
                defective = 1
            draws += ONE
            place = np.int64(unit(mix(key + draws * GOLDEN)) * np.float64(world.scores.shape[1]))
            score = world.scores[defective, place]
        if count < CAPACITY:
            if head + count == SPAN:
                rows.whole[i, COUNT] = count
                rows.whole[i, HEAD] = head
                to_front(rows, i)
                head = 0
            k = head + count
            rows.real[i, BORN + k] = coming
            rows.real[i, ACROSS + k] = across
            rows.whole[i, TAG + k] = 2 * number + defective
            if judged:
                rows.real[i, SCORE + k] = score
            count += 1
        else:
            paid = paid + left(world, rows, i, 2 * number + defective)
        number += 1
        if simple:
            draws += ONE
            now = now + exponential(mix(key + draws * GOLDEN)) * c[at.MEAN_GAP_S]
            coming = now * c[at.NOMINAL_MPS]
        else:
            rows.keys[i, DRAWS] = draws
            feed(world, rows, i)
            draws = rows.keys[i, DRAWS]
            now = rows.real[i, FEED_S]
            coming = rows.real[i, NEXT_M]
    rows.keys[i, DRAWS] = draws
    rows.whole[i, at.NEXT_NUMBER] = number
    rows.whole[i, COUNT] = count
    rows.whole[i, HEAD] = head
    rows.real[i, FEED_S] = now
    rows.real[i, NEXT_M] = coming
    return paid


@inlined
def left(world: World, rows: Rows, i: int, tag: int) -> float:
    """Note that a part stayed on the belt; what it pays."""
    number, defective = tag >> 1, tag & 1
    rows.whole[i, at.LEFT] += 1
    rows.whole[i, at.LEFT_DEFECTIVE] += defective
    if number < rows.fates.shape[1]:
        rows.fates[i, number] = at.FATE_LEFT
    return float(world.pay[defective, 0])


@inlined
def to_front(rows: Rows, i: int) -> None:
    """Move the parts to the beginning of their blocks."""
    head = rows.whole[i, HEAD]
    for k in range(rows.whole[i, COUNT]):
        rows.real[i, BORN + k] = rows.real[i, BORN + head + k]
        rows.real[i, ACROSS + k] = rows.real[i, ACROSS + head + k]
        rows.real[i, SCORE + k] = rows.real[i, SCORE + head + k]
        rows.whole[i, TAG + k] = rows.whole[i, TAG + head + k]
    rows.whole[i, HEAD] = 0


@inlined
def remove(world: World, rows: Rows, i: int, part: int) -> None:
    """Take a part out: those before it move up."""
    head = rows.whole[i, HEAD]
    for k in range(head + part, head, -1):
        rows.real[i, BORN + k] = rows.real[i, BORN + k - 1]
        rows.real[i, ACROSS + k] = rows.real[i, ACROSS + k - 1]
        rows.whole[i, TAG + k] = rows.whole[i, TAG + k - 1]
    if world.sizes[at.JUDGED] == 1:
        for k in range(head + part, head, -1):
            rows.real[i, SCORE + k] = rows.real[i, SCORE + k - 1]
    rows.whole[i, HEAD] = head + 1
    rows.whole[i, COUNT] -= 1


@inlined
def line(table: Any, speed: int, place: int, across: float) -> float:
    """A table over the belt's width."""
    cell: Any = min(np.int64(across), ACROSS_CELLS - 2)
    share = across - np.float64(cell)
    near = table[speed, place, cell]
    return float(near + (table[speed, place, cell + 1] - near) * share)


@inlined
def plane(table: Any, along: float, across: float) -> float:
    """A table over the window (0 to 1 along it) and the belt's width."""
    along = along * np.float64(ALONG_CELLS - 1)
    row: Any = min(np.int64(along), ALONG_CELLS - 2)
    up = along - np.float64(row)
    cell: Any = min(np.int64(across), ACROSS_CELLS - 2)
    share = across - np.float64(cell)
    near = table[row, cell] + (table[row, cell + 1] - table[row, cell]) * share
    far = table[row + 1, cell] + (table[row + 1, cell + 1] - table[row + 1, cell]) * share
    return float(near + (far - near) * up)


@inlined
def pick_times(world: World, speed: int, place: int, to: int, x: float, across: float) -> tuple[float, float]:
    """(seconds to the meeting, seconds until the part is in the bin), arm leaving ``place`` now; or (-1, -1)."""
    c = world.constants
    last = line(world.last, speed, place, across)
    if x > last:
        return -1.0, -1.0
    first = line(world.first, speed, place, across)
    velocity = world.speeds[speed]
    if x <= first:
        met = (c[at.FIRST_M] - x) / velocity
        travel = plane(world.meet[speed, place], 0.0, across)
    else:
        travel = plane(world.meet[speed, place], min((x - first) / (last - first), 1.0), across)
        met = travel
    if to != place:
        along = (x + velocity * met - c[at.FIRST_M]) / (c[at.LAST_M] - c[at.FIRST_M])
        travel = plane(world.back[to], min(max(along, 0.0), 1.0), across)
    return met, met + c[at.DWELL_S] + travel


@compiled
def begin(world: World, rows: Rows, i: int) -> None:
    """The next episode: an empty belt, and the first part just in sight."""
    rows.whole[i, at.EPISODE] += 1
    rows.keys[i, KEY] = mix(mix(rows.keys[i, at.SEED] + GOLDEN) + np.uint64(rows.whole[i, at.EPISODE]) * MIX_1)
    rows.keys[i, DRAWS] = np.uint64(0)
    for k in range(1, TAG):
        rows.whole[i, k] = 0
    for k in range(BORN):
        rows.real[i, k] = 0.0
    for k in range(rows.fates.shape[1]):
        rows.fates[i, k] = 0
    rows.whole[i, SPEED] = world.sizes[at.FIRST_SPEED]
    if world.sizes[at.ARRIVALS] == at.BURSTY:
        c = world.constants
        if unit(draw(rows, i)) < c[at.BURST_SHARE]:
            rows.whole[i, PHASE] = 1
        mean = c[at.BURST_MEAN_S] if rows.whole[i, PHASE] == 1 else c[at.CALM_MEAN_S]
        rows.real[i, PHASE_S] = exponential(draw(rows, i)) * mean
    feed(world, rows, i)
    rows.real[i, TRAVEL_M] = rows.real[i, NEXT_M]
    admit(world, rows, i)


@inlined
def advance(world: World, rows: Rows, i: int, part: int, to: int, speed: int) -> tuple[float, float, bool]:
    """One decision: (reward, dt, illegal)."""
    c = world.constants
    reward = 0.0
    dt = 0.0
    slots = world.sizes[at.SLOTS]
    known = min(rows.whole[i, COUNT], slots)
    illegal = part != slots and not 0 <= part < known
    if to < 0 or to >= world.sizes[at.BINS] or speed < 0 or speed >= world.sizes[at.SPEEDS]:
        illegal = True
        speed = rows.whole[i, SPEED]
    old = rows.whole[i, SPEED]
    if speed != old:
        change = abs(world.speeds[speed] - world.speeds[old])
        dt = change / c[at.ACCEL_MPS2]
        rows.real[i, TRAVEL_M] += 0.5 * (world.speeds[speed] + world.speeds[old]) * dt
        rows.whole[i, SPEED] = speed
    velocity = world.speeds[speed]
    busy = -1.0
    k = rows.whole[i, HEAD] + part
    if part != slots and not illegal:
        x = (c[at.SEEN_M] + rows.real[i, TRAVEL_M]) - rows.real[i, BORN + k]
        _, busy = pick_times(world, speed, rows.whole[i, BIN], to, x, rows.real[i, ACROSS + k])
        illegal = busy < 0.0
    if busy >= 0.0:
        number = rows.whole[i, TAG + k] >> 1
        defective = rows.whole[i, TAG + k] & 1
        fate = at.FATE_BIN + to
        if c[at.SLIP] > 0.0 and unit(draw(rows, i)) < c[at.SLIP]:
            fate = at.FATE_DROPPED
            rows.whole[i, at.DROPPED] += 1
        else:
            rows.whole[i, at.PICKED] += 1
            if to == 0:
                rows.whole[i, at.FALSE_REJECTS] += 1 - defective
            else:
                rows.whole[i, at.RECHECKED] += 1
        if number < rows.fates.shape[1]:
            rows.fates[i, number] = fate
        reward = reward + world.pay[defective, fate - 1]
        rows.whole[i, BIN] = to
        remove(world, rows, i, part)
        rows.real[i, TRAVEL_M] += velocity * busy
    else:
        if illegal:
            rows.whole[i, at.ILLEGAL] += 1
        busy = c[at.WAIT_S]
        sight = rows.real[i, NEXT_M] - rows.real[i, TRAVEL_M]
        if sight < velocity * busy:
            busy = max(sight, 0.0) / velocity
            rows.real[i, TRAVEL_M] = max(rows.real[i, NEXT_M], rows.real[i, TRAVEL_M])
        else:
            rows.real[i, TRAVEL_M] += velocity * busy
    dt = dt + busy
    rows.real[i, TIME_S] += dt
    rows.whole[i, at.STEPS] += 1
    reward = reward + admit(world, rows, i)
    edge = c[at.SEEN_M] + rows.real[i, TRAVEL_M]
    while rows.whole[i, COUNT] > 0 and edge - rows.real[i, BORN + rows.whole[i, HEAD]] > c[at.LAST_M]:
        reward = reward + left(world, rows, i, rows.whole[i, TAG + rows.whole[i, HEAD]])
        rows.whole[i, HEAD] += 1
        rows.whole[i, COUNT] -= 1
    return reward, dt, illegal


@inlined
def observe(world: World, rows: Rows, i: int, observation: Any, mask: Any) -> None:
    """Write what is seen of belt i, and what can be done."""
    c = world.constants
    slots = world.sizes[at.SLOTS]
    columns = world.sizes[at.COLUMNS]
    judged = world.sizes[at.JUDGED]
    cycles = world.sizes[at.CYCLES]
    count = rows.whole[i, COUNT]
    speed = rows.whole[i, SPEED]
    place = rows.whole[i, BIN]
    observation[0, 0] = np.float32(np.float64(count) * (1.0 / CAPACITY))
    observation[0, 1] = np.float32(world.speeds[speed])
    observation[0, 2] = np.float32(np.float64(place) * 0.25)
    observation[0, 3] = np.float32(min(rows.real[i, TIME_S] / c[at.DURATION_S], 1.0))
    for k in range(4, columns):
        observation[0, k] = np.float32(0.0)
    for k in range(slots + 1, mask.shape[0]):
        mask[k] = world.mask[k]
    known = min(count, slots)
    scale = 1.0 / c[at.RUN_M]
    edge = c[at.SEEN_M] + rows.real[i, TRAVEL_M]
    head = rows.whole[i, HEAD]
    for k in range(known):
        x = edge - rows.real[i, BORN + head + k]
        across = rows.real[i, ACROSS + head + k]
        slack = line(world.last, speed, place, across) - x
        mask[k] = slack >= 0.0
        observation[k + 1, 0] = np.float32(1.0)
        observation[k + 1, 1] = np.float32(min(max((x - c[at.SEEN_M]) * scale, 0.0), 1.0))
        observation[k + 1, 2] = np.float32(across * (2.0 / (ACROSS_CELLS - 1)) - 1.0)
        observation[k + 1, 3] = np.float32(max(slack * scale, -1.0))
        if judged == 1:
            observation[k + 1, 4] = np.float32(rows.real[i, SCORE + head + k])
        if cycles == 1:
            _, cycle = pick_times(world, speed, place, 0, x, across)
            observation[k + 1, 4 + judged] = np.float32(min(max(cycle * CYCLE_SCALE, 0.0), 1.0))
    for k in range(known, slots):
        mask[k] = False
        for column in range(columns):
            observation[k + 1, column] = np.float32(0.0)
    mask[slots] = True


@compiled
def reset_range(world: World, rows: Rows, out: Out, chosen: Any, low: int, high: int) -> None:
    """Begin an episode on the chosen belts; look at all."""
    for i in range(low, high):
        if chosen[i]:
            begin(world, rows, i)
            out.dt[i] = 0.0
        observe(world, rows, i, out.observation[i], out.mask[i])


@compiled
def step_range(world: World, rows: Rows, out: Out, actions: Wholes, mode: int, low: int, high: int) -> None:
    """One decision on belts ``low`` to ``high``; ``actions`` is (n, 3): part, bin, speed."""
    duration = world.constants[at.DURATION_S]
    for i in range(low, high):
        if rows.whole[i, DONE] == 1:  # NEXT_STEP: the action is not looked at
            begin(world, rows, i)
            out.reward[i], out.dt[i] = 0.0, 0.0
            out.truncated[i], out.illegal[i] = False, False
        else:
            reward, dt, illegal = advance(world, rows, i, actions[i, 0], actions[i, 1], actions[i, 2])
            ended = rows.real[i, TIME_S] >= duration
            rows.whole[i, DONE] = ended
            out.reward[i], out.dt[i] = reward, dt
            out.truncated[i], out.illegal[i] = ended, illegal
            if ended and mode == at.SAME_STEP:
                observe(world, rows, i, out.final_observation[i], out.final_mask[i])
                out.final_dt[i], out.final_illegal[i] = dt, illegal
                begin(world, rows, i)
                out.dt[i], out.illegal[i] = 0.0, False
        observe(world, rows, i, out.observation[i], out.mask[i])


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@binding
def _vector(c: Any, k: int, kind: Any) -> Any:
    return carray(_pointer(c[k]), (c[SHAPES + 4 * k],), kind)


@binding
def _matrix(c: Any, k: int, kind: Any) -> Any:
    return carray(_pointer(c[k]), (c[SHAPES + 4 * k], c[SHAPES + 4 * k + 1]), kind)


@binding
def _cube(c: Any, k: int, kind: Any) -> Any:
    return carray(_pointer(c[k]), (c[SHAPES + 4 * k], c[SHAPES + 4 * k + 1], c[SHAPES + 4 * k + 2]), kind)


@binding
def step_at(address: int, mode: int, low: int, high: int) -> None:
    """``step_range`` on the arrays whose addresses and shapes ``bind`` wrote down: unpacking 25 arrays from Python
    would take 5 us, many times the step of one belt."""
    c = carray(_pointer(address), (SHAPES + 4 * ARRAYS,), np.int64)
    meet_shape = (c[SHAPES + 20], c[SHAPES + 21], c[SHAPES + 22], c[SHAPES + 23])
    world = World(
        _vector(c, 0, np.float64),
        _vector(c, 1, np.int64),
        _vector(c, 2, np.float64),
        _cube(c, 3, np.float64),
        _cube(c, 4, np.float64),
        carray(_pointer(c[5]), meet_shape, np.float64),
        _cube(c, 6, np.float64),
        _matrix(c, 7, np.float64),
        _matrix(c, 8, np.float64),
        _vector(c, 9, np.bool_),
    )
    rows = Rows(
        _matrix(c, 10, np.float64), _matrix(c, 11, np.int64), _matrix(c, 12, np.uint64), _matrix(c, 13, np.uint8)
    )
    out = Out(
        _cube(c, 14, np.float32),
        _matrix(c, 15, np.bool_),
        _vector(c, 16, np.float64),
        _vector(c, 17, np.float64),
        _vector(c, 18, np.bool_),
        _vector(c, 19, np.bool_),
        _cube(c, 20, np.float32),
        _matrix(c, 21, np.bool_),
        _vector(c, 22, np.float64),
        _vector(c, 23, np.bool_),
    )
    step_range(world, rows, out, _matrix(c, 24, np.int64), mode, low, high)


def bind(world: World, rows: Rows, out: Out, actions: Wholes) -> Wholes:
    """Addresses and shapes for ``step_at``; the arrays have to outlive it."""
    context = np.zeros(SHAPES + 4 * ARRAYS, dtype=np.int64)
    arrays = (*world, *rows, *out, actions)
    assert len(arrays) == ARRAYS
    for k, array in enumerate(arrays):
        assert array.flags.c_contiguous
        context[k] = array.ctypes.data
        context[SHAPES + 4 * k : SHAPES + 4 * k + array.ndim] = array.shape
    return context


def bind_results(context: Wholes, out: Out) -> None:
    """New arrays for the results."""
    for k, array in enumerate(out[:6], len(World._fields) + len(Rows._fields)):
        context[k] = array.ctypes.data


@inlined
def choose(world: World, rows: Rows, i: int, rule: int) -> Any:
    """The slot that a rule picks, or the wait."""
    slots = world.sizes[at.SLOTS]
    known = min(rows.whole[i, COUNT], slots)
    speed = rows.whole[i, SPEED]
    place = rows.whole[i, BIN]
    edge = world.constants[at.SEEN_M] + rows.real[i, TRAVEL_M]
    best = slots
    shortest = np.inf
    head = rows.whole[i, HEAD]
    for k in range(known):
        x = edge - rows.real[i, BORN + head + k]
        across = rows.real[i, ACROSS + head + k]
        if x > line(world.last, speed, place, across):
            continue
        if rule == FIFO:
            return k
        if rule == LIFO:
            best = k
        else:
            _, cycle = pick_times(world, speed, place, 0, x, across)
            if cycle < shortest:
                best, shortest = k, cycle
    return best


@compiled
def rule_range(world: World, rows: Rows, totals: Any, rule: int, steps: int, low: int, high: int) -> None:
    """So many decisions of a rule on each belt; ``totals`` (n, 2) gains reward and seconds."""
    duration = world.constants[at.DURATION_S]
    for i in range(low, high):
        for _ in range(steps):
            if rows.whole[i, DONE] == 1:
                begin(world, rows, i)
            reward, dt, _ = advance(world, rows, i, choose(world, rows, i, rule), 0, rows.whole[i, SPEED])
            rows.whole[i, DONE] = rows.real[i, TIME_S] >= duration
            totals[i, 0] += reward
            totals[i, 1] += dt


@compiled
def sample_range(mask: Any, actions: Wholes, state: Any, slots: int, low: int, high: int) -> None:
    """A random legal part for each belt, drawn from ``state`` (n,), one word a belt."""
    for i in range(low, high):
        state[i] += GOLDEN
        legal = 0
        for k in range(slots + 1):
            legal += mask[i, k]
        nth = np.int64(unit(mix(state[i])) * np.float64(legal))
        for k in range(slots + 1):
            if mask[i, k]:
                if nth == 0:
                    actions[i, 0] = k
                    break
                nth -= 1
