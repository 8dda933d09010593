"""What a belt with an arm over it is made of, checked, and the tables by which both backends step it.

The arms are those of ``policies.arms``. Where and when an arm meets a part is a smooth function of where the part is
when the arm leaves, so it is solved once, in tables: every arm costs the same, and both backends read the same numbers.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from perception.errors import InputError
from policies import arrivals as feeds
from policies.arms import Arm, load_arms, make_arm
from policies.arms import Belt as PickBelt
from policies.travel import STRAIGHT
from sim.belt import layout as at
from sim.belt.layout import ACROSS_CELLS, ALONG_CELLS, Floats, World

QUANTILES: Final = 256
MOST_BINS: Final = 5
_SOLVE_STEPS: Final = 60


@dataclass(frozen=True, slots=True)
class BeltSetup:
    """A belt, its feed, its arm, its bins, and what each part's fate pays.

    Attributes:
        arm: a name in ``policies/arms.yaml``, or an ``Arm``.
        belt: window, camera and width, and the speed at which the belt starts.
        load: arrival rate x mean cycle of the arm at the speed at which the belt starts.
        arrivals: ``poisson``, ``bursty`` or ``batch``, as in ``policies.arrivals``, over belt travel: a belt that runs
            faster is fed more.
        duration_s: of an episode.
        slots: the most downstream parts that are offered.
        wait_s: the longest wait of a step without a pick; the next part that comes into sight ends it sooner.
        slip_share: probability that a picked part is lost on its way.
        speeds_mps: speeds to choose from; empty for a fixed belt.
        accel_mps2: of the belt between two speeds; the arm waits meanwhile.
        bins_m: (x, y) of further bins; bin 0 is the arm's drop point.
        pay: reward by fate, for a good and for a defective part: left on the belt, dropped, bin 0, bin 1, ...
        defective_share: of the parts, where they are judged.
        scores: the detector's scores of good and of defective parts; None where nothing is judged.
        cycle_column: observe every offered part's cycle to bin 0 as well.
    """

    arm: str | Arm = "delta"
    belt: PickBelt = dataclasses.field(default_factory=PickBelt)
    load: float = 1.3
    arrivals: str = "poisson"
    duration_s: float = 600.0
    slots: int = 16
    wait_s: float = 0.2
    slip_share: float = 0.0
    speeds_mps: tuple[float, ...] = ()
    accel_mps2: float = 0.5
    bins_m: tuple[tuple[float, float], ...] = ()
    pay: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
    defective_share: float = 0.0
    scores: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    cycle_column: bool = False

    def __post_init__(self) -> None:
        for name in ("load", "duration_s", "wait_s", "accel_mps2"):
            value = getattr(self, name)
            if not (_is_number(value) and math.isfinite(value) and value > 0.0):
                raise InputError(f"must be a finite number above 0, not {value!r}", key=name)
        for name in ("slip_share", "defective_share"):
            value = getattr(self, name)
            if not (_is_number(value) and 0.0 <= value <= 1.0):
                raise InputError(f"must be a fraction from 0 to 1, not {value!r}", key=name)
        if isinstance(self.slots, bool) or not isinstance(self.slots, int) or not 1 <= self.slots <= at.CAPACITY:
            raise InputError(f"must be a whole number from 1 to {at.CAPACITY}, not {self.slots!r}", key="slots")
        if self.arrivals not in feeds.KINDS:
            raise InputError(f"must be one of {', '.join(feeds.KINDS)}, not {self.arrivals!r}", key="arrivals")
        for speed in self.speeds_mps:
            if not (_is_number(speed) and math.isfinite(speed) and 0.0 < speed <= 1.0):
                raise InputError(f"must be speeds above 0 and up to 1 m/s, not {speed!r}", key="speeds_mps")
        if not self.belt.speed_mps <= 1.0:
            raise InputError(f"must be at most 1 m/s, not {self.belt.speed_mps!r}", key="belt.speed_mps")
        if self.speeds_mps and self.belt.speed_mps not in self.speeds_mps:
            raise InputError(f"must hold the belt's own speed, {self.belt.speed_mps:g} m/s", key="speeds_mps")
        if len(self.bins_m) > MOST_BINS - 1:
            raise InputError(f"must be at most {MOST_BINS - 1} further bins", key="bins_m")
        if any(len(row) != 3 + len(self.bins_m) for row in self.pay) or len(self.pay) != 2:
            raise InputError(f"must be 2 rows of {3 + len(self.bins_m)} rewards: left, dropped, each bin", key="pay")
        if not np.isfinite(np.array(self.pay)).all():
            raise InputError("must be finite", key="pay")
        if self.scores is not None:
            for scores in self.scores:
                values = np.asarray(scores, dtype=np.float64)
                if values.ndim != 1 or not len(values) or not ((values >= 0.0) & (values <= 1.0)).all():
                    raise InputError("must be two lists of numbers from 0 to 1, good and defective", key="scores")

    @property
    def chosen_arm(self) -> Arm:
        """The arm itself.

        Raises:
            InputError: there is none of that name.
        """
        if isinstance(self.arm, Arm):
            return self.arm
        arms = load_arms()
        if self.arm not in arms:
            raise InputError(f"there is no arm {self.arm!r}; known are {', '.join(sorted(arms))}", key="arm")
        return arms[self.arm]

    @property
    def rate_per_s(self) -> float:
        """Parts a second while the belt runs at the speed at which it starts."""
        return self.load / self.chosen_arm.mean_cycle_s(self.belt)


def build_world(setup: BeltSetup) -> World:
    """The tables of a belt.

    Raises:
        InputError: the arm cannot work on this belt.
    """
    arm, belt = setup.chosen_arm, setup.belt
    arms = [arm, *(moved(arm, place) for place in setup.bins_m)]
    speeds = np.array(setup.speeds_mps or (belt.speed_mps,), dtype=np.float64)
    for one in arms:
        for speed in speeds:
            one.check_belt(dataclasses.replace(belt, speed_mps=float(speed)))
    constants = np.zeros(at.CONSTANTS)
    constants[at.SEEN_M], constants[at.FIRST_M], constants[at.LAST_M] = belt.seen_m, belt.first_m, belt.last_m
    constants[at.RUN_M] = belt.last_m - belt.seen_m
    constants[at.DWELL_S], constants[at.WAIT_S], constants[at.DURATION_S] = arm.dwell_s, setup.wait_s, setup.duration_s
    constants[at.RATE], constants[at.NOMINAL_MPS] = setup.rate_per_s, belt.speed_mps
    constants[at.MEAN_GAP_S] = 1.0 / setup.rate_per_s
    constants[at.SLIP], constants[at.ACCEL_MPS2] = setup.slip_share, setup.accel_mps2
    constants[at.DEFECTIVE_SHARE] = setup.defective_share
    share, factor = feeds.BURST_SHARE, feeds.BURST_FACTOR
    constants[at.BURST_FACTOR], constants[at.CALM_FACTOR] = factor, (1.0 - share * factor) / (1.0 - share)
    constants[at.BURST_MEAN_S], constants[at.BURST_SHARE] = feeds.BURST_MEAN_S, share
    constants[at.CALM_MEAN_S] = feeds.BURST_MEAN_S * (1.0 - share) / share
    constants[at.BATCH_MEAN], constants[at.BATCH_SPREAD_S] = feeds.BATCH_MEAN, feeds.BATCH_SPREAD_S
    judged = setup.scores is not None
    sizes = np.zeros(at.SIZES, dtype=np.int64)
    sizes[at.SLOTS], sizes[at.BINS], sizes[at.SPEEDS] = setup.slots, len(arms), len(speeds)
    sizes[at.FIRST_SPEED] = int(np.flatnonzero(speeds == belt.speed_mps)[0])
    sizes[at.ARRIVALS] = feeds.KINDS.index(setup.arrivals)
    sizes[at.JUDGED], sizes[at.CYCLES] = judged, setup.cycle_column
    sizes[at.COLUMNS] = 4 + judged + setup.cycle_column
    first, last, meet = (
        np.empty((len(speeds), len(arms), ACROSS_CELLS)),
        np.empty((len(speeds), len(arms), ACROSS_CELLS)),
        np.empty((len(speeds), len(arms), ALONG_CELLS, ACROSS_CELLS)),
    )
    for row, speed in enumerate(speeds):
        for column, one in enumerate(arms):
            first[row, column], last[row, column], meet[row, column] = _meetings(one, belt, float(speed))
    x_m = np.linspace(belt.first_m, belt.last_m, ALONG_CELLS)[:, None]
    back = np.stack([one.travel_s(x_m, _across(belt)[None, :]) for one in arms])
    return World(
        constants, sizes, speeds, first, last, meet, back, np.array(setup.pay), _quantiles(setup), _mask(setup)
    )


def moved(arm: Arm, drop_m: tuple[float, float]) -> Arm:
    """The arm with another drop point.

    Raises:
        InputError: it cannot reach there.
    """
    row = arm.parameters
    if row[0] == STRAIGHT:
        return Arm(arm.name, (*row[:9], float(drop_m[0]), float(drop_m[1]), *row[11:]))
    fields: dict[str, Any] = {
        "kind": "scara",
        "links_m": list(row[5:7]),
        "joint_speeds_radps": [row[1], row[3]],
        "base_m": list(row[7:9]),
        "dwell_s": row[11],
        "drop_m": list(drop_m),
        "elbow": row[13],
    }
    if math.isfinite(row[2]):
        fields["joint_accels_radps2"] = [row[2], row[4]]
    return make_arm(arm.name, fields)


def _across(belt: PickBelt) -> Floats:
    return np.linspace(-0.5 * belt.width_m, 0.5 * belt.width_m, ACROSS_CELLS)


def _meetings(arm: Arm, belt: PickBelt, speed_mps: float) -> tuple[Floats, Floats, Floats]:
    """``first``, ``last`` and ``meet`` of one speed and one bin.

    A part at x when the arm leaves is met at m with x + v travel(m) = m, and m - v travel(m) grows with m
    (``Arm.check_belt``): bisection finds it.
    """
    y_m = _across(belt)
    first: Floats = belt.first_m - speed_mps * arm.travel_s(np.full_like(y_m, belt.first_m), y_m)
    last: Floats = belt.last_m - speed_mps * arm.travel_s(np.full_like(y_m, belt.last_m), y_m)
    x_m = first + (last - first) * np.linspace(0.0, 1.0, ALONG_CELLS)[:, None]
    y_all = np.broadcast_to(y_m, x_m.shape)
    low, high = np.full_like(x_m, belt.first_m), np.full_like(x_m, belt.last_m)
    for _ in range(_SOLVE_STEPS):
        middle = 0.5 * (low + high)
        early = middle - speed_mps * arm.travel_s(middle, y_all) < x_m
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    meet: Floats = arm.travel_s(high, y_all)
    return first, last, meet


def _quantiles(setup: BeltSetup) -> Floats:
    if setup.scores is None:
        return np.zeros((2, 1))
    middle = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return np.stack([np.quantile(np.asarray(scores, dtype=np.float64), middle) for scores in setup.scores])


def _mask(setup: BeltSetup) -> at.Flags:
    """The mask with every bin and every speed allowed, padded with False to the longest component."""
    parts = setup.slots + 1
    others = [count for count in (1 + len(setup.bins_m), len(setup.speeds_mps)) if count > 1]
    width = max([parts, *others])
    mask = np.zeros((1 + len(others), width), dtype=np.bool_)
    for row, count in enumerate(others, 1):
        mask[row, :count] = True
    return mask.reshape(-1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool)
